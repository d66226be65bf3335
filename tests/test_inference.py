"""Inference from patches and in one piece, with stub networks."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from original_sisc import original_sisc

from mlsl_mx.config import PseudoLabels
from mlsl_mx.data.transforms import normalise
from mlsl_mx.pseudo_labels import patch_positions
from mlsl_mx.pseudo_labels.inference import probability_volume, single_inference, sisc_inference
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.upsampling import upsample


def convolution(images):
    """A stub with context: 3x3 means at stride 8, not symmetric in left and right, four classes."""
    kernel = np.random.RandomState(5).normal(size=(4, 3, 24, 24)).astype(np.float32)
    return mx.nd.Convolution(
        images, mx.nd.array(kernel), kernel=(24, 24), stride=(8, 8), pad=(8, 8), num_filter=4, no_bias=True
    )


def image(height=48, width=64):
    return mx.nd.array(np.random.RandomState(6).normal(size=(3, height, width)) * 0.2)


def low_probabilities(patch, flip):
    """(C, h/8, w/8) of one (3, h, w) numpy patch, in numpy but for the network."""

    def softmax(images):
        exponential = np.exp(convolution(mx.nd.array(images[None])).asnumpy()[0].astype(np.float64))
        return exponential / exponential.sum(axis=0)

    straight = softmax(patch)
    return (straight + softmax(patch[:, :, ::-1])[:, :, ::-1]) / 2 if flip else straight


def naive(picture, positions, settings):
    """SISC one patch at a time, on the host."""
    total, count = np.zeros((4, *picture.shape[1:])), np.zeros(picture.shape[1:])
    whole = [(0, 0, *picture.shape[1:])] if settings.start == "single" else []
    for top, left, height, width in whole + [(t, le, settings.patch, settings.patch) for t, le in positions]:
        low = low_probabilities(picture[:, top : top + height, left : left + width], settings.flip)
        high = upsample(mx.nd.array(low[None]), height, width, settings.upsampling)[0].asnumpy()
        if settings.votes:
            high = np.eye(4)[high.argmax(axis=0)].transpose(2, 0, 1)
        total[:, top : top + height, left : left + width] += high
        count[top : top + height, left : left + width] += 1
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


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
    expected, expected_count = naive(image().asnumpy(), positions, settings)
    for batch in (1, 3, 20):
        volume, count = sisc_inference(convolution, image(), PseudoLabels(**values, batch=batch), 11, "a")
        np.testing.assert_allclose(volume.asnumpy(), expected, atol=2e-6)
        np.testing.assert_array_equal(count.asnumpy(), expected_count)
    assert (expected_count.min() == 0) == (not changes or "flip" in changes)


def test_every_network_call_has_the_same_shape():
    shapes = []

    def net(images):
        shapes.append(images.shape)
        return convolution(images)

    sisc_inference(net, image(), PseudoLabels(patches=5, patch=24, batch=2, flip=False), 0, "a")
    assert shapes == [(2, 3, 24, 24)] * 3


def test_single_inference_pads_and_crops_back():
    picture = image(43, 62)
    padded = np.zeros((3, 48, 64), np.float32)
    padded[:, :43, :62] = picture.asnumpy()
    expected = upsample(mx.nd.array(low_probabilities(padded, flip=True)[None]), 48, 64, "bilinear")[0]
    volume = single_inference(convolution, picture, flip=True, upsampling="bilinear")
    np.testing.assert_allclose(volume.asnumpy(), expected[:, :43, :62].asnumpy(), atol=1e-6)


def test_the_first_of_two_outputs_is_taken():
    def two_heads(images):
        return convolution(images), mx.nd.zeros((images.shape[0], 4))

    one = single_inference(convolution, image(), True, "bilinear")
    np.testing.assert_array_equal(single_inference(two_heads, image(), True, "bilinear").asnumpy(), one.asnumpy())


def test_a_network_of_another_stride_is_refused():
    with pytest.raises(ValueError, match="not at stride 8"):
        single_inference(lambda images: images, image(), False, "bilinear")


def test_probability_volume_is_float16_and_multiplied_by_the_prior():
    picture = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    settings = PseudoLabels(inference="single")
    plain = probability_volume(convolution, picture, mx.cpu(), settings, 0, "a")
    expected = single_inference(convolution, mx.nd.array(normalise(picture)), True, "bilinear").asnumpy()
    assert plain.dtype == np.float16
    np.testing.assert_array_equal(plain, expected.astype(np.float16))
    factors = np.array([1, 0.5, 0, 0.25], np.float32)
    prior = SpatialPrior(np.broadcast_to(factors[:, None, None], (4, 8, 8)).copy())
    multiplied = probability_volume(convolution, picture, mx.cpu(), settings, 0, "a", prior)
    np.testing.assert_array_equal(multiplied, (expected * factors[:, None, None]).astype(np.float16))


def test_reproduces_the_original_program():
    original = original_sisc()
    settings = PseudoLabels(patch=128, patches=25, upsampling="bicubic", start="single", batch=4)
    volume, count = original.segmented(settings)
    np.testing.assert_array_equal(count, original.count)
    np.testing.assert_allclose(volume, original.volume_rows, atol=1e-4)
