"""The tables of a comparison of runs, from the content of comparison.json; `write_comparison` writes both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Sequence

from mlsl_mx.reports.compare import GAIN_CLASSES, PAPER_TABLES, comparison
from mlsl_mx.reports.compare_page import comparison_page
from mlsl_mx.reports.published import published_table
from mlsl_mx.reports.report_tables import beside_readme, mean_name
from mlsl_mx.reports.tables import MINIATURE, Table, number, to_markdown, to_text
from mlsl_mx.system.runs import environment, write_bytes, write_json

Content = Dict[str, Any]


def write_comparison(runs: Sequence[Path], out: Path, table: str | None = None) -> str:
    """Write `out/comparison.json`, `out/comparison.md` and the self-contained `out/comparison.html`.

    Args:
        runs, table: as `comparison`.

    Returns: the text for the terminal.
    Raises: InputError as `comparison`.
    """
    content = {**comparison(runs, table), "environment": environment()}
    means = [(row["method"], row["title"], _cell(row["miou"])) for row in content["rows"]]
    tables = [summary_table(content, table), beside_readme(content["source"], means), run_table(content)]
    tables += [gain_table(content), difference_table(content), round_table(content), class_table(content)]
    tables = [one for one in tables if one is not None and one.rows]
    warning = [MINIATURE] if content["miniature"] else []
    notes = ["\n".join(f"- {note}" for note in content["notes"])] if content["notes"] else []
    markdown = [*warning, f"# {_headline(content)}", *map(to_markdown, tables), *notes, *warning]
    write_json(Path(out) / "comparison.json", content)
    write_bytes(Path(out) / "comparison.md", ("\n\n".join(markdown) + "\n").encode())
    write_bytes(Path(out) / "comparison.html", comparison_page(content, _headline(content), tables).encode())
    return "\n\n".join([*warning, _headline(content), *map(to_text, tables), *notes, *warning])


def summary_table(content: Content, table: str | None = None) -> Table:
    """Each row's means over 19, 16 and 13 classes beside the printed ones; the paper's other rows below."""
    counts = list(content["rows"][0]["mious"])
    printed = [n for n in counts if any(n in row["published"] for row in content["rows"])]
    header = ["method"]
    for n in counts:
        header += [mean_name(n), "paper"] if n in printed else [mean_name(n)]
    rows = []
    for row in content["rows"]:
        cells = [_cells(_cell(row["mious"][n]), row["published"].get(n), n in printed) for n in counts]
        rows.append([row["title"], *(cell for pair in cells for cell in pair), str(row["miou"]["n"])])
    for name, means in _other_rows(content, table):
        cells = [_cells("-", means.get(int(n)), n in printed) for n in counts]
        rows.append([f"{name} (paper only)", *(cell for pair in cells for cell in pair), "-"])
    return Table("Mean and sample standard deviation over the seeds", [*header, "n"], rows)


def _cells(ours: str, paper: float | None, with_paper: bool) -> list[str]:
    return [ours, _printed(paper)] if with_paper else [ours]


def _printed(value: float | None) -> str:
    """With the digits that the paper prints: two in some cells of Tables 2 and 4, else one."""
    return number(value, 1 if value is None or value == round(value, 1) else 2)


def _other_rows(content: Content, table: str | None) -> list[tuple[str, dict[int, float | None]]]:
    """Rows of Table 1 or 2 that no method of ours stands beside."""
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
    """Gains over the source model of the same run, beside Table 3."""
    if not content["gains"]:
        return None
    name = mean_name(GAIN_CLASSES[content["source"]])
    rows = [
        [title, _cell(values, "+"), "-" if values["published"] is None else f"{values['published']:+.1f}"]
        for title, values in content["gains"].items()
    ]
    return Table(
        f"Gain in {name} over the source model of the same run, beside Table 3", ["method", "gain", "paper"], rows
    )


def difference_table(content: Content) -> Table | None:
    """Paired differences of mIoU to the baseline."""
    differences = content["differences"]
    if differences is None:
        return None
    rows = []
    for title, values in differences["rows"].items():
        single = [_signed(values["by_run"].get(run)) for run in content["runs"]]
        rows.append([title, _cell(values, "+"), str(values["n"]), *single])
    header = ["method", "mean", "n", *_run_names(content)]
    return Table(f"mIoU minus that of {differences['baseline']} in the same run", header, rows)


def round_table(content: Content) -> Table:
    """Means over the runs, round by round: the labels that a round was trained on, and what came of it."""
    shown = {"coverage": "pixels labelled, %", "precision": "labels right on val, %"}
    rounds = [(row["title"], one) for row in content["rows"] for one in row["rounds"]]
    shown = {key: name for key, name in shown.items() if any(one[key]["n"] for _, one in rounds)}
    rows = [
        [title, str(one["round"]), *(_cell(_in_percent(one[key])) for key in shown), _cell(one["miou"])]
        for title, one in rounds
    ]
    return Table("Round by round", ["method", "round", *shown.values(), "mIoU"], rows)


def class_table(content: Content) -> Table:
    """Mean and spread of each class, beside the paper's where it prints them."""
    header = ["class"]
    for row in content["rows"]:
        header += [row["title"], "paper"] if row["published_per_class"] else [row["title"]]
    rows = []
    for name in content["classes"]:
        cells = [name]
        for row in content["rows"]:
            paper = row["published_per_class"] or {}
            cells += _cells(_cell(row["per_class"][name]), paper.get(name), bool(paper))
        rows.append(cells)
    return Table("IoU of each class", header, rows)


def _in_percent(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, **{key: None if values[key] is None else 100 * values[key] for key in ("mean", "std")}}


def _cell(values: dict[str, Any], sign: str = "") -> str:
    if values["mean"] is None:
        return "-"
    return f"{values['mean']:{sign}.1f}" + ("" if values["std"] is None else f" ± {values['std']:.1f}")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _headline(content: Content) -> str:
    what = f"{len(content['runs'])} runs, {len(content['classes'])} classes, IoU in percent, last round of each run"
    return f"{content['title']}: {what}" if content["title"] else what
