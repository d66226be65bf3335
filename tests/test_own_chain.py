"""The whole chain on a user's own data at toy size, with and without validation labels; what its outputs say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from own_data import EXPERIMENT, write_experiment, write_own
from PIL import Image
from tiny_run import STAGES

from mlsl_mx.cli import main
from mlsl_mx.config import load_config
from mlsl_mx.predict import Predictor
from mlsl_mx.stages import report
from mlsl_mx.stages.job import open_job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import read_json


def run_chain(experiment: Path, run: Path, stages=STAGES) -> None:
    for stage in stages:
        options = ["--experiment", experiment, "--run", run, "--method", "sisc-pwl"]
        assert main([*map(str, (*stage, *options))]) == 0, stage


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    truth = write_own(root)
    return root, write_experiment(root), truth


@pytest.fixture(scope="module")
def finished(world):
    root, experiment, _ = world
    run_chain(experiment, root / "run")
    return root / "run"


def test_labels_are_what_was_written(world):
    _, experiment, truth = world
    job = open_job(experiment, None, (), Path("run"), roots={}, seed=0, ctx="cpu")
    for dataset, expected in ((job.all_source, truth["source"]), (job.validation, truth["val"])):
        for index, train_ids in enumerate(expected):
            np.testing.assert_array_equal(dataset.label(index), train_ids)
            assert dataset.image(index).shape == (*train_ids.shape, 3)
    assert job.target.names == ("t0", "t1", "t2") and not job.target.has_labels


def test_check_data(world, capsys):
    assert main(["check-data", "--experiment", str(world[1])]) == 0
    assert "validation (cams/val): 3 images with labels: ok" in capsys.readouterr().out


def test_evaluation_counts_the_users_classes(world, finished):
    found = read_json(finished / "sisc-pwl/round-0/evaluation.json")
    assert found["classes"] == ["warm", "cold"] and list(found["mious"]) == ["2"] and found["images"] == 3
    predicted = [np.array(Image.open(finished / f"sisc-pwl/round-0/predictions/palette/v{i}.png")) for i in range(3)]
    truth = world[2]["val"]
    assert np.sum(found["confusion"]) == sum(int((one < 255).sum()) for one in truth)
    ious = []
    for index in range(2):
        hits = sum(((p == index) & (t == index)).sum() for p, t in zip(predicted, truth, strict=True))
        union = sum((((p == index) | (t == index)) & (t < 255)).sum() for p, t in zip(predicted, truth, strict=True))
        ious.append(100 * hits / union)
    assert found["miou"] == pytest.approx(np.mean(ious))


def test_report_and_cards_say_nothing_of_the_paper(finished):
    report = read_json(finished / "report/report.json")
    assert report["paper"] == [] and report["source"] is None and report["direction"] == "own data"
    text = (finished / "report/report.md").read_text() + (finished / "report/sisc-pwl.txt").read_text()
    for word in ("Cityscapes", "the paper", "GTA-V"):
        assert word not in text
    card = read_json(finished / "sisc-pwl/model_card.json")
    images = {name: card["data"][name]["images"] for name in card["data"]}
    assert images == {"source": 2, "target": 3, "validation": 3}  # of three source images one is held out
    assert card["data"]["source"]["list"] == "sim/frames" and card["data"]["source"]["size"] is None
    assert (finished / "data_lists/target.txt").read_text() == "t0.jpg\nt1.jpg\nt2.jpg\n"


def test_compare_reads_own_runs(finished, tmp_path, capsys):
    assert main(["report", "--compare", str(finished), "--out", str(tmp_path)]) == 0
    assert "mIoU(2)" in capsys.readouterr().out
    assert main(["report", "--compare", str(finished), "--out", str(tmp_path), "--table", "table1"]) == 2


def test_runs_that_cannot_be_written_are_compared(finished, tmp_path, capsys, monkeypatch):
    def read_only(run):
        raise InputError(f"{run}/source/model_card.json: cannot be written")

    monkeypatch.setattr(report, "write_model_cards", read_only)
    assert main(["report", "--compare", str(finished), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "mIoU(2)" in said.out and "model_card.json: cannot be written" in said.err


def test_evaluate_scores_saved_predictions(world, finished, capsys):
    words = ["evaluate", "--experiment", str(world[1]), "--run", str(finished), "--predictions"]
    said = []
    for kind in ("palette", "label_ids"):
        assert main([*words, str(finished / "sisc-pwl/round-0/predictions" / kind)]) == 0
        said.append(capsys.readouterr().out.split(": ", 1)[1])
    assert said[0] == said[1]


def test_another_meaning_of_a_label_is_refused_once_there_are_results(world, finished, capsys):
    root, _, _ = world
    other = root / "other.yaml"
    other.write_text(EXPERIMENT.replace("target: [2, 3]", "target: [2]").replace("ignore: [0]}", "ignore: [0, 3]}"))
    assert main(["begin", "--experiment", str(other), "--run", str(finished)]) == 2
    assert "holds results of other settings (classes[1].target: [2, 3] -> [2]; " in capsys.readouterr().err


def test_another_folder_with_the_same_names_is_refused(world, finished, tmp_path, capsys):
    root = Path(shutil.copytree(world[0], tmp_path / "own", ignore=shutil.ignore_patterns("run")))
    words = ["begin", "--experiment", str(root / "toy.yaml"), "--run", str(finished)]
    assert main(words) == 0  # a project that was moved
    Image.new("RGB", (48, 32)).save(root / "cams/train/t0.jpg")
    assert main(words) == 2
    assert "t0.jpg: " in (said := capsys.readouterr().err) and "holds results of another image of this name" in said


def test_a_patch_larger_than_an_image_is_refused_at_the_start(world, capsys, tmp_path):
    words = ["begin", "--experiment", str(world[1]), "--run", str(tmp_path / "none"), "--method", "sisc-pwl"]
    assert main([*words, "--set", "pseudo_labels.patch=64"]) == 2
    assert "pseudo_labels.patch is 64, but the target has images of " in capsys.readouterr().err


def test_weights_of_the_same_classes_in_another_order_are_refused(world, finished, tmp_path, capsys):
    first, second = (line for line in EXPERIMENT.splitlines(keepends=True) if line.startswith("  - {name: "))
    other, weights = world[0] / "turned.yaml", finished / "source/weights.params"
    other.write_text(EXPERIMENT.replace(first + second, second + first))
    words = ["begin", "--experiment", str(other), "--run", str(tmp_path / "none"), "--weights", str(weights)]
    assert main(words) == 2
    assert "its class 0 is 'warm' by " in capsys.readouterr().err
    with pytest.raises(InputError, match="the experiment's is 'cold'"):
        Predictor(weights, load_config(other).class_set)


def test_without_validation_labels_nothing_is_measured_and_that_is_said(world, tmp_path):
    root, _, _ = world
    shutil.copytree(root / "sim", tmp_path / "sim")
    shutil.copytree(root / "cams/train", tmp_path / "cams/train")
    text = EXPERIMENT.replace("val: cams/val, val_labels: cams/val_labels, encoding: ids, ignore: [0]", 'val: ""')
    experiment = write_experiment(tmp_path, text)
    run_chain(experiment, tmp_path / "run")
    found = read_json(tmp_path / "run/sisc-pwl/round-0/evaluation.json")
    assert (found["miou"], found["images"], found["per_class"]) == (None, 0, {"warm": None, "cold": None})
    assert (tmp_path / "run/sisc-pwl/round-0/weights.params").exists()
    assert "nothing to compare with" in (tmp_path / "run/report/report.md").read_text()
    assert "nothing to compare with" in (tmp_path / "run/report/report.html").read_text()


def test_classes_of_cityscapes_adapt_to_unlabelled_cameras(world, tmp_path, capsys):
    """GTA-V as the source and a user's own images as the target: nothing of these needs a class table."""
    root, _, _ = world
    experiment = write_experiment(
        tmp_path,
        f'inherit: gta2city.yaml\ntarget: {{dataset: own, train: {root}/cams/train, val: "", size: null}}\n'
        "pseudo_labels: {patch: 16}\n",
    )
    job = open_job(experiment, None, (), tmp_path / "run", roots={}, seed=0, ctx="cpu")
    assert len(job.target) == 3 and job.target.classes.num_classes == 19 and len(job.validation) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "sim/labels/f1_seg.png").unlink(), "source.labels: 1 of 3 images of"),
        (lambda root: (root / "sim/labels/f1_seg.png").rename(root / "sim/labels/f7_seg.png"), "e.g. f1.png; 1 labels"),
        (lambda root: Image.new("RGB", (40, 24), (9, 9, 9)).save(root / "sim/labels/f0_seg.png"), "[9, 9, 9] (960 pix"),
        (lambda root: Image.new("L", (40, 24)).save(root / "sim/labels/f0_seg.png"), "is 8 bits x 1 channel"),
        (lambda root: Image.new("RGB", (8, 8)).save(root / "cams/train/t0.jpg"), "smaller than pseudo_labels.patch=16"),
        (lambda root: shutil.rmtree(root / "cams/train"), "target.train: "),
        (lambda root: (root / "cams/train/t0.jpg").rename(root / "cams/train/contact_sheet.jpg"), "rename it"),
    ],
)
def test_what_is_wrong_with_the_files_is_one_line(world, tmp_path, capsys, change, said):
    root = Path(shutil.copytree(world[0], tmp_path / "own", ignore=shutil.ignore_patterns("run")))
    change(root)
    assert main(["check-data", "--experiment", str(root / "toy.yaml")]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mlsl check-data: ")]
    assert len(lines) == 1 and said in lines[0]


def test_training_on_validation_images_is_refused_by_file_not_by_name(world, tmp_path, capsys):
    root = Path(shutil.copytree(world[0], tmp_path / "own", ignore=shutil.ignore_patterns("run")))
    for index in range(3):
        (root / f"cams/train/t{index}.jpg").rename(root / f"cams/train/v{index}.jpg")  # names of val, other images
    assert main(["check-data", "--experiment", str(root / "toy.yaml")]) == 0
    (root / "toy.yaml").write_text(EXPERIMENT.replace("train: cams/train", "train: cams/val"))
    assert main(["check-data", "--experiment", str(root / "toy.yaml")]) == 2
    assert "3 images are validation images too" in capsys.readouterr().err


def test_onnx_names_the_users_classes(finished, tmp_path):
    onnx = pytest.importorskip("onnx")
    weights, lost = finished / "sisc-pwl/round-0/weights.params", tmp_path / "lost.params"
    assert main(["export-onnx", "--weights", str(weights), "--out", str(tmp_path / "a.onnx")]) == 0
    about = {one.key: one.value for one in onnx.load(str(tmp_path / "a.onnx")).metadata_props}
    assert json.loads(about["classes"]) == ["warm", "cold"] and json.loads(about["label_ids"]) == [0, 1]
    shutil.copy(weights, lost)
    assert main(["export-onnx", "--weights", str(lost), "--out", str(tmp_path / "b.onnx")]) == 0
    about = {one.key: one.value for one in onnx.load(str(tmp_path / "b.onnx")).metadata_props}
    assert json.loads(about["classes"]) == ["class 0", "class 1"]


def test_predict_knows_the_users_classes_by_the_run(finished, tmp_path):
    weights = finished / "sisc-pwl/round-0/weights.params"
    assert Predictor(weights).classes.names == ("warm", "cold")
    lost = shutil.copy(weights, tmp_path / "lost.params")
    assert Predictor(lost).classes.names == ("class 0", "class 1")
