"""What is known of a round's pseudo-labels, class by class. It is there to be looked at: nothing is fed back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mlsl_mx.data.label_counts import joint_counts, no_counts
from mlsl_mx.pseudo_labels.consistency import label_of_size, share_of
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.system.progress import progress

CONSISTENCY = ("agreement", "kept", "patch_disagreement")

# A class drifts if the share of the target's pixels that the network takes for it has grown to DRIFT_FACTOR times that
# of round 0, or shrunk by the same factor, and has changed by at least DRIFT_SHARE.
DRIFT_FACTOR, DRIFT_SHARE = 1.5, 0.015


def diagnosis(
    selection: dict[str, Any],
    first: dict[str, float],
    agreement: dict[str, Any] | None,
    disagreement: dict[str, Any] | None,
    ground_truth: dict[str, Any] | None,
) -> dict[str, Any]:
    """The content of diagnosis.json.

    Args:
        selection: that of selection.json.
        first: `predicted_share` of round 0's.
        agreement: of `consistency.agreement`; None in round 0.
        disagreement: of `consistency.patch_disagreement`; None where labels do not come from patches.
        ground_truth: of `compare_with_truth`; None unless it was asked for.

    Returns: {portion, coverage, agreement, kept, patch_disagreement, patch_images, drift, per_class {name: {threshold,
        coverage, agreement, kept, patch_disagreement}}, ground_truth}: shares of pixels, None for what was not
        measured. The portion is the same for all classes; a threshold is a probability; drift is of `drift`.
    """
    measured = [found for found in (agreement, disagreement) if found is not None]
    return {
        "portion": selection["portion"],
        "coverage": selection["coverage"],
        **_consistency(found["all"] for found in measured),
        "patch_images": None if disagreement is None else disagreement["images"],
        "drift": drift(first, selection["predicted_share"]),
        "per_class": {
            name: {
                "threshold": threshold,
                "coverage": selection["coverage_per_class"][name],
                **_consistency(found["per_class"][name] for found in measured),
            }
            for name, threshold in selection["thresholds"].items()
        },
        "ground_truth": ground_truth,
    }


def drift(first: dict[str, float], now: dict[str, float]) -> dict[str, list[float]]:
    """The classes of which the network sees far more, or far less, than in round 0: a sign that labels go wrong.

    Args:
        first, now: name -> share of the target's pixels that is predicted as the class.

    Returns: name -> its share in round 0 and now, the largest change first.
    """
    moved = {
        name: [first[name], share]
        for name, share in now.items()
        if abs(share - first[name]) >= DRIFT_SHARE
        and not first[name] / DRIFT_FACTOR < share < first[name] * DRIFT_FACTOR
    }
    return dict(sorted(moved.items(), key=lambda one: -abs(one[1][1] - one[1][0])))


def drift_in_words(moved: dict[str, list[float]]) -> str:
    """E.g. `road 38.5 -> 25.2 %, wall 2.6 -> 7.8 %`."""
    return ", ".join(f"{name} {100 * first:.1f} -> {100 * now:.1f} %" for name, (first, now) in moved.items())


def in_words(result: dict[str, Any]) -> str:
    """The line that the stage prints: what a diagnosis says of all classes together."""
    shares = {
        "of the target's pixels labelled": result["coverage"],
        "of labels as in the round before": result["agreement"],
        "of patch votes against the label": result["patch_disagreement"],
        "of labels right on validation images": (result["ground_truth"] or {}).get("precision"),
    }
    return ", ".join(f"{100 * value:.1f} % {what}" for what, value in shares.items() if value is not None)


def compare_with_truth(segmenter: Segmenter, dataset, selection: dict[str, Any]) -> dict[str, Any]:
    """How right the inference and the thresholds of a round are on other images with labels.

    Pixels that the truth ignores count neither as right nor as wrong.

    Args:
        segmenter: what the round's labels were made with.
        dataset: a SceneDataset with labels.
        selection: that of the round's selection.json; its thresholds and rule are used.

    Returns: {images, precision, coverage, per_class {name: {precision, recall, labelled}}}, shares of pixels, None
        where there is nothing to divide by; coverage and `labelled` are shares of all pixels.
    """
    names = dataset.classes.names
    thresholds = [selection["thresholds"][name] for name in names]
    pairs = no_counts(len(names))  # rows: truth, columns: pseudo-label
    for index in progress(range(len(dataset)), "label quality", "image", network=segmenter.net):
        maps = segmenter.maps(dataset.image(index), dataset.names[index])
        labels = segmenter.labels(maps, thresholds, selection["rule"])
        pairs += joint_counts(label_of_size(dataset, index, labels.shape), labels, len(names))
    return {"images": len(dataset), **_quality(pairs, names)}


def _consistency(measured: Iterable[dict[str, float | None]]) -> dict[str, float | None]:
    values = dict.fromkeys(CONSISTENCY)
    for found in measured:
        values.update(found)
    return values


def _quality(pairs: np.ndarray, names) -> dict[str, Any]:
    classes = len(names)
    right = np.diag(pairs)[:classes]
    judged = pairs[:-1, :classes].sum(axis=0)  # labelled pixels whose truth is a class
    truth = pairs[:classes].sum(axis=1)
    labelled = pairs[:, :classes].sum(axis=0)
    pixels = pairs.sum()
    per_class = {
        name: {
            "precision": share_of(right[c], judged[c]),
            "recall": share_of(right[c], truth[c]),
            "labelled": share_of(labelled[c], pixels),
        }
        for c, name in enumerate(names)
    }
    overall = {"precision": share_of(right.sum(), judged.sum()), "coverage": share_of(labelled.sum(), pixels)}
    return {**overall, "per_class": per_class}
