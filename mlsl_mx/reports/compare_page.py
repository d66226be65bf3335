"""A comparison of runs as one self-contained HTML page: charts of every seed and class, then the tables."""

from __future__ import annotations

from html import escape
from typing import Any, Sequence

from mlsl_mx.reports.charts import Series, dot_chart
from mlsl_mx.reports.colours import colour
from mlsl_mx.reports.document import document
from mlsl_mx.reports.tables import MINIATURE, Table, to_html


def comparison_page(content: dict[str, Any], headline: str, tables: Sequence[Table]) -> str:
    """The whole document. `content` is that of comparison.json."""
    banner = f"<p class=banner>{MINIATURE}</p>" if content["miniature"] else ""
    charts = "".join([_seed_chart(content), _class_chart(content)])
    notes = "".join(f"<li>{escape(note)}</li>" for note in content["notes"])
    sections = [
        f"{banner}<h1>{escape(headline)}</h1>",
        f"<div class=charts>{charts}</div>",
        *map(to_html, tables),
        f"<ul>{notes}</ul>",
        banner,
    ]
    return document(headline, sections)


def _seed_chart(content: dict[str, Any]) -> str:
    """One row a method, one dot a run: how far seeds lie apart shows what a difference of means is worth."""
    rows = content["rows"]
    values = [value for row in rows for value in row["miou_by_run"].values() if value is not None] or [0, 100]
    series = [
        Series(colour(index), run if seed is None else f"seed {seed}", [row["miou_by_run"][run] for row in rows])
        for index, (run, seed) in enumerate(content["runs"].items())
    ]
    title = f"mIoU over all {len(content['classes'])} classes, every run (%)"
    return dot_chart(title, "%", [row["title"] for row in rows], series, (min(values), max(values)))


def _class_chart(content: dict[str, Any]) -> str:
    """One row a class, one dot a method: its mean over the runs."""
    names = content["classes"]
    series = [
        Series(colour(index), row["title"], [row["per_class"][name]["mean"] for name in names])
        for index, row in enumerate(content["rows"])
    ]
    return dot_chart("IoU of each class, mean over the runs (%)", "%", names, series)
