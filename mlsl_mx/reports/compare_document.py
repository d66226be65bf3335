"""A comparison of runs as a document, from the content of comparison.json; `write_comparison` writes both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlsl_mx.reports.cells import mean_name, number, signed, table_of
from mlsl_mx.reports.charts import Series, dot_chart
from mlsl_mx.reports.colours import colour
from mlsl_mx.reports.compare import GAIN_CLASSES, PAPER_TABLES, comparison
from mlsl_mx.reports.document import Bullets, Chart, Charts, Document, Table, present, section
from mlsl_mx.reports.document_files import write_document
from mlsl_mx.reports.published import published_table
from mlsl_mx.reports.report_tables import readme_table
from mlsl_mx.reports.results import MINIATURE
from mlsl_mx.reports.terminal import terminal_text
from mlsl_mx.system.environment import environment
from mlsl_mx.system.whole_files import write_json

Content = dict[str, Any]


def write_comparison(runs: Sequence[Path], out: Path, table: str | None) -> str:
    """Write `out/comparison.json`, `out/comparison.md` and the self-contained `out/comparison.html`.

    Args:
        runs, table: as `comparison`.

    Returns: the text for the terminal.
    Raises: InputError as `comparison`.
    """
    content = {**comparison(runs, table), "environment": environment()}
    document = comparison_document(content, table)
    write_json(Path(out) / "comparison.json", content)
    write_document(document, Path(out), "comparison")
    return terminal_text(document)


def comparison_document(content: Content, table: str | None) -> Document:
    """The means first, then charts of every run and class, then the other tables."""
    means = [(row["method"], row["title"], _cell(row["miou"])) for row in content["rows"]]
    parts = present(
        summary_table(content, table),
        readme_table(content["source"], means),
        Charts([_run_chart(content), _class_chart(content)]),
        run_table(content),
        gain_table(content),
        difference_table(content),
        round_table(content),
        class_table(content),
        section("Notes", Bullets(content["notes"]) if content["notes"] else None),
    )
    counts = f"{len(content['runs'])} runs, {len(content['classes'])} classes"
    subtitle = f"{counts}, IoU in percent, last round of each run"
    return Document(content["title"] or "Comparison", subtitle, parts, MINIATURE if content["miniature"] else None)


def summary_table(content: Content, table: str | None = None) -> Table:
    """Each row's means over 19, 16 and 13 classes with the printed ones; the paper's other rows below."""
    rows, others = content["rows"], _other_rows(content, table)
    columns = [("method", [*(row["title"] for row in rows), *(f"{name} (paper only)" for name, _ in others)])]
    for n in rows[0]["mious"]:
        name = mean_name(n, len(content["classes"]))
        columns.append((name, [*(_cell(row["mious"][n]) for row in rows), *("-" for _ in others)]))
        paper = [*(row["published"].get(n) for row in rows), *(means.get(int(n)) for _, means in others)]
        columns.append(("paper", map(_printed, paper)))
    columns.append(("n", [*(str(row["miou"]["n"]) for row in rows), *("-" for _ in others)]))
    return table_of("Mean and sample standard deviation over the seeds", columns)


def _printed(value: float | None) -> str:
    """With the digits that the paper prints: two in some cells of Tables 2 and 4, else one."""
    return number(value, 1 if value is None or value == round(value, 1) else 2)


def _other_rows(content: Content, table: str | None) -> list[tuple[str, dict[int, float | None]]]:
    """Rows of Table 1 or 2 that are no method of ours."""
    if table not in ("table1", "table2"):
        return []
    ours = [row["published_per_class"] for row in content["rows"]]
    return [(r.method, r.means) for r in published_table(PAPER_TABLES[table].source) if r.per_class not in ours]


def run_table(content: Content) -> Table:
    """mIoU over all classes of every run."""
    header = ["method", *_run_names(content)]
    rows = [[row["title"], *map(number, row["miou_by_run"].values())] for row in content["rows"]]
    return Table(f"mIoU over all {len(content['classes'])} classes, run by run", header, rows)


def _run_names(content: Content) -> list[str]:
    """Each run by its seed; by its folder where two have the same, as runs of other settings may."""
    seeds = list(content["runs"].values())
    return list(content["runs"]) if None in seeds or len(set(seeds)) < len(seeds) else [f"seed {s}" for s in seeds]


def gain_table(content: Content) -> Table | None:
    """Gains over the source model of the same run, and those of Table 3."""
    gains = content["gains"].items()
    rows = [[title, _cell(values, "+"), signed(values["published"])] for title, values in gains]
    if not rows:
        return None
    name = mean_name(GAIN_CLASSES[content["source"]], len(content["classes"]))
    return Table(
        f"Gain in {name} over the source model of the same run, and that of Table 3", ["method", "gain", "paper"], rows
    )


def difference_table(content: Content) -> Table | None:
    """Paired differences of mIoU to the baseline."""
    differences = content["differences"]
    if not differences or not differences["rows"]:
        return None
    rows = []
    for title, values in differences["rows"].items():
        single = [signed(values["by_run"].get(run)) for run in content["runs"]]
        rows.append([title, _cell(values, "+"), str(values["n"]), *single])
    header = ["method", "mean", "n", *_run_names(content)]
    return Table(f"mIoU minus that of {differences['baseline']} in the same run", header, rows)


def round_table(content: Content) -> Table | None:
    """Means over the runs, round by round: the labels that a round was trained on, and what came of it."""
    rounds = [{**one, "method": row["title"]} for row in content["rows"] for one in row["rounds"]]
    shares = {"coverage": "pixels labelled, %", "precision": "labels right on val, %"}
    columns = [(key, [str(one[key]) for one in rounds]) for key in ("method", "round")]
    columns += [(name, [_cell(one[key], factor=100) for one in rounds]) for key, name in shares.items()]
    columns.append(("mIoU", [_cell(one["miou"]) for one in rounds]))
    return table_of("Round by round", columns, optional=list(shares.values())) if rounds else None


def class_table(content: Content) -> Table:
    """Mean and spread of each class, with the paper's where it prints them."""
    names, columns = content["classes"], [("class", content["classes"])]
    for row in content["rows"]:
        columns.append((row["title"], [_cell(row["per_class"][name]) for name in names]))
        columns.append(("paper", [number((row["published_per_class"] or {}).get(name)) for name in names]))
    return table_of("IoU of each class", columns)


def _cell(values: dict[str, Any], sign: str = "", factor: float = 1) -> str:
    if values["mean"] is None:
        return "-"
    std = "" if values["std"] is None else f" ± {factor * values['std']:.1f}"
    return f"{factor * values['mean']:{sign}.1f}{std}"


def _run_chart(content: Content) -> Chart:
    """One row a method, one dot a run: how far seeds lie apart shows what a difference of means is worth."""
    rows = content["rows"]
    values = [value for row in rows for value in row["miou_by_run"].values() if value is not None] or [0, 100]
    series = [
        Series(colour(index), run if seed is None else f"seed {seed}", [row["miou_by_run"][run] for row in rows])
        for index, (run, seed) in enumerate(content["runs"].items())
    ]
    title = f"mIoU over all {len(content['classes'])} classes, every run (%)"
    return dot_chart(title, "%", [row["title"] for row in rows], series, (min(values), max(values)))


def _class_chart(content: Content) -> Chart:
    """One row a class, one dot a method: its mean over the runs."""
    names = content["classes"]
    series = [
        Series(colour(index), row["title"], [row["per_class"][name]["mean"] for name in names])
        for index, row in enumerate(content["rows"])
    ]
    return dot_chart("IoU of each class, mean over the runs (%)", "%", names, series)
