"""The tables of a report, from the content of report.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlsl_mx.reports.cells import mean_name, minus, number, share, signed, table_of, with_paper
from mlsl_mx.reports.document import Table
from mlsl_mx.reports.published import CBST_README, published_row, published_rows
from mlsl_mx.reports.results import METHODS, ordered

Content = dict[str, Any]

# What is known of a round's pseudo-labels -> what it means.
LABEL_SHARES = {
    "portion": "Portion: share of pixels that is to pass the threshold, class by class (ST: of all classes together).",
    "coverage": "Coverage: share of target pixels with a label.",
    "agreement": "Agreement: of the pixels labelled in the round before and in this one, those with the same label.",
    "kept": "Kept: of the pixels labelled in the round before, those that are still labelled.",
    "patch_disagreement": "Patch disagreement: share of patch votes against the label, on some target images.",
    "precision": "Precision: share of right labels, on validation images.",
}
# What is known of each class's -> its column, and what it means.
LABEL_COLUMNS = {
    "threshold": ("thr", "threshold"),
    "coverage": ("cov", "share of all target pixels that carry the class's label"),
    "agreement": ("agree", "share of its labels of the round before that are the same, where labelled again"),
    "patch_disagreement": ("disagree", "share of patch votes against its labels"),
    "precision": ("prec", "precision"),
    "recall": ("rec", "recall"),
}


def trained_methods(content: Content) -> list[dict[str, Any]]:
    """The methods without the source model."""
    return [method for method in content["methods"] if method["method"] != "source-only"]


def source_model(content: Content) -> dict[str, Any] | None:
    """The source model's part of the content, if it is evaluated."""
    return next((method for method in content["methods"] if method["method"] == "source-only"), None)


def summary_table(content: Content) -> Table:
    """One row a method, each mean with the printed one; methods of the paper that were not run are shown, too.

    The first mean, which is over all classes, has the gain over the source model beside it.
    """
    run = {method["method"]: method for method in content["methods"]}
    methods = ordered({*run, *published_rows(content["source"])})
    columns = [("method", [METHODS.get(m, m) for m in methods]), ("round", [_round_name(run.get(m)) for m in methods])]
    paper = [published_row(content["source"], m) for m in methods]
    all_classes = len(content["classes"])
    for n in content["means_over"]:
        ours = [run[m]["mious"][n] if m in run else None for m in methods]
        printed = [row and row.means.get(int(n)) for row in paper]
        mean, *beside = with_paper(mean_name(n, all_classes), ours, printed, comparable=not content["miniature"])
        gains = [("gain", _gains(methods, ours))] if n == str(all_classes) else []
        columns += [mean, *gains, *beside]
    return table_of("Result and paper" if content["source"] else "Result", columns)


def _gains(methods: Sequence[str], means: Sequence[float | None]) -> list[str]:
    start = dict(zip(methods, means, strict=True)).get("source-only")
    return ["-" if m == "source-only" else signed(minus(mean, start)) for m, mean in zip(methods, means, strict=True)]


def _round_name(method: dict[str, Any] | None) -> str:
    if method is None:
        return "not run"
    return "-" if method["method"] == "source-only" else str(method["result_round"])


def readme_table(source: str | None, ours: Sequence[tuple[str, str, str]]) -> Table | None:
    """Methods that the paper has no row for, with the means of CBST's README; None if there is none of them.

    Args:
        source: as `paper_source` gives it.
        ours: METHOD, title, and mIoU over all classes as a cell.
    """
    printed = CBST_README.get(source, {})
    rows = [[title, cell, number(printed[method])] for method, title, cell in ours if method in printed]
    title = "CBST's README (yzou2/CBST), for methods without a row in the paper"
    return Table(title, ["method", "mIoU", "README"], rows) if rows else None


def class_table(content: Content) -> Table:
    """One row a class: ours, the paper's and, but for the miniature, the difference for each method that was run."""
    names, means = content["classes"], content["means_over"]
    columns = [("class", [*names, *(mean_name(n, len(names)) for n in means)])]
    for method in content["methods"]:
        ours, paper = (
            [*map(source["per_class"].get, names), *map(source["mious"].get, means)]
            for source in (method, method["published"] or {"per_class": {}, "mious": {}})
        )
        columns += with_paper(method["title"], ours, paper, comparable=not content["miniature"])
    return table_of("IoU of each class", columns, means=len(means))


def round_table(content: Content) -> Table | None:
    """mIoU over all classes for every round of every method; None if only the source model was evaluated."""
    methods = trained_methods(content)
    if not methods:
        return None
    rounds, source = _round_indices(methods), source_model(content)
    rows = [[source["title"], number(source["miou"]), *("-" for _ in rounds)]] if source else []
    for method in methods:
        by_round, best = {r["round"]: r["miou"] for r in method["rounds"]}, method["best_chosen_on_val"] or {}
        cells = [number(by_round.get(r)) + ("*" if r == best.get("round") else "") for r in rounds]
        rows.append([method["title"], "", *cells])
    notes = ["* best, chosen on val: not a result"] if any(m["best_chosen_on_val"] for m in methods) else []
    title = f"mIoU over all {len(content['classes'])} classes by round (the last one is the result)"
    return Table(title, ["method", "start", *map(str, rounds)], rows, notes)


def source_table(content: Content) -> Table | None:
    """mIoU on source images by round; None if it was not measured."""
    methods, source = trained_methods(content), source_model(content)
    if not any(r["source_miou"] is not None for m in methods for r in m["rounds"]):
        return None
    rounds, rows = _round_indices(methods), []
    start = number(source["rounds"][0]["source_miou"] if source else None)
    for method in methods:
        by_round = {r["round"]: r["source_miou"] for r in method["rounds"]}
        rows.append([method["title"], start, *(number(by_round.get(r)) for r in rounds)])
    measured = source and source["rounds"][0]["source_iou"]
    notes = [
        f"On {source_images(measured) if measured else 'a few source images'}. A fall says, without any target label, "
        "that the steps of the rounds are too large."
    ]
    return Table(
        "What the network still knows of its source (mIoU by round)",
        ["method", "start", *map(str, rounds)],
        rows,
        notes,
    )


def source_images(measured: dict[str, Any]) -> str:
    """Which source images a source_iou.json is of, e.g. `84 source images that nothing was trained on`."""
    trained_on = "that nothing was trained on" if measured.get("held_out") else "that the network was trained on"
    return f"{measured['images']} source images {trained_on}"


def source_class_table(content: Content) -> Table | None:
    """IoU of each class of the source model on its source beside that on the target; None if it was not measured."""
    source = source_model(content)
    measured = source and source["rounds"][0]["source_iou"]
    if not measured or "per_class" not in measured:
        return None
    names = content["classes"]
    columns = [
        ("class", [*names, mean_name(len(names), len(names))]),
        ("source", map(number, [*map(measured["per_class"].get, names), measured["miou"]])),
        ("target", map(number, [*map(source["per_class"].get, names), source["miou"]])),
    ]
    notes = [
        f"Source: {source_images(measured)}. A class that is low there must be learnt before rounds can find it in the "
        "target: train the source model longer, or centre crops on rare classes."
    ]
    return table_of("The source model on its source and on the target (IoU)", columns, means=1, notes=notes)


def class_round_table(content: Content, method: dict[str, Any]) -> Table:
    """IoU of each class over the rounds of one method."""
    names = content["classes"]
    columns = [("class", [*names, mean_name(len(names), len(names))])]
    for title, one in (("start", source_model(content)), *((str(r["round"]), r) for r in method["rounds"])):
        known = (one and one["per_class"]) or {}
        columns.append((title, map(number, [*map(known.get, names), one and one["miou"]])))
    return table_of(f"{method['title']}: IoU of each class by round", columns, means=1)


def label_overview(content: Content) -> Table | None:
    """What is known of the pseudo-labels by round, in percent; None if there are none."""
    methods = [m for m in trained_methods(content) if any(r["coverage"] is not None for r in m["rounds"])]
    rounds, rows, shown = _round_indices(methods), [], set()
    for method in methods:
        for what in LABEL_SHARES:
            by_round = {r["round"]: r[what] for r in method["rounds"] if r[what] is not None}
            if by_round:
                name = f"{method['title']} {what.replace('_', ' ')}"
                rows.append([name, *(share(by_round.get(r)) for r in rounds)])
                shown.add(what)
    notes = [meaning for what, meaning in LABEL_SHARES.items() if what in shown]
    return Table("Pseudo-labels by round (percent)", ["round", *map(str, rounds)], rows, notes) if rows else None


def label_table(content: Content, method: dict[str, Any]) -> Table | None:
    """One method's pseudo-labels by class in the last two rounds, in percent; columns without a value are left out."""
    rounds = [r for r in method["rounds"] if r["labels_per_class"]][-2:]
    if not rounds:
        return None
    columns = {"class": [*content["classes"], "all"]}
    for one in rounds:
        classes = [*(one["labels_per_class"].get(name, {}) for name in content["classes"]), one]
        for what, (short, _) in LABEL_COLUMNS.items():
            digits = 2 if what in ("threshold", "coverage") else 1
            columns[f"{short} {one['round']}"] = [share(values.get(what), digits) for values in classes]
    table = table_of(f"Pseudo-labels of {method['title']} (percent)", columns.items(), optional=list(columns), means=1)
    return replace(table, notes=_label_notes(rounds, {name.split()[0] for name in table.header}))


def _label_notes(rounds: Sequence[dict[str, Any]], shown: set[str]) -> list[str]:
    meanings = (f"{short}: {meaning}" for short, meaning in LABEL_COLUMNS.values() if short in shown)
    notes = [f"The number in a column's name is the round. {'; '.join(meanings)}."]
    patches, truth = (max(r[key] or 0 for r in rounds) for key in ("patch_images", "ground_truth_images"))
    if patches:
        notes.append(f"Patch disagreement was measured on {patches} target images.")
    if truth:
        notes.append(f"Precision and recall were measured on {truth} validation images, which are never trained on.")
    return notes


def paper_table(content: Content) -> Table | None:
    """Table 1 or 2 of the paper, whole; None for a user's own data."""
    paper = content["paper"]
    if not paper:
        return None
    columns = [(what, [row[what] for row in paper]) for what in ("method", "kind")]
    for n in paper[0]["mious"]:
        columns.append((mean_name(n, len(content["classes"])), [number(row["mious"][n]) for row in paper]))
    columns += [(name, [number(row["per_class"][name]) for row in paper]) for name in paper[0]["per_class"]]
    return table_of(f"The paper's table, {content['direction']}", columns)


def _round_indices(methods: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({one["round"] for method in methods for one in method["rounds"]})
