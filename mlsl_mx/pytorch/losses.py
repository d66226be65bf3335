"""The losses of `training.losses` with PyTorch: Eq. 1, 2 and 5; `training.composite` adds them (Eq. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from mlsl_mx.config.classes import ignore_id
from mlsl_mx.config.training_settings import HARD_PIXELS, HARD_PROBABILITY
from mlsl_mx.pytorch.streams import to_device
from mlsl_mx.training import composite


def segmentation_loss(
    logits: torch.Tensor,
    train_ids: torch.Tensor,
    hard_examples: bool = False,
    normaliser: str = "labelled",
    class_weights: Sequence[float] | None = None,
) -> torch.Tensor:
    """Cross-entropy of the pixels, Eq. 1 and 2; arguments and meaning as of `training.losses.segmentation_loss`.

    Args:
        logits: (B, C, h, w).
        train_ids: (B, h, w) int64, or `ignore_id(C)` for no label.

    Returns: a float32 scalar.
    Raises: ValueError for another normaliser.
    """
    if normaliser not in ("labelled", "pixels"):
        raise ValueError(f"normaliser {normaliser!r} is not one of labelled, pixels")
    counts = train_ids != ignore_id(logits.shape[1])  # (B, h, w)
    log_probability = functional.log_softmax(logits.float(), dim=1)
    picked = train_ids * counts
    log_probability = log_probability.gather(1, picked[:, None])[:, 0]  # (B, h, w)
    if hard_examples:
        counts = counts & _is_hard(log_probability.detach(), counts)
    if class_weights is not None:
        counts = counts * to_device(np.array(class_weights, np.float32), logits.device)[picked]
    divisor = train_ids.numel() if normaliser == "pixels" else counts.sum().clamp(min=composite.LEAST)
    return (-log_probability * counts).sum() / divisor


def _is_hard(log_probability: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(B, h, w) of truth values; without waiting for the device."""
    probability = torch.where(counts, log_probability.exp(), 2.0)
    smallest = min(HARD_PIXELS, probability.numel())
    # Pixels without a label have 2: with fewer than 256 labelled ones the threshold lets every one through.
    limit = probability.flatten().topk(smallest, largest=False, sorted=True).values[-1]
    return probability <= limit.clamp(min=HARD_PROBABILITY)


def weak_label_loss(weak_logits: torch.Tensor, weak_labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of an image's classes, Eq. 5; mean over classes and images. (B, C) both."""
    return functional.binary_cross_entropy_with_logits(weak_logits.float(), weak_labels)


composite_loss = partial(composite.composite_loss, segmentation_loss, weak_label_loss)
head_loss = partial(composite.head_loss, weak_label_loss)
