"""What the tests of the released presets train on: labels of a source and a target image, and a loss's gradients."""

from __future__ import annotations

import mxnet as mx
import numpy as np

SCENE = (64, 64)


def source_ids():
    """Class 0, and class 3 in one cell of 64."""
    ids = np.zeros(SCENE, np.uint8)
    ids[8:16, 8:16] = 3
    return ids


def target_ids():
    """Class 0; at the centres of the cells, which the network is compared with, class 1, and class 2 once."""
    ids = np.zeros(SCENE, np.uint8)
    ids[4::8, 4::8] = 1
    ids[4, 4] = 2
    return ids


def gradients(loss, *arrays, train_ids, present=None):
    """Of the logits, and of the weak logits if they are given."""
    arrays = [mx.nd.array(array) for array in arrays]
    for array in arrays:
        array.attach_grad()
    with mx.autograd.record():
        terms = loss(arrays if len(arrays) > 1 else arrays[0], mx.nd.array(train_ids), present, None)
    mx.autograd.backward(list(terms.values()))
    return [array.grad.asnumpy() for array in arrays]
