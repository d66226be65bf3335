"""How consistent pseudo-labels are: with the round before, and among the patches of an image. No truth is needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlsl_mx.data.image_files import size_text
from mlsl_mx.data.label_counts import joint_counts, no_counts
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress


def agreement(before, now) -> dict[str, Any]:
    """How far a round's labels agree with those of the round before.

    With b and n a pixel's label before and now, over the pixels of all images:

        agreement = #(b = n, neither is ignore) / #(neither is ignore)
        kept      = #(neither is ignore) / #(b is not ignore)

    and the same for a class c over the pixels with b = c.

    Args:
        before, now: SceneDatasets of the same images in the same order, with pseudo-labels.

    Returns: {all: {agreement, kept}, per_class: {name: {agreement, kept}}}, None where there is nothing to divide by.
    Raises: InputError for a pseudo-label that is missing, damaged or of another size.
    """
    classes = now.classes.num_classes
    pairs = no_counts(classes)  # rows: before, columns: now
    for index in progress(range(len(now)), "agreement", "image"):
        labels = now.label(index)
        pairs += joint_counts(label_of_size(before, index, labels.shape), labels, classes)
    labelled = pairs[:classes].sum(axis=1)
    both = pairs[:classes, :classes].sum(axis=1)
    same = np.diag(pairs)[:classes]
    return {
        "all": _stayed(same.sum(), both.sum(), labelled.sum()),
        "per_class": {name: _stayed(same[c], both[c], labelled[c]) for c, name in enumerate(now.classes.names)},
    }


def patch_disagreement(segmenter: Segmenter, dataset) -> dict[str, Any]:
    """How far the patches of an image contradict its labels: 0 if each patch on its own says what SISC says (Sec. 3.2).

    With y the label of a pixel, V(y) the patches whose most probable class there is y, and K the patches that cover it:

        disagreement = mean of 1 - V(y) / K

    over the pixels that have a label (of class c) and at least one patch. Patches vote before any spatial prior, and
    the image in one piece, from which the release starts, has no vote.

    Args:
        segmenter: what the labels were made with, so that the patches are the same; its inference is "sisc".
        dataset: a SceneDataset with pseudo-labels.

    Returns: {all: {patch_disagreement}, per_class: {name: {patch_disagreement}}, images}, None for a class without a
        labelled pixel.
    Raises: InputError as `agreement`, or for an image smaller than the patch.
    """
    ids = dataset.classes.ignore + 1
    against, pixels = np.zeros(ids), np.zeros(ids, np.int64)  # by label
    for index in progress(range(len(dataset)), "patch votes", "image", network=segmenter.net):
        maps = segmenter.maps(dataset.image(index), dataset.names[index])
        labels = label_of_size(dataset, index, maps.size)
        for place, votes, count in segmenter.votes(maps):
            seen = count > 0
            y, votes = labels[place][seen], votes[:, seen]  # (n,), (C, n)
            # Ignored pixels pick some class; they are counted under their id, which nobody reads.
            in_favour = votes[np.minimum(y, len(votes) - 1), np.arange(len(y))]
            against += np.bincount(y, weights=1 - in_favour, minlength=ids)
            pixels += np.bincount(y, minlength=ids)
    classes = dataset.classes.num_classes
    return {
        "all": {"patch_disagreement": share_of(against[:classes].sum(), pixels[:classes].sum())},
        "per_class": {
            name: {"patch_disagreement": share_of(against[c], pixels[c])}
            for c, name in enumerate(dataset.classes.names)
        },
        "images": len(dataset),
    }


def label_of_size(dataset, index: int, size: tuple[int, int]) -> np.ndarray:
    """`dataset.label(index)`. Raises: InputError if it is not of (height, width)."""
    label = dataset.label(index)
    if label.shape != tuple(size):
        raise InputError(
            f"{dataset.label_path(index)}: is {size_text(label.shape)}, but what it is compared with is "
            f"{size_text(size)}: make the labels of these images again"
        )
    return label


def share_of(part: float, whole: float) -> float | None:
    """part / whole; None if the whole is 0."""
    return float(part / whole) if whole else None


def _stayed(same: int, both: int, labelled: int) -> dict[str, float | None]:
    return {"agreement": share_of(same, both), "kept": share_of(both, labelled)}
