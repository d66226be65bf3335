"""The tables of a report, from the content of report.json."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from mlsl_mx.evaluation.published import published_rows
from mlsl_mx.evaluation.results import METHODS
from mlsl_mx.evaluation.tables import Table, difference, number, share

Content = Dict[str, Any]


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
    for key, title in METHODS.items():
        if key not in run and key not in compared:
            continue
        cells = [title, _round_name(run.get(key))]
        for n in content["means_over"]:
            ours = run[key]["mious"][n] if key in run else None
            paper = compared[key].means.get(int(n)) if key in compared else None
            cells += [number(ours), number(paper), difference(ours, paper)] if n in printed else [number(ours)]
        rows.append(cells)
    return Table("Result and paper", header, rows)


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
    """Coverage and precision of the pseudo-labels by round, in percent; None if there are none."""
    methods = [m for m in _trained(content) if any(r["coverage"] is not None for r in m["rounds"])]
    if not methods:
        return None
    rounds = _round_indices(methods)
    rows = []
    for method in methods:
        for what in ("coverage", "precision"):
            by_round = {r["round"]: r[what] for r in method["rounds"]}
            if any(value is not None for value in by_round.values()):
                rows.append([f"{method['title']} {what}", *(share(by_round.get(r)) for r in rounds)])
    notes = ("Coverage: share of target pixels with a label. Precision: share of right labels, on validation images.",)
    return Table("Pseudo-labels by round (percent)", ["round", *map(str, rounds)], rows, notes)


def label_table(content: Content, method: dict[str, Any]) -> Table | None:
    """Coverage, precision and recall of one method's pseudo-labels by class and round, in percent."""
    rounds = [r for r in method["rounds"] if r["coverage_per_class"] or r["quality_per_class"]]
    if not rounds:
        return None
    header = ["class", *(f"{what} {r['round']}" for r in rounds for what in ("cov", "prec", "rec"))]
    rows = [[name, *_label_cells(rounds, name)] for name in content["classes"]]
    rows.append(["all", *(cell for r in rounds for cell in (share(r["coverage"], 2), share(r["precision"]), "-"))])
    images = max(r["quality_images"] or 0 for r in rounds)
    notes = (
        "cov R: share of all target pixels that carry the class's label in round R; prec R, rec R: precision, recall.",
    )
    if images:
        notes += (f"Precision and recall were measured on {images} validation images, which are never trained on.",)
    return Table(f"Pseudo-labels of {method['title']} (percent)", header, rows, notes)


def _label_cells(rounds: Sequence[dict[str, Any]], name: str) -> list[str]:
    cells = []
    for one in rounds:
        quality = (one["quality_per_class"] or {}).get(name, {})
        coverage = (one["coverage_per_class"] or {}).get(name)
        cells += [share(coverage, 2), share(quality.get("precision")), share(quality.get("recall"))]
    return cells


def paper_table(content: Content) -> Table:
    """Table 1 or 2 of the paper, whole."""
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
