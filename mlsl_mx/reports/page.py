"""The report as one HTML file that needs nothing else: CSS, charts and images are inside it."""

from __future__ import annotations

import json
import time
from html import escape
from pathlib import Path
from typing import Any, Sequence

import yaml

from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.reports.charts import Series, dot_chart, line_chart
from mlsl_mx.reports.colours import method_colours
from mlsl_mx.reports.document import document
from mlsl_mx.reports.over_rounds import class_round_table, classes_over_rounds, loss_charts
from mlsl_mx.reports.panels import contact_sheet_html, panels_html, prior_html
from mlsl_mx.reports.report_tables import (
    class_table,
    label_overview,
    label_table,
    paper_table,
    readme_table,
    round_table,
    summary_table,
)
from mlsl_mx.reports.results import MethodResults
from mlsl_mx.reports.tables import MINIATURE, to_html


def html_page(content: dict[str, Any], methods: Sequence[MethodResults], dataset, config: Config) -> str:
    """The whole document. `content` is that of report.json; the images come from the methods' folders."""
    colours = method_colours(method["method"] for method in content["methods"])
    content = {**content, "methods": [{**m, "colour": colours[m["method"]]} for m in content["methods"]]}
    banner = f"<p class=banner>{MINIATURE}</p>" if content["miniature"] else ""
    title, paper = f"{content['experiment']}: {content['direction']}", paper_table(content)
    panels = panels_html(methods, config.class_set, dataset, config.evaluation.panels)
    seed = "" if content["seed"] is None else f", seed {content['seed']}"
    sections = [
        f"{banner}<h1>{escape(title)}</h1><p class=sub>{content['images']} validation images, IoU in percent, "
        f"run {escape(content['run'])}{seed}</p>{_status(content)}",
        to_html(summary_table(content)),
        _optional(readme_table(content)),
        f"<h2>At a glance</h2><div class=charts>{''.join(_charts(content))}</div>",
        to_html(class_table(content)),
        _optional(round_table(content)),
        _over_rounds(content),
        f"<h2>Segmentations</h2>{panels}" if panels else "",
        _pseudo_labels(content, methods),
        _spatial_prior(Path(content["run"]), methods),
        "<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in content["notes"]) + "</ul>",
        _details("The paper's table", to_html(paper)) if paper else "",
        _details("Settings", f"<pre>{escape(yaml.safe_dump(to_dict(config), sort_keys=False))}</pre>"),
        _details("Environment", f"<pre>{escape(json.dumps(content['environment'], indent=1))}</pre>"),
        banner,
    ]
    return document(title, sections)


def _charts(content: dict[str, Any]) -> Sequence[str]:
    """IoU of each class, then what there is over the rounds; each line of mIoU starts from the source model's."""
    methods, names = content["methods"], content["classes"]
    trained = [m for m in methods if m["method"] != "source-only"]
    start = next((m["miou"] for m in methods if m["method"] == "source-only"), None)
    rounds = sorted({r["round"] for m in trained for r in m["rounds"]})
    labels = list(map(str, rounds))
    over_rounds = (
        ("mIoU by round (%)", ["start", *labels], "miou", 1, [start]),
        ("Pseudo-label coverage by round (%)", labels, "coverage", 100, []),
        ("Pseudo-label precision by round (%)", labels, "precision", 100, []),
        ("Agreement with the labels of the round before (%)", labels, "agreement", 100, []),
        ("Patch votes against the label by round (%)", labels, "patch_disagreement", 100, []),
    )
    charts = [dot_chart("IoU of each class (%)", "%", names, [_series(m, _ious(m, names)) for m in methods])]
    for title, x_labels, what, factor, first in over_rounds:
        lines = [_series(m, [*first, *_by_round(m, what, rounds, factor)]) for m in trained]
        lines = [line for line in lines if any(value is not None for value in line.values)]
        if lines:
            charts.append(line_chart(title, "%", x_labels, lines))
    thresholds = [_series(m, _thresholds(m, names)) for m in trained if _last_labels(m)]
    if thresholds:
        charts.append(dot_chart("Threshold of each class in the last round (%)", "%", names, thresholds))
    return [*charts[:2], *loss_charts(content), *charts[2:]]  # what counts most comes first


def _status(content: dict[str, Any]) -> str:
    """How far the run is, and when that was; nothing if it is through."""
    if not content["status"]:
        return ""
    text = f"{time.strftime('%Y-%m-%d %H:%M')}: {'; '.join(content['status'])}"
    return f"<p class=status>{escape(text)}</p>"


def _over_rounds(content: dict[str, Any]) -> str:
    charts = "".join(classes_over_rounds(content))
    trained = [method for method in content["methods"] if method["method"] != "source-only"]
    tables = "".join(to_html(class_round_table(content, method)) for method in trained)
    return f"<h2>Classes over the rounds</h2>{charts}{_details('IoU in numbers', tables)}" if charts else ""


def _series(method: dict[str, Any], values: Sequence[float | None]) -> Series:
    return Series(method["colour"], method["title"], values)


def _ious(method: dict[str, Any], names: Sequence[str]) -> list[float | None]:
    return [method["per_class"][name] for name in names]


def _last_labels(method: dict[str, Any]) -> dict[str, Any]:
    """By class, of the last round that is labelled: the one after it may be at work. Empty if none is."""
    return next((r["labels_per_class"] for r in reversed(method["rounds"]) if r["labels_per_class"]), {})


def _thresholds(method: dict[str, Any], names: Sequence[str]) -> list[float]:
    labels = _last_labels(method)
    return [100 * labels[name]["threshold"] for name in names]


def _by_round(method: dict[str, Any], what: str, rounds: Sequence[int], factor: float) -> list:
    values = {r["round"]: r[what] for r in method["rounds"] if r[what] is not None}
    return [values[r] * factor if r in values else None for r in rounds]


def _pseudo_labels(content: dict[str, Any], methods: Sequence[MethodResults]) -> str:
    overview = label_overview(content)
    if overview is None:
        return ""
    parts = ["<h2>Pseudo-labels</h2>", to_html(overview)]
    for method, results in zip(content["methods"], methods):
        table = label_table(content, method)
        labelled = [one for one in results.rounds if one.selection]  # one that is being labelled has no sheet yet
        if table and labelled:
            body = to_html(table) + contact_sheet_html(labelled[-1].folder)
            parts.append(_details(f"{method['title']}: by class, and a sheet of round {labelled[-1].index}", body))
    return "".join(parts)


def _spatial_prior(run: Path, methods: Sequence[MethodResults]) -> str:
    pictures = prior_html(run, methods)
    note = "Factor of each class's probability by position: dark is 0, bright the class's largest."
    return f"<h2>Spatial prior</h2><p class=note>{note}</p>{pictures}" if pictures else ""


def _optional(table) -> str:
    return to_html(table) if table else ""


def _details(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
