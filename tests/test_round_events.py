"""What TensorBoard is shown of a round, read back from its event files."""

import pytest
from event_records import pictures, read_events, scalar_points
from PIL import Image
from run_directory import ABSENT, diagnosis, evaluation, selection, write_run
from scene_files import write_cityscapes

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.reports.round_events import write_round_events
from mlsl_mx.system.whole_files import read_json, write_json

CLASSES = class_set(19)


@pytest.fixture
def validation(tmp_path):
    """Images without labels: there are none to open."""
    scenes = write_cityscapes(tmp_path / "cityscapes", count=3, size=(40, 64), labels=False)
    return open_dataset("cityscapes", scenes.root, scenes.images, CLASSES, None, labels=False)


@pytest.fixture
def run(tmp_path, validation):
    run = write_run(tmp_path / "run", {"source-only": [35.0], "sisc": [40.0, 42.0]}, names=validation.names)
    for index in (0, 1):
        Image.new("RGB", (1280, 100), (200, 0, 0)).save(run / f"sisc/round-{index}/pseudo_labels/contact_sheet.png")
    return run


def show(run, validation, index=1, folder="sisc/round-{}") -> None:
    method = folder.split("/")[0]
    write_round_events(run / "tensorboard" / method, run / folder.format(index), index, validation, 2)


def test_scalars_are_those_of_the_results(run, validation):
    for index in (0, 1):
        show(run, validation, index)
    found = scalar_points(read_events(run / "tensorboard/sisc"))
    for index, miou in ((0, 40.0), (1, 42.0)):
        scored, selected, known = evaluation(CLASSES, miou), selection(CLASSES, index), diagnosis(CLASSES, index)
        at = {tag: dict(points).get(index) for tag, points in found.items()}
        assert at["mIoU/19_classes"] == pytest.approx(miou)
        assert at["IoU/traffic_light"] == pytest.approx(scored["per_class"]["traffic light"], rel=1e-6)
        assert at["pseudo_labels/coverage"] == pytest.approx(100 * selected["coverage"])
        assert at["threshold/road"] == pytest.approx(100 * selected["thresholds"]["road"])
        assert at["coverage/road"] == pytest.approx(100 * selected["coverage_per_class"]["road"])
        assert at["pseudo_labels/patch_disagreement"] == pytest.approx(100 * known["patch_disagreement"])
        assert at["pseudo_labels/precision"] == pytest.approx(100 * known["ground_truth"]["precision"])
    assert [step for step, _ in found["pseudo_labels/agreement"]] == [1]  # round 0 has none before it
    assert f"IoU/{ABSENT}" not in found and len(found["mIoU/13_classes"]) == 2


def test_pictures_are_the_sheet_and_images_beside_their_segmentations(run, validation):
    show(run, validation)
    found = pictures(read_events(run / "tensorboard/sisc"))
    names = [f"segmentation/{validation.names[i]}" for i in (0, 1)]
    assert sorted(found) == ["pseudo_labels", *names]
    assert found["pseudo_labels"].size == (1200, 94) and found["pseudo_labels"].getpixel((600, 50))[0] > 190
    assert found[names[0]].size == (128, 40)
    with Image.open(run / f"sisc/round-1/predictions/palette/{validation.names[0]}.png") as png:
        segmentation = png.resize((64, 40), Image.NEAREST).convert("RGB")
    shown = found[names[0]].convert("RGB").getpixel((64 + 4, 4))  # in the middle of a block of one class
    assert shown == pytest.approx(segmentation.getpixel((4, 4)), abs=24)


def test_each_result_is_shown_once_and_anew_when_it_is_another(run, validation):
    path = run / "sisc/round-1/evaluation.json"
    content = read_json(path)
    path.unlink()
    show(run, validation)
    before = [(p.name, p.read_bytes()) for p in (run / "tensorboard/sisc").iterdir()]
    assert "mIoU/19_classes" not in scalar_points(read_events(run / "tensorboard/sisc"))
    show(run, validation)
    assert [(p.name, p.read_bytes()) for p in (run / "tensorboard/sisc").iterdir()] == before
    write_json(path, content)
    show(run, validation)
    events = read_events(run / "tensorboard/sisc")
    found = scalar_points(events)
    assert found["mIoU/19_classes"] == [(1, 42.0)] and len(found["pseudo_labels/coverage"]) == 1
    assert len(list((run / "tensorboard/sisc").iterdir())) == 3
    write_json(path, evaluation(CLASSES, 43.0))
    show(run, validation)
    found = scalar_points(read_events(run / "tensorboard/sisc"))
    assert found["mIoU/19_classes"] == [(1, 43.0)] and len(found["pseudo_labels/coverage"]) == 1
    assert len(list((run / "tensorboard/sisc").iterdir())) == 3


def steps(run) -> list:
    return sorted(step for step, _ in scalar_points(read_events(run / "tensorboard/sisc"))["mIoU/19_classes"])


def test_round_1_is_not_round_10(run, validation):
    (run / "sisc/round-1").rename(run / "sisc/round-10")
    show(run, validation, 10)
    show(run, validation, 0)
    assert [step for step, _ in scalar_points(read_events(run / "tensorboard/sisc"))["mIoU/19_classes"]] in (
        [0, 10],
        [10, 0],
    )
    write_json(run / "sisc/round-1/evaluation.json", evaluation(CLASSES, 41.0))
    show(run, validation, 1)
    assert steps(run) == [0, 1, 10]


def test_the_source_model_has_an_evaluation_alone(run, validation):
    show(run, validation, 0, folder="source")
    events = read_events(run / "tensorboard/source")
    assert scalar_points(events)["mIoU/19_classes"] == [(0, 35.0)]
    assert list(pictures(events)) == [f"segmentation/{validation.names[i]}" for i in (0, 1)]


def test_a_picture_that_cannot_be_read_is_left_out(run, validation):
    (run / f"sisc/round-1/predictions/palette/{validation.names[0]}.png").write_bytes(b"")
    validation.image_path(1).unlink()
    (run / "sisc/round-1/pseudo_labels/contact_sheet.png").write_bytes(b"no picture")
    show(run, validation)
    events = read_events(run / "tensorboard/sisc")
    assert pictures(events) == {} and scalar_points(events)["mIoU/19_classes"] == [(1, 42.0)]
