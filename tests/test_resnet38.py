"""Names, shapes, strides and normalisation of the trunk, and of the whole network's parameters."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd
from original_params import original_parameters

from mlsl_mx.network import MLSLNet
from mlsl_mx.network.resnet38 import LEVELS, BatchNormReLU, ResNet38, scaled


def named(net):
    return {name[len(net.prefix) :]: parameter for name, parameter in net.collect_params().items()}


@pytest.mark.parametrize("weak_label_head", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.125])
def test_parameters_are_those_of_the_original(width, weak_label_head):
    ours = named(MLSLNet(19, width, weak_label_head))
    theirs = {p.name: p for p in original_parameters(width, weak_label_head)}
    assert ours.keys() == theirs.keys()
    for name, parameter in ours.items():
        assert parameter.shape == theirs[name].shape, name
        assert (parameter.grad_req == "null") == (theirs[name].kind == "aux"), name
        assert (parameter.lr_mult, parameter.wd_mult) == (theirs[name].lr_mult, theirs[name].wd_mult), name


@pytest.mark.parametrize(
    ("classes", "weak_label_head", "tensors", "elements"),
    [(19, False, 121, 124_033_363), (16, False, 121, 124_019_536), (19, True, 129, 171_233_638)],
)
def test_counts_at_full_width(classes, weak_label_head, tensors, elements):
    parameters = named(MLSLNet(classes, 1.0, weak_label_head)).values()
    learnable = [p for p in parameters if p.grad_req != "null"]
    assert len(learnable) == tensors
    assert sum(int(np.prod(p.shape)) for p in learnable) == elements
    assert len(parameters) - len(learnable) == 74


def test_sixteen_classes_rename_the_heads():
    names = named(MLSLNet(16, 0.125)).keys()
    assert {"linear16_weight", "logistic16_weight"} <= names
    assert not [name for name in names if "19" in name]


def test_trunk_has_stride_8():
    trunk = ResNet38(width=1 / 64)
    trunk.initialize()
    assert trunk(nd.zeros((2, 3, 40, 72))).shape == (2, 64, 5, 9)


def test_block_names_and_scaled():
    assert [name for level in LEVELS for name in level.block_names] == (
        "2a 2b1 2b2 3a 3b1 3b2 4a 4b1 4b2 4b3 4b4 4b5 5a 5b1 5b2 6a 7a".split()
    )
    assert [scaled(c, 0.125) for c in (64, 512, 4096)] == [8, 64, 512]
    assert scaled(64, 0.001) == 1


def test_epsilon_is_the_original_one():
    layer = BatchNormReLU("bn", 1, frozen=True)
    layer.initialize()
    layer.moving_var.set_data(nd.zeros(1))
    response = layer(nd.full((1, 1, 1, 1), 1e-3)).asscalar()
    assert response == pytest.approx(1e-3 / np.sqrt(1.001e-5), rel=1e-5)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_statistics_move_only_if_not_frozen(frozen, hybrid):
    layer = BatchNormReLU("bn", 2, frozen)
    layer.initialize()
    if hybrid:
        layer.hybridize(static_alloc=True, static_shape=True)
    x = np.array([[1, 5], [-2, 2]], np.float32).T.reshape(2, 2, 1, 1)  # channel means 3 and 0, variances 4 and 4
    with autograd.record():
        y = layer(nd.array(x))
    y.backward()
    mean = np.zeros(2) if frozen else 0.1 * np.array([3, 0])
    np.testing.assert_allclose(layer.moving_mean.data().asnumpy(), mean, atol=1e-6)
    want = x if frozen else (x - [[[3]], [[0]]]) / 2
    np.testing.assert_allclose(y.asnumpy(), np.maximum(want, 0), atol=1e-4)


def test_frozen_statistics_pass_the_gradient_straight_through():
    layer = BatchNormReLU("bn", 1, frozen=True)
    layer.initialize()
    layer.moving_var.set_data(nd.array([4.0]))
    x = nd.array([1.0, 2.0, -3.0]).reshape((3, 1, 1, 1))
    x.attach_grad()
    with autograd.record():
        loss = layer(x).sum()
    loss.backward()
    np.testing.assert_allclose(x.grad.asnumpy().ravel(), [0.5, 0.5, 0], rtol=1e-5)
    assert layer.beta.grad().asscalar() == pytest.approx(2)
    assert layer.gamma.grad().asscalar() == pytest.approx(1.5, rel=1e-5)


def test_initial_weights_have_variance_2_over_fan_in():
    mx.random.seed(3)
    net = MLSLNet(19, 0.125)
    net.initialize()
    parameters = named(net)
    for name in ("res4b1_branch2a_weight", "res7a_branch2b2_weight", "conv6a_weight", "bCls0_weight"):
        weight = parameters[name].data().asnumpy()
        assert weight.std() == pytest.approx(np.sqrt(2 / np.prod(weight.shape[1:])), rel=0.05), name
    for name, parameter in parameters.items():
        if not name.endswith("_weight"):
            constant = 1.0 if name.endswith(("_gamma", "_moving_var")) else 0.0
            assert (parameter.data().asnumpy() == constant).all(), name
