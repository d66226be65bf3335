"""Confidences themselves, as long as there are few: what a histogram of codes does not tell apart."""

from __future__ import annotations

import numpy as np

from mlsl_mx.system.workers import Workers

KEPT = 1 << 23  # confidences: 42 MB, those of four images of 2048x1024


class KeptConfidences:
    """Confidences themselves, with their classes, as long as there are at most KEPT."""

    def __init__(self):
        self._size = 0
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []  # classes and float32 confidences

    def add(self, classes: np.ndarray, confidences: np.ndarray, chosen: np.ndarray) -> None:
        """Keep the chosen ones (a mask), unless there are too many."""
        self._size += np.count_nonzero(chosen)
        if self._size > KEPT:
            self._parts = []
        else:
            self._parts.append((classes[chosen], confidences[chosen]))

    def merge(self, other: KeptConfidences) -> None:
        """Keep what another one keeps, too."""
        self._size += other._size
        self._parts = self._parts + other._parts if self._size <= KEPT else []

    def gather(self, workers: Workers) -> None:
        """Keep what all workers keep; all of them call this, once."""
        sizes = workers.gather(np.array([min(self._size, KEPT + 1)], np.float32)).astype(np.int64)  # exact in float32
        mine, self._size = self._size, int(sizes.sum())
        if not 0 < self._size <= KEPT:
            self._parts = []
            return
        pairs = np.zeros((2, sizes.max()), np.float32)  # of all workers as many
        for row, arrays in zip(pairs, zip(*self._parts, strict=True), strict=False):  # a worker may have none
            row[:mine] = np.concatenate(arrays)
        found = workers.gather(pairs).reshape(len(sizes), 2, -1)
        self._parts = [
            (classes[:size], confidences[:size]) for (classes, confidences), size in zip(found, sizes, strict=True)
        ]

    def between(self, low: float, high: float, c: int | None) -> np.ndarray | None:
        """Confidences of class c, or of all classes, in [low, high); None if they were too many to keep."""
        if self._size > KEPT:
            return None
        found = [v[(v >= low) & (v < high) & (True if c is None else k == c)] for k, v in self._parts]
        return np.concatenate(found)
