"""Batches of patches, and what happens when a device has not enough memory for one."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from mlsl_mx.pseudo_labels.batching import PatchBatch


class Device:
    """Doubles what it is given, as long as no more than `room` numbers come at once; keeps the sizes it was asked."""

    def __init__(self, room):
        self.room = room
        self.sizes = []

    def __call__(self, some):
        self.sizes.append(len(some))
        if len(some) > self.room:
            raise mx.base.MXNetError("cudaMalloc retry failed: out of memory")
        return mx.nd.array(some) * 2


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_every_input_comes_once_and_every_call_has_one_size(size):
    device = Device(room=99)
    result = PatchBatch(size, mx.cpu()).run(device, list(range(7)))
    np.testing.assert_array_equal(result, 2 * np.arange(7))
    assert set(device.sizes) == {min(size, 7)} and len(device.sizes) == -(-7 // min(size, 7))


def test_an_automatic_size_is_halved_until_it_fits_and_then_kept():
    batch, device = PatchBatch(0, mx.gpu(0)), Device(room=5)
    for _ in range(2):
        np.testing.assert_array_equal(batch.run(device, list(range(10))), 2 * np.arange(10))
    assert device.sizes == [10, 5, 5, 5, 5] and batch.size == 5


def test_a_size_that_was_asked_for_and_one_that_cannot_be_halved_fail():
    for batch in (PatchBatch(4, mx.gpu(0)), PatchBatch(0, mx.cpu())):
        with pytest.raises(mx.base.MXNetError, match="out of memory"):
            batch.run(Device(room=0), [1.0, 2.0])


def test_other_errors_are_not_swallowed():
    def broken(some):
        raise mx.base.MXNetError("shapes do not match")

    batch = PatchBatch(0, mx.gpu(0))
    with pytest.raises(mx.base.MXNetError, match="shapes"):
        batch.run(broken, [1.0, 2.0])
    assert batch.size == 16
