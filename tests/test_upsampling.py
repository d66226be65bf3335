"""Up-sampling against OpenCV and Pillow."""

from __future__ import annotations

import cv2
import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from mlsl_mx.network.interpolation import interpolation_matrix, window_weights
from mlsl_mx.network.upsampling import upsample

REFERENCES = {
    "bilinear": lambda plane, size: cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR),
    "bicubic": lambda plane, size: np.asarray(Image.fromarray(plane).resize(size, Image.BICUBIC)),
}


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_equals_the_reference_inside_and_at_the_borders(method):
    planes = np.random.RandomState(0).uniform(size=(2, 3, 5, 7)).astype(np.float32)
    result = upsample(mx.nd.array(planes), 40, 56, method).asnumpy()
    assert result.shape == (2, 3, 40, 56)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(result[index], REFERENCES[method](planes[index], (56, 40)), atol=1e-6)


def test_bilinear_by_hand():
    row = upsample(mx.nd.array([[[[0.0, 16.0]]]]), 8, 16, "bilinear")[0, 0, 0].asnumpy()
    np.testing.assert_allclose(row, [0] * 4 + [1, 3, 5, 7, 9, 11, 13, 15] + [16] * 4, atol=1e-5)


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_class_probabilities_still_sum_to_one(method):
    probabilities = mx.nd.softmax(mx.nd.array(np.random.RandomState(1).normal(size=(1, 4, 6, 6)) * 5), axis=1)
    total = upsample(probabilities, 48, 48, method).sum(axis=1).asnumpy()
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_weights_of_a_window_are_rows_of_the_matrix_and_0_beyond_it():
    matrix = interpolation_matrix(3, 24, "bilinear")
    for first in (-5, 0, 7, 20):
        expected = np.zeros((8, 3), np.float32)
        for row in range(8):
            if 0 <= first + row < 24:
                expected[row] = matrix[first + row]
        np.testing.assert_array_equal(window_weights(3, 24, "bilinear", first, 8), expected)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'nearest' is not one of"):
        interpolation_matrix(4, 8, "nearest")
    with pytest.raises(ValueError, match="cannot shrink 8 to 4"):
        interpolation_matrix(8, 4, "bilinear")
