"""Up-sampling of probabilities on the device, as two matrix products with interpolation matrices.

Output pixel i looks at input position (i + 0.5) * input / output - 0.5 (half-pixel centres). Weights that fall outside
the image are dropped and the others scaled to a sum of 1. That is what OpenCV's bilinear and Pillow's bicubic do; the
published program up-samples with the latter.
"""

from __future__ import annotations

from functools import lru_cache

import mxnet as mx
import numpy as np


def upsample(
    probabilities: mx.nd.NDArray, height: int, width: int, method: str, out: mx.nd.NDArray | None = None
) -> mx.nd.NDArray:
    """Interpolate (N, C, h, w) to (N, C, height, width), height >= h and width >= w.

    Args:
        method: "bilinear" (paper, Sec. 4.1.2) or "bicubic" (release; leaves [0, 1] by up to about 0.02).
        out: where to write; a buffer that is used again spares the allocation (measured: 15 instead of 25 ms).
    """
    rows = _matrix_on(probabilities.shape[2], height, method, probabilities.context)  # (height, h)
    columns = _matrix_on(probabilities.shape[3], width, method, probabilities.context)  # (width, w)
    # FullyConnected is x.M^T with the fastest matrix product there is: 7 times faster than mx.nd.dot on CPUs.
    tall = _times_transposed(probabilities.swapaxes(2, 3), rows)  # (N, C, w, height)
    return _times_transposed(tall.swapaxes(2, 3), columns, out)  # (N, C, height, width)


@lru_cache(maxsize=64)
def interpolation_matrix(length: int, output: int, method: str) -> np.ndarray:
    """(output, length) float32: row i holds the weights of output pixel i; each row sums to 1.

    Raises: ValueError for an unknown method, or if output < length.
    """
    if output < length:
        raise ValueError(f"up-sampling cannot shrink {length} to {output}")
    centres = (np.arange(output) + 0.5) * length / output - 0.5
    distance = np.abs(centres[:, None] - np.arange(length))
    weights = _kernel(distance, method)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _kernel(distance: np.ndarray, method: str) -> np.ndarray:
    if method == "bilinear":
        return np.maximum(0, 1 - distance)
    if method == "bicubic":  # Keys' cubic with a = -0.5
        near = (1.5 * distance - 2.5) * distance**2 + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        return np.where(distance < 1, near, np.where(distance < 2, far, 0))
    raise ValueError(f"up-sampling method {method!r} is not one of bilinear, bicubic")


@lru_cache(maxsize=64)
def _matrix_on(length: int, output: int, method: str, ctx: mx.Context) -> mx.nd.NDArray:
    return mx.nd.array(interpolation_matrix(length, output, method), ctx=ctx)


def _times_transposed(left, matrix, out=None):
    return mx.nd.FullyConnected(left, matrix, no_bias=True, num_hidden=matrix.shape[0], flatten=False, out=out)
