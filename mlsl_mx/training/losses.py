"""The losses of Sec. 3 by MXNet: cross-entropy over pixels (Eq. 1, 2) and over an image's classes (Eq. 5).

`composite.py` adds them (Eq. 6); `pytorch/losses.py` has the same for PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mxnet import autograd, nd

from mlsl_mx.config.classes import ignore_id
from mlsl_mx.config.training_settings import HARD_PIXELS, HARD_PROBABILITY
from mlsl_mx.training import composite


def segmentation_loss(
    logits: nd.NDArray,
    train_ids: nd.NDArray,
    hard_examples: bool = False,
    normaliser: str = "labelled",
    class_weights: Sequence[float] | None = None,
) -> nd.NDArray:
    """Cross-entropy of the pixels, Eq. 1 on true labels and Eq. 2 on pseudo-labels.

    Both are sums; here the sum over the pixels that count is divided by a number, that of the whole batch. A pixel
    counts if its label is not 255 (65535 with more than 255 classes). If no pixel has a label, loss and gradient
    are 0.

    Args:
        logits: (B, C, h, w) float32, before the softmax.
        train_ids: (B, h, w) float32 or integer, 0..C-1, or `ignore_id(C)` for no label.
        hard_examples: of those pixels, count only the hard ones (the release's SISC script): probability of the
            label <= max(0.6, the 256th smallest one in the batch); all of them if there are fewer than 256.
        normaliser: "labelled" divides by the number of pixels that count, of hard examples by that of the hard ones
            (the release): a batch with 5 labels weighs as much as one with 256. "pixels" divides by B * h * w, pixels
            without a label included: then each label weighs the same (Eq. 2), and a batch as much as it has labels.
        class_weights: (C,) what a pixel of each class counts, in the sum and in the number of "labelled"; None: 1.

    Returns: (1,) float32.
    Raises: ValueError for another normaliser.
    """
    if normaliser not in ("labelled", "pixels"):
        raise ValueError(f"normaliser {normaliser!r} is not one of labelled, pixels")
    train_ids = train_ids.astype("float32")
    counts = train_ids != ignore_id(logits.shape[1])  # (B, h, w) of 0 and 1
    picked = train_ids * counts
    log_probability = nd.pick(nd.log_softmax(logits, axis=1), picked, axis=1)  # (B, h, w)
    if hard_examples:
        counts = counts * _is_hard(log_probability, counts)
    if class_weights is not None:
        counts = counts * nd.take(nd.array(class_weights, ctx=counts.context), picked)
    divisor = train_ids.size if normaliser == "pixels" else nd.maximum(counts.sum(), composite.LEAST)
    return (-log_probability * counts).sum() / divisor


def _is_hard(log_probability: nd.NDArray, counts: nd.NDArray) -> nd.NDArray:
    """(B, h, w) of 0 and 1; computed on the device, without waiting for it, and constant to the gradient."""
    with autograd.pause():
        probability = nd.where(counts, log_probability.exp(), nd.full(counts.shape, 2.0, ctx=counts.context))
        smallest = min(HARD_PIXELS, probability.size)
        # Pixels without a label have 2: with fewer than 256 labelled ones the threshold lets every one through.
        limit = nd.topk(probability.reshape(-1), k=smallest, ret_typ="value", is_ascend=True)[-1:]
        return probability <= nd.maximum(limit, HARD_PROBABILITY).reshape((1, 1, 1))


def weak_label_loss(weak_logits: nd.NDArray, weak_labels: nd.NDArray) -> nd.NDArray:
    """Binary cross-entropy of an image's classes, Eq. 5; stable, as -log sigmoid(x) is softrelu(-x).

    Normaliser: classes times images, B * C; every class of every image counts.

    Args:
        weak_logits: (B, C) float32, before the sigmoid.
        weak_labels: (B, C) float32, the indicators c: 1 where the class is present, else 0.

    Returns: (1,) float32.
    """
    present = nd.Activation(-weak_logits, act_type="softrelu")  # (B, C)
    absent = nd.Activation(weak_logits, act_type="softrelu")
    return (weak_labels * present + (1 - weak_labels) * absent).mean()


composite_loss = partial(composite.composite_loss, segmentation_loss, weak_label_loss)
head_loss = partial(composite.head_loss, weak_label_loss)
