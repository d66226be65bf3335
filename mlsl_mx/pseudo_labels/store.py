"""What is kept of an image between inference and the labels: the few largest probabilities of each pixel.

Labels need argmax_c p_c / t_c, but the thresholds t are known only after the last image. A float16 volume of
19x1024x2048 is 80 MB; its largest entries with their classes compress to a few. A class that was left out has a
probability of at most the smallest kept one, which proves for (nearly) every pixel that it could not have won; the
others are named, and the caller computes the image again.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from mlsl_mx.labels import IGNORE
from mlsl_mx.pseudo_labels.selection import positive_thresholds
from mlsl_mx.runs import whole_file

FORMAT = 1
KEPT = 6
# Entries below 1/32 of the pixel's largest are left out too: only a threshold that a spatial prior has pushed below 1/C
# could let one pass, and `labels` names the pixels where it could.
LEFT_OUT = np.float32(1 / 32)
LEFT_OUT_BITS = 5 << 10  # the same in float16 bit patterns: the exponent less 5
BLOCK = 1 << 15  # pixels whose working set stays in the cache


@dataclass(frozen=True)
class TopClasses:
    """The largest probabilities of each pixel, largest first; equal ones in the order of their classes.

    Attributes:
        num_classes: C of the volume.
        classes: (k, H, W) uint8, 255 where nothing is kept.
        probabilities: (k, H, W) float16, 0 where nothing is kept.
    """

    num_classes: int
    classes: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def from_volume(cls, volume: np.ndarray, kept: int = KEPT) -> TopClasses:
        """Of a (C, H, W) float16 volume; values below 0 (bicubic) count as 0, as neither can be a label.

        Raises: ValueError if a value is not finite.
        """
        num_classes, height, width = volume.shape
        bits = volume.view(np.uint16).reshape(num_classes, -1)  # (C, H * W)
        kept = min(kept, num_classes)
        keys = np.empty((kept, bits.shape[1]), np.uint32)
        for start in range(0, bits.shape[1], BLOCK):
            keys[:, start : start + BLOCK] = _largest_keys(bits[:, start : start + BLOCK], kept)
        patterns = (keys >> 16).astype(np.uint16)
        if patterns[0].max() >= 0x7C00:
            raise ValueError("probabilities are not finite")
        patterns[patterns.astype(np.int32) < patterns[0].astype(np.int32) - LEFT_OUT_BITS] = 0
        classes = np.where(patterns > 0, ~keys & 0xFF, IGNORE).astype(np.uint8)
        shape = (kept, height, width)
        return cls(num_classes, classes.reshape(shape), patterns.view(np.float16).reshape(shape))

    def labels(self, thresholds: Sequence[float], rule: str = "reweighted") -> tuple[np.ndarray, np.ndarray]:
        """What `select_pseudo_labels` gives on the whole volume, and where that is not proved.

        Returns: (H, W) uint8 labels, and (H, W) bool, True where a class that was left out could have been the label.
        """
        thresholds = positive_thresholds(thresholds)
        by_class = np.ones(256, np.float32)
        by_class[: self.num_classes] = thresholds
        if rule == "argmax":
            passed = self.probabilities[0].astype(np.float32) / by_class[self.classes[0]] >= 1
            return np.where(passed, self.classes[0], IGNORE).astype(np.uint8), np.zeros(passed.shape, bool)
        labels, best = self._reweighted(by_class)
        unproved = self._unproved(best, thresholds)
        labels[best < 1] = IGNORE
        return labels, unproved

    def _reweighted(self, by_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The kept class of the largest ratio p_c / t_c, (H, W) uint8, and that ratio, (H, W) float32."""
        labels = self.classes[0].copy()
        best = self.probabilities[0].astype(np.float32) / by_class[labels]
        for classes, probabilities in zip(self.classes[1:], self.probabilities[1:]):
            ratio = probabilities.astype(np.float32) / by_class[classes]
            better = (ratio > best) | ((ratio == best) & (classes < labels))
            labels[better] = classes[better]
            best[better] = ratio[better]
        return labels, best

    def _unproved(self, best: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """(H, W) bool: a left-out class could reach a ratio of at least 1 and of at least `best`."""
        bound = self._left_out_bound()
        ratio = bound / thresholds.min()
        unproved = (ratio >= 1) & (ratio >= best)
        # Few pixels are left; for them only the thresholds of the classes that were left out matter.
        rows, columns = np.nonzero(unproved)
        left_out = np.tile(np.append(thresholds, np.float32(np.inf)), (len(rows), 1))  # (n, C + 1)
        kept = np.minimum(self.classes[:, rows, columns].T, self.num_classes)  # (n, k); C: nothing kept
        np.put_along_axis(left_out, kept.astype(np.int64), np.inf, axis=1)
        ratio = bound[rows, columns] / left_out.min(axis=1)
        unproved[rows, columns] = (ratio >= 1) & (ratio >= best[rows, columns])
        return unproved

    def _left_out_bound(self) -> np.ndarray:
        """(H, W) float32 that no left-out probability exceeds."""
        smallest = self.probabilities[-1].astype(np.float32)
        return np.where(smallest > 0, smallest, LEFT_OUT * self.probabilities[0].astype(np.float32))


def write_store(path: Path, top: TopClasses, key: str) -> None:
    """Write the store whole; `key` says what the probabilities were computed with."""
    patterns = top.probabilities.view(np.uint16)
    # The two bytes of a probability compress better apart.
    planes = (top.classes, (patterns >> 8).astype(np.uint8), patterns.astype(np.uint8))
    blocks = [zlib.compress(plane.tobytes(), 1) for plane in planes]
    header = {
        "format": FORMAT,
        "key": key,
        "num_classes": top.num_classes,
        "shape": list(top.classes.shape),
        "blocks": [len(b) for b in blocks],
    }
    with whole_file(path) as temporary, open(temporary, "wb") as content:
        content.write(json.dumps(header).encode() + b"\n")
        content.writelines(blocks)


def read_store(path: Path, key: str) -> TopClasses | None:
    """Read a store; None if it is missing, damaged, or of another key: the image is then computed again."""
    try:
        header_line, content = Path(path).read_bytes().split(b"\n", 1)
        header = json.loads(header_line)
        if (header["format"], header["key"]) != (FORMAT, key):
            return None
        planes, start = [], 0
        for length in header["blocks"]:
            plane = np.frombuffer(zlib.decompress(content[start : start + length]), np.uint8)
            planes.append(plane.reshape(header["shape"]))
            start += length
        classes, high, low = planes
        patterns = high.astype(np.uint16) << 8 | low
        return TopClasses(header["num_classes"], classes, patterns.view(np.float16))
    except (OSError, ValueError, KeyError, TypeError, zlib.error):
        return None


def _largest_keys(bits: np.ndarray, kept: int) -> np.ndarray:
    """(kept, n) uint32, largest first: float16 pattern << 16 | ~class, of (C, n) patterns.

    An insertion into a sorted column per pixel; the order of the patterns is that of the values, and of equal values
    the lower class is the larger key.
    """
    largest = np.zeros((kept, bits.shape[1]), np.uint32)
    smaller = np.empty(bits.shape[1], np.uint32)
    for c, patterns in enumerate(bits):
        if patterns.max() > 0x7FFF:  # the sign bit: -0.0 to -inf become 0, and NaN stays NaN
            patterns = np.where((patterns >= 0x8000) & (patterns <= 0xFC00), 0, patterns & 0x7FFF)
        key = patterns.astype(np.uint32) << 16 | (0xFFFF - c)
        for column in largest:
            np.minimum(column, key, out=smaller)
            np.maximum(column, key, out=column)
            key, smaller = smaller, key
    return largest
