"""Inference from patches and in one piece, with stub networks."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from original_sisc import original_sisc
from volumes import low_probabilities, naive_volume, whole_volume

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels import patch_positions
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import segment_patches, single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.system.errors import InputError


def convolution(images):
    """A stub with context: 3x3 means at stride 8, not symmetric in left and right, four classes."""
    kernel = np.random.RandomState(5).normal(size=(4, 3, 24, 24)).astype(np.float32)
    return mx.nd.Convolution(
        images, mx.nd.array(kernel), kernel=(24, 24), stride=(8, 8), pad=(8, 8), num_filter=4, no_bias=True
    )


def image(height=48, width=64):
    return mx.nd.array(np.random.RandomState(6).normal(size=(3, height, width)) * 0.2)


def segmented(net, picture, positions, settings):
    """What the network says of the patches and, if they start from it, the image in one piece."""
    parts = [single_inference(net, picture, settings.flip)] if settings.start == "single" else []
    batch = PatchBatch(settings.batch, mx.cpu())
    parts.append(segment_patches(net, picture, positions, settings.patch, settings.flip, batch))
    return ImageMaps(picture.shape[1:], tuple(parts))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flip": False, "upsampling": "bicubic"},
        {"start": "single"},
        {"votes": True, "start": "single"},
        {"placement": "sliding"},
    ],
)
def test_sisc_equals_the_naive_loop_at_any_batch(changes):
    values = {"patches": 7, "patch": 24, **changes}
    settings = PseudoLabels(**values)
    positions = patch_positions(48, 64, 24, 7, 11, "a", settings.placement)
    expected, expected_count = naive_volume(convolution, image().asnumpy(), positions, settings)
    for batch in (1, 3, 20):
        maps = segmented(convolution, image(), positions, PseudoLabels(**values, batch=batch))
        for window in ((64, 256), (7, 20)):
            windows = composite(maps, mx.cpu(), settings.upsampling, settings.votes, window)
            volume, count = whole_volume(windows, (48, 64))
            np.testing.assert_allclose(volume, expected, atol=2e-6)
            np.testing.assert_array_equal(count, expected_count)
    assert (expected_count.min() == 0) == (not changes or "flip" in changes)


def test_every_network_call_has_the_same_shape():
    shapes = []

    def net(images):
        shapes.append(images.shape)
        return convolution(images)

    segmented(net, image(), [(0, 0)] * 5, PseudoLabels(patch=24, batch=2, flip=False))
    assert shapes == [(2, 3, 24, 24)] * 3


def test_single_inference_pads_and_the_composite_crops_back():
    picture = image(43, 62)
    padded = np.zeros((3, 48, 64), np.float32)
    padded[:, :43, :62] = picture.asnumpy()
    expected = upsample(mx.nd.array(low_probabilities(convolution, padded, flip=True)[None]), 48, 64, "bilinear")[0]
    part = single_inference(convolution, picture, flip=True)
    assert part.size == (48, 64) and part.corners.tolist() == [[0, 0]]
    volume, count = whole_volume(composite(ImageMaps((43, 62), (part,)), mx.cpu()), (43, 62))
    np.testing.assert_allclose(volume, expected[:, :43, :62].asnumpy(), atol=1e-6)
    assert (count == 1).all()


def test_the_first_of_two_outputs_is_taken():
    def two_heads(images):
        return convolution(images), mx.nd.zeros((images.shape[0], 4))

    one, first = (single_inference(net, image(), True).probabilities for net in (convolution, two_heads))
    np.testing.assert_array_equal(first, one)


def test_a_network_of_another_stride_is_refused():
    with pytest.raises(InputError, match="must give logits .* at stride 8"):
        single_inference(lambda images: images, image(), False)


def test_reproduces_the_original_program():
    original = original_sisc()
    settings = PseudoLabels(patch=128, patches=25, upsampling="bicubic", start="single")
    volume, count = original.segmented(settings)
    np.testing.assert_array_equal(count, original.count)
    np.testing.assert_allclose(volume, original.volume_rows, atol=1e-4)
