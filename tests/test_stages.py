"""The whole method end to end on a few miniature scenes, through the command line."""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from event_records import pictures, read_events, scalar_points
from mxnet import nd
from scene_files import write_lists
from scipy.io import savemat

from mlsl_mx.cli import main
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.whole_files import file_hash, read_json, write_json

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "miniature" / "gta2city.yaml"
LISTS = {
    "gta5": ["images/00001.png", "images/00002.png", "images/00003.png"],
    "cityscapes_train": [f"leftImg8bit/train/alpha/alpha_00000{i}_000019_leftImg8bit.png" for i in range(3)],
    "cityscapes_val": [f"leftImg8bit/val/beta/beta_00000{i}_000019_leftImg8bit.png" for i in range(2)],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folder with data and lists. There are no labels of target training images."""
    folder = tmp_path_factory.mktemp("world")
    write_lists(folder / "lists", LISTS)
    make_miniature(folder / "data", folder / "lists", seed=1)
    assert not (folder / "data" / "cityscapes" / "gtFine" / "train").exists()
    return folder


def stage(world: Path, run: Path, *words: str, method: str = "sisc-pwl", **settings) -> int:
    settings = {
        "source.images": world / "lists" / "gta5.txt",
        "target.train": world / "lists" / "cityscapes_train.txt",
        "target.val": world / "lists" / "cityscapes_val.txt",
        "network.width": 0.03,
        "source_training.start": "scratch",
        "source_training.epochs": 2,
        "source_training.batch": 3,
        "pseudo_labels.patches": 4,
        "self_training.epochs": 1,
        "evaluation.diagnosed_images": 1,
        **settings,
    }
    options = ["--experiment", EXPERIMENT, "--method", method, "--run", run, "--data", world / "data", "--rounds", "2"]
    options += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return main([str(word) for word in (*words, *options)])


def chain(world: Path, run: Path, method: str, rounds: int = 1) -> None:
    assert stage(world, run, "train-source", method=method) == 0
    assert stage(world, run, "evaluate", "--source", method=method) == 0
    for r in range(rounds):
        for name in ("pseudo-label", "diagnose", "self-train", "evaluate"):
            assert stage(world, run, name, "--round", str(r), method=method) == 0
    assert stage(world, run, "report", method=method) == 0


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A run with two rounds of the whole method, and one of SISC beside it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    chain(world, run, "sisc-pwl", rounds=2)
    chain(world, run, "sisc")
    return run


def files(folder: Path):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_stage_leaves_its_files(finished):
    for r in (0, 1):
        folder = finished / "sisc-pwl" / f"round-{r}"
        selection = json.loads((folder / "pseudo_labels" / "selection.json").read_text())
        assert selection["images"] == 3 and 0 < selection["coverage"] < 1
        evaluation = json.loads((folder / "evaluation.json").read_text())
        assert set(evaluation) >= {"miou", "per_class", "classes", "images", "confusion"}
        assert evaluation["images"] == 2
        diagnosis = json.loads((folder / "diagnosis.json").read_text())
        assert diagnosis["coverage"] == selection["coverage"] and diagnosis["ground_truth"] is None
        assert 0 <= diagnosis["patch_disagreement"] <= 1 and diagnosis["patch_images"] == 1
        assert (diagnosis["agreement"] is None) == (diagnosis["kept"] is None) == (r == 0)
    report = (finished / "report" / "sisc-pwl.txt").read_text().strip().splitlines()
    assert "miniature: not comparable with the paper" in report[0]
    assert "miniature: not comparable with the paper" in report[-1]
    for name in ("report.html", "report.md", "report.json"):
        assert (finished / "report" / name).stat().st_size > 1000


def test_tensorboard_is_shown_each_training_and_each_round_once(finished):
    folder = finished / "tensorboard"
    for training in ("source/training", "sisc-pwl/round-0", "sisc-pwl/round-1", "sisc/round-0"):
        points = scalar_points(read_events(folder / training))
        steps = [step for step, _ in points["loss/total"]]
        assert steps == list(range(1, len(steps) + 1)) and ("loss/weak_labels" in points) == (
            training != "sisc/round-0"
        )
    for method, rounds in (("source", 1), ("sisc-pwl", 2), ("sisc", 1)):
        points = scalar_points(read_events(folder / method))
        for r in range(rounds):
            stage = finished / method / ("" if method == "source" else f"round-{r}")
            evaluation = read_json(stage / "evaluation.json")
            assert points["mIoU/19_classes"][r] == (r, pytest.approx(evaluation["miou"], rel=1e-6))
        assert len(points["mIoU/19_classes"]) == rounds
        assert ("pseudo_labels/coverage" in points) == (method != "source")
        assert any(tag.startswith("segmentation/") for tag in pictures(read_events(folder / method)))


def test_adapting_opens_no_target_training_label(finished, world):
    # There are none to open, and everything passed.
    assert not list((world / "data" / "cityscapes" / "gtFine").glob("train*"))
    assert (finished / "sisc-pwl" / "round-1" / "weights.params").exists()


def test_a_finished_stage_is_a_no_op(finished, world):
    before, log = files(finished / "sisc-pwl"), read_log(finished / "log.jsonl")
    names = ("pseudo-label", "diagnose", "self-train", "evaluate")
    for name in names:
        assert stage(world, finished, name, "--round", "1") == 0
    assert files(finished / "sisc-pwl") == before
    new = read_log(finished / "log.jsonl")[len(log) :]  # nothing was trained, labelled or evaluated again
    assert [(e["stage"], e["event"]) for e in new] == [(name, event) for name in names for event in ("begin", "end")]
    assert {e["outcome"] for e in new[1::2]} == {"no-op"}


def diagnosed(world: Path, run: Path, *words: str, **settings) -> dict:
    assert stage(world, run, "diagnose", "--round", "1", *words, **settings) == 0
    return json.loads((run / "sisc-pwl" / "round-1" / "diagnosis.json").read_text())


def test_the_truth_is_read_only_where_it_is_asked_for(finished, world, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "sisc-pwl" / "round-1" / "diagnosis.json").unlink()
    labels = world / "data" / "cityscapes" / "gtFine" / "val"
    labels.rename(tmp_path / "val")  # there is nothing to open
    try:
        found = diagnosed(world, run)
        assert "right on validation images" not in capsys.readouterr().out
        line = refused(capsys, stage(world, run, "diagnose", "--round", "1", "--with-ground-truth"))
        assert "gtFine_labelIds.png" in line
    finally:
        (tmp_path / "val").rename(labels)
    truth = diagnosed(world, run, "--with-ground-truth")
    assert "% of labels right on validation images" in capsys.readouterr().out
    assert found["ground_truth"] is None and truth["ground_truth"]["images"] == 1
    assert {**truth, "ground_truth": None} == found
    assert diagnosed(world, run) == found  # once it is not asked for any more, it is not in the file either


def test_a_diagnosis_is_made_anew_when_what_it_depends_on_changes(finished, world, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    path = run / "sisc-pwl" / "round-1" / "diagnosis.json"

    def kept() -> bool:
        write_json(path, {"made": "before"})
        return diagnosed(world, run) == {"made": "before"}

    assert kept()
    for selection in ("round-1", "round-0"):
        selection = run / "sisc-pwl" / selection / "pseudo_labels" / "selection.json"
        write_json(selection, {**read_json(selection), "seconds": -1})
        assert not kept() and kept()
    assert diagnosed(world, run, **{"evaluation.diagnosed_images": 2})["patch_images"] == 2
    assert not kept()


def test_single_inference_has_no_patches_that_could_disagree(finished, world):
    chain(world, finished, "cbst", rounds=2)
    found = [read_json(finished / "cbst" / f"round-{r}" / "diagnosis.json") for r in (0, 1)]
    assert [one["patch_disagreement"] for one in found] == [one["patch_images"] for one in found] == [None, None]
    assert found[0]["agreement"] is None and 0 <= found[1]["agreement"] <= 1


def test_saved_predictions_give_the_same_means(finished, world, capsys):
    evaluation = json.loads((finished / "source" / "evaluation.json").read_text())
    for kind in ("palette", "label_ids"):
        folder = finished / "source" / "predictions" / kind
        assert stage(world, finished, "evaluate", "--predictions", str(folder)) == 0
        assert f"mIoU over 19 classes {evaluation['miou']:.1f}" in capsys.readouterr().out


def test_both_sisc_methods_share_the_first_labels(finished):
    labels = [finished / method / "round-0" / "pseudo_labels" / "selection.json" for method in ("sisc", "sisc-pwl")]
    assert labels[0].read_bytes() == labels[1].read_bytes()  # with the seconds that the first took
    weights = [finished / method / "round-0" / "weights.params" for method in ("sisc", "sisc-pwl")]
    assert weights[0].read_bytes() != weights[1].read_bytes()


@pytest.mark.parametrize("method", ["st", "cbst-sp", "released-sisc-pwl"])
def test_other_methods_run(world, finished, tmp_path, method):
    run = tmp_path / "run" if "released" in method else finished  # whose source model has another weak-label head
    chain(world, run, method)
    assert (run / method / "round-0" / "evaluation.json").exists()
    if method == "cbst-sp":
        assert "<h2>Spatial prior</h2>" in (finished / "report" / "report.html").read_text()
        assert len(list((finished / "source").glob("spatial_prior-*"))) == 2


def test_an_imported_prior_gives_the_same_labels_from_either_kind_of_file(finished, world, tmp_path, capsys):
    values = np.random.RandomState(0).uniform(0, 2, (19, 8, 16)).astype(np.float32)
    savemat(str(tmp_path / "prior.mat"), {"prior_array": values})
    SpatialPrior(values).save(tmp_path / "prior.npz")
    labels = {}
    for name in ("", "prior.mat", "prior.npz"):
        run, settings = tmp_path / f"run-{name}", {"selection.prior_file": tmp_path / name} if name else {}
        words = (world, run, "import-weights", "--weights", finished / "source" / "weights.params")
        assert stage(*words, method="cbst-sp", **settings) == 0
        assert stage(world, run, "pseudo-label", "--round", "0", method="cbst-sp", **settings) == 0
        labels[name] = {k: v for k, v in files(run / "cbst-sp").items() if k.endswith(".png")}
    assert len(labels["prior.mat"]) == 4 and labels["prior.mat"] == labels["prior.npz"] != labels[""]

    run = tmp_path / "run-prior.mat"
    (tmp_path / "moved.mat").write_bytes((tmp_path / "prior.mat").read_bytes())
    before = files(run / "cbst-sp")
    words = (world, run, "pseudo-label", "--round", "0")
    assert stage(*words, method="cbst-sp", **{"selection.prior_file": tmp_path / "moved.mat"}) == 0
    assert files(run / "cbst-sp") == before  # its content counts, not its place
    assert read_log(run / "log.jsonl")[-1]["outcome"] == "no-op"
    savemat(str(tmp_path / "prior.mat"), {"prior_array": values + 1})
    code = stage(*words, method="cbst-sp", **{"selection.prior_file": tmp_path / "prior.mat"})
    assert "selection.prior: " in refused(capsys, code)


def test_the_prior_alone(world, tmp_path, capsys):
    run = tmp_path / "run"
    assert stage(world, run, "spatial-prior") == 0
    (picture,), (kept,) = (run / "source").glob("spatial_prior-*.png"), (run / "source").glob("spatial_prior-*.npz")
    assert f"spatial prior: {kept}, plotted in {picture}" in capsys.readouterr().out
    savemat(str(tmp_path / "prior.mat"), {"prior_array": np.ones((16, 8, 16))})
    settings = {"selection.prior_file": tmp_path / "prior.mat"}
    for words in (("spatial-prior",), ("begin",)):
        line = refused(capsys, stage(world, run, *words, method="cbst-sp", **settings))
        assert "prior.mat: a prior of shape (16, 8, 16), but the network has 19 classes" in line
    line = refused(capsys, stage(world, run, "begin", method="cbst", **settings))
    assert "prior.mat, but cbst uses no prior: METHOD=cbst-sp does" in line


def test_the_same_seed_gives_the_same_bytes(finished, world, tmp_path):
    chain(world, tmp_path / "again", "sisc-pwl")
    for name in ("source/weights.params", "sisc-pwl/round-0/weights.params"):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes()
    folders = [run / "sisc-pwl" / "round-0" / "pseudo_labels" for run in (finished, tmp_path / "again")]
    names = [path.name for path in folders[0].glob("*.png")]
    assert len(names) == 3 + 1  # of the images, and the contact sheet
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


def test_imported_weights_replace_source_training(finished, world, tmp_path, capsys):
    run = tmp_path / "run"
    assert stage(world, run, "import-weights", "--weights", str(finished / "source" / "weights.params")) == 0
    assert (run / "source" / "weights.params").read_bytes() == (finished / "source" / "weights.params").read_bytes()
    other = str(finished / "sisc-pwl" / "round-0" / "weights.params")
    assert stage(world, run, "evaluate", "--source") == 0 and stage(world, run, "report") == 0
    start = card(run, "source")["start_weights"]
    weights = finished / "source" / "weights.params"
    assert start == {"kind": "imported", "file": str(weights), "sha256_first_16": sha256(weights)[:16]}
    line = refused(capsys, stage(world, run, "begin", "--weights", other))
    assert "start.weights" in line and "choose another RUN" in line


def test_wrong_weights_are_refused_before_anything_starts(finished, world, tmp_path, capsys):
    run, weights = tmp_path / "run", finished / "source" / "weights.params"
    tensors = nd.load(str(weights))
    for name in ("conv6a_weight", "conv6a_bias", "linear19_weight", "linear19_bias"):
        del tensors[f"arg:{name}"]
    channels = tensors["arg:bn7_gamma"].shape[0]
    tensors.update({"arg:linear1000_weight": nd.zeros((1000, channels)), "arg:linear1000_bias": nd.zeros(1000)})
    classifier = tmp_path / "classifier.params"
    nd.save(str(classifier), tensors)
    for words in (("begin",), ("import-weights",)):
        assert "IMAGENET=" in refused(capsys, stage(world, run, *words, "--weights", classifier))
        line = refused(capsys, stage(world, run, *words, "--weights", weights, **{"network.width": 0.05}))
        assert "expected weights of width 0.05" in line
    for words in (("begin",), ("train-source",)):
        line = refused(capsys, stage(world, run, *words, "--imagenet", classifier, **{"network.width": 0.05}))
        assert "found classifier of 1000 classes" in line
    line = refused(capsys, stage(world, run, "begin", "--weights", "gta_rna-a1_cls19_s8_ep-0000.params"))
    assert "no such file: it is the GTA-V source model" in line
    assert not run.exists()
    assert stage(world, run, "begin", "--imagenet", classifier) == 0
    assert "classifier of 1000 classes" in capsys.readouterr().out


def test_settings_bind_only_once_there_are_results(world, tmp_path, capsys):
    run = tmp_path / "run"
    assert stage(world, run, "begin") == 0
    assert stage(world, run, "begin", **{"self_training.batch": 2}) == 0
    assert "self_training.batch" not in capsys.readouterr().err


def test_settings_of_a_round_bind_from_its_first_labels_on(finished, world, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished / "source", run / "source")
    with patch("mlsl_mx.pseudo_labels.labelling._TwoPasses.thresholds", side_effect=KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            stage(world, run, "pseudo-label", "--round", "0", **{"pseudo_labels.patches": 3})
    assert (run / "sisc-pwl" / "round-0" / "pseudo_labels").is_dir()
    assert stage(world, run, "pseudo-label", "--round", "0") == 0
    capsys.readouterr()
    line = refused(capsys, stage(world, run, "pseudo-label", "--round", "0", **{"pseudo_labels.patches": 3}))
    assert "pseudo_labels.patches: 4 -> 3" in line


def test_an_evaluation_is_made_anew_of_other_weights_and_stays_where_that_is_refused(finished, world, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished / "source", run / "source")
    before, weights = files(run / "source"), run / "source" / "weights.params"
    assert stage(world, run, "evaluate", "--source") == 0
    assert files(run / "source") == before
    shutil.copyfile(finished / "sisc-pwl" / "round-0" / "weights.params", weights)
    image = next(p for p in (world / "data" / "cityscapes" / "leftImg8bit" / "val").rglob("*.png"))
    hidden = image.rename(image.with_suffix(".hidden"))
    try:
        assert "no such file" in refused(capsys, stage(world, run, "evaluate", "--source"))
    finally:
        hidden.rename(image)
    assert {**files(run / "source"), "weights.params": b""} == {**before, "weights.params": b""}
    assert stage(world, run, "evaluate", "--source") == 0
    assert read_json(run / "source" / "evaluation.json")["weights"] == file_hash(weights)
    assert stage(world, run, "evaluate", "--source", **{"evaluation.flip": True}) == 0
    assert read_json(run / "source" / "evaluation.json")["flip"]


def test_where_memory_is_short_the_batch_may_change_at_any_time(finished, world, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    labels = run / "sisc-pwl" / "round-1" / "pseudo_labels"
    before = files(labels)
    shutil.rmtree(labels)
    assert stage(world, run, "pseudo-label", "--round", "1", **{"pseudo_labels.batch": 1}) == 0
    after = files(labels)
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name.endswith(".png"))


def test_other_weights_before_a_round_make_it_anew(finished, world, tmp_path):
    run = tmp_path / "run"
    chain(world, run, "sisc-pwl")
    labels = run / "sisc-pwl" / "round-0" / "pseudo_labels"
    old = files(labels)
    other = finished / "sisc-pwl" / "round-1" / "weights.params"
    os.replace(run / "source" / "weights.params", tmp_path / "kept")
    (run / "source" / "weights.params").write_bytes(other.read_bytes())
    assert stage(world, run, "pseudo-label", "--round", "0") == 0
    assert files(labels) != old


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def card(run: Path, method: str) -> dict:
    return json.loads((run / method / "model_card.json").read_text())


def test_model_cards_hold_the_hashes_of_the_files(finished, world):
    source, pwl, sisc = (card(finished, method) for method in ("source", "sisc-pwl", "sisc"))
    assert source["weights"]["source"]["sha256"] == sha256(finished / "source" / "weights.params")
    rounds = {one["round"]: one["sha256"] for one in pwl["weights"]["rounds"]}
    assert rounds == {r: sha256(finished / "sisc-pwl" / f"round-{r}" / "weights.params") for r in (0, 1)}
    lists = {"source": "gta5", "target": "cityscapes_train", "validation": "cityscapes_val"}
    for part, name in lists.items():
        assert pwl["data"][part]["sha256"] == sha256(world / "lists" / f"{name}.txt")
        assert pwl["data"][part]["images"] == len(LISTS[name])
    assert source["data"]["target"] is None
    assert {one["results"]["of_this_file"] for one in (source, pwl, sisc)} == {True}
    assert source["start_weights"] == {"kind": "none", "file": None, "sha256_first_16": None}
    assert (pwl["rounds_done"], sisc["rounds_done"], source["rounds_done"]) == (2, 1, 0)
    assert {one["experiment"] for one in (source, pwl, sisc)} == {"miniature-gta2city"}
    evaluation = json.loads((finished / "sisc-pwl" / "round-1" / "evaluation.json").read_text())
    assert {key: pwl["results"][key] for key in ("per_class", "mious")} == {
        key: evaluation[key] for key in ("per_class", "mious")
    }


def test_model_cards_hold_the_time_of_the_work_alone(finished, world):
    made = {(one["method"], one["stage"], one["round"]): one["seconds"] for one in card(finished, "sisc-pwl")["stages"]}
    rounds = [(name, r) for r in (0, 1) for name in ("pseudo-label", "diagnose", "self-train", "evaluate")]
    source = [("source-only", name, None) for name in ("train-source", "evaluate")]
    assert list(made) == [*source, *(("sisc-pwl", *one) for one in rounds)]
    assert all(seconds > 0 for seconds in made.values())
    chain(world, finished, "sisc-pwl", rounds=2)  # all of it is there
    again = {
        (one["method"], one["stage"], one["round"]): one["seconds"] for one in card(finished, "sisc-pwl")["stages"]
    }
    assert again == made
    taken = {one["stage"]: one["taken_over"] for one in card(finished, "sisc")["stages"] if one["method"] == "sisc"}
    assert taken["pseudo-label"] == "sisc-pwl/round-0/pseudo_labels" and taken["self-train"] is None


def test_one_run_holds_evaluations_of_one_kind(finished, world, capsys):
    code = stage(world, finished, "begin", method="cbst", **{"evaluation.flip": "true"})
    assert "evaluation.flip is true, but" in refused(capsys, code)
    few = world / "lists" / "fewer_val.txt"
    few.write_text((world / "lists" / "cityscapes_val.txt").read_text().splitlines()[0] + "\n")
    weights = (finished / "sisc-pwl" / "round-0" / "evaluation.json").read_bytes()
    said = refused(capsys, stage(world, finished, "evaluate", "--round", "0", **{"target.val": few}))
    assert "validation: 1 images, not the ones scored in" in said and "source/evaluation.json: gains" in said
    assert (finished / "sisc-pwl" / "round-0" / "evaluation.json").read_bytes() == weights
    assert stage(world, finished, "begin", method="cbst") == 0


def test_a_validation_label_that_is_damaged_is_told_before_source_training(world, tmp_path, capsys):
    path = next((world / "data" / "cityscapes" / "gtFine").rglob("*_labelIds.png"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    try:
        assert path.name in refused(capsys, stage(world, tmp_path / "run", "begin"))
    finally:
        path.write_bytes(whole)


def refused(capsys, code: int) -> str:
    assert code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    return lines[-1]


def test_changed_settings_are_refused_with_the_difference(finished, world, capsys):
    line = refused(capsys, stage(world, finished, "pseudo-label", "--round", "0", **{"pseudo_labels.patches": 5}))
    assert "pseudo_labels.patches: 4 -> 5" in line
    line = refused(capsys, stage(world, finished, "begin", **{"self_training.batch": 7}))
    assert "self_training.batch: 4 -> 7" in line
    line = refused(capsys, stage(world, finished, "train-source", "--seed", "7"))
    assert "seed: 0 -> 7" in line


@pytest.mark.parametrize(
    "name, key, words",
    [
        ("gta5", "lists.source", ("train-source",)),
        ("gta5", "lists.source", ("self-train", "--round", "1")),
        ("cityscapes_train", "lists.target", ("pseudo-label", "--round", "1")),
        ("cityscapes_val", "lists.val", ("begin",)),
    ],
)
def test_a_list_of_other_images_is_refused_under_the_same_name(finished, world, capsys, name, key, words):
    path = world / "lists" / f"{name}.txt"
    content, before = path.read_text(), files(finished)
    path.write_text("\n".join(content.splitlines()[:-1]) + "\n")
    try:
        line = refused(capsys, stage(world, finished, *words))
    finally:
        path.write_text(content)
    assert f"{key}: " in line and " -> " in line and "choose another RUN" in line
    assert files(finished) == before


def killed_at_its_end(world: Path, run: Path, *words: str) -> None:
    """A training that leaves nothing but a checkpoint."""
    with patch("mlsl_mx.training.train.save_original", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        stage(world, run, *words, "--checkpoint-seconds", "0")


@pytest.mark.parametrize(
    "words, settings, said",
    [
        (("--seed", "7"), {}, "seed: 0 -> 7"),
        ((), {"source_training.epochs": 3}, "source_training.epochs: 2 -> 3"),
        ((), {"source.images": "other.txt"}, "lists.source: "),
        (("--imagenet", "trunk.params"), {}, "start.imagenet: None -> "),
    ],
)
def test_a_checkpoint_of_other_settings_is_never_gone_on_from(finished, world, tmp_path, capsys, words, settings, said):
    run = tmp_path / "run"
    killed_at_its_end(world, run, "train-source")
    shutil.copy(finished / "source" / "weights.params", tmp_path / "trunk.params")
    (tmp_path / "other.txt").write_text("\n".join(LISTS["gta5"][::-1]) + "\n")
    words = [tmp_path / word if word == "trunk.params" else word for word in words]
    settings = {key: tmp_path / value if value == "other.txt" else value for key, value in settings.items()}
    before = files(run)
    assert said in refused(capsys, stage(world, run, "train-source", *words, **settings))
    (run / "source" / "config.yaml").rename(tmp_path / "kept")
    assert "config.yaml: no such file" in refused(capsys, stage(world, run, "train-source", *words, **settings))
    (tmp_path / "kept").rename(run / "source" / "config.yaml")
    assert files(run) == before
    assert stage(world, run, "train-source") == 0
    assert (run / "source" / "weights.params").read_bytes() == (finished / "source" / "weights.params").read_bytes()


def test_a_checkpoint_from_other_weights_or_labels_is_removed(finished, world, tmp_path, capsys):
    """The record of what self-training began with is enough: it begins anew; never on labels of other weights."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    folder = run / "sisc-pwl" / "round-0"
    (folder / "weights.params").unlink()
    (folder / "self_train.inputs.json").unlink()
    good = (run / "source" / "weights.params").read_bytes()
    (run / "source" / "weights.params").write_bytes((run / "sisc-pwl" / "round-1" / "weights.params").read_bytes())
    said = refused(capsys, stage(world, run, "self-train", "--round", "0"))
    assert "pseudo_labels: made by other weights than" in said and "run pseudo-label --round 0 again" in said
    assert stage(world, run, "pseudo-label", "--round", "0") == 0
    killed_at_its_end(world, run, "self-train", "--round", "0")
    assert (folder / ".checkpoint" / "position.json").exists()
    (run / "source" / "weights.params").write_bytes(good)
    assert stage(world, run, "pseudo-label", "--round", "0") == 0
    log = len(read_log(run / "log.jsonl"))
    assert stage(world, run, "self-train", "--round", "0") == 0
    assert "resumed" not in [event["event"] for event in read_log(run / "log.jsonl")[log:]]
    for name in ("weights.params", "self_train.inputs.json"):
        assert (folder / name).read_bytes() == (finished / "sisc-pwl" / "round-0" / name).read_bytes()


def test_labels_of_ones_own_network_are_neither_replaced_nor_measured_by_another(finished, world, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    folder = run / "sisc-pwl" / "round-0"
    record = folder / "pseudo_labels" / "pseudo_label.inputs.json"
    write_json(record, {**read_json(record), "weights": "of my_net", "weak_labels": {}})  # as `--net my_net:net` notes
    (folder / "diagnosis.json").unlink(missing_ok=True)
    before = files(run)
    said = refused(capsys, stage(world, run, "pseudo-label", "--round", "0"))
    assert "weights.params was trained on the labels that would be replaced" in said
    said = refused(capsys, stage(world, run, "diagnose", "--round", "0"))
    assert "pseudo_labels: made by another network" in said and "give the --net" in said
    assert files(run) == before


@pytest.mark.parametrize("words", [("train-source",), ("pseudo-label", "--round", "0")])
def test_settings_of_a_process_that_waits_do_not_replace_those_of_the_one_at_work(
    finished, world, tmp_path, capsys, monkeypatch, words
):
    """The other one has no result yet when this one looks, and has some when this one's turn comes."""
    run, folder = tmp_path / "run", "source" if words[0] == "train-source" else "sisc-pwl"
    if folder != "source":
        shutil.copytree(finished / "source", run / "source")

    @contextmanager
    def waited(path):
        assert not (run / folder / "config.yaml").exists()  # nothing was written before the lock
        shutil.copytree(finished / folder, run / folder)
        yield

    monkeypatch.setattr("mlsl_mx.stages.stage.locked", waited)
    assert "seed: 0 -> 7" in refused(capsys, stage(world, run, *words, "--seed", "7"))
    assert files(run / folder) == files(finished / folder)


def test_a_list_in_another_order_is_another_list(finished, world, tmp_path, capsys):
    """Which images a seed draws follows from the order."""
    entries = LISTS["gta5"]
    (tmp_path / "gta5.txt").write_text("\n".join(entries[::-1]) + "\n")
    line = refused(capsys, stage(world, finished, "begin", **{"source.images": tmp_path / "gta5.txt"}))
    assert "lists.source: " in line and "source.images: " in line


def test_validation_images_are_refused_for_adapting(world, tmp_path, finished, capsys):
    settings = {"target.train": world / "lists" / "cityscapes_val.txt"}
    line = refused(capsys, stage(world, finished, "pseudo-label", "--round", "0", method="cbst", **settings))
    assert "validation images too" in line


def test_wrong_input_is_one_line_and_exit_code_2(world, tmp_path, capsys):
    assert "has 2" in refused(capsys, stage(world, tmp_path / "run", "pseudo-label", "--round", "2"))
    assert "weights.params: no such file" in refused(capsys, stage(world, tmp_path / "none", "evaluate", "--source"))
    assert not (tmp_path / "none").exists()
    assert "seed is -1: it must be between 0 and" in refused(
        capsys, stage(world, tmp_path / "run", "train-source", "--seed", "-1")
    )
    missing = str(tmp_path / "none.params")
    assert "none.params" in refused(capsys, stage(world, tmp_path / "run", "train-source", "--imagenet", missing))
    assert "is not a device" in refused(capsys, stage(world, tmp_path / "run", "train-source", "--ctx", "tpu"))
    for name in ("train-source", "begin"):  # Make begins, and then trains
        line = refused(capsys, stage(world, tmp_path / "run", name, **{"source_training.start": "trunk"}))
        assert "IMAGENET=" in line and "set source_training.start to scratch" in line
    code = main(["begin", "--experiment", str(EXPERIMENT), "--run", str(tmp_path / "run")])
    assert "no folder given for gta5" in refused(capsys, code)


def test_check_data_reports_and_refuses(world, capsys):
    lists = [f"source.images={world}/lists/gta5.txt", f"target.train={world}/lists/cityscapes_train.txt"]
    lists += [f"target.val={world}/lists/cityscapes_val.txt"]
    words = [word for setting in lists for word in ("--set", setting)]
    words = ["check-data", "--experiment", str(EXPERIMENT), "--data", str(world / "data"), *words]
    assert main(words) == 0
    assert "3 images with labels: ok" in capsys.readouterr().out
    gone = world / "data" / "gta5" / "images" / "00002.png"
    content = gone.read_bytes()
    gone.unlink()
    assert "missing image" in refused(capsys, main(words))
    gone.write_bytes(content)


def test_a_source_model_can_be_trained_where_there_is_no_target(world, tmp_path):
    alone = tmp_path / "world"  # as the miniature's pretraining: its data has no target scenes
    shutil.copytree(world / "lists", alone / "lists")
    shutil.copytree(world / "data" / "gta5", alone / "data" / "gta5")
    assert stage(alone, tmp_path / "run", "train-source", **{"target.val": '""'}) == 0
