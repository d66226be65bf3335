"""The whole chain on own data with landscape and portrait images of different sizes, of 2 and of 300 classes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import yaml
from own_data import EXPERIMENT, SIZES, write_experiment, write_own
from PIL import Image
from scene_files import write_png

from mlsl_mx.cli import main

STAGES = (
    ("check-data",),
    ("begin",),
    ("train-source",),
    ("evaluate", "--source"),
    ("pseudo-label", "--round", "0"),
    ("self-train", "--round", "0"),
    ("evaluate", "--round", "0"),
    ("pseudo-label", "--round", "1"),
    ("diagnose", "--round", "1", "--with-ground-truth"),
    ("report",),
)
# The network of one epoch is sure of nothing: all pixels that a patch saw are labelled.
SELECTION = "selection: {portion: 1, portion_max: 1, spatial_prior: true}\n"
MANY = 300
IGNORE = {2: 255, MANY: 65535}


def write_many(root):
    """As `write_own`, with label files of 16 bits: id 1000 + c is class c, id 7 is none."""
    write_own(root)
    rng, texts = np.random.default_rng(1), (root / "toy.yaml").read_text()
    settings = yaml.safe_load(texts)
    for part, names in (("sim/labels", "f{}_seg"), ("cams/val_labels", "v{}")):
        for index, size in enumerate(SIZES):
            ids = 1000 + rng.permutation(size[0] * size[1]).reshape(size) % MANY
            ids[:, :4] = 7
            write_png(root / part / f"{names.format(index)}.png", ids.astype(np.uint16))
    settings["classes"] = [{"name": f"class {i}", "source": [1000 + i], "target": [1000 + i]} for i in range(MANY)]
    for side in ("source", "target"):
        settings[side].update(encoding="ids16", ignore=[7])
    (root / "toy.yaml").write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module", params=[2, MANY])
def chain(request, tmp_path_factory):
    """The number of classes, and the run's folder."""
    root = tmp_path_factory.mktemp("own")
    write_experiment(root, EXPERIMENT.replace("rounds: 1", "rounds: 2") + SELECTION)
    (write_own if request.param == 2 else write_many)(root)
    for stage in STAGES:
        assert main(words(root, *stage)) == 0, stage
    return request.param, root / "run"


def words(root, *stage):
    """What `main` is given for a stage."""
    run = [] if stage[0] == "check-data" else ["--run", str(root / "run"), "--method", "sisc-pwl"]
    return [*stage, "--experiment", str(root / "toy.yaml"), *run]


def read(path):
    return json.loads(path.read_text())


def test_pseudo_labels_have_the_size_of_their_image(chain):
    classes, run = chain
    folder, counts = run / "sisc-pwl" / "round-1" / "pseudo_labels", np.zeros(classes)
    for index, size in enumerate(SIZES):
        ids = np.array(Image.open(folder / f"t{index}.png"))
        assert ids.shape == size
        counts += [np.count_nonzero(ids == c) for c in range(classes)]
        assert np.isin(ids, [*range(classes), IGNORE[classes]]).all()
    shares = read(folder / "selection.json")["coverage_per_class"]
    np.testing.assert_allclose(list(shares.values()), counts / sum(h * w for h, w in SIZES))
    assert counts.sum() > 0


def test_evaluation_counts_each_pixel_of_each_size(chain):
    classes, run = chain
    stage, expected = run / "sisc-pwl" / "round-0", np.zeros((classes, classes), int)
    for index, size in enumerate(SIZES):
        predicted = np.array(Image.open(stage / "predictions" / "label_ids" / f"v{index}.png"))
        file_ids = np.array(Image.open(run.parent / "cams" / "val_labels" / f"v{index}.png")).astype(int)
        if classes == 2:
            truth = np.array([255, 0, 1, 1])[file_ids]
        else:
            truth = np.where(file_ids == 7, IGNORE[classes], file_ids - 1000)
        assert predicted.shape == truth.shape == size
        for t, p in zip(truth.ravel(), predicted.ravel(), strict=True):
            if t < classes:
                expected[t, p] += 1
    assert read(stage / "evaluation.json")["confusion"] == expected.tolist()


def test_an_evaluation_goes_on_from_its_predictions(chain):
    _, run = chain
    stage = run / "sisc-pwl" / "round-0"
    before, pictures = read(stage / "evaluation.json"), sorted(stage.glob("predictions/*/*.png"))
    written = [path.stat().st_mtime_ns for path in pictures]
    (stage / "evaluation.json").unlink()
    (stage / "predictions" / "palette" / "v1.png").unlink()
    assert main(words(run.parent, "evaluate", "--round", "0")) == 0
    assert read(stage / "evaluation.json")["confusion"] == before["confusion"]
    again = [path.name for path, time in zip(pictures, written, strict=True) if path.stat().st_mtime_ns != time]
    assert again == ["v1.png", "v1.png"]  # both kinds, and no other image


def test_predictions_and_sheets_show_the_colours_of_classes(chain):
    classes, run = chain
    names = yaml.safe_load((run / "sisc-pwl" / "config.yaml").read_text())["classes"]
    colours = {tuple(one["colour"]) for one in names}
    for index, size in enumerate(SIZES):
        with Image.open(run / "sisc-pwl" / "round-0" / "predictions" / "palette" / f"v{index}.png") as image:
            assert image.size == size[::-1]
            assert {tuple(colour) for colour in np.array(image.convert("RGB")).reshape(-1, 3).tolist()} <= colours
    sheet = cv2.imread(str(run / "sisc-pwl" / "round-1" / "pseudo_labels" / "contact_sheet.png"))
    assert sheet.shape == (2 * 320, 4 * 320, 3)
    assert not sheet[320:, :60].any() and sheet[320:, 70:250].any()  # the portrait image, 192 wide, is in the middle


def test_diagnosis_counts_all_sizes(chain):
    classes, run = chain
    found = read(run / "sisc-pwl" / "round-1" / "diagnosis.json")
    assert len(found["per_class"]) == classes and found["ground_truth"]["images"] == 1
    before, now = (run / "sisc-pwl" / f"round-{r}" / "pseudo_labels" for r in (0, 1))
    pairs = [[np.array(Image.open(folder / f"t{i}.png")) for folder in (before, now)] for i in range(len(SIZES))]
    both = [(b < classes) & (n < classes) for b, n in pairs]
    same = sum(((b == n) & together).sum() for (b, n), together in zip(pairs, both, strict=True))
    assert found["agreement"] == pytest.approx(same / sum(together.sum() for together in both))


def test_the_report_has_a_picture_of_each_kind(chain):
    classes, run = chain
    page = (run / "report" / "report.html").read_text()
    assert page.count("<figure>") >= 3 and "<div class=nothing>" not in page
    assert len(read(run / "report" / "report.json")["classes"]) == classes
