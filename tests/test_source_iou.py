"""What the network still knows of its source: measured as evaluation measures, and a warning where it is little."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import EXPERIMENT, words, write_world

from mlsl_mx.cli import main
from mlsl_mx.config import load_config
from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.experiment_data import ExperimentData
from mlsl_mx.data.label_files import published_format, read_train_ids
from mlsl_mx.predict import Predictor, read_image
from mlsl_mx.reports.report_tables import source_class_table, source_table
from mlsl_mx.reports.stage_times import stage_times
from mlsl_mx.stages import source_iou
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.whole_files import read_json, write_json


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("source") / "world")


@pytest.fixture(scope="module")
def labelled(world, tmp_path_factory):
    """A run up to the labels of round 0."""
    run = tmp_path_factory.mktemp("labelled") / "run"
    for stage in (("train-source",), ("pseudo-label", "--round", "0")):
        assert main(words(world, run, *stage)) == 0
    return run


def first_source_image(world):
    """The file of the only one that is looked at, and its truth."""
    image = world / "data" / "gta5" / (world / "lists" / "gta5.txt").read_text().split()[0]
    labels = image.parents[1] / "labels" / image.name
    return image, read_train_ids(labels, published_format("gta5", class_set(19)))


def test_the_source_model_is_measured_on_source_images(world, labelled):
    found = read_json(labelled / "source" / source_iou.FILE)
    image, truth = first_source_image(world)
    alone = PseudoLabels(inference="single", flip=False)  # as the miniature evaluates
    seen = Predictor(labelled / "source" / "weights.params", settings=alone).predict(read_image(image))
    known = truth < 19
    for c, name in enumerate(class_set(19).names):  # by the definition, on the one image that is looked at
        of_truth, of_network = (truth == c) & known, (seen == c) & known
        either = (of_truth | of_network).sum()
        expected = 100 * (of_truth & of_network).sum() / either if either else None
        assert found["per_class"][name] == (None if expected is None else pytest.approx(expected)), name
    assert found["images"] == 1
    assert found["miou"] == pytest.approx(np.mean([v for v in found["per_class"].values() if v is not None]))


@pytest.mark.parametrize("factor", [0.0, 100.0])
def test_a_round_that_forgets_is_told(world, labelled, factor, capsys):
    """The source model is said to have known nothing, or far more than the round does."""
    path, weights = labelled / "source" / source_iou.FILE, labelled / "sisc-pwl" / "round-0" / "weights.params"
    before = read_json(path)
    write_json(path, {**before, "miou": 0.5 * factor})
    weights.unlink(missing_ok=True)
    assert main(words(world, labelled, "self-train", "--round", "0")) == 0
    assert ("the network forgets its source" in capsys.readouterr().err) == (factor > 0)
    assert (weights.parent / source_iou.FILE).exists()
    write_json(path, before)


def test_the_source_model_is_measured_again_on_the_images_of_the_round(world, labelled, capsys):
    path, weights = labelled / "source" / source_iou.FILE, labelled / "sisc-pwl" / "round-0" / "weights.params"
    before = read_json(path)
    write_json(path, {**before, "miou": 50.0, "list_hash": "another"})
    weights.unlink(missing_ok=True)
    assert main(words(world, labelled, "self-train", "--round", "0")) == 0
    assert "the network forgets its source" not in capsys.readouterr().err
    assert read_json(path) == before


def test_a_training_that_was_killed_before_it_was_measured_is_measured_by_the_next_start(world, labelled, capsys):
    model, weights = labelled / "source", labelled / "sisc-pwl" / "round-0" / "weights.params"
    assert main(words(world, labelled, "self-train", "--round", "0")) == 0
    times = stage_times(read_log(labelled / "log.jsonl"))
    for folder, stage in ((model, ("train-source",)), (weights.parent, ("self-train", "--round", "0"))):
        before = (folder / source_iou.FILE).read_bytes()
        for left in (None, {**json.loads(before), "weights": "of others"}):
            (folder / source_iou.FILE).unlink()
            if left:
                write_json(folder / source_iou.FILE, left)
            assert main(words(world, labelled, *stage)) == 0
            assert (folder / source_iou.FILE).read_bytes() == before
    assert [time.seconds for time in stage_times(read_log(labelled / "log.jsonl"))] == [time.seconds for time in times]
    capsys.readouterr()
    assert main(words(world, labelled, "train-source")) == 0
    assert "learnt" not in capsys.readouterr().err  # it has been said


@pytest.mark.parametrize(("before", "after", "forgets"), [(39.9, 34.0, 0), (40.1, 34.0, 1), (40.1, 34.2, 0)])
def test_the_documented_limits(monkeypatch, caplog, before, after, forgets):
    """A source model has learnt its source from 40 mIoU on; a round below 85 % of the source model's forgets it."""
    measured = {"source": before, "round": after}
    found = {where: {"miou": miou, "images": 1, "held_out": False, "unlearnt": []} for where, miou in measured.items()}
    monkeypatch.setattr(source_iou, "_to_measure", lambda *given: [0])
    monkeypatch.setattr(source_iou, "_measured", lambda job, folder, images: found[folder])
    monkeypatch.setattr(source_iou, "_measure", lambda job, folder, *given: found[folder])
    job = SimpleNamespace(source_folder="source", folder=lambda index: "round")
    source_iou.measure_source_model(job, None)
    assert ("has not learnt its source" in caplog.text) == (before < 40)
    caplog.clear()
    source_iou.measure_round(job, 0, None)
    assert caplog.text.count("the network forgets its source") == forgets


def test_of_many_held_out_images_some_are_measured(world, tmp_path, monkeypatch):
    monkeypatch.setattr(source_iou, "MOST", 1)
    assert main(words(world, tmp_path / "run", "train-source", **{"source.held_out": 0.5})) == 0
    assert read_json(tmp_path / "run" / "source" / source_iou.FILE)["images"] == 1


def test_without_images_to_look_at_nothing_is_measured_or_said(world, tmp_path, capsys):
    setting = {"evaluation.diagnosed_images": 0}
    assert main(words(world, tmp_path / "run", "train-source", **setting)) == 0
    assert "learnt" not in capsys.readouterr().err
    assert not (tmp_path / "run" / "source" / source_iou.FILE).exists()


def test_classes_that_were_not_learnt_are_named(world, tmp_path, capsys):
    assert main(words(world, tmp_path / "run", "train-source")) == 0
    found = read_json(tmp_path / "run" / "source" / source_iou.FILE)
    assert f"does not know {', '.join(found['unlearnt'])}:" in capsys.readouterr().err
    _, truth = first_source_image(world)
    there = [class_set(19).names[c] for c in np.unique(truth[truth < 19])]
    assert found["unlearnt"] == [name for name in there if found["per_class"][name] < 1] != []


def test_the_report_shows_it_by_round():
    rounds = [{"round": r, "source_miou": miou} for r, miou in enumerate((50.04, None))]
    start = {"round": 0, "source_miou": 53.0, "source_iou": {"miou": 53.0, "images": 6, "held_out": False}}
    source = {"method": "source-only", "title": "source only", "rounds": [start]}
    content = {"methods": [source, {"method": "sisc", "title": "SISC", "rounds": rounds}]}
    table = source_table(content)
    assert table.rows == [["SISC", "53.0", "50.0", "-"]]
    assert "On 6 source images that the network was trained on." in table.notes[0]
    rounds[0]["source_miou"] = None
    assert source_table(content) is None


def test_held_out_images_are_never_trained_on_and_measured(world, tmp_path, capsys):
    """Of the three source images the one in the middle: its truth alone decides what is said of the source model."""
    settings = {"source.held_out": 0.3}
    assert main(words(world, tmp_path / "run", "train-source", **settings)) == 0
    found = read_json(tmp_path / "run" / "source" / source_iou.FILE)
    said = capsys.readouterr().err
    assert found["held_out"] and found["images"] == 1
    assert "1 source images that it is not trained on" in said
    assert "has not learnt its source" in said  # after two steps
    listed = (world / "lists" / "gta5.txt").read_text().split()
    path = world / "data" / "gta5" / listed[len(listed) // 2]
    truth = read_train_ids(path.parents[1] / "labels" / path.name, published_format("gta5", class_set(19)))
    there = [class_set(19).names[c] for c in np.unique(truth[truth < 19])]
    assert found["unlearnt"] == [name for name in there if found["per_class"][name] < 1]


def test_which_source_images_are_held_out(world):
    listed = (world / "lists" / "gta5.txt").read_text().split()
    for share, held in ((0.0, []), (0.01, [len(listed) // 2]), (0.3, [len(listed) // 2])):
        config = load_config(
            EXPERIMENT, None, (f"source.images={world / 'lists' / 'gta5.txt'}", f"source.held_out={share}")
        )
        data = ExperimentData(config=config, roots={"gta5": world / "data" / "gta5"})
        assert data.source.entries == tuple(e for i, e in enumerate(listed) if i not in held)
        assert (data.held_out.entries if data.held_out else ()) == tuple(listed[i] for i in held)
        assert data.all_source.entries == tuple(listed)


def test_a_source_of_one_image_has_none_to_hold_out(world, tmp_path):
    only = tmp_path / "one.txt"
    only.write_text((world / "lists" / "gta5.txt").read_text().split()[0])
    config = load_config(EXPERIMENT, None, (f"source.images={only}", "source.held_out=0.5"))
    data = ExperimentData(config=config, roots={"gta5": world / "data" / "gta5"})
    with pytest.raises(InputError, match="none would be left"):
        _ = data.source


def test_the_report_shows_the_source_model_class_by_class():
    measured = {"miou": 50.0, "per_class": {"road": 90.0, "wall": 10.0}, "images": 84, "held_out": True}
    source = {"method": "source-only", "miou": 30.0, "per_class": {"road": 60.0, "wall": 0.0}}
    table = source_class_table(
        {"classes": ["road", "wall"], "methods": [{**source, "rounds": [{"source_iou": measured}]}]}
    )
    assert table.rows == [("road", "90.0", "60.0"), ("wall", "10.0", "0.0"), ("mIoU(2)", "50.0", "30.0")]
    assert "84 source images that nothing was trained on" in table.notes[0]
    assert source_class_table({"classes": ["road"], "methods": [{**source, "rounds": [{"source_iou": None}]}]}) is None
