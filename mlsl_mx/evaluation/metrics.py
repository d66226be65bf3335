"""Intersection over union, as in the official Cityscapes script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlsl_mx.config.classes import id_type, ignore_id
from mlsl_mx.data.label_counts import joint_counts, no_counts
from mlsl_mx.system.workers import Workers


class ConfusionMatrix:
    """Counts of (true class, predicted class) over the pixels of any number of images.

    Raises: ValueError for no class at all, InputError for too many (`classes.MOST_CLASSES`).

    Pixels whose truth is 255 (65535 of more than 255 classes) do not count. A prediction outside 0..C-1 (an unlabelled
    pixel) is a miss of the true class and a false alarm of none, as in the official script.

    >>> confusion = ConfusionMatrix(2)
    >>> confusion.update(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 0]))
    >>> confusion.iou()
    array([0.5, 0.5])
    """

    def __init__(self, num_classes: int):
        self._ignore = ignore_id(num_classes)
        no_counts(num_classes)  # now, not after the first image
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

        Raises: ValueError for different shapes or a true id that is neither 0..C-1 nor to ignore.
        """
        label_ids, predicted_ids = np.asarray(label_ids), np.asarray(predicted_ids)
        if label_ids.shape != predicted_ids.shape:
            raise ValueError(f"truth is {label_ids.shape} but prediction is {predicted_ids.shape}: shapes must agree")
        truth, predicted = (_as_ids(ids, self.num_classes) for ids in (label_ids, predicted_ids))
        pairs = joint_counts(truth, predicted, self.num_classes)
        if pairs[self.num_classes : -1].any() or (truth is not label_ids and (truth != label_ids).any()):
            unknown = np.setdiff1d(label_ids, [*range(self.num_classes), self._ignore])
            raise ValueError(
                f"truth holds {unknown.tolist()}: a train id is 0..{self.num_classes - 1}, or {self._ignore} to ignore"
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


def _as_ids(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """Ids in the type of train ids, where whatever does not fit is ignore."""
    dtype, ignore = id_type(num_classes), ignore_id(num_classes)
    if ids.dtype == dtype:
        return ids
    fits = (ids >= 0) & (ids < ignore)
    return np.where(fits, ids, ignore).astype(dtype)
