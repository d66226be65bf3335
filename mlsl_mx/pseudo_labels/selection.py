"""Class-balanced selection of pseudo-labels (Sec. 3.2, after CBST): how sure a pixel must be, class by class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from mlsl_mx.config.classes import id_type, ignore_id
from mlsl_mx.pseudo_labels.confidence_codes import CODES, codes_of, is_exact, lowest
from mlsl_mx.pseudo_labels.kept_confidences import KeptConfidences
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import own_function
from mlsl_mx.system.workers import Workers

PART = 1 << 19  # pixels filed at a time: 64-bit copies of a whole image would be the largest arrays of the stage
SORTED_ABOVE = 1 << 23  # bins: adding so many costs more than sorting a part's confidences


class ClassConfidences:
    """How often each confidence occurs in each predicted class: order statistics in constant memory.

    A pixel's confidence is its largest probability as float32, filed under the class that has it. Its code is counted
    (`confidence_codes`), so nothing is sorted, and accumulators of different workers add up. What is exact, that is
    what sorting all float32 confidences gives:
    - every threshold nearer to 1 than 2^-12, where a code is one float32 number. That is where a class is saturated,
      and there may be any number of pixels.
    - every other one as long as at most 2^23 confidences in all lie outside that range: these are kept.
    With more, it is the lowest confidence with the code of the exact one: below it by less than 1/4096 of its doubt
    1 - p, or where p < 1/2 by less than log2(2 / p) / 4096 of p. No pixel that should be selected is lost.

    Args:
        num_classes: C.
        stride: count every stride-th pixel of each class of an image, in raster order (the release: 4).
        extra_zero: as the release, one 0 more among the confidences of each class that was predicted; for the global
            threshold, one for each class and one for the list itself.

    Attributes:
        histogram: (CODES, C) int64, by code and class; codes fall as confidences rise.
        predicted: (C,) int64, pixels predicted as each class, whatever the stride.
    """

    def __init__(self, num_classes: int, stride: int = 1, extra_zero: bool = False):
        self.num_classes = num_classes
        self.stride = stride
        self.extra_zero = extra_zero
        self.histogram = np.zeros((CODES, num_classes), np.int64)  # takes memory where something is counted
        self.predicted = np.zeros(num_classes, np.int64)
        self._kept = KeptConfidences()

    def update(self, volume) -> None:
        """File one image: (C, H, W) NDArray or numpy; a pixel without a positive value (no patch) is not filed."""
        self.update_top(*most_probable(np.maximum(_as_numpy(volume), 0, dtype=np.float32)))

    def update_top(self, classes: np.ndarray, confidences: np.ndarray) -> None:
        """File one image by the class and confidence of each pixel, arrays of one shape.

        Raises: ValueError if a confidence is not finite.
        """
        classes, confidences = classes.ravel(), confidences.ravel().astype(np.float32, copy=False)
        if not np.isfinite(confidences).all():
            raise ValueError("confidences are not finite")
        before = np.zeros(self.num_classes, np.int64)  # pixels of each class in the parts before
        for start in range(0, len(classes), PART):
            part = slice(start, start + PART)
            before += self._file(classes[part], confidences[part], before)
        self.predicted += before

    def _file(self, classes: np.ndarray, confidences: np.ndarray, before: np.ndarray) -> np.ndarray:
        """File a part of an image, of whose classes `before` (C,) pixels came before. Returns: (C,), those in it."""
        filed = confidences > 0
        classes, confidences = classes[filed], confidences[filed]
        if self.stride > 1:
            starts = enumerate(-before % self.stride)
            counted = np.concatenate([np.flatnonzero(classes == c)[start :: self.stride] for c, start in starts])
            self._count(classes[counted], confidences[counted])
        else:
            self._count(classes, confidences)
        return np.bincount(classes, minlength=self.num_classes)

    def _count(self, classes: np.ndarray, confidences: np.ndarray) -> None:
        if not classes.size:
            return
        codes = codes_of(confidences)
        self._kept.add(classes, confidences, ~is_exact(codes))
        first = codes.min()
        bins = self.histogram[first : codes.max() + 1].reshape(-1)  # a view
        keys = (codes - first) * self.num_classes + classes
        if len(bins) > SORTED_ABOVE:
            found, counts = np.unique(keys, return_counts=True)
            bins[found] += counts
        else:
            bins += np.bincount(keys, minlength=len(bins))

    def merge(self, other: ClassConfidences) -> None:
        """Add what another accumulator of the same arguments has counted."""
        mine, theirs = ((c.num_classes, c.stride, c.extra_zero) for c in (self, other))
        if mine != theirs:
            raise ValueError(f"confidences of (num_classes, stride, extra_zero) {theirs} do not add to {mine}")
        self.histogram += other.histogram
        self.predicted += other.predicted
        self._kept.merge(other._kept)

    def sum_over(self, workers: Workers) -> None:
        """Count the images of all workers; all of them call this, once."""
        used = workers.sum(self.histogram.any(axis=1)) > 0
        self.histogram[used] = workers.sum(self.histogram[used])
        self.predicted = workers.sum(self.predicted)
        self._kept.gather(workers)

    def thresholds(self, portion: float, policy: str = "class_balanced") -> np.ndarray:
        """(C,) float64: the floor(portion * n_c)-th largest of a class's n_c confidences.

        A class without predictions, or with portion * n_c < 1, has threshold 1. Policy "global" (plain self-training)
        gives all classes the threshold of all confidences together.

        Raises: ValueError for a portion outside [0, 1] or an unknown policy.
        """
        if not 0 <= portion <= 1:
            raise ValueError(f"portion is {portion}: it must be between 0 and 1")
        if policy == "class_balanced":
            zeros = self.extra_zero * (self.predicted > 0)
            return np.array([self._kth_largest(portion, zeros[c], c) for c in range(self.num_classes)])
        if policy == "global":
            zeros = self.extra_zero * (self.num_classes + 1)
            return np.full(self.num_classes, self._kth_largest(portion, zeros))
        raise ValueError(f"policy {policy!r} is not one of class_balanced, global")

    def _kth_largest(self, portion: float, zeros: int, c: int | None = None) -> float:
        """The floor(portion * n)-th largest confidence of class c, or of all classes, and `zeros` zeros; 1 if none."""
        histogram = self.histogram.sum(axis=1) if c is None else self.histogram[:, c]
        at_least = np.cumsum(histogram)  # by code: confidences that are as large or larger
        rank = int(np.floor(portion * (at_least[-1] + zeros)))
        if rank == 0 or rank > at_least[-1]:
            return 1.0
        code = int(np.searchsorted(at_least, rank))
        if is_exact(code):
            return float(lowest(code))
        same_code = self._kept.between(lowest(code), lowest(code - 1), c)
        return float(lowest(code) if same_code is None else np.sort(same_code)[at_least[code] - rank])


def select_pseudo_labels(volume, thresholds: Sequence[float], rule: str = "reweighted") -> np.ndarray:
    """Labels of the pixels that are sure enough.

    Args:
        volume: (C, H, W) probabilities, NDArray or numpy, compared as float32: the pixel that gave a threshold of
            ClassConfidences passes it, and every pixel with the same value passes.
        thresholds: (C,); 0 counts as 1.
        rule: of RULES, or a user's own as `package.module:name`: a `Rule`.

    Returns: (H, W) train ids, uint8 with 255 = ignore, or with more than 255 classes uint16 with 65535; a pixel that no
        patch saw is ignored, too.
    Raises: ValueError for another number of classes; InputError for a rule that is not there, or whose labels are none.
    """
    volume = _as_numpy(volume)
    thresholds = np.asarray(thresholds, np.float32)
    thresholds = np.where(thresholds > 0, thresholds, np.float32(1))
    if len(thresholds) != len(volume):
        raise ValueError(f"{len(thresholds)} thresholds for {len(volume)} classes")
    labels = selection_rule(rule)(volume.astype(np.float32, copy=False), thresholds)
    if rule not in RULES:
        _check_labels(rule, labels, volume)
    return labels


def _check_labels(rule: str, labels: Any, volume: np.ndarray) -> None:
    """Raises: InputError if what a user's own rule gave are no train ids of the volume's pixels."""
    classes, dtype, ignored = len(volume), np.dtype(id_type(len(volume))), ignore_id(len(volume))
    must = f"selection.rule {rule}: it must give {dtype} labels of shape {volume.shape[1:]}"
    if not isinstance(labels, np.ndarray):
        raise InputError(f"{must}, but gave a {type(labels).__name__}: return a NumPy array")
    if labels.shape != volume.shape[1:] or labels.dtype != dtype:
        raise InputError(f"{must}, but gave {labels.dtype} of {labels.shape}")
    wrong = labels[(labels >= classes) & (labels != ignored)]
    if wrong.size:
        raise InputError(f"{must} from 0 to {classes - 1}, and {ignored} for none, but gave {wrong[0]}")


def selection_rule(name: str) -> Rule:
    """A rule by its name in RULES or, of a user, as `package.module:name`. Raises: InputError if it is not there."""
    return RULES[name] if name in RULES else own_function(name, "selection.rule")


def reweighted(volume: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """CBST's rule: argmax_c p_c / t_c, if that ratio is at least 1. The first class wins a tie.

    Args:
        volume: (C, H, W) float32 probabilities, 0 where no patch was.
        thresholds: (C,) float32, above 0.

    Returns: (H, W) train ids of `id_type(C)`, `ignore_id(C)` where no class is sure enough.
    """
    best, labels = _largest(lambda c: volume[c] / thresholds[c], volume)
    labels[~(best >= 1)] = ignore_id(len(volume))  # NaN, too
    return labels


def argmax(volume: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The paper's wording: the most probable class, if its probability is at least its threshold; as `reweighted`."""
    best, labels = _largest(lambda c: volume[c], volume)
    labels[~(best >= thresholds[labels])] = ignore_id(len(volume))
    return labels


# (volume, thresholds) -> labels, as `reweighted`. On a CPU, and by MXNet anywhere, it is called on windows of an image
# (`windows.WINDOW`, smaller at the edges); with PyTorch on a GPU on the whole image. So it must decide each pixel only
# from that pixel's probabilities. PyTorch has the two of RULES on its device, too: `pytorch.composition.selected`.
Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]
RULES: dict[str, Rule] = {"reweighted": reweighted, "argmax": argmax}


def _largest(score: Callable[[int], np.ndarray], volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel the largest score of a class, 0 where none is above it, and the first class that has it."""
    best, classes = np.zeros(volume.shape[1:], np.float32), np.zeros(volume.shape[1:], id_type(len(volume)))
    for c in range(len(volume)):
        _take_larger(best, classes, score(c), c)
    return best, classes


def most_probable(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first class with the largest probability of each pixel, and that probability.

    Args:
        volume: (C, ...) float16, float32 or float64, nothing below 0.

    Returns: (...) train ids (uint8, or uint16 of more than 255 classes) and (...) of the volume's type.
    """
    patterns = volume.view(f"u{volume.itemsize}")  # of values that are not negative the order is the same, and faster
    largest, classes = patterns[0].copy(), np.zeros(volume.shape[1:], id_type(len(volume)))
    for c in range(1, len(volume)):
        _take_larger(largest, classes, patterns[c], c)
    return classes, largest.view(volume.dtype)


def _take_larger(largest: np.ndarray, classes: np.ndarray, values: np.ndarray, c: int) -> None:
    """In place, where `values` exceeds `largest`: take it and its class c, which must be above all classes before."""
    better = values > largest
    np.maximum(largest, values, out=largest)
    np.maximum(classes, better.view(np.uint8) * classes.dtype.type(c), out=classes)


def mined_classes(
    predicted: Sequence[int], share: float = 0.001, rarest: int = 3, left_out: Collection[int] = ()
) -> tuple[list[int], list[int]]:
    """Train ids of the rare classes on whose pixels training crops are centred, the rarest first (from CBST's program;
    the paper does not mention it).

    Args:
        predicted: (C,) pixels predicted as each class.
        share: of all predicted pixels: a class with less is rare.
        rarest: how many classes are mined where an image has none of the rare ones.
        left_out: train ids that are not mined, however rare.

    Returns: two lists: the classes with less than `share` of the predicted pixels, and the `rarest` rarest. In an
        image, classes of the first list are mined; only if it has none of them, those of the second. Classes of equal
        size come in the order of their ids.
    """
    predicted = np.asarray(predicted)
    by_size = [c for c in np.argsort(predicted, kind="stable").tolist() if c not in left_out]
    return [c for c in by_size if predicted[c] < share * predicted.sum()], by_size[:rarest]


def _as_numpy(volume) -> np.ndarray:
    return volume.asnumpy() if hasattr(volume, "asnumpy") else np.asarray(volume)
