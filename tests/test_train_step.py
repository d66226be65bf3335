"""Two steps of SGD beside the original program's: network, losses, multipliers, momentum and decay together."""

import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from original_params import FIXTURES, write_original

from mlsl_mx.network import MLSLNet, load_original
from mlsl_mx.training import segmentation_loss, weak_label_loss

SAMPLES = 16  # stored values of each tensor, evenly spaced
RELEASED_WEIGHT = 0.04  # of the weak-label loss: a mean over the classes, but a sum over the images of a batch


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("case", ["plain", "pwl"])
def test_two_steps_are_those_of_the_original(tmp_path, case, hybrid):
    two_heads = case == "pwl"
    with np.load(FIXTURES / "train_step.npz") as stored:
        original = dict(stored)
    net = MLSLNet(19, 0.125, two_heads, head_relu="released", dropout=(0, 0))
    load_original(net, write_original(tmp_path / "start.params", two_heads))
    parameters = {name[len(net.prefix) :]: p for name, p in net.collect_params().items()}
    statistics = {name: p.data().asnumpy() for name, p in parameters.items() if "moving" in name}
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
    settings = {"learning_rate": 1e-2, "momentum": 0.9, "wd": 5e-4}
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings)
    batches = np.random.RandomState(21).normal(size=(2, 2, 3, 104, 104)).astype(np.float32)

    for images, train_ids, weak_labels in zip(batches, original["train_ids"], original["weak_labels"], strict=True):
        with autograd.record():
            outputs = net(nd.array(images))
            logits = outputs[0] if two_heads else outputs
            loss = segmentation_loss(logits, nd.array(train_ids))
            if two_heads:
                loss = loss + RELEASED_WEIGHT * len(images) * weak_label_loss(outputs[1], nd.array(weak_labels))
        loss.backward()
        trainer.step(1)  # the losses are means already

    np.testing.assert_allclose(logits.softmax(axis=1).asnumpy(), original[f"{case}_softmax"], atol=1e-5)
    if two_heads:
        np.testing.assert_allclose(outputs[1].sigmoid().asnumpy(), original["pwl_sigmoid"], atol=1e-5)
    assert set(original[f"{case}_names"]) == parameters.keys() - statistics.keys()
    for name, want in zip(original[f"{case}_names"], original[f"{case}_values"], strict=True):
        value = parameters[name].data().asnumpy().ravel()
        samples = value[np.linspace(0, value.size - 1, SAMPLES).astype(int)]
        np.testing.assert_allclose(samples, want, atol=1e-6, rtol=1e-6, err_msg=name)
    for name, want in statistics.items():
        np.testing.assert_array_equal(parameters[name].data().asnumpy(), want, err_msg=name)
