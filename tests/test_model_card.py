"""The model cards of a made-up run. Those of a real one are in test_stages.py."""

import hashlib
import json
from pathlib import Path

import mxnet as mx
import pytest
import yaml
from run_directory import write_run

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import Config, SourceData
from mlsl_mx.gluon.engine import model as gpu_model
from mlsl_mx.reports import model_card
from mlsl_mx.reports.stage_times import stage_times
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import read_settings
from mlsl_mx.system.whole_files import read_json, write_json

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc", FIPS 180-2
MINIATURE = "miniature: not comparable with the paper"


def cards(run, method, find_list=lambda name: Path("no list")):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(model_card, "existing", find_list)
        model_card.write_model_cards(run)
    return read_json(run / method / "model_card.json"), (run / method / "model_card.md").read_text()


def change(path, **values):
    write_json(path, {**read_json(path), **values})


def change_settings(folder, **values):
    settings = {**read_settings(folder / "config.yaml"), **values}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def write_log(run, *parts):
    """Each part is (method, stage, round, seconds or None for a lost end, outcome)."""
    lines = []
    for method, stage, index, seconds, outcome in parts:
        about = {"stage": stage, "method": method, "round": index}
        where = {"experiment": "made-up", "ctx": "cpu(0)", "gpu": None, "threads": "2", "command": f"{stage} -- 'a b'"}
        lines.append({**about, "event": "begin", **where, "revision": f"rev-{method}"})
        if seconds is not None:
            lines.append({**about, "event": "end", "outcome": outcome, "seconds": seconds})
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return lines


def test_parts_of_an_interrupted_stage_add_up(tmp_path):
    lines = write_log(
        tmp_path,
        ("sisc", "self-train", 0, 10.25, "unfinished"),
        ("sisc", "self-train", 0, None, None),  # killed
        ("cbst", "self-train", 0, 100, "worked"),  # another method of the run
        ("sisc", "self-train", 0, 4.5, "worked"),
        ("sisc", "self-train", 0, 3, "no-op"),
        ("sisc", "self-train", 1, 7, "unfinished"),
        ("sisc", "evaluate", 1, 2, "no-op"),
    )
    times = {(t.method, t.stage, t.round): (t.seconds, t.parts, t.lost, t.finished) for t in stage_times(lines)}
    assert times == {
        ("sisc", "self-train", 0): (14.75, 3, 1, True),
        ("cbst", "self-train", 0): (100, 1, 0, True),
        ("sisc", "self-train", 1): (7, 1, 0, False),
    }


def test_what_was_made_anew_counts_alone(tmp_path):
    lines = write_log(tmp_path, *(("sisc", "evaluate", 0, s, o) for s, o in ((5, "worked"), (9, "worked"))))
    assert [time.seconds for time in stage_times(lines)] == [9]
    lines = write_log(tmp_path, *(("sisc", "evaluate", 0, s, o) for s, o in ((5, "worked"), (1, "unfinished"))))
    assert [(time.seconds, time.finished) for time in stage_times(lines)] == [(5, True)]
    lines = write_log(tmp_path, ("sisc", "evaluate", 0, None, None))
    assert [(time.seconds, time.parts, time.lost) for time in stage_times(lines)] == [(None, 1, 1)]


def test_results_are_those_of_the_last_round(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [44.0, 42.0]})
    card, text = cards(run, "sisc")
    evaluation = read_json(run / "sisc/round-1/evaluation.json")
    assert (card["results"]["round"], card["rounds_done"], card["seed"], card["method"]) == (1, 2, 1, "sisc")
    assert card["results"]["per_class"] == evaluation["per_class"] and card["results"]["mious"] == evaluation["mious"]
    assert "| road | 62.0 |" in text and "| train | - |" in text and "| mIoU(19) | 42.0 |" in text
    assert [one["coverage"] for one in card["labels"]] == [0.15, 0.2]
    assert "| road | 0.79 | 1.05 |" in text and "| all | 15.00 | 20.00 |" in text  # 15 % and 20 % over 19 classes
    assert card["settings"] == read_settings(run / "sisc/config.yaml")
    source, text = cards(run, "source")
    assert (source["results"]["round"], source["rounds_done"], source["labels"]) == (None, 0, [])
    assert "Of the source model on 500 validation images" in text and "| target |" not in text


def test_a_stage_of_several_processes_says_so(tmp_path):
    run = write_run(tmp_path, {"sisc": [40.0]})
    begin, end = write_log(run, ("sisc", "self-train", 0, 3, "worked"))
    (run / "log.jsonl").write_text(f"{json.dumps({**begin, 'workers': 4})}\n{json.dumps(end)}\n")
    card, text = cards(run, "sisc")
    assert card["stages"][0]["workers"] == 4 and "self-train of round 0: shared by 4 processes" in text
    write_log(run, ("sisc", "self-train", 0, 3, "worked"))
    assert "shared by" not in cards(run, "sisc")[1]


def test_weights_are_known_by_their_hash(tmp_path):
    run = write_run(tmp_path, {"sisc": [40.0]})
    (run / "source/config.yaml").write_text("start: {imagenet: '0123456789abcdef', weights: null}\n")
    for folder in ("source", "sisc/round-0"):
        (run / folder / "weights.params").write_bytes(b"abc")
    change(run / "sisc/round-0/evaluation.json", weights=ABC[:16])
    card, text = cards(run, "sisc")
    assert card["weights"] == {
        "source": {"round": None, "file": "source/weights.params", "sha256": ABC},
        "rounds": [{"round": 0, "file": "sisc/round-0/weights.params", "sha256": ABC}],
    }
    assert card["start_weights"] == {"kind": "imagenet", "file": None, "sha256_first_16": "0123456789abcdef"}
    assert "name not recorded, SHA-256 0123456789abcdef..." in text
    assert card["results"]["of_this_file"] is True and model_card.OTHER_WEIGHTS not in text
    (run / "sisc/round-0/weights.params").write_bytes(b"abcd")
    card, text = cards(run, "sisc")
    assert card["results"]["of_this_file"] is False and model_card.OTHER_WEIGHTS in text


@pytest.mark.parametrize("change_list", [False, True])
def test_a_list_is_named_by_its_hash_while_it_is_the_one_of_the_run(tmp_path, change_list):
    run = write_run(tmp_path / "run", {"sisc": [40.0]})
    content, found = b"images/1.png\r\n\r\nimages/2.png\r\n", tmp_path / "list.txt"
    found.write_bytes(content)
    parts = ("gta5", "images/1.png", "images/2.png", *class_set(19).names, "(1052, 1914)")
    noted = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    change_settings(run / "sisc", lists={"source": noted})
    if change_list:
        found.write_text("images/1.png\nimages/3.png\n")
    card, text = cards(run, "sisc", lambda name: found if name == "data_lists/gta5.txt" else tmp_path / "none")
    digest = None if change_list else hashlib.sha256(content).hexdigest()
    assert card["data"]["source"] == {
        "dataset": "gta5",
        "list": "data_lists/gta5.txt",
        "size": [1052, 1914],
        "fingerprint": noted,
        "sha256": digest,
        "images": None if change_list else 2,
    }
    assert (card["data"]["target"]["fingerprint"], card["data"]["target"]["sha256"]) == (None, None)
    assert card["data"]["validation"]["fingerprint"] == "0123456789abcdef"  # of the evaluation
    assert (digest or "| not recorded | 1914x1052 | not recorded |") in text


def test_of_a_list_with_images_held_out_the_others_count(tmp_path):
    run = write_run(tmp_path / "run", {"sisc": [40.0]}, Config(source=SourceData(held_out=0.5)))
    (tmp_path / "list.txt").write_text("".join(f"images/{i}.png\n" for i in range(4)))  # 1 and 3 are held out
    parts = ("gta5", "images/0.png", "images/2.png", *class_set(19).names, "(1052, 1914)")
    change_settings(run / "sisc", lists={"source": hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]})
    card, _ = cards(run, "sisc", lambda name: tmp_path / "list.txt")
    assert card["data"]["source"]["images"] == 2 and card["data"]["source"]["sha256"]


def test_stages_device_and_commands(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "cbst": [38.0], "sisc": [40.0]})
    environment = {"mlsl_mx": "9.9", "mxnet": "1.9.1", "cpu": "Abacus", "cpus": 3, "command": "begin"}
    write_json(run / "sisc/environment.json", environment)
    write_log(
        run,
        ("sisc", "pseudo-label", 0, 62.04, "worked"),
        ("sisc", "self-train", 0, None, None),
        ("cbst", "self-train", 0, 5, "worked"),
        ("source-only", "train-source", None, 8.0, "worked"),
    )
    card, text = cards(run, "sisc")
    assert [(one["stage"], one["seconds"]) for one in card["stages"]] == [
        ("train-source", 8.0),
        ("pseudo-label", 62.04),
        ("self-train", None),
    ]
    assert card["device"] == {
        "ctx": ["cpu(0)"],
        "gpu": None,
        "cpu": "Abacus",
        "cpus": 3,
        "machine": None,
        "threads": None,
    }
    assert card["commands"] == ["begin", *(f"{s} -- 'a b'" for s in ("train-source", "pseudo-label", "self-train"))]
    assert card["code"] == {"version": "9.9", "revision": None, "revisions": ["rev-source-only", "rev-sisc"]}
    assert "| pseudo-label | sisc | 0 | 62.0 | 1 | cpu(0) | 2 | yes |" in text
    assert "| self-train | sisc | 0 | not recorded | 1 | cpu(0) | 2 | no |" in text
    assert "self-train of round 0: 1 of its starts recorded no end" in text
    assert "    mlsl pseudo-label -- 'a b'\n" in text and "| GPU | - |" in text
    assert [one["method"] for one in cards(run, "cbst")[0]["stages"]] == ["source-only", "cbst"]


@pytest.mark.skipif(mx.context.num_gpus() > 0, reason="there is a GPU")
def test_a_gpu_that_mxnet_cannot_ask_has_no_name():
    assert gpu_model(mx.cpu()) is None and gpu_model(mx.gpu(0)) is None


def test_what_is_not_there_is_null(tmp_path):
    run = write_run(tmp_path, {"sisc": [40.0]})
    for path in ("source/environment.json", "sisc/config.yaml", "sisc/round-0/pseudo_labels/selection.json"):
        (run / path).unlink()
    card, text = cards(run, "sisc")
    absent = ("experiment", "seed", "miniature", "notice", "start_weights", "stages", "commands", "settings")
    assert [card[key] for key in absent] == [None] * len(absent)
    assert card["data"] == {"source": None, "target": None, "validation": None} and card["labels"] == []
    assert set(card["versions"].values()) == {None} and set(card["device"].values()) == {None}
    assert card["weights"]["rounds"][0]["sha256"] is None and card["results"]["of_this_file"] is None
    for line in (
        "- Seed: not recorded",
        "## Stages\n\nnot recorded",
        "## Settings\n\nnot recorded",
        "| mxnet | not rec",
    ):
        assert line in text
    assert "None" not in text


@pytest.mark.parametrize("miniature", [True, False])
def test_miniature_is_marked_first_and_last(tmp_path, miniature):
    run = write_run(tmp_path, {"sisc": [40.0]}, Config(miniature=miniature))
    card, text = cards(run, "sisc")
    lines = text.strip().splitlines()
    assert [lines[0] == MINIATURE, lines[-1] == MINIATURE, card["notice"] == MINIATURE] == [miniature] * 3
    assert (model_card.MINIATURE_LIMIT in card["limits"]) == miniature


def test_keys_are_those_that_are_documented(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40.0]})
    documented = model_card.__doc__
    for method in ("source", "sisc"):
        card = cards(run, method)[0]
        for key in [*card, *card["results"], *card["data"], *card["weights"], *card["device"], *card["versions"]]:
            assert key in documented.replace(",", " ").replace(";", " ").replace(":", " ").split(), key


def test_no_results_no_card(tmp_path):
    with pytest.raises(InputError, match="evaluate first"):
        model_card.write_model_cards(tmp_path)
