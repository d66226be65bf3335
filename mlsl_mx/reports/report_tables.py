"""The tables of a report, from the content of report.json."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from mlsl_mx.reports.published import CBST_README, published_row, published_rows
from mlsl_mx.reports.results import METHODS, ordered
from mlsl_mx.reports.tables import Table, difference, number, share

Content = Dict[str, Any]

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
    "agreement": ("agree", "of its labels in the round before, if labelled again, those that are the same"),
    "patch_disagreement": ("disagree", "share of patch votes against its labels"),
    "precision": ("prec", "precision"),
    "recall": ("rec", "recall"),
}


def mean_name(classes: str) -> str:
    """What the paper calls the mean over that many classes: mIoU* is the one over 13."""
    return f"mIoU*({classes})" if classes == "13" else f"mIoU({classes})"


def summary_table(content: Content) -> Table:
    """One row a method, each mean beside the printed one; methods of the paper that were not run are shown, too."""
    compared = published_rows(content["source"])
    run = {method["method"]: method for method in content["methods"]}
    printed = {str(n) for row in compared.values() for n in row.means}
    header, rows = ["method", "round"], []
    for n in content["means_over"]:
        header += [mean_name(n), "paper", "diff"] if n in printed else [mean_name(n)]
    for key in ordered({*run, *compared}):
        cells = [METHODS.get(key, key), _round_name(run.get(key))]
        for n in content["means_over"]:
            ours = run[key]["mious"][n] if key in run else None
            row = published_row(content["source"], key)
            paper = None if row is None else row.means.get(int(n))
            cells += [number(ours), number(paper), difference(ours, paper)] if n in printed else [number(ours)]
        rows.append(cells)
    return Table("Result and paper" if content["source"] else "Result", header, rows)


def readme_table(content: Content) -> Table | None:
    """As `beside_readme`, of a report's methods."""
    ours = [(method["method"], method["title"], number(method["miou"])) for method in content["methods"]]
    return beside_readme(content["source"], ours)


def beside_readme(source: str | None, ours: Sequence[tuple[str, str, str]]) -> Table | None:
    """Methods that the paper has no row of beside the means of CBST's README; None if there is none of them.

    Args:
        source: as `paper_source` gives it.
        ours: METHOD, title, and mIoU over all classes as a cell.
    """
    printed = CBST_README.get(source, {})
    rows = [[title, cell, number(printed[method])] for method, title, cell in ours if method in printed]
    title = "Beside CBST's README (yzou2/CBST), of rows that the paper does not have"
    return Table(title, ["method", "mIoU", "README"], rows) if rows else None


def _round_name(method: dict[str, Any] | None) -> str:
    if method is None:
        return "not run"
    return "-" if method["method"] == "source-only" else str(method["result_round"])


def class_table(content: Content) -> Table:
    """One row a class: ours, the paper's and the difference for each method that was run."""
    header, columns = ["class"], []
    for method in content["methods"]:
        paper = method["published"]
        header += [method["title"]] + (["paper", "diff"] if paper else [])
        columns.append((method, paper))
    rows = [[name, *_class_cells(columns, "per_class", name)] for name in content["classes"]]
    rows += [[mean_name(n), *_class_cells(columns, "mious", n)] for n in content["means_over"]]
    return Table("IoU of each class", header, rows)


def _class_cells(columns, group: str, key: str) -> list[str]:
    cells = []
    for method, paper in columns:
        ours = method[group].get(key)
        cells.append(number(ours))
        if paper:
            theirs = paper[group].get(key)
            cells += [number(theirs), difference(ours, theirs)]
    return cells


def round_table(content: Content) -> Table | None:
    """mIoU over all classes for every round of every method; None if only the source model was evaluated."""
    methods = _trained(content)
    if not methods:
        return None
    rounds = _round_indices(methods)
    rows, starred = [], False
    for method in content["methods"]:
        source_only = method["method"] == "source-only"
        by_round = {} if source_only else {r["round"]: r["miou"] for r in method["rounds"]}
        best = method["best_chosen_on_val"] or {}
        cells = [number(by_round.get(r)) + ("*" if r == best.get("round") else "") for r in rounds]
        starred = starred or bool(best)
        rows.append([method["title"], number(method["miou"]) if source_only else "", *cells])
    notes = ("* best, chosen on val: not a result",) if starred else ()
    title = f"mIoU over all {len(content['classes'])} classes by round (the last one is the result)"
    return Table(title, ["method", "start", *map(str, rounds)], rows, notes)


def label_overview(content: Content) -> Table | None:
    """What is known of the pseudo-labels by round, in percent; None if there are none."""
    methods = [m for m in _trained(content) if any(r["coverage"] is not None for r in m["rounds"])]
    if not methods:
        return None
    rounds = _round_indices(methods)
    rows, shown = [], set()
    for method in methods:
        for what in LABEL_SHARES:
            by_round = {r["round"]: r[what] for r in method["rounds"]}
            if any(value is not None for value in by_round.values()):
                name = f"{method['title']} {what.replace('_', ' ')}"
                rows.append([name, *(share(by_round.get(r)) for r in rounds)])
                shown.add(what)
    notes = tuple(meaning for what, meaning in LABEL_SHARES.items() if what in shown)
    return Table("Pseudo-labels by round (percent)", ["round", *map(str, rounds)], rows, notes)


def label_table(content: Content, method: dict[str, Any]) -> Table | None:
    """One method's pseudo-labels by class in the last two rounds, in percent; columns without a value are left out."""
    rounds = [r for r in method["rounds"] if r["labels_per_class"]][-2:]
    if not rounds:
        return None
    columns = [
        (one, what)
        for one in rounds
        for what in LABEL_COLUMNS
        if any(values.get(what) is not None for values in one["labels_per_class"].values())
    ]
    header = ["class", *(f"{LABEL_COLUMNS[what][0]} {one['round']}" for one, what in columns)]
    rows = [
        [name, *(_label_cell(one["labels_per_class"].get(name, {}), what) for one, what in columns)]
        for name in content["classes"]
    ]
    rows.append(["all", *(_label_cell(one, what) for one, what in columns)])
    return Table(
        f"Pseudo-labels of {method['title']} (percent)",
        header,
        rows,
        _label_notes(rounds, {what for _, what in columns}),
    )


def _label_cell(values: dict[str, Any], what: str) -> str:
    return share(values.get(what), 2 if what in ("threshold", "coverage") else 1)


def _label_notes(rounds: Sequence[dict[str, Any]], shown: set[str]) -> tuple[str, ...]:
    meanings = (f"{short}: {meaning}" for what, (short, meaning) in LABEL_COLUMNS.items() if what in shown)
    notes = (f"The number in a column's name is the round. {'; '.join(meanings)}.",)
    patches, truth = (max(r[key] or 0 for r in rounds) for key in ("patch_images", "ground_truth_images"))
    if patches:
        notes += (f"Patch disagreement was measured on {patches} target images.",)
    if truth:
        notes += (f"Precision and recall were measured on {truth} validation images, which are never trained on.",)
    return notes


def paper_table(content: Content) -> Table | None:
    """Table 1 or 2 of the paper, whole; None for a user's own data."""
    if not content["paper"]:
        return None
    means = list(content["paper"][0]["mious"])
    names = list(content["paper"][0]["per_class"])
    rows = [
        [
            row["method"],
            row["kind"],
            *(number(row["mious"][n]) for n in means),
            *(number(row["per_class"][c]) for c in names),
        ]
        for row in content["paper"]
    ]
    title = f"The paper's table, {content['direction']}"
    return Table(title, ["method", "kind", *map(mean_name, means), *names], rows)


def _trained(content: Content) -> list[dict[str, Any]]:
    return [method for method in content["methods"] if method["method"] != "source-only"]


def _round_indices(methods: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({one["round"] for method in methods for one in method["rounds"]})
