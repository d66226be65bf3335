"""A whole chain with PyTorch: alone, shared by two processes, and beside MXNet's on the same data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scene_files import write_lists
from small_chain import LISTS, MAKE_MINIATURE, ROOT, stages
from test_pytorch import PYTHON, needs_pytorch

from mlsl_mx.network.weights.params_file import read_params

SHARED = ("evaluate", "pseudo-label", "self-train")
# Without dropout, as each process drops other units; and a batch that two can share.
SETTINGS = "--set network.dropout=[0,0] --set self_training.batch=2"


def run(folder: Path, line: str, python: Path = PYTHON) -> str:
    """What a stage says; it must end well."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, "-m", "mlsl_mx", *line.split()], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with data, the chain `alone` and, from its source model, `two` and `mxnet`."""
    folder = tmp_path_factory.mktemp("world")
    write_lists(folder / "lists", LISTS)
    run(folder, MAKE_MINIATURE)
    for line in stages("alone"):
        run(folder, f"{line} --ctx torch:cpu {SETTINGS}")
    weights = "import-weights --weights alone/source/weights.params"
    for name, ctx, python in (("two", "torch:cpu", PYTHON), ("mxnet", "cpu", Path(sys.executable))):
        _, _, evaluate, *rounds = stages(name)
        first = evaluate.replace("evaluate --source", weights)
        for line in (first, evaluate, *rounds[:-1]):
            shared = name == "two" and line.split()[0] in SHARED
            run(folder, f"{'launch -n 2 -- ' * shared}{line} --ctx {ctx} {SETTINGS}", python)
    return folder


def labels(run_folder: Path) -> np.ndarray:
    files = sorted((run_folder / "sisc-pwl" / "round-0" / "pseudo_labels").glob("alpha*.png"))
    assert len(files) == 2
    return np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files])


def tensors(run_folder: Path) -> dict[str, np.ndarray]:
    return read_params(run_folder / "sisc-pwl" / "round-0" / "weights.params")


@needs_pytorch
def test_two_processes_give_the_labels_of_one_and_its_steps(world):
    assert np.array_equal(labels(world / "alone"), labels(world / "two"))
    alone, two = tensors(world / "alone"), tensors(world / "two")
    for name, expected in alone.items():
        np.testing.assert_allclose(two[name], expected, atol=2e-6, err_msg=name)
    scores = [json.loads((world / name / "source" / "evaluation.json").read_text()) for name in ("alone", "two")]
    assert scores[0]["confusion"] == scores[1]["confusion"]


@needs_pytorch
def test_both_engines_give_the_same_labels_and_weights(world):
    mine, other = labels(world / "alone"), labels(world / "mxnet")
    assert (mine != 255).any() and (mine != other).mean() < 1e-4
    for name, expected in tensors(world / "mxnet").items():
        np.testing.assert_allclose(tensors(world / "alone")[name], expected, atol=1e-5, err_msg=name)


@needs_pytorch
def test_the_report_and_the_environment_say_which_engine_it_was(world):
    found = json.loads((world / "alone" / "sisc-pwl" / "environment.json").read_text())
    assert "torch" in found and "mxnet" not in found
    assert (world / "alone" / "report" / "sisc-pwl.txt").exists()


@needs_pytorch
def test_a_network_predicts_by_pytorch_what_it_does_by_mxnet(world):
    image = next((world / "data" / "cityscapes" / "leftImg8bit" / "val").rglob("*.png"))
    found = []
    for ctx, python in (("torch:cpu", PYTHON), ("cpu", Path(sys.executable))):
        out = world / f"predicted-{ctx.replace(':', '-')}"
        words = f"predict {image} --weights alone/source/weights.params --out {out} --write label_ids --ctx {ctx}"
        run(world, words, python)
        (file,) = (out / "label_ids").rglob("*.png")
        found.append(cv2.imread(str(file), cv2.IMREAD_UNCHANGED))
    assert (found[0] != found[1]).mean() < 1e-4
