"""Volumes of an image: put together from their windows, and made the naive way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mxnet as mx
import numpy as np

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels.maps import ImageMaps, Window
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
    """What labels are selected from, (C, H, W) float32: all windows of `Segmenter.composed`."""
    volume = np.empty((maps.parts[0].probabilities.shape[2], *maps.size), np.float32)
    for (rows, columns), probabilities in segmenter.composed(maps):
        volume[:, rows, columns] = probabilities
    return volume


def low_probabilities(net: Callable, patch: np.ndarray, flip: bool) -> np.ndarray:
    """(C, h/8, w/8) of one (3, h, w) patch, in NumPy but for the network."""

    def softmax(images):
        exponential = np.exp(net(mx.nd.array(images[None])).asnumpy()[0].astype(np.float64))
        return exponential / exponential.sum(axis=0)

    straight = softmax(patch)
    return (straight + softmax(patch[:, :, ::-1])[:, :, ::-1]) / 2 if flip else straight


def naive_volume(net: Callable, picture: np.ndarray, positions, settings: PseudoLabels):
    """SISC one patch at a time, each up-sampled whole, for a network of 4 classes: (4, H, W) and counts (H, W)."""
    total, count = np.zeros((4, *picture.shape[1:])), np.zeros(picture.shape[1:])
    whole = [(0, 0, *picture.shape[1:])] if settings.start == "single" else []
    for top, left, height, width in whole + [(t, le, settings.patch, settings.patch) for t, le in positions]:
        low = low_probabilities(net, picture[:, top : top + height, left : left + width], settings.flip)
        high = upsample(mx.nd.array(low[None]), height, width, settings.upsampling)[0].asnumpy()
        if settings.votes:
            high = np.eye(4)[high.argmax(axis=0)].transpose(2, 0, 1)
        total[:, top : top + height, left : left + width] += high
        count[top : top + height, left : left + width] += 1
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


MARGINS = [(6, 2), (8, 2), (9, 2), (10, 2.5)]  # mean and deviation of logits that saturate a class


def saturated(margin: float, deviation: float, classes: int = 4, shape=(150, 200), seed: int = 0) -> np.ndarray:
    """(C, H, W) float32: each pixel has one class at a logit as sure as given and the others at 0; the last is rare."""
    random = np.random.RandomState(seed)
    logits = np.zeros((classes, *shape))
    winner = random.randint(0, classes, shape) * (random.uniform(size=shape) < 0.4)
    np.put_along_axis(logits, winner[None], random.normal(margin, deviation, (1, *shape)), axis=0)
    exponential = np.exp(logits - logits.max(axis=0))
    return (exponential / exponential.sum(axis=0)).astype(np.float32)


def sorted_thresholds(volumes, portion: float, policy: str = "class_balanced", stride: int = 1, extra_zero=False):
    """(C,) thresholds the naive way: all float32 confidences of all images, sorted."""
    count = len(volumes[0])
    of_class = [[] for _ in range(count)]
    for volume in volumes:
        confidence, predicted = volume.max(axis=0), volume.argmax(axis=0)
        for c in range(count):
            of_class[c].append(confidence[(predicted == c) & (confidence > 0)][::stride])
    of_class = [np.concatenate(parts) for parts in of_class]
    if policy == "global":
        together = np.concatenate([*of_class, np.zeros(extra_zero * (count + 1), np.float32)])
        return np.full(count, _largest(together, portion))
    zero = [np.zeros(int(extra_zero and len(values) > 0), np.float32) for values in of_class]
    return np.array([_largest(np.concatenate(pair), portion) for pair in zip(of_class, zero, strict=True)])


def _largest(values: np.ndarray, portion: float) -> float:
    rank = int(np.floor(portion * len(values)))
    return float(np.sort(values)[::-1][rank - 1]) or 1.0 if rank else 1.0


def naive_labels(volume: np.ndarray, thresholds: np.ndarray, ignore: int = 255) -> np.ndarray:
    """(H, W) labels of the reweighted rule, in float32."""
    ratio = volume / thresholds.astype(np.float32)[:, None, None]
    return np.where(ratio.max(axis=0) >= 1, ratio.argmax(axis=0), ignore)
