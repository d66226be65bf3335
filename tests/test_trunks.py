"""Trunks besides ResNet-38: GluonCV's ResNets and one's own, through the same commands as the paper's."""

import sys

import mxnet as mx
import numpy as np
import pytest
from gluoncv import model_zoo
from gluoncv.model_zoo import model_store
from mxnet import nd
from tiny_run import words, write_world

from mlsl_mx.cli import main
from mlsl_mx.config.setting import setting_of
from mlsl_mx.config.settings import Network
from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.network.inference_net import inference_net
from mlsl_mx.network.trunk_facts import TRUNKS
from mlsl_mx.network.trunks import make_trunk
from mlsl_mx.network.weights.gluoncv_store import fetched
from mlsl_mx.network.weights.params_file import read_params
from mlsl_mx.network.weights.published_weights import check_source_model, check_trunk, describe
from mlsl_mx.predict import Predictor
from mlsl_mx.system.errors import InputError

R50, R101 = "resnet50_v1s", "resnet101_v1s"
OWN = """
from mxnet.gluon import nn
from mlsl_mx.network.architecture import scaled
from mlsl_mx.network.trunks import Trunk

class Small(Trunk, nn.HybridSequential):
    stride, scalable = 8, True

    def __init__(self, width, dropout, frozen_statistics):
        super().__init__()
        self.channels = scaled(400, width)
        with self.name_scope():
            for channels in (100, 200, 400):
                self.add(nn.Conv2D(scaled(channels, width), 3, strides=2, padding=1, use_bias=False))
                self.add(nn.BatchNorm(use_global_stats=frozen_statistics), nn.Activation("relu"))

class Fixed(Small):
    scalable = False

class Coarse(Small):
    stride = 16

class Broken(Small):
    def __init__(self, **settings):
        raise ValueError("no such layer")

class Narrow(Small):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.channels += 1

def function(): ...
"""


def images(*shape):
    return nd.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Trunks of a user's own, in the current folder."""
    (tmp_path / "own_trunks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "own_trunks"
    sys.modules.pop("own_trunks", None)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A file of GluonCV as its `save_parameters` writes them, with statistics that are not 0 and 1, and its network."""
    net = model_zoo.get_model(R50, dilated=True)
    net.initialize(mx.init.MSRAPrelu())
    with mx.autograd.record():
        net(images(2, 3, 64, 64)).mean().backward()  # CPUs update the statistics here
    path = tmp_path_factory.mktemp("gluoncv") / "resnet50_v1s.params"
    net.save_parameters(str(path))
    return path, net


@pytest.fixture(scope="module")
def net(classifier):
    """The segmentation network on that trunk."""
    net = MLSLNet(5, weak_label_head=False, trunk=R50)
    net.initialize()
    report = load_original(net, classifier[0], part="trunk")
    assert report.extra == ("fc.bias", "fc.weight")
    assert report.missing == ("conv6a_bias", "conv6a_weight", "linear5_bias", "linear5_weight")
    return net


def test_the_settings_choices_are_the_trunks_that_there_are():
    assert list(setting_of(Network, "trunk").choices) == list(TRUNKS)


@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_is_what_its_contract_says(name):
    trunk = make_trunk(name, 1.0, (0.0, 0.0), frozen_statistics=True)
    assert all(all(parameter.shape) for parameter in trunk.collect_params().values())
    _, (shape,), _ = trunk(mx.sym.var("images")).infer_shape(images=(2, 3, 40, 72))
    assert shape == (2, trunk.channels, 40 // trunk.stride, 72 // trunk.stride)


def test_features_are_those_of_gluoncvs_classifier(net, classifier):
    features = net.trunk(images(2, 3, 72, 104))
    assert features.shape == (2, 2048, 9, 13)
    whole = classifier[1]
    expected = whole(images(2, 3, 72, 104)).asnumpy()
    np.testing.assert_allclose(whole.fc(features.mean(axis=(2, 3))).asnumpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_are_frozen_unless_training_is_from_scratch(frozen):
    trunk = make_trunk(R50, 1.0, (0.0, 0.0), frozen)
    trunk.initialize()
    named = trunk.named_parameters()
    before = {name: parameter.data().asnumpy() for name, parameter in named.items()}
    trainer = mx.gluon.Trainer(trunk.collect_params(), "sgd", {"learning_rate": 1e-3})
    with mx.autograd.record():
        loss = trunk(images(1, 3, 32, 32)).mean()
    loss.backward()
    trainer.step(1)
    changed = {name for name, parameter in named.items() if (parameter.data().asnumpy() != before[name]).any()}
    statistics = {name for name in named if "running" in name}
    assert len(statistics) == 2 * 55 and "layer4.2.bn3.gamma" in changed
    assert changed & statistics == (set() if frozen else statistics)


def test_a_file_has_gluoncvs_names_and_comes_back(net, tmp_path):
    save_original(net, tmp_path / "x.params")
    names = set(read_params(tmp_path / "x.params"))
    some = {"arg:conv1.0.weight", "arg:layer3.5.bn3.beta", "aux:layer1.0.bn1.running_var", "arg:linear5_bias"}
    assert some <= names
    assert all(name.startswith("aux:") == ("running" in name) for name in names)
    other = MLSLNet(5, weak_label_head=False, trunk=R50)
    assert len(load_original(other, tmp_path / "x.params").matched) == len(names)
    for name, parameter in net.named_parameters().items():
        np.testing.assert_array_equal(other.named_parameters()[name].data().asnumpy(), parameter.data().asnumpy())
    told = str(describe(tmp_path / "x.params"))
    assert told == f"segmentation network of 5 classes (trunk {R50}, {len(names)} tensors)"


def test_a_files_trunk_is_told_from_its_names(classifier, tmp_path):
    assert str(check_trunk(classifier[0], 1.0, R50)) == f"classifier of 1000 classes (trunk {R50}, 277 tensors)"
    deeper = model_zoo.get_model(R101, dilated=True)
    deeper.initialize()
    deeper(images(1, 3, 32, 32))
    deeper.save_parameters(str(tmp_path / "deeper.params"))
    assert describe(tmp_path / "deeper.params").trunk == R101
    said = refused(check_trunk, tmp_path / "deeper.params", 1.0, R50)
    assert f"expected weights of the trunk {R50}" in said and f"set network.trunk={R101}" in said
    with pytest.raises(InputError, match=f"255 unknown .*: the file's trunk is {R101}, the network's {R50}"):
        load_original(MLSLNet(5, trunk=R50), tmp_path / "deeper.params", part="trunk")
    assert "expected weights of the trunk resnet38" in refused(check_trunk, classifier[0], 1.0)
    said = refused(check_source_model, classifier[0], 5, 1.0, R50)
    assert "found classifier of 1000 classes" in said and "give it as IMAGENET=" in said


def refused(check, *arguments) -> str:
    with pytest.raises(InputError) as problem:
        check(*arguments)
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_missing_extra_and_misshapen_tensors_are_named(net, classifier, tmp_path):
    whole = nd.load(str(classifier[0]))
    faults = {
        "1 missing .layer2.0.bn1.gamma.": {"layer2.0.bn1.gamma": None},
        "1 unknown .layer5.0.weight.": {"layer5.0.weight": nd.ones(2)},
        "1 of a wrong shape .bn1.beta .64,. instead of .128,..": {"bn1.beta": nd.ones(64)},
        "bn1.running_var has negative variances": {"bn1.running_var": -nd.ones(128)},
        "conv1.0.weight has 1728 values that are not finite": {"conv1.0.weight": nd.full((64, 3, 3, 3), np.nan)},
    }
    for said, changes in faults.items():
        tensors = {name: value for name, value in {**whole, **changes}.items() if value is not None}
        nd.save(str(tmp_path / "x.params"), tensors)
        with pytest.raises(InputError, match=said):
            load_original(net, tmp_path / "x.params", part="trunk")


def test_inference_is_as_the_trained_network_in_any_batch(net):
    fast, batch = inference_net(net), images(3, 3, 40, 64)
    np.testing.assert_allclose(fast(batch).asnumpy(), net(batch).asnumpy(), atol=1e-4, rtol=1e-4)
    alone = [fast(batch[i : i + 1]).asnumpy() for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), fast(batch).asnumpy())


def test_a_trunk_without_a_fused_form_has_no_other_precision(net):
    said = "network.precision is bfloat16, but the trunk resnet50_v1s has no fused form: use float32"
    assert refused(inference_net, net, "bfloat16") == said


@pytest.mark.parametrize(
    ("name", "width", "said"),
    [
        ("vgg", 1, "network.trunk is 'vgg': use one of resnet38, resnet50_v1s, resnet101_v1s, or package.module:name"),
        (R50, 0.5, "network.width is 0.5, but resnet50_v1s (network.trunk) has one width: set network.width=1"),
        ("none:Small", 1, "network.trunk is none:Small: importing none failed with ModuleNotFoundError (No module"),
        ("own_trunks:Large", 1, "own_trunks.py has no Large"),
        ("own_trunks:function", 1, "is not a subclass of mlsl_mx.network.trunks.Trunk"),
        ("own_trunks:Coarse", 1, "of stride 16: labels and patches need stride 8"),
        ("own_trunks:Broken", 1, "network.trunk own_trunks:Broken: ValueError (no such layer)"),
        ("own_trunks:Narrow", 1, "give [(1, 400, 8, 8)], not (1, 401, 8, 8): correct its channels or its strides"),
        ("own_trunks:Fixed", 0.5, "but own_trunks:Fixed (network.trunk) has one width"),
    ],
)
def test_settings_that_no_trunk_has(own, name, width, said):
    assert said in refused(make_trunk, name, width, (0.0, 0.0), True)


def test_a_width_is_told_from_any_trunks_tensors(own, tmp_path):
    net = MLSLNet(3, 0.25, weak_label_head=False, trunk=f"{own}:Small")
    net.initialize()
    save_original(net, tmp_path / "x.params")
    found = describe(tmp_path / "x.params", f"{own}:Small")
    assert str(found) == f"segmentation network of 3 classes (trunk {own}:Small, width 0.25, 19 tensors)"
    assert "not a whole ResNet-38 or other trunk" in refused(describe, tmp_path / "x.params")


def test_weights_that_gluoncv_fetches(monkeypatch, tmp_path):
    monkeypatch.setattr(model_store, "get_model_file", lambda name: print("Downloading") or tmp_path / name)
    assert fetched(R101) == tmp_path / R101
    assert "GluonCV has no weights of the trunk resnet38" in refused(fetched, "resnet38")


def test_without_a_network_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "store"))
    monkeypatch.setenv("MXNET_GLUON_REPO", "http://127.0.0.1:9/")
    settings = {"network.trunk": R50, "network.width": 1, "source_training.start": "trunk"}
    world = write_world(tmp_path / "world")
    assert main(words(world, tmp_path / "run", "train-source", "--imagenet", "gluoncv", **settings)) == 2
    out, said = capsys.readouterr()
    assert not out and not (tmp_path / "run").exists()
    assert "GluonCV cannot fetch its weights of resnet50_v1s (ConnectionError)" in said.splitlines()[-1]


def test_a_chain_on_gluoncvs_resnet(classifier, tmp_path, capsys):
    """From GluonCV's file a source model without weak-label head, then the head, then a round with both."""
    stages = [("train-source", "--imagenet", str(classifier[0])), ("train-head",), ("pseudo-label", "--round", "0")]
    stages += [("self-train", "--round", "0"), ("evaluate", "--round", "0"), ("report",)]  # checkpoints are of 0.5 GB
    settings = {"network.trunk": R50, "network.width": 1, "source_training.start": "trunk"}
    settings["source_training.weak_label_weight"] = 0
    world, run = write_world(tmp_path / "world"), tmp_path / "run"
    for stage in stages:
        assert main(words(world, run, *stage, **settings)) == 0, stage
    weights = run / "sisc-pwl" / "round-0" / "weights.params"  # which alone says what the trunk is
    start, adapted = read_params(classifier[0]), read_params(weights)
    assert (adapted["arg:layer4.2.conv3.weight"] != start["layer4.2.conv3.weight"]).any()
    np.testing.assert_array_equal(adapted["aux:bn1.running_mean"], start["bn1.running_mean"])
    assert "arg:bCls1_weight" in adapted
    assert f"- Trunk: {R50}" in (run / "sisc-pwl" / "model_card.md").read_text()
    assert Predictor(weights).predict(np.zeros((40, 56, 3), np.uint8)).shape == (40, 56)
    pytest.importorskip("onnxruntime")
    assert main(["export-onnx", "--weights", str(weights), "--out", str(tmp_path / "x.onnx")]) == 0
    assert f"19 classes, trunk {R50}; logits differ by at most" in capsys.readouterr().out
