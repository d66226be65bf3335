"""The weak-label head before round 0: trained with the source model (Eq. 6), on its own (Eq. 5), or as initialised."""

from __future__ import annotations

import json

import mxnet as mx
import numpy as np
import pytest
from tiny_run import words, write_world

from mlsl_mx.cli import main
from mlsl_mx.network import MLSLNet
from mlsl_mx.network.weights.original_weights import WEAK_LABEL_NAME
from mlsl_mx.network.weights.params_file import read_params
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.whole_files import file_hash, read_json
from mlsl_mx.training.loss_curve import loss_curves

ALONE = {"source_training.weak_label_weight": 0}  # a source model as the published ones: without the head


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("head") / "world")


@pytest.fixture(scope="module")
def published(world, tmp_path_factory):
    """A source model without the weak-label head."""
    run = tmp_path_factory.mktemp("published") / "run"
    assert main(words(world, run, "train-source", **ALONE)) == 0
    return run / "source" / "weights.params"


def imported(world, folder, published, **settings):
    """A run that starts from it, up to the pseudo-labels of round 0."""
    run = folder / "run"
    assert main(words(world, run, "import-weights", "--weights", published, **settings)) == 0
    assert main(words(world, run, "pseudo-label", "--round", "0", **settings)) == 0
    return run


def tensors(path):
    """Those of the weak-label head, and all others, by their names."""
    saved = read_params(path)
    head = {name for name in saved if WEAK_LABEL_NAME.fullmatch(name[4:])}
    return {n: saved[n] for n in head}, {n: saved[n] for n in set(saved) - head}


def start_of_round_0(run):
    (event,) = [e for e in read_log(run / "log.jsonl") if (e["stage"], e["event"]) == ("self-train", "start")]
    return event["weights"]


def test_the_source_model_has_both_heads_and_the_losses_of_both(world, published, tmp_path):
    run = tmp_path / "run"
    assert main(words(world, run, "train-source", **{"source_training.weak_label_weight": 0.025})) == 0
    head, _ = tensors(run / "source" / "weights.params")
    assert len(head) == 8 and not tensors(published)[0]
    points = [e for e in read_log(run / "log.jsonl") if e["event"] == "loss"]
    assert all(0 < point["losses"]["weak_labels"] < 0.025 * 5 for point in points)


def test_a_published_source_model_gets_a_head_and_nothing_else(world, published, tmp_path):
    run = imported(world, tmp_path, published)
    for _ in range(2):  # the second time there is nothing to do
        assert main(words(world, run, "train-head")) == 0
    weights = run / "source" / "head" / "weights.params"
    head, rest = tensors(weights)
    before = tensors(published)[1]
    assert rest.keys() == before.keys()
    for name in rest:
        np.testing.assert_array_equal(rest[name], before[name])
    mx.random.seed(0)
    fresh = MLSLNet(19, 0.02)
    fresh.initialize()
    for name, parameter in fresh.weak_label_head.collect_params().items():
        assert np.abs(head[f"arg:{name[len(fresh.prefix) :]}"] - parameter.data().asnumpy()).max() > 0
    said = {"trained": True, "start": str(weights), "weights": file_hash(weights)}
    assert json.loads((run / "sisc-pwl" / "head.json").read_text()) == said
    outcomes = [e["outcome"] for e in read_log(run / "log.jsonl") if (e["stage"], e["event"]) == ("train-head", "end")]
    assert outcomes == ["worked", "no-op"]
    assert main(words(world, run, "self-train", "--round", "0")) == 0
    assert start_of_round_0(run) == str(weights)
    curves = loss_curves(read_log(run / "log.jsonl"))  # each training's own
    assert {name for p in curves["train-head", "source-only", None] for name in p.losses} == {"weak_labels"}
    assert {name for p in curves["self-train", "sisc-pwl", 0] for name in p.losses} == {"segmentation", "weak_labels"}


def test_all_methods_of_a_run_share_the_head_and_its_settings_bind(world, published, tmp_path, capsys):
    run = imported(world, tmp_path, published)
    assert main(words(world, run, "train-head")) == 0
    weights = run / "source" / "head" / "weights.params"
    before = weights.read_bytes()
    other = {"weak_labels.weight": 0.1}
    assert main([*words(world, run, "train-head", **other), "--method", "cbst-pwl"]) == 0
    assert "is there already" in capsys.readouterr().out.splitlines()[-1]
    assert json.loads((run / "cbst-pwl" / "head.json").read_text())["start"] == str(weights)
    for setting in ({"head_training.epochs": 9}, {"network.head_relu": "released"}):
        assert main(words(world, run, "train-head", **setting)) == 2
        assert main([*words(world, run, "begin", **setting), "--weights", str(published), "--method", "cbst-pwl"]) == 2
        said = f"{run}/source/head/config.yaml: holds results of other settings ({next(iter(setting))}: "
        assert capsys.readouterr().err.count(said) == 2
    assert weights.read_bytes() == before


def test_a_mistyped_run_gets_no_folder(world, tmp_path, capsys):
    assert main([*words(world, tmp_path / "typo", "train-head"), "--method", "sisc"]) == 2
    assert "weights.params" in capsys.readouterr().err and not (tmp_path / "typo").exists()


def test_only_cards_of_methods_that_start_from_the_head_name_its_training(world, published, tmp_path):
    run = imported(world, tmp_path, published)
    assert main(words(world, run, "train-head")) == 0
    assert main(words(world, run, "self-train", "--round", "0")) == 0
    assert main(words(world, run, "evaluate", "--source")) == 0
    assert main(words(world, run, "evaluate", "--round", "0")) == 0
    assert main(words(world, run, "report")) == 0
    cards = {folder: read_json(run / folder / "model_card.json") for folder in ("source", "sisc-pwl")}
    named = {folder: {stage["stage"] for stage in card["stages"]} for folder, card in cards.items()}
    assert "train-head" in named["sisc-pwl"] and "train-head" not in named["source"]


def test_a_round_does_not_start_before_its_head_is_trained(world, published, tmp_path, capsys):
    run = imported(world, tmp_path, published)
    assert main(words(world, run, "self-train", "--round", "0")) == 2
    assert "has no weak-label head: run train-head first" in capsys.readouterr().err
    assert not (run / "sisc-pwl" / "round-0" / "weights.params").exists()


@pytest.mark.parametrize("start", ["source", "random"])
def test_where_nothing_is_to_be_trained_the_stage_says_so(world, published, tmp_path, capsys, start):
    run, setting = tmp_path / "run", {"weak_labels.start": start}
    if start == "random":
        run = imported(world, tmp_path, published, **setting)
    else:
        assert main(words(world, run, "train-source")) == 0
    assert main(words(world, run, "train-head", **setting)) == 0
    assert "no weak-label head to train" in capsys.readouterr().out
    assert not (run / "source" / "head").exists()
    assert not json.loads((run / "sisc-pwl" / "head.json").read_text())["trained"]


def test_a_random_start_is_the_same_whatever_the_source_model_has(world, published, tmp_path):
    still = {"weak_labels.start": "random", "self_training.optimizer.learning_rate": 0}
    imported_run = imported(world, tmp_path, published, **still)
    trained_run = tmp_path / "trained"
    assert main(words(world, trained_run, "train-source")) == 0
    assert main(words(world, trained_run, "pseudo-label", "--round", "0", **still)) == 0
    heads = []
    for run in (imported_run, trained_run):
        assert main(words(world, run, "self-train", "--round", "0", **still)) == 0
        heads.append(tensors(run / "sisc-pwl" / "round-0" / "weights.params")[0])
    for name in heads[0]:
        np.testing.assert_array_equal(heads[0][name], heads[1][name])
    with_head = tensors(trained_run / "source" / "weights.params")[0]
    assert any((heads[1][name] != with_head[name]).any() for name in with_head)
