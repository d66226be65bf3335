"""docs/EXTENDING.md: each example is carried out as it is written there, on a tiny world."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from documented_commands import blocks, write_files
from scene_files import write_png
from tiny_run import STAGES, words, write_world

from mlsl_mx.cli import main
from mlsl_mx.config.classes import ignore_id
from mlsl_mx.network.weights.params_file import read_params
from mlsl_mx.predict import Predictor
from mlsl_mx.system.own_code import imported
from mlsl_mx.system.run_log import read_log

ROOT = Path(__file__).parents[1]
PYTORCH = ROOT / ".venv-torch" / "bin" / "python"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With the files of the page, each named by its first line, a tiny world, and a source model."""
    folder = tmp_path_factory.mktemp("extending")
    write_files(ROOT / "docs" / "EXTENDING.md", folder)
    world = write_world(folder / "world")
    assert main(words(world, folder / "run", "train-source", experiment=folder / "base.yaml")) == 0
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    """`stage(name, ..., experiment=, method=)` of a run there; modules of earlier tests are forgotten."""
    monkeypatch.chdir(folder)
    # Folders of other tests, in which such files lie too, were appended.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place) / "my_rules.py").exists()])
    for name in ("my_rules", "minent", "my_trunks"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def stage(*given, experiment="base.yaml", method="sisc", run="run"):
        return main([*words(folder / "world", folder / run, *given, experiment=Path(experiment)), "--method", method])

    return stage


def test_a_rule(here, folder, capsys):
    shutil.copytree(folder / "run", folder / "clear", dirs_exist_ok=True)
    known = {"experiment": "clear_winner.yaml", "run": "clear"}
    assert here("begin", **known) == 0
    assert f"selection.rule: my_rules:clear_winner, of {folder / 'my_rules.py'}" in capsys.readouterr().out
    assert here("pseudo-label", "--round", "0", **known) == 0
    said = json.loads((folder / "clear/sisc/round-0/pseudo_labels/selection.json").read_text())
    assert said["rule"] == "my_rules:clear_winner"
    with open("my_rules.py", "a") as code:
        code.write("# changed\n")
    assert here("pseudo-label", "--round", "0", **known) == 2
    assert "own_code.selection.rule: " in capsys.readouterr().err


def test_a_rule_that_another_files_function_makes(here, folder, capsys):
    """What the run watches is the file that the spec names, and not that of `functools.partial` alone."""
    content = "import functools, my_rules\nrule = functools.partial(my_rules.clear_winner)\n"
    (folder / "twice.py").write_text(content)
    (folder / "twice.yaml").write_text('inherit: base.yaml\nselection: {rule: "twice:rule"}\n')
    shutil.copytree(folder / "run", folder / "made", dirs_exist_ok=True)
    known = {"experiment": "twice.yaml", "run": "made"}
    assert here("pseudo-label", "--round", "0", **known) == 0
    (folder / "twice.py").write_text(f"{content}# changed\n")
    assert here("pseudo-label", "--round", "0", **known) == 2
    assert "own_code.selection.rule: " in capsys.readouterr().err


@pytest.mark.parametrize("changed", [False, True])
def test_another_method_takes_over_the_labels_of_the_same_code_alone(here, folder, changed):
    run = f"shared-{changed}"
    shutil.copytree(folder / "run", folder / run, dirs_exist_ok=True)
    known = {"experiment": "clear_winner.yaml", "run": run}
    assert here("pseudo-label", "--round", "0", **known) == 0
    with open("my_rules.py", "a") as code:
        code.write("# changed again\n" * changed)
    assert here("pseudo-label", "--round", "0", method="sisc-pwl", **known) == 0
    events = [event["event"] for event in read_log(folder / run / "log.jsonl")]
    assert ("taken_over" in events) == (not changed)


def test_the_rule_is_the_one_that_is_asked(here):
    from mlsl_mx.pseudo_labels import select_pseudo_labels

    volume = np.array([[[0.6, 0.5]], [[0.3, 0.4]], [[0.1, 0.1]]], np.float32)
    labels = select_pseudo_labels(volume, [0.2, 0.2, 0.2], "my_rules:clear_winner")
    assert labels.tolist() == [[0, ignore_id(3)]]


WITH_THE_RECORD = """
import sys
from mlsl_mx.config import published_data
exec(sys.argv[1], vars(published_data))
from mlsl_mx.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_data_set(folder, tmp_path):
    """In a process of its own, so that the record is there before anything is imported that asks for it."""
    page = (ROOT / "docs" / "EXTENDING.md").read_text(encoding="utf-8")
    (record,) = (b for b in blocks("", page) if b.lines[0] == "# at the end of mlsl_mx/config/published_data.py")
    for i, file_id in enumerate((7, 26, 34)):  # the last is none of Cityscapes'
        write_png(tmp_path / f"img/rgb/{i}.png", np.full((720, 1440, 3), 9 * i, np.uint8))
        write_png(tmp_path / f"img/class/{i}.png", np.full((720, 1440), file_id, np.uint8))
    (tmp_path / "synscapes.txt").write_text("".join(f"img/rgb/{i}.png\n" for i in range(3)))
    words = [
        "check-data",
        "--experiment",
        folder / "synscapes.yaml",
        "--synscapes",
        tmp_path,
        "--data",
        folder / "world/data",
    ]
    lists = [f"target.{key}={folder}/world/lists/cityscapes_{key}.txt" for key in ("train", "val")]
    words += [word for setting in lists for word in ("--set", setting)]
    command = [sys.executable, "-c", WITH_THE_RECORD, "\n".join(record.lines), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "source (synscapes.txt): 3 images with labels: NOT usable" in done.stdout
    assert "wrong label: 1" in done.stdout and "obtain Synscapes from synscapes.on.liu.se" in done.stdout
    assert "2.png: holds ids 34 (1036800 pixels), which are in no class of Synscapes" in done.stderr


def test_a_trunk(here, folder, capsys):
    """From its training on nothing to a network that predicts and is exported."""
    for stage in STAGES:
        assert here(*stage, experiment="plain.yaml", method="sisc-pwl", run="plain") == 0
    weights = folder / "plain/sisc-pwl/round-0/weights.params"
    assert {"arg:6.weight", "aux:7.running_mean", "arg:linear19_weight", "arg:bCls1_weight"} <= set(
        read_params(weights)
    )
    assert "- Trunk: my_trunks:Plain" in (folder / "plain/sisc-pwl/model_card.md").read_text()
    assert Predictor(weights).predict(np.zeros((40, 56, 3), np.uint8)).shape == (40, 56)
    pytest.importorskip("onnxruntime")
    assert main(["export-onnx", "--weights", str(weights), "--out", "plain.onnx"]) == 0
    assert "19 classes, trunk my_trunks:Plain, width 0.0197; logits differ by at most" in capsys.readouterr().out
    with open("my_trunks.py", "a") as code:
        code.write("# changed\n")
    assert here("train-source", experiment="plain.yaml", run="plain") == 2
    assert "own_code.network.trunk: " in capsys.readouterr().err


def test_a_method_with_a_loss_of_its_own(here, folder):
    for stage in ("pseudo-label", "self-train"):
        assert here(stage, "--round", "0", method="minent") == 0
    events = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    (losses,) = [event for event in events if event["event"] == "loss" and event["method"] == "minent"][-1:]
    assert {"segmentation", "entropy"} <= set(losses["losses"]) and 0 < losses["losses"]["entropy"] < 0.001 * np.log(19)


TERM = """
import numpy as np
import torch
from minent_torch import target_entropy
given = {name: torch.from_numpy(values) for name, values in np.load("batch.npz").items()}
print(target_entropy(**given)["entropy"].item())
"""


@pytest.mark.skipif(not PYTORCH.exists(), reason="no .venv-torch: make setup-torch")
def test_the_same_loss_with_pytorch(here, folder):
    target_entropy = imported("minent:target_entropy", "self_training.own_loss")
    rng = np.random.default_rng(0)
    batch = {"logits": rng.normal(size=(3, 19, 4, 5)).astype(np.float32), "train_ids": np.zeros((3, 4, 5), np.int64)}
    batch["is_target"] = np.array([0, 1, 1], np.float32)
    np.savez("batch.npz", **batch)
    done = subprocess.run([PYTORCH, "-c", TERM], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = target_entropy(**{name: mx.nd.array(values) for name, values in batch.items()})["entropy"]
    assert float(done.stdout) == pytest.approx(expected.asscalar(), rel=1e-5) and float(done.stdout) > 0


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("nowhere:rule", "selection.rule is nowhere:rule: importing nowhere failed with ModuleNotFoundError"),
        ("my_rules:other", "my_rules.py has no other: correct one of them"),
        ("sharpest", "use one of reweighted, argmax, or package.module:name of your own code"),
    ],
)
def test_what_cannot_be_imported_is_told_before_anything_is_computed(here, folder, capsys, rule, told):
    assert here("begin", "--set", f"selection.rule={rule}", run="none") == 2
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1 and not (folder / "none").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("volume.argmax(axis=0)", "but gave int64 of ("),
        ("None", "but gave a NoneType: return a NumPy array"),
        ("(volume.argmax(axis=0) + 100).astype('uint8')", "from 0 to 18, and 255 for none, but gave 1"),
    ],
)
def test_labels_of_another_kind_are_refused(here, folder, capsys, monkeypatch, given, said):
    monkeypatch.delitem(sys.modules, "wrong", raising=False)
    (folder / "wrong.py").write_text(f"def rule(volume, thresholds):\n    return {given}\n")
    importlib.invalidate_caches()
    assert here("pseudo-label", "--round", "0", "--set", "selection.rule=wrong:rule", method="cbst") == 2
    err = capsys.readouterr().err
    assert "selection.rule wrong:rule: it must give uint8 labels of shape (" in err and said in err
