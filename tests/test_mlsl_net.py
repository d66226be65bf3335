"""The network against the original program's outputs, and how it behaves in training."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from original_params import FIXTURES, write_original

from mlsl_mx.config.settings import Network
from mlsl_mx.gluon.engine import check_network
from mlsl_mx.network import MLSLNet, load_original
from mlsl_mx.network.heads import WeakLabelHead
from mlsl_mx.system.errors import InputError
from mlsl_mx.training import segmentation_loss, weak_label_loss

STATIC = {"static_alloc": True, "static_shape": True}


def test_deterministic_algorithms_are_refused_on_gpus():
    """On CPUs the same bits come each time anyway."""
    check_network(Network(deterministic=True), mx.cpu())
    with pytest.raises(InputError, match="network.deterministic is true, which on GPUs only PyTorch has"):
        check_network(Network(deterministic=True), mx.gpu(0))


def images(*shape):
    return nd.array(np.random.RandomState(0).normal(size=shape).astype(np.float32))


def small_net(**settings):
    net = MLSLNet(5, 1 / 32, **settings)
    net.initialize()
    return net


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("weak_label_head", [False, True])
def test_outputs_are_those_of_the_original(tmp_path, weak_label_head, hybrid):
    net = MLSLNet(19, 0.125, weak_label_head, head_relu="released")
    load_original(net, write_original(tmp_path / "narrow.params", weak_label_head))
    if hybrid:
        net.hybridize(**STATIC)
    with np.load(FIXTURES / "forward_narrow.npz") as original:
        for size in ("104x136", "264x264"):
            outputs = net(images(1, 3, *map(int, size.split("x"))))
            logits = outputs[0] if weak_label_head else outputs
            softmax = logits.softmax(axis=1).asnumpy()
            np.testing.assert_allclose(softmax, original[f"softmax_{size}"], atol=1e-4, rtol=0)
            if weak_label_head:
                np.testing.assert_allclose(outputs[1].asnumpy(), original[f"bCls1_{size}"], atol=1e-4, rtol=1e-4)
                sigmoid = outputs[1].sigmoid().asnumpy()
                np.testing.assert_allclose(sigmoid, original[f"sigmoid_{size}"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("relu_every_layer", [False, True])
def test_weak_label_head_is_its_definition(relu_every_layer):
    mx.random.seed(1)
    head = WeakLabelHead(4, 3, 1 / 512, relu_every_layer)
    head.initialize(mx.init.Normal(1), force_reinit=True)
    x = np.random.RandomState(2).normal(size=(2, 4, 5, 6)).astype(np.float32)
    p = {name: parameter.data().asnumpy() for name, parameter in head.collect_params().items()}
    relu = (lambda v: np.maximum(v, 0)) if relu_every_layer else (lambda v: v)

    first = np.einsum("oi,bihw->bohw", p["conv61a_weight"][..., 0, 0], x) + p["conv61a_bias"][:, None, None]
    first = np.pad(np.maximum(first, 0), ((0, 0), (0, 0), (1, 1), (1, 1)))
    second = np.zeros((2, 4, 5, 6)) + p["logistic3_bias"][:, None, None]
    for i in range(3):
        for j in range(3):
            second += np.einsum("oi,bihw->bohw", p["logistic3_weight"][..., i, j], first[..., i : i + 5, j : j + 6])
    pooled = relu(second).mean(axis=(2, 3))
    third = relu(pooled @ p["bCls0_weight"].T + p["bCls0_bias"])
    want = third @ p["bCls1_weight"].T + p["bCls1_bias"]
    np.testing.assert_allclose(head(nd.array(x)).asnumpy(), want, rtol=1e-4, atol=1e-4)


def test_head_relu_is_one_of_two():
    with pytest.raises(ValueError, match="every_layer"):
        MLSLNet(head_relu="none")


@pytest.mark.parametrize("weak_label_head", [False, True])
def test_output_shapes(weak_label_head):
    net = small_net(weak_label_head=weak_label_head)
    net.hybridize(**STATIC)
    for height, width in ((40, 72), (64, 32), (40, 72)):
        outputs = net(images(2, 3, height, width))
        logits = outputs[0] if weak_label_head else outputs
        assert logits.shape == (2, 5, height // 8, width // 8)
        assert not weak_label_head or outputs[1].shape == (2, 5)


def test_images_of_a_batch_do_not_see_each_other():
    net = small_net()
    batch = images(3, 3, 32, 32)
    logits, weak_logits = net(batch)
    for i in range(3):
        alone = net(batch[i : i + 1])
        np.testing.assert_allclose(alone[0].asnumpy()[0], logits.asnumpy()[i], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone[1].asnumpy()[0], weak_logits.asnumpy()[i], rtol=1e-4, atol=1e-4)


def test_dropout_acts_in_training_alone():
    net = small_net()
    net.hybridize(**STATIC)
    x = images(1, 3, 32, 32)
    np.testing.assert_array_equal(net(x)[0].asnumpy(), net(x)[0].asnumpy())
    with autograd.train_mode():
        assert np.abs(net(x)[0].asnumpy() - net(x)[0].asnumpy()).max() > 0
    without = small_net(dropout=(0, 0))
    with autograd.train_mode():
        np.testing.assert_array_equal(without(x)[0].asnumpy(), without(x)[0].asnumpy())


def test_static_graph_has_the_gradients_of_the_imperative_one():
    mx.random.seed(4)
    net = small_net(dropout=(0, 0))
    net.hybridize(**STATIC)
    learnable = [p for p in net.collect_params().values() if p.grad_req != "null"]
    for shape in ((1, 3, 32, 32), (2, 3, 32, 48), (1, 3, 32, 32)):
        gradients = []
        for active in (True, False):
            net.hybridize(active, **STATIC) if not active else None
            with autograd.record():
                logits, weak_logits = net(images(*shape))
                loss = (logits**2).mean() + (weak_logits**2).mean()
            loss.backward()
            gradients.append([p.grad().asnumpy() for p in learnable])
        for static, imperative in zip(*gradients, strict=True):
            np.testing.assert_allclose(static, imperative, rtol=1e-3, atol=1e-4 * np.abs(imperative).max() + 1e-12)


def test_trains_from_scratch_with_live_statistics():
    mx.random.seed(0)
    rng = np.random.RandomState(0)
    cells = rng.randint(0, 3, (2, 4, 4)).repeat(2, axis=1).repeat(2, axis=2)  # (B, 8, 8) train ids
    colours = np.eye(3, dtype=np.float32)[cells].transpose(0, 3, 1, 2)  # (B, 3, 8, 8)
    x = nd.array(colours.repeat(8, axis=2).repeat(8, axis=3) + rng.normal(0, 0.3, (2, 3, 64, 64)))
    train_ids, weak = nd.array(cells), nd.array([[float(c in image) for c in range(19)] for image in cells])
    net = MLSLNet(19, 0.125, frozen_statistics=False)
    net.initialize()
    net.hybridize(**STATIC)
    settings = {"learning_rate": 0.02, "momentum": 0.9, "wd": 5e-4}
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings)
    losses = []
    for _ in range(30):
        with autograd.record():
            logits, weak_logits = net(x)
            loss = segmentation_loss(logits, train_ids)
            total = loss + 0.025 * weak_label_loss(weak_logits, weak)
        total.backward()
        trainer.step(1)
        losses.append(loss.asscalar())
    assert np.mean(losses[-3:]) < 0.6 * losses[0]
    assert losses[0] < 4  # the untrained network's logits are moderate: log 19 is 2.9
