"""How good pseudo-labels are, measured where the truth may be read: on validation images. Nothing is fed back."""

from __future__ import annotations

from typing import Any, Sequence

import mxnet as mx
import numpy as np

from mlsl_mx.config import PseudoLabels
from mlsl_mx.labels import IGNORE
from mlsl_mx.progress import progress
from mlsl_mx.pseudo_labels.inference import Network, scene_volume
from mlsl_mx.pseudo_labels.selection import select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior


def diagnose_pseudo_labels(
    net: Network,
    dataset,
    ctx: mx.Context,
    settings: PseudoLabels,
    thresholds: Sequence[float],
    rule: str,
    seed: int,
    prior: SpatialPrior | None = None,
) -> dict[str, Any]:
    """How right the inference and the thresholds of a round are on other images with labels.

    Pixels that the truth ignores count neither as right nor as wrong.

    Args:
        dataset: a SceneDataset with labels.
        thresholds: (C,) those of the round.
        rule: of the selection.

    Returns: {images, precision, coverage, per_class {name: {precision, recall, labelled}}}, shares of pixels, None
        where there is nothing to divide by; coverage and `labelled` are shares of all pixels.
    """
    matrix = np.zeros((256, 256), np.int64)  # rows: truth, columns: pseudo-label
    for index in progress(range(len(dataset)), "label quality", "image"):
        volume = scene_volume(net, dataset, index, ctx, settings, seed, prior)
        labels = select_pseudo_labels(volume, thresholds, rule)
        both = dataset.label(index).astype(np.int64).ravel() * 256 + labels.ravel()
        matrix += np.bincount(both, minlength=matrix.size).reshape(matrix.shape)
    return {"images": len(dataset), **_quality(matrix, dataset.classes.names)}


def _quality(matrix: np.ndarray, names) -> dict[str, Any]:
    classes = len(names)
    right = np.diag(matrix)[:classes]
    judged = matrix[:IGNORE, :classes].sum(axis=0)  # labelled pixels whose truth is a class
    truth = matrix[:classes].sum(axis=1)
    labelled = matrix[:, :classes].sum(axis=0)
    pixels = matrix.sum()
    per_class = {
        name: {
            "precision": _share(right[c], judged[c]),
            "recall": _share(right[c], truth[c]),
            "labelled": _share(labelled[c], pixels),
        }
        for c, name in enumerate(names)
    }
    overall = {"precision": _share(right.sum(), judged.sum()), "coverage": _share(labelled.sum(), pixels)}
    return {**overall, "per_class": per_class}


def _share(part, whole) -> float | None:
    return float(part / whole) if whole else None
