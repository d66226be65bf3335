"""Accumulation of patches on the device."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels import SISCAccumulator


def naive(shape, patches, tops, lefts):
    total, count = np.zeros(shape), np.zeros(shape[1:])
    for patch, top, left in zip(patches, tops, lefts, strict=True):
        height, width = patch.shape[1:]
        total[:, top : top + height, left : left + width] += patch
        count[top : top + height, left : left + width] += 1
    return np.divide(total, count, out=np.zeros(shape), where=count > 0), count


def test_equals_naive_sums_and_is_zero_where_no_patch_was():
    random = np.random.RandomState(0)
    patches = random.uniform(size=(9, 3, 8, 6)).astype(np.float32)
    tops, lefts = random.randint(0, 13, 9), random.randint(0, 20, 9)
    accumulator = SISCAccumulator(3, 20, 30, mx.cpu())
    accumulator.add(mx.nd.array(patches[:4]), tops[:4], lefts[:4])
    accumulator.add(mx.nd.array(patches[4:]), tops[4:].tolist(), lefts[4:].tolist())
    volume, count = accumulator.normalized()
    expected, expected_count = naive((3, 20, 30), patches, tops, lefts)
    np.testing.assert_allclose(volume.asnumpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(count.asnumpy(), expected_count)
    assert (expected_count == 0).any() and (expected_count > 1).any()


def test_a_patch_of_the_whole_image_and_more_after_normalizing():
    accumulator = SISCAccumulator(2, 4, 4, mx.cpu())
    accumulator.add(mx.nd.ones((1, 2, 4, 4)) * 0.5, [0], [0])
    before, before_count = accumulator.normalized()
    accumulator.add(mx.nd.ones((1, 2, 2, 2)), [2], [2])
    volume, count = accumulator.normalized()
    assert volume[0].asnumpy().tolist() == [[0.5] * 4] * 2 + [[0.5, 0.5, 0.75, 0.75]] * 2
    assert count.asnumpy().tolist() == [[1] * 4] * 2 + [[1, 1, 2, 2]] * 2
    assert (before.asnumpy() == 0.5).all() and (before_count.asnumpy() == 1).all()


@pytest.mark.parametrize("top, left", [(-1, 0), (0, -1), (3, 0), (0, 3)])
def test_a_patch_that_leaves_the_image_is_refused(top, left):
    with pytest.raises(ValueError, match="leaves 4x4"):
        SISCAccumulator(2, 4, 4, mx.cpu()).add(mx.nd.ones((1, 2, 2, 2)), [top], [left])


def test_corners_and_patches_must_be_as_many():
    with pytest.raises(ValueError, match="2 tops and 1 lefts"):
        SISCAccumulator(2, 4, 4, mx.cpu()).add(mx.nd.ones((1, 2, 2, 2)), [0, 1], [0])


@pytest.mark.parametrize("upsampling", ["bilinear", "bicubic"])
def test_maps_add_what_their_up_sampled_patches_do_and_are_cut_at_the_window(upsampling):
    random = np.random.RandomState(1)
    maps = random.uniform(size=(6, 3, 4, 5)).astype(np.float32)  # (N, C, h, w)
    tops, lefts = [-10, -3, 0, 2, 10, 22], [-7, 3, 30, -15, 3, 5]
    window = SISCAccumulator(3, 24, 36, mx.cpu())
    nhcw = maps.transpose(0, 2, 1, 3)
    window.add_maps(nhcw[:4], tops[:4], lefts[:4], (16, 20), upsampling)
    window.add_maps(nhcw[4:], tops[4:], lefts[4:], (16, 20), upsampling)
    whole = SISCAccumulator(3, 100, 120, mx.cpu())
    whole.add(upsample(mx.nd.array(maps), 16, 20, upsampling), np.add(tops, 40), np.add(lefts, 40))
    for found, expected in zip(window.normalized(), whole.normalized(), strict=True):
        np.testing.assert_allclose(found.asnumpy(), expected[..., 40:64, 40:76].asnumpy(), atol=1e-6)
    assert window.count.asnumpy().min() == 0 and window.count.asnumpy().max() > 1


def test_no_maps_change_nothing():
    window = SISCAccumulator(2, 8, 8, mx.cpu())
    window.add_maps(np.zeros((0, 1, 2, 1)), [], [], (8, 8), "bilinear")
    assert window.sum.asnumpy().sum() == 0 and window.count.asnumpy().sum() == 0
