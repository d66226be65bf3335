"""Windows of an image put together to its whole volume."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from mlsl_mx.pseudo_labels.composition import Window
from mlsl_mx.pseudo_labels.inference import ImageMaps
from mlsl_mx.pseudo_labels.segmenter import Segmenter


def whole_volume(windows: Iterator[Window], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """All windows of an image put together: (C, H, W) and counts (H, W), float32."""
    volume, count = None, np.empty(size, np.float32)
    for window in windows:
        if volume is None:
            volume = np.empty((window.volume.shape[0], *size), np.float32)
        volume[:, window.rows, window.columns] = window.volume.asnumpy()
        count[window.rows, window.columns] = window.count.asnumpy()
    return volume, count


def selected_from(segmenter: Segmenter, maps: ImageMaps) -> np.ndarray:
    """What labels are selected from, (C, H, W) float16: all windows of `Segmenter.windows`."""
    volume = np.empty((maps.parts[0].probabilities.shape[2], *maps.size), np.float16)
    for (rows, columns), probabilities in segmenter.windows(maps):
        volume[:, rows, columns] = probabilities
    return volume
