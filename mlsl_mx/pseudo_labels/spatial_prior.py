"""Spatial prior of CBST-SP: where in the image the source labels have each class.

The published prior is a ready-made file; how it was made is not said. Ours is computed: per class, the share of source
images that have it at a position, smoothed, divided by its largest value. A class is thus scaled by how usual the
position is for it, 1 at its most usual one, and not by how common the class is: products stay within [0, 1].

An imported prior (`prior_files`) keeps its values. Multiplying all priors by one number multiplies all p_c and t_c by
it, so p_c / t_c and the labels stay the same, except for classes whose threshold defaults to 1. So:
- As long as products stay below 1, those classes are never labelled, and a common factor changes no label. `applied`
  uses that: it multiplies very small values by a power of two, which costs no digit and keeps products where
  confidences are told apart finely.
- Values above 1 make products that are no probabilities; one of at least 1 makes a label even of a class without a
  threshold, as in the original program. Such values are never scaled.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import whole_file

GRID = (128, 256)  # height, width: the target image at the network's stride
SMOOTHING = 1 / 32  # sigma of the Gaussian, as a share of the grid's width
LARGEST = 2.0**100  # products are float32, which ends at 2**128 ...
SMALLEST = 2.0**-100  # of the largest value: ... and at 2**-126


class SpatialPrior:
    """Factors for the probabilities: `frequency` (C, h, w) float32, at least 0.

    Computed ones are in [0, 1], each class with a maximum of 1; imported ones are what the file holds.
    """

    def __init__(self, frequency: np.ndarray):
        self.frequency = frequency
        self._full_size = {}  # size -> (C, H, W) float32, of the last size

    @classmethod
    def from_labels(
        cls, label_maps: Iterable[np.ndarray], num_classes: int, grid: tuple[int, int] = GRID
    ) -> SpatialPrior:
        """From (H, W) train id maps of any size, each resized (nearest) to `grid` (height, width).

        A class that is in no map is 1 everywhere: nothing is known about where it belongs.
        """
        counts = np.zeros((num_classes, *grid), np.float32)
        for train_ids in label_maps:
            small = cv2.resize(train_ids, grid[::-1], interpolation=cv2.INTER_NEAREST)
            cells = np.flatnonzero(small < num_classes)
            counts.reshape(num_classes, -1)[small.ravel()[cells], cells] += 1
        sigma = SMOOTHING * grid[1]
        smooth = [cv2.GaussianBlur(c, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for c in counts]
        return cls(np.stack([s / s.max() if s.max() > 0 else np.ones_like(s) for s in smooth]))

    @classmethod
    def from_values(cls, values: np.ndarray, num_classes: int, path: Path) -> SpatialPrior:
        """From the (C, h, w) array of a file, real numbers of any type, as they are but for the precision of float32.

        Raises: InputError naming `path` for another type, number of axes or of classes, values that are negative or not
            finite, or a largest value outside [2**-100, 2**100].
        """
        if values.dtype.kind not in "fiu":
            raise InputError(f"{path}: a prior of type {values.dtype}: give an array of real numbers")
        if values.ndim != 3 or len(values) != num_classes or not values.size:
            raise InputError(
                f"{path}: a prior of shape {values.shape}, but the network has {num_classes} classes: give an array "
                f"of {num_classes} x height x width"
            )
        low, high = float(values.min()), float(values.max())  # both NaN if any value is
        if not np.isfinite([low, high]).all():
            raise InputError(f"{path}: a prior with values that are not finite numbers: use a sound file")
        if low < 0:
            raise InputError(f"{path}: a prior with negative values, down to {low:g}: factors must be at least 0")
        if not SMALLEST <= high <= LARGEST:
            raise InputError(
                f"{path}: a prior with a largest value of {high:g}: it must be between {SMALLEST:g} and {LARGEST:g}: "
                f"multiply the whole array by one number"
            )
        return cls(np.ascontiguousarray(values, np.float32))

    def save(self, path: Path) -> None:
        """Write an .npz file whole."""
        with whole_file(path) as temporary, open(temporary, "wb") as content:
            np.savez_compressed(content, frequency=self.frequency)

    @classmethod
    def load(cls, path: Path, num_classes: int) -> SpatialPrior:
        """Read an .npz file written by `save`.

        Raises: InputError if it is missing, damaged, not a prior, or as `from_values`.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                frequency = content["frequency"]
        except FileNotFoundError:
            raise InputError(f"{path}: no such spatial prior: compute it from the source labels first") from None
        except Exception as problem:  # numpy and zipfile raise many kinds for a damaged file
            raise InputError(f"{path}: not a spatial prior ({problem}): delete it and compute it again") from None
        return cls.from_values(frequency, num_classes, path)

    def applied(self, volume: np.ndarray, rows: slice, columns: slice, size: tuple[int, int]) -> np.ndarray:
        """The product with a window (C, h, w) of a volume, float32; the prior is resized bilinearly.

        Values that are all below 1/4 are first multiplied by the power of two that takes the largest to [1/4, 1/2).

        Args:
            rows, columns: where the window lies.
            size: (height, width) of the whole volume.
        """
        full = self._full_size.get(size)  # of the last size; other threads may want another
        if full is None:
            scale = self._scale()
            full = np.stack([cv2.resize(c, size[::-1]) * scale for c in self.frequency])
            self._full_size = {size: full}
        return volume * full[:, rows, columns]

    def _scale(self) -> np.float32:
        _, exponent = np.frexp(self.frequency.max())  # the largest value is in [2**(exponent - 1), 2**exponent)
        return np.float32(2.0 ** max(0, -1 - int(exponent)))
