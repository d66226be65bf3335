"""How the losses of Sec. 3 make one (Eq. 6), for either engine and on its own arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsl_mx.system.errors import InputError

LEAST = 1e-6  # the smallest divisor of a loss, so that a batch without labels has the loss 0


def composite_loss(
    segmentation_loss: Callable,
    weak_label_loss: Callable,
    outputs,
    train_ids,
    weak_labels,
    is_target,
    *,
    weight: float,
    hard_examples: bool = False,
    normaliser: str = "labelled",
    class_weights: Sequence[float] | None = None,
    own_loss: Callable | None = None,
) -> dict[str, Any]:
    """Eq. 6: L_seg + lambda * L_Fcl. A network without the weak-label head has L_seg alone (Eq. 1 to 3).

    Args:
        segmentation_loss, weak_label_loss: the engine's, of Eq. 1 and 2, and of Eq. 5.
        outputs: logits (B, C, h, w), or (logits, weak logits (B, C)).
        train_ids: (B, h, w), ignored ones 255, or 65535 with more than 255 classes; weak_labels: (B, C), 0 or 1;
            is_target: (B,), 1 for a crop of the target, 0 for one of the source. All float32.
        weight: lambda. It weighs two means: of the segmentation over labelled pixels (`normaliser`), of the weak labels
            over images and classes.
        hard_examples, normaliser, class_weights: as of `segmentation_loss`.
        own_loss: of the user: (logits, train_ids, is_target) -> more terms by their names, each with its weight.

    Returns: the terms by their names, one float32 number each: "segmentation" and, times lambda, "weak_labels". The
        loss is the sum of all terms, whatever they are; log, charts and messages show each under its name.
    Raises: InputError as `_with_own`.
    """
    logits, weak_logits = outputs if isinstance(outputs, (list, tuple)) else (outputs, None)
    terms = {"segmentation": segmentation_loss(logits, train_ids, hard_examples, normaliser, class_weights)}
    if weak_logits is not None:
        terms["weak_labels"] = weight * weak_label_loss(weak_logits, weak_labels)
    return terms if own_loss is None else _with_own(terms, own_loss(logits, train_ids, is_target))


def _with_own(terms: dict[str, Any], own: Any) -> dict[str, Any]:
    """Raises: InputError for what is no dictionary, names a term as one of Eq. 6 is named, or has one that is no number
    of the engine's."""
    if not isinstance(own, dict):
        raise InputError(f"self_training.own_loss gives a {type(own).__name__}: it must give {{name: term}}")
    if taken := sorted(terms.keys() & own.keys()):
        raise InputError(f"self_training.own_loss names a term {taken[0]}, as one of Eq. 6 is named: rename it")
    for name, term in own.items():
        of_an_engine = hasattr(term, "shape") and not isinstance(term, (np.ndarray, np.generic))
        if not of_an_engine or math.prod(term.shape) != 1:
            what = f"of shape {tuple(term.shape)}" if of_an_engine else f"a {type(term).__name__}"
            raise InputError(
                f"self_training.own_loss: its term {name} is {what}: it must be a one-element array of the "
                "engine, e.g. a mean"
            )
    return {**terms, **own}


def head_loss(weak_label_loss: Callable, outputs, train_ids, weak_labels, is_target) -> dict[str, Any]:
    """Eq. 5 alone, to train the weak-label head on its own; arguments and result as of `composite_loss`."""
    return {"weak_labels": weak_label_loss(outputs[1], weak_labels)}
