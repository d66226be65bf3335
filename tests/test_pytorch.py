"""The second engine beside the first one and the original program, on the CPU.

PyTorch has an environment of its own (`make setup-torch`), as GluonCV refuses to be imported beside it; one process of
it computes everything, and what it leaves is compared here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from original_params import FIXTURES, values, write_original
from test_mlsl_net import images
from torch_cases import CASES, CLASSES, RULES, STEPS, THRESHOLDS, Computed

from mlsl_mx.engine import engine_of
from mlsl_mx.network import MLSLNet
from mlsl_mx.network.weights.params_file import read_params
from mlsl_mx.pseudo_labels import select_pseudo_labels
from mlsl_mx.pseudo_labels.selection import most_probable
from mlsl_mx.system.device_shares import library_of
from mlsl_mx.system.errors import InputError

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-torch" / "bin" / "python"

needs_pytorch = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-torch: make setup-torch")


def by_pytorch(*words: object, **more) -> subprocess.CompletedProcess:
    """A process of the environment that has PyTorch, whose packages are those of this checkout."""
    return subprocess.run([PYTHON, *map(str, words)], cwd=ROOT / "tests", text=True, capture_output=True, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What both engines start from, and what PyTorch found."""
    path = tmp_path_factory.mktemp("engines")
    write_original(path / "weights.params", weak_label_head=True)
    rng = np.random.default_rng(5)
    np.save(path / "images.npy", rng.normal(size=(2, 3, 72, 104)).astype(np.float32))
    np.save(path / "image.npy", rng.integers(0, 256, (100, 150, 3)).astype(np.uint8))
    shapes = {size: (1, 3, *map(int, size.split("x"))) for size in ("104x136", "264x264")}
    np.savez(path / "original.npz", **{size: images(*shape).asnumpy() for size, shape in shapes.items()})
    (path / "losses.npz").write_bytes((FIXTURES / "losses.npz").read_bytes())
    tied = rng.integers(-1, 5, (4, 9, 11)).astype(np.float32) / 4  # many equal ones, and some below 0
    np.save(path / "tied.npy", tied)
    done = by_pytorch("torch_process.py", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def computed(folder):
    """What MXNet gives."""
    return Computed("cpu", folder)


def test_the_device_names_the_engine():
    assert {name: library_of(name) for name in ("cpu", "gpu(0),gpu(1)", "cuda:1", "cuda", "mps", "torch:cpu")} == {
        "cpu": "mxnet",
        "gpu(0),gpu(1)": "mxnet",
        **dict.fromkeys(("cuda:1", "cuda", "mps", "torch:cpu"), "torch"),
    }
    with pytest.raises(InputError, match="'cuda:0': this environment has no PyTorch: `make CTX=torch:cpu setup`"):
        engine_of("cuda:0")


@needs_pytorch
@pytest.mark.parametrize("head_relu", ["every_layer", "released"])
def test_outputs_are_those_of_mxnet(folder, computed, head_relu):
    outputs = computed.network(True, head_relu=head_relu)(mx.nd.array(np.load(folder / "images.npy")))
    with np.load(folder / f"forward-{head_relu}.npz") as found:
        for value, name in zip(outputs, ("logits", "weak_logits"), strict=True):
            np.testing.assert_allclose(found[name], value.asnumpy(), atol=1e-5, rtol=1e-5)


@needs_pytorch
def test_outputs_are_those_of_the_original(folder):
    with np.load(folder / "as-original.npz") as found, np.load(FIXTURES / "forward_narrow.npz") as original:
        assert len(found.files) == 4
        for name in found.files:
            np.testing.assert_allclose(found[name], original[name], atol=1e-5, rtol=0)


@needs_pytorch
def test_outputs_at_full_width_are_those_of_mxnet(folder, computed):
    net = MLSLNet(CLASSES, 1.0, weak_label_head=False)
    net.set_tensors({name: values(name, shape) for name, shape in net.tensor_shapes().items()}, computed.devices[0])
    expected = net(mx.nd.array(np.load(folder / "images.npy")[:1, :, :64, :64])).asnumpy()
    assert expected.shape == (1, CLASSES, 8, 8) and expected.std() > 0.1
    np.testing.assert_allclose(np.load(folder / "full.npy"), expected, atol=1e-5, rtol=1e-5)


@needs_pytorch
def test_the_network_for_inference_is_the_network(folder, computed):
    expected = computed.network(False)(mx.nd.array(np.load(folder / "images.npy"))).asnumpy()
    np.testing.assert_allclose(np.load(folder / "inference-float32.npy"), expected, atol=1e-5, rtol=1e-5)
    reduced = np.load(folder / "inference-bfloat16.npy")
    assert 1e-4 < np.abs(reduced - expected).max() < 0.05 * np.abs(expected).max()


@needs_pytorch
def test_a_file_comes_back_as_it_was(folder):
    before, after = (read_params(folder / name) for name in ("weights.params", "back.params"))
    assert before.keys() == after.keys() and len(before) == 203
    assert all(np.array_equal(before[name], after[name]) for name in before)


@needs_pytorch
@pytest.mark.parametrize("name", STEPS)
def test_steps_are_those_of_mxnet(folder, computed, name):
    terms, tensors = computed.steps(name)
    with np.load(folder / f"steps-{name}.npz") as found:
        for one, other in zip(json.loads(str(found["terms"])), terms, strict=True):
            assert one == pytest.approx(other, rel=1e-5)
        for tensor, expected in tensors.items():
            np.testing.assert_allclose(found[tensor], expected, atol=1e-6, rtol=1e-5, err_msg=tensor)


@needs_pytorch
def test_gradients_of_the_losses_are_the_originals(folder):
    with np.load(FIXTURES / "losses.npz") as stored, np.load(folder / "gradients.npz") as found:
        kept = (stored["hard_train_ids"] != 255).sum() - 1  # as in test_released.py
        np.testing.assert_allclose(found["hard"], stored["hard_gradient"] * (stored["hard_kept"] / kept), atol=1e-7)
        np.testing.assert_allclose(found["few"], stored["few_gradient"], atol=1e-7)
        np.testing.assert_allclose(0.04 * found["weak"], stored["weak_gradient"], atol=1e-7)


@needs_pytorch
@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_mxnet(folder, computed, name):
    expected = computed.labels(name)
    with np.load(folder / f"labels-{name}.npz") as found:
        assert (found["classes"] != expected["classes"]).mean() < 1e-4
        for values in ("confidences", "thresholds"):
            np.testing.assert_allclose(found[values], expected[values], atol=1e-5)
        for rule in RULES:
            assert found[rule].dtype == expected[rule].dtype and len(np.unique(expected[rule])) > 2
            assert (found[rule] != expected[rule]).mean() < 1e-4


@needs_pytorch
def test_the_rules_are_those_of_mxnet(folder):
    with np.load(folder / "selected.npz") as found:
        tied = np.maximum(np.load(folder / "tied.npy"), 0)
        for rule in RULES:
            np.testing.assert_array_equal(found[rule], select_pseudo_labels(tied, THRESHOLDS, rule))
        assert (found["nothing"] == 255).all()
        for name, expected in zip(("classes", "confidences"), most_probable(tied), strict=True):
            np.testing.assert_array_equal(found[name], expected)


@needs_pytorch
def test_a_training_that_was_stopped_ends_with_the_same_bytes(folder):
    whole, cut = ((folder / name / "weights.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut and not (folder / "cut" / ".checkpoint").exists()
    assert '"resumed"' in (folder / "cut" / "log").read_text()


@needs_pytorch
def test_a_worker_without_the_launchers_other_variables_is_refused(tmp_path):
    command = (
        "-m",
        "mlsl_mx",
        "evaluate",
        "--source",
        "--experiment",
        ROOT / "experiments/gta2city.yaml",
        "--run",
        tmp_path,
    )
    found = by_pytorch(*command, "--ctx", "torch:cpu", env={"PATH": "/usr/bin:/bin", "RANK": "0", "WORLD_SIZE": "2"})
    assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
    assert "RANK is set without MASTER_ADDR, MASTER_PORT: take torchrun or `mlsl launch`, or unset it" in found.stderr


@needs_pytorch
def test_the_documented_lines_run():
    code = (ROOT / "docs" / "PYTORCH.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run([PYTHON, "-c", f"{code}print(logits.shape)"], cwd=ROOT, text=True, capture_output=True)
    assert done.stdout.splitlines()[-1] == "torch.Size([1, 19, 64, 128])", done.stderr


@needs_pytorch
def test_it_is_an_environment_without_mxnet():
    done = by_pytorch("-c", "import torch, mlsl_mx.pytorch.engine, importlib.util as u; print(u.find_spec('mxnet'))")
    assert done.stdout.strip() == "None", done.stderr
    done = by_pytorch("-m", "mlsl_mx", "export-onnx", "--weights", "x.params", "--out", "x.onnx")
    assert done.returncode == 2 and "export-onnx: only MXNet writes ONNX" in done.stderr
    done = by_pytorch("-m", "mlsl_mx", "predict", "x.png", "--weights", "x.params", "--out", "out", "--ctx", "cpu")
    assert done.returncode == 2
