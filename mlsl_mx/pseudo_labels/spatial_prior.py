"""Spatial prior of CBST-SP: where in the image the source labels have each class.

The published prior is a ready-made file; how it was made is not said. Ours is computed: per class, the share of source
images that have it at a position, smoothed, divided by its largest value. A class is thus scaled by how usual the
position is for it, 1 at its most usual one, and not by how common the class is: products stay within [0, 1].
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

import cv2
import mxnet as mx
import numpy as np

from mlsl_mx.errors import InputError
from mlsl_mx.runs import whole_file

GRID = (128, 256)  # height, width: the target image at the network's stride
SMOOTHING = 1 / 32  # sigma of the Gaussian, as a share of the grid's width


class SpatialPrior:
    """Factors for the probabilities: `frequency` (C, h, w) float32 in [0, 1], each class with a maximum of 1."""

    def __init__(self, frequency: np.ndarray):
        self.frequency = frequency
        self._full_size = {}  # one NDArray (C, H, W) for the last size and device

    @classmethod
    def from_labels(
        cls, label_maps: Iterable[np.ndarray], num_classes: int, grid: tuple[int, int] = GRID
    ) -> SpatialPrior:
        """From (H, W) uint8 train id maps of any size, each resized (nearest) to `grid` (height, width).

        A class that is in no map is 1 everywhere: nothing is known about where it belongs.
        """
        counts = np.zeros((num_classes, *grid), np.float32)
        for train_ids in label_maps:
            small = cv2.resize(train_ids, grid[::-1], interpolation=cv2.INTER_NEAREST)
            counts += small == np.arange(num_classes).reshape(-1, 1, 1)
        sigma = SMOOTHING * grid[1]
        smooth = [cv2.GaussianBlur(c, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for c in counts]
        return cls(np.stack([s / s.max() if s.max() > 0 else np.ones_like(s) for s in smooth]))

    def save(self, path: Path) -> None:
        """Write an .npz file whole."""
        with whole_file(path) as temporary, open(temporary, "wb") as content:
            np.savez_compressed(content, frequency=self.frequency)

    @classmethod
    def load(cls, path: Path, num_classes: int) -> SpatialPrior:
        """Read an .npz file written by `save`.

        Raises: InputError if it is missing, damaged, not a prior, or for another number of classes.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                frequency = content["frequency"]
        except FileNotFoundError:
            raise InputError(f"{path}: no such spatial prior: compute it from the source labels first") from None
        except Exception as problem:  # numpy and zipfile raise many kinds for a damaged file
            raise InputError(f"{path}: not a spatial prior ({problem}): delete it and compute it again") from None
        if frequency.ndim != 3 or len(frequency) != num_classes:
            raise InputError(f"{path}: a prior of shape {frequency.shape}, but the network has {num_classes} classes")
        return cls(frequency.astype(np.float32))

    def apply(self, volume: mx.nd.NDArray) -> None:
        """Multiply a (C, H, W) volume in place, on its device; the prior is resized bilinearly."""
        key = (volume.shape, volume.context)
        if key not in self._full_size:
            full_size = [cv2.resize(c, volume.shape[:0:-1]) for c in self.frequency]  # (H, W) each
            self._full_size = {key: mx.nd.array(np.stack(full_size), ctx=volume.context)}
        mx.nd.elemwise_mul(volume, self._full_size[key], out=volume)
