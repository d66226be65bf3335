"""Pseudo weak-labels (Sec. 3.3.1): which classes fill enough of an image to be there at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlsl_mx.data.label_counts import counts_of

# By train id: what the release has in place of h_s, shares of GTA-V's pixels. They are means over all images; Eq. 4's,
# over the images with the class, are larger for rare classes.
RELEASED_SIZES = (
    *(0.3232, 0.085, 0.1693, 0.0193, 0.0075, 0.0107, 0.0018, 0.0013, 0.0765, 0.022),
    *(0.1364, 0.0039, 0.0023, 0.0274, 0.0169, 0.0181, 0.0143, 0.0019, 0.0031),
)

COMPARISONS = {"greater": np.greater, "at_least": np.greater_equal}


class ClassSizes:
    """Mean share of the image that a class fills in the images that contain it (Eq. 4), one image at a time.

    Attributes:
        share_sum: (C,) float64, sum over images of the share of the image's pixels that have the class.
        images: (C,) int64, images that contain the class.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.share_sum = np.zeros(num_classes)
        self.images = np.zeros(num_classes, np.int64)

    def update(self, train_ids: np.ndarray) -> None:
        """Count one label map, (H, W) train ids; ignored pixels belong to H x W but to no class."""
        shares = _shares(train_ids, self.num_classes)
        self.share_sum += shares
        self.images += shares > 0

    def mean(self) -> np.ndarray:
        """h_s of Eq. 4: (C,) float64 shares in (0, 1]; NaN for a class that no image contains (0/0)."""
        with np.errstate(invalid="ignore"):
            return self.share_sum / self.images


def weak_labels(train_ids: np.ndarray, h_s: Sequence[float], eta: float, comparison: str = "greater") -> np.ndarray:
    """c_i = 1 iff h_t(i) > eta * h_s(i), with h_t the share of the pixels that have class i (Sec. 3.3.1).

    A class whose h_s is NaN, never seen in the source, is 0.

    Args:
        train_ids: (H, W) train ids of an image or crop; ignored pixels count in H x W.
        h_s: (C,) from ClassSizes.mean().
        eta: share of the mean source size from which on a class counts (paper: 0.05).
        comparison: "greater" (>, the text) or "at_least" (>=, Figure 2 and the release).

    Returns: (C,) float32 of 0 and 1.
    Raises: ValueError for another comparison.
    """
    if comparison not in COMPARISONS:
        raise ValueError(f"comparison {comparison!r} is not one of {', '.join(COMPARISONS)}")
    h_s = np.asarray(h_s, np.float64)
    return COMPARISONS[comparison](_shares(train_ids, len(h_s)), eta * h_s).astype(np.float32)


def _shares(train_ids: np.ndarray, num_classes: int) -> np.ndarray:
    """(C,) share of all pixels, ignored ones too, that have each class."""
    return counts_of(train_ids, num_classes) / np.size(train_ids)
