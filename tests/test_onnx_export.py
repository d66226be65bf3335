"""An exported network is run by onnxruntime and compared with MXNet, OpenCV and the original program."""

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mxnet import cpu, nd
from original_params import FIXTURES, write_original
from PIL import Image
from volumes import whole_volume

import mlsl_mx
from mlsl_mx import cli
from mlsl_mx.config.classes import class_set
from mlsl_mx.data.transforms import normalise
from mlsl_mx.network import MLSLNet, load_original, onnx_export, save_original
from mlsl_mx.network.onnx_export import export_onnx
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import file_hash

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The narrow network with both heads, in the release's format."""
    return write_original(tmp_path_factory.mktemp("weights") / "two.params", weak_label_head=True)


@pytest.fixture(scope="module")
def exported(weights):
    line = export_onnx(weights, weights.with_name("model.onnx"))
    difference = re.fullmatch(
        r".*19 classes, width 0.125; logits differ by at most (\S+) from .*\(allowed: 1.0e-04\).*", line
    )
    assert float(difference.group(1)) < 1e-4
    return weights.with_name("model.onnx")


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path, images, output="logits"):
    return session(path).run([output], {"images": images})[0]


def network(weights):
    net = MLSLNet(19, 0.125, weak_label_head=False)
    load_original(net, weights)
    return net


def images_of(*shape):
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 3, 64, 120), (3, 3, 57, 86), (2, 3, 8, 15)])
def test_logits_are_those_of_mxnet_upsampled_by_opencv(weights, exported, shape):
    images = images_of(*shape)
    batch, _, height, width = shape
    padded = np.zeros((batch, 3, -(-height // 8) * 8, -(-width // 8) * 8), np.float32)
    padded[:, :, :height, :width] = images
    low = network(weights)(nd.array(padded)).asnumpy()  # (B, C, h, w)
    expected = [
        cv2.resize(one.transpose(1, 2, 0), padded.shape[:1:-1], interpolation=cv2.INTER_LINEAR)[:height, :width]
        for one in low
    ]  # B times (H, W, C)
    logits = run(exported, images)
    assert logits.shape == (batch, 19, height, width) and logits.dtype == np.float32
    np.testing.assert_allclose(logits.transpose(0, 2, 3, 1), np.stack(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", ["104x136", "264x264"])
def test_the_network_inside_is_that_of_the_original_program(exported, tmp_path, size):
    onnx.utils.extract_model(str(exported), str(tmp_path / "stride8.onnx"), ["images"], ["logits_stride8"])
    height, width = map(int, size.split("x"))
    images = np.random.RandomState(0).normal(size=(1, 3, height, width)).astype(np.float32)
    logits = run(tmp_path / "stride8.onnx", images, "logits_stride8")
    with np.load(FIXTURES / "forward_narrow.npz") as stored:
        expected = stored[f"softmax_{size}"]
    np.testing.assert_allclose(nd.softmax(nd.array(logits), axis=1).asnumpy(), expected, rtol=0, atol=2e-5)


def test_what_the_file_says(weights, exported):
    model = onnx.load(str(exported))
    about = session(exported).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["classes"])) == class_set(19).names
    assert json.loads(about["label_ids"]) == class_set(19).label_id_lookup[:19].tolist()
    assert json.loads(about["mean"]) == [0.485, 0.456, 0.406] and json.loads(about["std"]) == [0.229, 0.224, 0.225]
    assert about["mlsl_mx_version"] == mlsl_mx.__version__ and about["weights"] == file_hash(weights)
    assert model.producer_name == "mlsl-mx" and model.ir_version == 7
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    (images,), (logits,) = session(exported).get_inputs(), session(exported).get_outputs()
    assert (images.name, images.shape) == ("images", ["batch", 3, "height", "width"])
    assert (logits.name, logits.shape) == ("logits", ["batch", 19, "height", "width"])
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"conv1a_weight", "bn7_moving_var", "linear19_bias"} <= names
    assert not [name for name in names if name.startswith(("conv61a", "logistic", "bCls"))]
    assert not {node.op_type for node in model.graph.node} & {"Dropout"}
    epsilons = {a.f for node in model.graph.node for a in node.attribute if a.name == "epsilon"}
    assert epsilons == {np.float32(1.001e-5)}


@pytest.mark.parametrize("width", [0.02, 1 / 44])  # at 1/44, channels of the last layer / 4096 would be another network
def test_classes_and_width_come_from_the_file(tmp_path, width):
    net = MLSLNet(16, width, weak_label_head=False)
    net.initialize()
    save_original(net, tmp_path / "x.params")
    line = export_onnx(tmp_path / "x.params", tmp_path / "x.onnx")
    assert line.startswith(f"{tmp_path / 'x.onnx'}: 16 classes, width 0.02")
    assert run(tmp_path / "x.onnx", images_of(1, 3, 16, 24)).shape == (1, 16, 16, 24)
    about = session(tmp_path / "x.onnx").get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["classes"])) == class_set(16).names


def one_line(capsys, weights, out):
    """What the command says on standard error; it must leave no file."""
    assert cli.main(["export-onnx", "--weights", str(weights), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not out.exists() and not list(out.parent.glob(f".{out.name}.*"))
    return line


def test_files_that_cannot_be_exported(weights, tmp_path, capsys):
    def written(name, **tensors):
        nd.save(str(tmp_path / name), {key.replace("__", ":"): value for key, value in tensors.items()})
        return tmp_path / name

    two = {name.replace(":", "__"): value for name, value in nd.load(str(weights)).items()}
    classifier = {name: value for name, value in two.items() if "linear19" not in name and "conv6a" not in name}
    damaged = {**two, "arg__bn7_beta": nd.full(512, np.nan)}
    named_otherwise = {name.replace("linear19", "linear21"): value for name, value in two.items()}
    said = {
        tmp_path / "none.params": "none.params: no such file",
        written(
            "imagenet.params", **classifier, arg__linear1000_weight=nd.ones((1000, 512))
        ): "without a segmentation head",
        written("headless.params", **classifier): "trunk (width 0.125, 199 tensors), without a segmentation head",
        written("other.params", arg__linear19_weight=nd.ones((19, 64, 3, 3))): "not a whole ResNet-38",
        written("nan.params", **damaged): "bn7_beta has 512 values that are not finite",
        written("classes.params", **named_otherwise): "does not fit the network",
    }
    for path, words in said.items():
        assert words in one_line(capsys, path, tmp_path / "x.onnx")
    assert "name a file that ends in .onnx" in one_line(capsys, weights, tmp_path / "x.params")  # perhaps its own


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_missing_packages(weights, tmp_path, capsys, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install -c constraints.txt onnx onnxruntime" in one_line(capsys, weights, tmp_path / "x.onnx")


@pytest.mark.parametrize("error", [1e-3, np.nan])
def test_other_logits_leave_the_old_file(weights, tmp_path, monkeypatch, error):
    right = onnx_export.full_resolution_logits
    monkeypatch.setattr(onnx_export, "full_resolution_logits", lambda net, images: right(net, images) + error)
    (tmp_path / "x.onnx").write_text("old")
    with pytest.raises(InputError, match="not written: its logits differ by .* from MXNet's [(]limit 1.0e-04[)]"):
        export_onnx(weights, tmp_path / "x.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_documented_lines_run(weights, exported, tmp_path, monkeypatch):
    pixels = np.random.default_rng(5).integers(0, 256, (60, 84, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes())
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "INTERCHANGE.md").read_text(), re.DOTALL)
    whole, as_evaluated = (block for block in blocks if "onnxruntime" in block)
    scope = {}
    exec(whole, scope)
    with Image.open("street_labelIds.png") as saved:
        label_ids = np.array(saved)
    expected = onnx_export.full_resolution_logits(network(weights), normalise(pixels)[None])[0].argmax(0)
    assert (class_set(19).label_id_lookup[expected] == label_ids).mean() > 0.999  # but for ties
    exec(as_evaluated, scope)
    part = single_inference(network(weights), nd.array(normalise(pixels)), False)
    volume, _ = whole_volume(composite(ImageMaps((60, 84), (part,)), cpu()), (60, 84))
    np.testing.assert_allclose(scope["probabilities"].transpose(2, 0, 1), volume, rtol=0, atol=2e-5)
