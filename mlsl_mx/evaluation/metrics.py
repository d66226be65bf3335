"""Intersection over union, as in the official Cityscapes script."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from mlsl_mx.data.label_counts import joint_counts
from mlsl_mx.labels import IGNORE
from mlsl_mx.workers import Workers


class ConfusionMatrix:
    """Counts of (true class, predicted class) over the pixels of any number of images.

    Pixels whose truth is 255 do not count. A prediction outside 0..C-1 (an unlabelled pixel) is a miss of the true
    class and a false alarm of none, as in the official script.

    >>> confusion = ConfusionMatrix(2)
    >>> confusion.update(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 0]))
    >>> confusion.iou()
    array([0.5, 0.5])
    """

    def __init__(self, num_classes: int):
        if not 0 < num_classes <= IGNORE:
            raise ValueError(f"num_classes is {num_classes}: it must be between 1 and {IGNORE}")
        self.num_classes = num_classes
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)  # the last column: outside 0..C-1

    @property
    def matrix(self) -> np.ndarray:
        """(C, C) int64 pixels: rows are the truth, columns the prediction."""
        return self._counts[:, :-1].copy()

    @property
    def missed(self) -> np.ndarray:
        """(C,) int64 pixels of each true class whose prediction is outside 0..C-1."""
        return self._counts[:, -1].copy()

    def update(self, label_ids: np.ndarray, predicted_ids: np.ndarray) -> None:
        """Add the pixels of one image or batch: train ids, both arrays of one shape, whole numbers.

        Raises: ValueError for different shapes or a true id that is neither 0..C-1 nor 255.
        """
        label_ids, predicted_ids = np.asarray(label_ids), np.asarray(predicted_ids)
        if label_ids.shape != predicted_ids.shape:
            raise ValueError(f"truth is {label_ids.shape} but prediction is {predicted_ids.shape}: shapes must agree")
        pairs = joint_counts(_as_bytes(label_ids), _as_bytes(predicted_ids))
        unknown = np.flatnonzero(pairs[self.num_classes : IGNORE].sum(axis=1)) + self.num_classes
        if len(unknown):
            raise ValueError(
                f"truth holds {unknown.tolist()}: a train id is 0..{self.num_classes - 1}, or 255 to ignore"
            )
        known = pairs[: self.num_classes]
        self._counts[:, :-1] += known[:, : self.num_classes]
        self._counts[:, -1] += known[:, self.num_classes :].sum(axis=1)

    def sum_over(self, workers: Workers) -> None:
        """Count the pixels of all workers; all of them call this, once."""
        self._counts = workers.sum(self._counts)

    def iou(self) -> np.ndarray:
        """(C,) float64 in [0, 1]: true positives / (true positives + false alarms + misses); NaN where all are 0."""
        hits = np.diagonal(self._counts).astype(np.float64)
        union = self._counts.sum(axis=1) + self.matrix.sum(axis=0) - hits
        return np.divide(hits, union, out=np.full(self.num_classes, np.nan), where=union > 0)

    def mean_iou(self, classes: Sequence[int] | None = None) -> float:
        """Mean over the given train ids (all by default), without those that are NaN; NaN if nothing is left."""
        iou = self.iou() if classes is None else self.iou()[list(classes)]
        iou = iou[~np.isnan(iou)]
        return float(iou.mean()) if len(iou) else float("nan")


def _as_bytes(ids: np.ndarray) -> np.ndarray:
    """uint8 ids, where whatever does not fit 0..254 is 255."""
    if ids.dtype == np.uint8:
        return ids
    fits = (ids >= 0) & (ids < IGNORE)
    return np.where(fits, ids, IGNORE).astype(np.uint8)
