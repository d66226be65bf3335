"""The report as one HTML file that needs nothing else: CSS, charts and images are inside it."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any, Sequence

import yaml

from mlsl_mx.config import Config, to_dict
from mlsl_mx.evaluation.charts import dot_chart, line_chart
from mlsl_mx.evaluation.panels import contact_sheet_html, panels_html, prior_html
from mlsl_mx.evaluation.report_tables import (
    class_table,
    label_overview,
    label_table,
    paper_table,
    round_table,
    summary_table,
)
from mlsl_mx.evaluation.results import MethodResults
from mlsl_mx.evaluation.tables import MINIATURE, to_html
from mlsl_mx.labels import class_set

STYLE = """
:root{color-scheme:light dark;--page:#fbfbfa;--ink:#1c1d1f;--soft:#5c6066;--rule:#dcdee1;--box:#fff;--warn:#8a3b00;
--warn-box:#fff1e0;--up:#0b6b3a;--down:#a3261c;--source-only:#6b7280;--st:#7c3aed;--cbst:#c46a00;--cbst-sp:#c2256f;
--sisc:#1f66d1;--sisc-pwl:#04855c}
@media (prefers-color-scheme:dark){:root{--page:#15171a;--ink:#e7e8ea;--soft:#a2a7ae;--rule:#33373d;--box:#1c1f23;
--warn:#ffc48a;--warn-box:#3a2411;--up:#6fd69f;--down:#ff9c8f;--source-only:#9aa1ab;--st:#b294ff;--cbst:#f0a13c;
--cbst-sp:#f27ab0;--sisc:#6ea8ff;--sisc-pwl:#3ccb98}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:1.2rem 1rem 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}h4{font-size:.85rem;font-weight:500;color:var(--soft);margin:1rem 0 .3rem;
overflow-wrap:anywhere}
.sub,.note{color:var(--soft);margin:.3rem 0;overflow-wrap:anywhere}.note{font-size:.85rem}
.banner{background:var(--warn-box);color:var(--warn);border:1px solid currentColor;border-radius:6px;
padding:.6rem .9rem;font-weight:600}
.scroll{overflow-x:auto;border:1px solid var(--rule);border-radius:6px;background:var(--box);max-width:max-content}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
tr:last-child>*{border-bottom:0}thead th{color:var(--soft);font-weight:600}
th:first-child{text-align:left;position:sticky;left:0;background:var(--box);font-weight:500}
.first{border-left:1px solid var(--rule)}.mean>*{font-weight:700}
.up{color:var(--up)}.down{color:var(--down)}
.charts{columns:2 340px;column-gap:1rem}.charts .chart{break-inside:avoid;margin-bottom:1rem}
figure{margin:0}.chart{background:var(--box);border:1px solid var(--rule);border-radius:6px;padding:.7rem .8rem}
.chart figcaption{font-weight:600;font-size:.92rem;margin-bottom:.3rem}
svg{display:block;width:100%;max-width:540px;height:auto;margin:auto}
svg text{font:13px system-ui,sans-serif;fill:var(--soft)}
.axis{text-anchor:middle}.row{text-anchor:end}svg .name{font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}.span{stroke:var(--rule);stroke-width:3}
.line{fill:none;stroke-width:2}.dot{stroke:var(--box);stroke-width:1.5}
.legend{display:flex;flex-wrap:wrap;gap:.25rem .9rem;font-size:.82rem;color:var(--soft);margin:.3rem 0}
.legend i{display:inline-block;width:.85em;height:.85em;border-radius:3px;margin-right:.35em;vertical-align:-.08em;
border:1px solid var(--rule)}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.5rem}
.panels img,.sheet{width:100%;height:auto;display:block;border-radius:4px}.panels figcaption{font-size:.8rem;
color:var(--soft)}.nothing{aspect-ratio:2;display:grid;place-items:center;border:1px dashed var(--rule);
border-radius:4px;color:var(--soft)}
details{margin:.8rem 0}summary{cursor:pointer;font-weight:600}.sheet{margin-top:.8rem}
pre{overflow-x:auto;font-size:.8rem;background:var(--box);border:1px solid var(--rule);border-radius:6px;padding:.7rem}
li{margin:.2rem 0;overflow-wrap:anywhere}ul{padding-left:1.2rem}
"""


def html_page(content: dict[str, Any], methods: Sequence[MethodResults], dataset, config: Config) -> str:
    """The whole document. `content` is that of report.json; the images come from the methods' folders."""
    banner = f"<p class=banner>{MINIATURE}</p>" if content["miniature"] else ""
    title = escape(f"{content['experiment']}: {content['direction']}")
    panels = panels_html(methods, class_set(config.classes), dataset, config.evaluation.panels)
    seed = "" if content["seed"] is None else f", seed {content['seed']}"
    sections = [
        f"{banner}<h1>{title}</h1><p class=sub>{content['images']} validation images, IoU in percent, "
        f"run {escape(content['run'])}{seed}</p>",
        to_html(summary_table(content)),
        f"<h2>At a glance</h2><div class=charts>{''.join(_charts(content))}</div>",
        to_html(class_table(content)),
        _optional(round_table(content)),
        f"<h2>Segmentations</h2>{panels}" if panels else "",
        _pseudo_labels(content, methods),
        _spatial_prior(Path(content["run"]), methods),
        "<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in content["notes"]) + "</ul>",
        _details("The paper's table", to_html(paper_table(content))),
        _details("Settings", f"<pre>{escape(yaml.safe_dump(to_dict(config), sort_keys=False))}</pre>"),
        _details("Environment", f"<pre>{escape(json.dumps(content['environment'], indent=1))}</pre>"),
        banner,
    ]
    return (
        '<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style>\n<body>\n"
        + "\n".join(s for s in sections if s)
        + "\n</body></html>\n"
    )


def _charts(content: dict[str, Any]) -> Sequence[str]:
    """IoU of each class, then what there is over the rounds; each line of mIoU starts from the source model's."""
    methods = {m["method"]: m for m in content["methods"]}
    start = methods["source-only"]["miou"] if "source-only" in methods else None
    dots = {key: (m["title"], [m["per_class"][name] for name in content["classes"]]) for key, m in methods.items()}
    charts = [dot_chart("IoU of each class (%)", "%", content["classes"], dots)]
    trained = {key: m for key, m in methods.items() if key != "source-only"}
    rounds = sorted({r["round"] for m in trained.values() for r in m["rounds"]})
    labels = list(map(str, rounds))
    over_rounds = (
        ("mIoU by round (%)", ["start", *labels], "miou", 1, [start]),
        ("Pseudo-label coverage by round (%)", labels, "coverage", 100, []),
        ("Pseudo-label precision by round (%)", labels, "precision", 100, []),
        ("Agreement with the labels of the round before (%)", labels, "agreement", 100, []),
        ("Patch votes against the label by round (%)", labels, "patch_disagreement", 100, []),
    )
    for title, x_labels, what, factor, first in over_rounds:
        lines = {key: (m["title"], [*first, *_by_round(m, what, rounds, factor)]) for key, m in trained.items()}
        lines = {key: line for key, line in lines.items() if any(value is not None for value in line[1])}
        if lines:
            charts.append(line_chart(title, "%", x_labels, lines))
    thresholds = {
        key: _thresholds(m, content["classes"]) for key, m in trained.items() if m["rounds"][-1]["labels_per_class"]
    }
    if thresholds:
        charts.append(dot_chart("Threshold of each class in the last round (%)", "%", content["classes"], thresholds))
    return charts


def _thresholds(method: dict[str, Any], names: Sequence[str]) -> tuple[str, list]:
    last = method["rounds"][-1]["labels_per_class"]
    return method["title"], [100 * last[name]["threshold"] for name in names]


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
        last = results.rounds[-1]
        body = (to_html(table) if table else "") + contact_sheet_html(last.folder)
        if body:
            parts.append(_details(f"{method['title']}: by class, and a sheet of round {last.index}", body))
    return "".join(parts)


def _spatial_prior(run: Path, methods: Sequence[MethodResults]) -> str:
    pictures = prior_html(run, methods)
    note = "Factor of each class's probability by position: dark is 0, bright the class's largest."
    return f"<h2>Spatial prior</h2><p class=note>{note}</p>{pictures}" if pictures else ""


def _optional(table) -> str:
    return to_html(table) if table else ""


def _details(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
