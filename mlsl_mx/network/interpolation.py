"""Up-sampling of probabilities as matrix products: what a pixel is made of, for windows of pixels.

Output pixel i looks at input position (i + 0.5) * input / output - 0.5 (half-pixel centres). Weights that fall outside
the image are dropped and the others scaled to a sum of 1. That is what OpenCV's bilinear and Pillow's bicubic do; the
published program up-samples with the latter.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def interpolation_matrix(length: int, output: int, method: str) -> np.ndarray:
    """(output, length) float32: row i holds the weights of output pixel i; each row sums to 1.

    Args:
        method: "bilinear" (paper, Sec. 4.1.2) or "bicubic" (release; leaves [0, 1], by less than 0.3).

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


def window_weights(length: int, output: int, method: str, first: int, window: int) -> np.ndarray:
    """(window, length) float32: rows `first` and following of the interpolation matrix, 0 where it has none.

    Args:
        first: the window's first pixel as seen from the patch: negative if the patch begins inside the window.
        window: pixels; the window and the patch must overlap.
    """
    return _framed(length, output, method, window)[window + first : 2 * window + first]


@lru_cache(maxsize=64)
def _framed(length: int, output: int, method: str, window: int) -> np.ndarray:
    """The interpolation matrix between two blocks of `window` rows of 0."""
    return np.pad(interpolation_matrix(length, output, method), ((window, window), (0, 0)))
