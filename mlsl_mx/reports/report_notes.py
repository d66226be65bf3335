"""What a report says in sentences: what its means are over, and what to know before one believes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlsl_mx.config.classes import listed
from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.reports.published import disagreement_notes, published_row
from mlsl_mx.reports.results import MethodResults

FALLEN = 1.0  # points of IoU: a class that has lost more is named
VALIDATION_IMAGES = 500  # of Cityscapes: the set that the paper's tables are about
NOTHING_MEASURED = (
    "There are no validation images with labels, so there was nothing to compare with and no IoU was measured: that "
    "pseudo-labels are consistent does not mean that they are right."
)


def report_notes(content: dict[str, Any], methods: Sequence[MethodResults]) -> list[str]:
    """All of them.

    Args:
        content: of report.json, without its notes.
        methods: that the content is of.
    """
    notes = [f"mIoU({n}) is the mean over {', '.join(names)}." for n, names in content["means_over"].items()]
    notes.append("The last round is the result.")
    notes += _absent_notes(content["methods"]) if content["images"] else [NOTHING_MEASURED]
    for method in content["methods"]:
        notes += _method_notes(content, method)
    if content["source"] and content["images"] != VALIDATION_IMAGES and not content["miniature"]:
        notes.append(
            f"Evaluated on {content['images']} images, the paper on {VALIDATION_IMAGES}: not the same protocol."
        )
    if len({method["list_hash"] for method in content["methods"]}) > 1:
        notes.append("The methods were evaluated on different image lists: their numbers cannot be compared.")
    resolutions = filter(None, (resolution_note(method.result.evaluation) for method in methods))
    notes += dict.fromkeys(resolutions)
    source = next((method for method in methods if method.method == "source-only"), None)
    for method in methods:
        notes += [*_collapsed(method), *_worse(method, source), *_suggested(method)]
    return notes


def _absent_notes(methods: Sequence[dict[str, Any]]) -> list[str]:
    """Which classes a mean leaves out, once for all methods that leave out the same."""
    titles: dict[str, list[str]] = {}
    for method in methods:
        absent = ", ".join(name for name, iou in method["per_class"].items() if iou is None)
        titles.setdefault(absent, []).append(method["title"])
    return [
        f"{', '.join(names)}: {absent} in neither truth nor prediction, so '-' and left out of the means."
        for absent, names in titles.items()
        if absent
    ]


def _method_notes(content: dict[str, Any], method: dict[str, Any]) -> list[str]:
    title, better = method["title"], method["best_chosen_on_val"]
    notes = []
    if not method["finished"]:
        last = method["rounds_planned"] - 1
        notes.append(f"{title} is not finished: round {method['result_round']} of 0..{last} stands for the result.")
    if better is not None:
        notes.append(f"{title}: round {better['round']} has {better['miou']:.1f}: best, chosen on val: not a result.")
    if content["source"] and method["published"] is None:
        notes.append(f"{title}: the paper has no row for {content['direction']}.")
    row = published_row(content["source"], method["method"])
    return notes + (disagreement_notes(content["source"], row) if row is not None else [])


def _collapsed(method: MethodResults) -> list[str]:
    """Classes of the truth that the result predicts nowhere, and classes without any pseudo-label in its round."""
    evaluation = method.result.evaluation
    matrix, classes = evaluation.get("confusion") or [], evaluation["classes"]
    names = [classes[i] for i, row in enumerate(matrix) if sum(row) and not any(other[i] for other in matrix)]
    notes = [f"{method.title}: {listed(names)} in the truth, but predicted nowhere."] if names else []
    selection, index = method.result.selection or {}, method.result.index
    if selection.get("collapsed"):
        notes.append(f"{method.title}: no pseudo-label of {listed(selection['collapsed'])} in round {index}.")
    if selection.get("mining_left_out"):
        notes.append(
            f"{method.title}: in round {index} no target crop was centred on "
            f"{listed(list(selection['mining_left_out']))}, which had too few labels (selection.mining_least)."
        )
    if selection.get("loose"):
        notes.append(
            f"{method.title}: {listed(selection['loose'])}: threshold below 1/{len(classes)} in round "
            f"{index}, so it excludes hardly any pixel from the class."
        )
    return notes


def _worse(method: MethodResults, source: MethodResults | None) -> list[str]:
    """What the rounds have made worse: the mean, and classes whose IoU has fallen by more than a point."""
    if source is None or method is source:
        return []
    start, end = source.result.evaluation, method.result.evaluation
    ious = {name: (start["per_class"].get(name), iou) for name, iou in end["per_class"].items()}
    if end["miou"] is not None and start["miou"] is not None and end["miou"] < start["miou"]:
        ious = {"the mean of all classes": (start["miou"], end["miou"]), **ious}
    fallen = [
        f"{name} {before:.1f} -> {after:.1f}"
        for name, (before, after) in ious.items()
        if before is not None and after is not None and before - after > FALLEN
    ]
    return [f"{method.title}: worse than the source model: {', '.join(fallen)}."] if fallen else []


def _suggested(method: MethodResults) -> list[str]:
    if method.suggestion is None:
        return []
    index, why = method.suggestion
    return [
        f"{method.title}: without target labels one would keep round {index}: {why}. This is only a suggestion: "
        "the last round stays the result."
    ]
