"""What the HTML pages share: a self-contained document in a light and a dark theme."""

from __future__ import annotations

from html import escape
from typing import Sequence

from mlsl_mx.reports.colours import colour_style

STYLE = """
:root{color-scheme:light dark;--page:#fbfbfa;--ink:#1c1d1f;--soft:#5c6066;--rule:#dcdee1;--box:#fff;--warn:#8a3b00;
--warn-box:#fff1e0;--up:#0b6b3a;--down:#a3261c}
@media (prefers-color-scheme:dark){:root{--page:#15171a;--ink:#e7e8ea;--soft:#a2a7ae;--rule:#33373d;--box:#1c1f23;
--warn:#ffc48a;--warn-box:#3a2411;--up:#6fd69f;--down:#ff9c8f}}
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
.status{font-weight:600;margin:.3rem 0}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:.3rem .8rem}
svg .class{fill:var(--ink)}
.charts{columns:2 340px;column-gap:1rem}.charts .chart{break-inside:avoid;margin-bottom:1rem}
figure{margin:0}figure.chart{margin-bottom:1rem}
.chart{background:var(--box);border:1px solid var(--rule);border-radius:6px;padding:.7rem .8rem}
.chart figcaption{font-weight:600;font-size:.92rem;margin-bottom:.3rem}
svg{display:block;width:100%;max-width:540px;height:auto;margin:auto}
svg text{font:13px system-ui,sans-serif;fill:var(--soft)}
.axis{text-anchor:middle}.row{text-anchor:end}svg .name{font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}.span{stroke:var(--rule);stroke-width:3}
.line{fill:none;stroke-width:2}.dot{stroke:var(--box);stroke-width:1.5}
.legend{display:flex;flex-wrap:wrap;gap:.25rem .9rem;font-size:.82rem;color:var(--soft);margin:.3rem 0}
.legend i{display:inline-block;width:.85em;height:.85em;border-radius:3px;margin-right:.35em;vertical-align:-.08em;
border:1px solid var(--rule)}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.5rem}
.panels img,.sheet{width:100%;height:auto;display:block;border-radius:4px}.panels figcaption{font-size:.8rem;
color:var(--soft)}.nothing{aspect-ratio:2;display:grid;place-items:center;border:1px dashed var(--rule);
border-radius:4px;color:var(--soft)}
details{margin:.2rem 0}summary{cursor:pointer;font-weight:600;padding:.7rem 0}.sheet{margin-top:.8rem}
pre{overflow-x:auto;font-size:.8rem;background:var(--box);border:1px solid var(--rule);border-radius:6px;padding:.7rem}
li{margin:.2rem 0;overflow-wrap:anywhere}ul{padding-left:1.2rem}
"""


def document(title: str, sections: Sequence[str]) -> str:
    """The sections that are not empty as one HTML document without outside resources."""
    return (
        '<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}{colour_style()}</style>\n<body>\n"
        + "\n".join(filter(None, sections))
        + "\n</body></html>\n"
    )
