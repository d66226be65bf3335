"""`mlsl pseudo-label --net`: labels and weak labels by anybody's network, beside NumPy's; what can be wrong with it.

The commands run in the environment that has PyTorch (`make setup-torch`); all of a test in one process.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from own_data import EXPERIMENT, write_experiment, write_own
from PIL import Image
from scene_files import write_png
from small_chain import RUN

from mlsl_mx.cli import main
from mlsl_mx.data.image_files import read_image
from mlsl_mx.pseudo_labels import patch_positions
from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-torch" / "bin" / "python"
NAMES = ("warm", "green", "cold")
THREE_CLASSES = re.sub(
    r"  - \{name: cold.*\n",
    "  - {name: green, colour: [10, 200, 10], source: [[10, 200, 10]], target: [2]}\n"
    "  - {name: cold, colour: [10, 10, 200], source: [[10, 10, 200]], target: [3]}\n",
    EXPERIMENT,
).replace("{patches: 3", "{flip: true, placement: random, patches: 6")
THREE_CLASSES = THREE_CLASSES.replace("ignore: [[0, 0, 0]]}", "ignore: [[0, 0, 0]], held_out: 0}")
WEIGHT = np.array([[1.5, -0.5, 0.2], [-0.8, 1.2, 0.1], [0.3, -0.4, 1.1]])  # of any_networks.py
BIAS = np.array([0.25, 0.1, 0.0])
PATCH, PATCHES, PORTION, ETA = 16, 6, 0.5, 0.05
STRIDES = (1, 2, 4, 8, 16)

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-torch: make setup-torch")


def by_pytorch(folder: Path, *words: str, **more) -> subprocess.CompletedProcess:
    """Python with PyTorch in this folder, which finds the package and any_networks.py."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([PYTHON, *words], cwd=folder, env=env, text=True, capture_output=True, **more)


def line(net: str, run: str, *more: str, command: str = "pseudo-label", ctx: str = "torch:cpu") -> str:
    words = [command, "--net", net, "--experiment toy.yaml --method sisc-pwl --round 0 --run", run, "--ctx", ctx, *more]
    return " ".join(words)


def labels_of(folder: Path, run: str) -> Path:
    return folder / run / "sisc-pwl" / "round-0" / "pseudo_labels"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The user's data and experiment, and labels by networks of all strides, in run-STRIDE."""
    root = tmp_path_factory.mktemp("world")
    write_own(root)
    write_experiment(root, THREE_CLASSES)
    lines = [line(f"any_networks:stride_{stride}", f"run-{stride}") for stride in STRIDES]
    lines += [line("any_networks:function", "run-function"), line("any_networks:stride_4", "run-4", command="diagnose")]
    done = by_pytorch(root, "-c", RUN, input="\n".join(lines))
    assert done.returncode == 0, done.stderr
    return root


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def means(values: np.ndarray, side: int) -> np.ndarray:
    """(C, H, W) -> (C, H / side, W / side)."""
    classes, height, width = values.shape
    return values.reshape(classes, height // side, side, width // side, side).mean(axis=(2, 4))


def enlarged(values: np.ndarray, side: int) -> np.ndarray:
    """(C, h, w) -> (C, h * side, w * side), bilinear between the centres of cells."""

    def along(axis: int, of: np.ndarray) -> np.ndarray:
        places = (np.arange(of.shape[axis] * side) + 0.5) / side - 0.5
        return np.apply_along_axis(lambda row: np.interp(places, np.arange(len(row)), row), axis, of)

    return along(2, along(1, values))


def network(colours: np.ndarray, stride: int) -> np.ndarray:
    """(3, H, W) -> probabilities (C, h, w), at stride 4 at the finest."""
    probabilities = softmax(means(np.tensordot(WEIGHT, colours, 1) + BIAS[:, None, None], stride))
    return means(probabilities, max(1, 4 // stride))


def volume(pixels: np.ndarray, name: str, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Eq. of Sec. 3.2, patch by patch: (C, H, W) mean probabilities, (H, W) how many patches saw a pixel."""
    colours = ((pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)
    total, count = np.zeros_like(colours), np.zeros(pixels.shape[:2])
    for top, left in patch_positions(*pixels.shape[:2], PATCH, PATCHES, seed=0, name=name):
        seen = (slice(None), slice(top, top + PATCH), slice(left, left + PATCH))
        both = network(colours[seen], stride), network(colours[seen][:, :, ::-1], stride)[:, :, ::-1]
        total[seen] += enlarged((both[0] + both[1]) / 2, max(4, stride))
        count[seen[1:]] += 1
    return total / np.maximum(count, 1), count


def written(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / f"{name}.png") as image:
        return np.array(image)


@pytest.mark.parametrize("stride", STRIDES)
def test_labels_are_numpys(world, stride):
    folder = labels_of(world, f"run-{stride}")
    found = [volume(read_image(world / f"cams/train/t{i}.jpg", True), f"t{i}", stride) for i in range(3)]
    best = np.concatenate([v.argmax(0)[c > 0] for v, c in found])
    sure = np.concatenate([v.max(0)[c > 0] for v, c in found])
    thresholds = np.array([np.sort(sure[best == c])[-int(PORTION * (best == c).sum())] for c in range(3)])
    told = read_json(folder / "selection.json")["thresholds"]
    np.testing.assert_allclose([told[name] for name in NAMES], thresholds, atol=1e-6)
    ids = set()
    for index, (probabilities, _) in enumerate(found):
        ratio = probabilities / thresholds[:, None, None]
        expected = np.where(ratio.max(0) >= 1, ratio.argmax(0), 255)
        first, second = np.sort(ratio, axis=0)[[-1, -2]]
        clear = (abs(first - 1) > 1e-5) & ((first < 1) | (first - second > 1e-5))
        labels = written(folder, f"t{index}")
        np.testing.assert_array_equal(labels[clear], expected[clear])
        assert clear.mean() > 0.8  # at stride 16 a patch has one value, and many pixels are at the threshold
        ids.update(labels.ravel().tolist())
    assert ids == {0, 1, 2, 255}


def test_weak_labels_are_numpys(world):
    """Eq. 4 and Sec. 3.3.1."""
    colours = [np.array(Image.open(world / f"sim/labels/f{i}_seg.png")).reshape(-1, 3) for i in range(3)]
    shares = np.array(
        [[(of == c).all(1).mean() for c in ((200, 10, 10), (10, 200, 10), (10, 10, 200))] for of in colours]
    )
    h_s = shares.sum(0) / (shares > 0).sum(0)
    folder = labels_of(world, "run-4")
    told = read_json(folder / "weak_labels.json")
    np.testing.assert_allclose([told["h_s"][name] for name in NAMES], h_s)
    assert (told["eta"], told["comparison"]) == (ETA, "greater")
    assert told["images"] == {
        f"t{i}": [n for c, n in enumerate(NAMES) if (written(folder, f"t{i}") == c).mean() > ETA * h_s[c]]
        for i in range(3)
    }


def test_a_wrong_source_label_is_told_before_an_image_is_labelled(tmp_path):
    write_own(tmp_path)
    write_experiment(tmp_path, THREE_CLASSES)
    wrong = tmp_path / "sim/labels/f0_seg.png"
    write_png(wrong, np.full_like(np.array(Image.open(wrong)), 99))
    done = by_pytorch(tmp_path, "-m", "mlsl_mx", *line("any_networks:stride_4", "run").split())
    assert done.returncode == 2 and "f0_seg.png" in done.stderr.splitlines()[-1]
    assert not list(labels_of(tmp_path, "run").glob("t*.png"))


def test_a_function_labels_as_the_module_does(world):
    one, other = labels_of(world, "run-function"), labels_of(world, "run-4")
    assert all(np.array_equal(written(one, f"t{i}"), written(other, f"t{i}")) for i in range(3))


def test_labels_are_diagnosed(world):
    assert 0 < read_json(labels_of(world, "run-4").with_name("diagnosis.json"))["patch_disagreement"] < 1


def test_labels_are_made_anew_for_another_network_alone(world):
    path = labels_of(world, "run-8") / "selection.json"
    before = path.read_bytes()
    assert by_pytorch(world, "-c", RUN, input=line("any_networks:stride_8", "run-8")).returncode == 0
    assert path.read_bytes() == before
    record = path.with_name("pseudo_label.inputs.json")
    hashes = {read_json(labels_of(world, f"run-{one}") / record.name)["weights"] for one in (8, "function")}
    assert len(hashes) == 2


LABEL_IMAGES = """
import pathlib
import sys
from any_networks import stride_4
from mlsl_mx.config.class_table import numbered_classes
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.pseudo_labels import label_images
from mlsl_mx.system.errors import InputError

def label(out, classes, images="cams/train", **changes):
    how = {"pseudo_labels": PseudoLabels(patch=16, patches=6), "selection": Selection(portion=0.5)}
    how.update(changes)
    label_images(stride_4().eval(), images, out, numbered_classes(classes), "torch:cpu", **how)

h_s = [float(size) for size in sys.argv[1:]]
label("labels", 3, h_s=h_s)
taken = pathlib.Path("taken/t0.png")
taken.parent.mkdir()
taken.write_bytes(b"an image")
for out, classes, changes in (
    ("more", 4, {}),
    ("more", 4, {"h_s": h_s}),
    ("more", 3, {"selection": Selection(portion=2.0)}),
    ("taken", 3, {}),
    ("labels", 3, {"images": "cams/val"}),
):
    try:
        label(out, classes, **changes)
    except InputError as problem:
        print(problem)
assert taken.read_bytes() == b"an image"
"""


def test_from_python_labels_are_those_of_the_command(world):
    folder = labels_of(world, "run-4")
    weak = read_json(folder / "weak_labels.json")
    done = by_pytorch(world, "-c", LABEL_IMAGES, *(str(weak["h_s"][name]) for name in NAMES))
    said = done.stdout.splitlines()
    assert "the network's output has 3 classes, the data set 4" in said[0], done.stderr
    assert said[1] == "h_s has 3 sizes, but there are 4 classes: give one for each"
    assert said[2].startswith("selection.portion is 2.0: ") and said[3].startswith("taken/t0.png: was not written by")
    assert said[4].startswith("labels: holds labels of images that are not given, t0.png and 2 others")
    assert all(np.array_equal(written(world / "labels", f"t{i}"), written(folder, f"t{i}")) for i in range(3))
    numbered = {name: f"class {c}" for c, name in enumerate(NAMES)}
    assert read_json(world / "labels" / "weak_labels.json")["images"] == {
        image: [numbered[name] for name in present] for image, present in weak["images"].items()
    }


RULED = """
from any_networks import stride_4
from mlsl_mx.config.class_table import numbered_classes
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.pseudo_labels import label_images
how = {"pseudo_labels": PseudoLabels(patch=16, patches=6), "selection": Selection(rule="my_rule:rule")}
label_images(stride_4().eval(), "cams/train", "ruled", numbered_classes(3), "torch:cpu", **how)
"""


RULE = """
import numpy as np
calls = []
def rule(volume, thresholds):
    calls.append(volume)
    assert len(calls) <= {most}
    return np.full(volume.shape[1:], {label}, np.uint8)
"""


def test_labels_of_a_rule_that_was_changed_are_made_anew(world):
    for label, most in ((0, 2), (1, 99), (2, 99)):  # the first start ends at the third image
        (world / "my_rule.py").write_text(RULE.format(label=label, most=most))
        done = by_pytorch(world, "-B", "-c", RULED)
        assert (done.returncode == 0) == (most > 2), done.stderr
        made = [written(world / "ruled", path.stem) for path in (world / "ruled").glob("t?.png")]
        assert len(made) == min(most, 3) and all(set(np.unique(labels)) <= {label, 255} for labels in made)


def test_the_documented_lines_run(tmp_path):
    text = (ROOT / "docs" / "INTERCHANGE.md").read_text().split("## Labels by a network of your own")[1]
    module, lines = re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.DOTALL)
    (tmp_path / "my_net.py").write_text(module)
    write_png(tmp_path / "streets" / "a.png", np.random.default_rng(2).integers(0, 256, (520, 600, 3), np.uint8))
    done = by_pytorch(tmp_path, "-c", lines)
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (tmp_path / "labels").iterdir()}
    made = {"a.png", "contact_sheet.png", "selection.json", "weak_labels.json"}
    assert found == {*made, "label_images.inputs.json"}
    labels = written(tmp_path / "labels", "a")
    assert labels.shape == (520, 600) and 0 < (labels < 19).mean() < 1


FAULTS = {
    "any_networks:of_21_classes": "the network's output has 21 classes, the data set 3",
    "any_networks:flat": r"output is of shape \(1, 3\), its input \(1, 3, 16, 16\): it must give logits \(B, C, h, w\)",
    "any_networks:without_output": "output is of type NoneType, its input",
    "any_networks:enlarging": r"output is of shape \(1, 3, 32, 32\)",
    "any_networks:failing": r"failing: RuntimeError \(.*channels.*\) with images of 16x16; -v shows where",
    "any_networks:not_made": r"FileNotFoundError \(no weights in segformer.pt\) when it was called without arguments",
    "any_networks:no_network": "gave a int: it must give a torch.nn.Module or a function",
    "any_networks:missing": "has no missing",
    "no_such_module:net": r"importing no_such_module failed with ModuleNotFoundError",
    "model.pth": "--net is 'model.pth': write package.module:name",
}
EACH = """
import sys
from mlsl_mx.cli import main
for line in sys.stdin.read().splitlines():
    print("code", main(line.split()), file=sys.stderr, flush=True)
"""


def test_labels_that_a_round_was_trained_on_are_not_replaced(world):
    labels = labels_of(world, "run-16")
    before, trained = (labels / "t0.png").read_bytes(), labels.with_name("weights.params")
    trained.write_bytes(b"of run-16's labels")
    done = by_pytorch(world, "-c", EACH, input=line("any_networks:function", "run-16"))
    trained.unlink()
    assert "was trained on the labels that would be replaced: choose another RUN" in done.stderr
    assert "code 2" in done.stderr and (labels / "t0.png").read_bytes() == before


def test_faults_are_told_in_a_line_before_anything_is_written(world):
    done = by_pytorch(world, "-c", EACH, input="\n".join(line(net, "faulty", "-q") for net in FAULTS))
    said = [text for text in done.stderr.splitlines() if text.strip()]
    assert len(said) == 2 * len(FAULTS), done.stderr
    for told, code, expected in zip(said[::2], said[1::2], FAULTS.values(), strict=True):
        assert code == "code 2" and told.startswith("mlsl pseudo-label: ") and re.search(expected, told), told
    assert not (world / "faulty").exists()


def test_a_fault_at_a_later_image_is_told_in_a_line(world):
    done = by_pytorch(world, "-c", EACH, input=line("any_networks:failing_later", "later", "-q"))
    said = "--net any_networks:failing_later: RuntimeError (no such size) with images of 16x16; -v shows where"
    assert said in done.stderr and done.stderr.splitlines()[-1] == "code 2", done.stderr


def test_mxnet_takes_no_network_of_others(world, capsys, monkeypatch):
    monkeypatch.chdir(world)
    assert main(line("any_networks:stride_4", "faulty", ctx="cpu").split()) == 2
    assert "is run by PyTorch: use --ctx torch:cpu, cuda:0 or mps instead of cpu(0)" in capsys.readouterr().err


def write_onnx(path: Path, shape: tuple, kind: str = "FLOAT") -> None:
    """The network of stride 4 with an input of this shape; names are open sizes."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    tensors = {"weight": WEIGHT[:, :, None, None], "bias": BIAS}
    inner = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    nodes = [
        helper.make_node("Cast", ["pictures"], ["images"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Conv", ["images", "weight", "bias"], ["fine"], kernel_shape=[1, 1]),
        helper.make_node("AveragePool", ["fine"], ["scores"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    given = helper.make_tensor_value_info("pictures", getattr(onnx.TensorProto, kind), shape)
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "colours", [given], [scores], inner)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, ir_version=7, opset_imports=opset), str(path))


@pytest.fixture(scope="module")
def onnx_world(world):
    if by_pytorch(world, "-c", "import onnxruntime").returncode:
        pytest.skip("no onnxruntime in .venv-torch: .venv-torch/bin/pip install onnxruntime")
    shapes = {"open": ("b", 3, "h", "w"), "one": (1, 3, 16, 16), "five": (5, 3, "h", "w"), "larger": (1, 3, 32, 32)}
    for name, shape in shapes.items():
        write_onnx(world / f"{name}.onnx", shape)
    write_onnx(world / "bytes.onnx", ("b", 3, "h", "w"), "UINT8")
    (world / "damaged.onnx").write_bytes((world / "open.onnx").read_bytes()[:100])
    return world


def test_onnx_files_label_as_the_module_does(onnx_world):
    """One image a call, and several: 12 inputs of an image, patches and mirrored ones, in calls of 7, cut to 5s."""
    lines = [
        line(f"{name}.onnx", f"run-{name}", *(f"--set pseudo_labels.batch={batch}" for batch in [7] * (name != "one")))
        for name in ("open", "one", "five")
    ]
    done = by_pytorch(onnx_world, "-c", RUN, input="\n".join(lines))
    assert done.returncode == 0, done.stderr
    expected = [written(labels_of(onnx_world, "run-4"), f"t{i}") for i in range(3)]
    for name in ("open", "one", "five"):
        for index, labels in enumerate(expected):
            assert (written(labels_of(onnx_world, f"run-{name}"), f"t{index}") != labels).mean() < 0.005


def test_faults_of_onnx_files(onnx_world):
    said = {
        "larger.onnx": r"takes only images of 32x32 \(width x height\), not 16x16: set pseudo_labels.patch",
        "bytes.onnx": r"takes pictures tensor\(uint8\) \['b', 3, 'h', 'w'\]: it must take only images",
        "damaged.onnx": "onnxruntime cannot read it",
        "absent.onnx": "onnxruntime cannot read it",
    }
    done = by_pytorch(onnx_world, "-c", EACH, input="\n".join(line(net, "faulty", "-q") for net in said))
    told = [text for text in done.stderr.splitlines() if text.startswith("mlsl pseudo-label: ")]
    assert len(told) == len(said) and done.stderr.count("code 2") == len(said), done.stderr
    assert all(re.search(expected, one) for expected, one in zip(said.values(), told, strict=True)), told
    without = EACH.replace("import sys\n", "import sys\nsys.modules['onnxruntime'] = None\n")
    done = by_pytorch(onnx_world, "-c", without, input=line("open.onnx", "faulty", "-q"))
    assert "needs the package onnxruntime" in done.stderr and "pip install onnxruntime" in done.stderr
    assert not (onnx_world / "faulty").exists()
