"""A document as one HTML file that needs nothing else: style, charts and pictures are inside; light and dark theme."""

from __future__ import annotations

import base64
from html import escape

from mlsl_mx.reports.colours import colour_style
from mlsl_mx.reports.document import (
    Bullets,
    Chart,
    Charts,
    Document,
    Part,
    Picture,
    PictureRows,
    Section,
    Table,
    Text,
    Verbatim,
)

STYLE = """
:root{color-scheme:light dark;--page:#fbfbfa;--ink:#1c1d1f;--soft:#5c6066;--rule:#dcdee1;--box:#fff;--warn:#8a3b00;
--warn-box:#fff1e0;--up:#0b6b3a;--down:#a3261c}
@media (prefers-color-scheme:dark){:root{--page:#15171a;--ink:#e7e8ea;--soft:#a2a7ae;--rule:#33373d;--box:#1c1f23;
--warn:#ffc48a;--warn-box:#3a2411;--up:#6fd69f;--down:#ff9c8f}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:1.2rem 1rem 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}.of{font-size:.85rem;font-weight:500;color:var(--soft);margin:1rem 0 .3rem;
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
.strong{font-weight:600;margin:.3rem 0}
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


def html_page(document: Document) -> str:
    """The whole file."""
    banner = f"<p class=banner>{escape(document.notice)}</p>" if document.notice else ""
    subtitle = f"<p class=sub>{escape(document.subtitle)}</p>" if document.subtitle else ""
    head = f"{banner}<h1>{escape(document.title)}</h1>{subtitle}"
    return (
        '<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{escape(document.title)}</title><style>{STYLE}{colour_style()}</style>\n<body><main>\n"
        + "\n".join(filter(None, [head, *(_part(part, 2) for part in document.parts), banner]))
        + "\n</main></body></html>\n"
    )


def _part(part: Part, level: int) -> str:
    return WRITERS[type(part)](part, level)


def _section(part: Section, level: int) -> str:
    body = "\n".join(_part(one, level + 1) for one in part.parts)
    if part.folded:
        return f"<details><summary>{escape(part.title)}</summary>{body}</details>"
    return _heading(part.title, level) + body


def _heading(title: str, level: int) -> str:
    return f"<h{level}>{escape(title)}</h{level}>\n"


def _text(part: Text, level: int) -> str:
    return f"<p class={'strong' if part.strong else 'note'}>{escape(part.text)}</p>"


def _bullets(part: Bullets, level: int) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in part.items) + "</ul>"


def _table(table: Table, level: int) -> str:
    """A table in a box that scrolls sideways on a narrow screen, by keys too. Signed numbers have a colour by their
    sign; where columns belong together, a line is drawn before the first of them."""
    starts = [bool(table.joined) and name not in table.joined for name in table.header]

    def cell(text: str, column: int) -> str:
        if column == 0:
            return f"<th scope=row>{escape(text)}</th>"
        sign = {"+": "up", "-": "down"}.get(text[:1], "") if len(text) > 1 else ""
        kinds = " ".join(filter(None, [sign, "first" if starts[column] else ""]))
        return f'<td class="{kinds}">{escape(text)}</td>' if kinds else f"<td>{escape(text)}</td>"

    first_mean = len(table.rows) - table.means
    body = "\n".join(
        f"<tr{' class=mean' if index >= first_mean else ''}>" + "".join(map(cell, row, range(len(row)))) + "</tr>"
        for index, row in enumerate(table.rows)
    )
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in table.header)
    notes = "".join(f"<p class=note>{escape(note)}</p>" for note in table.notes)
    return (
        f'{_heading(table.title, level)}<div class=scroll role=region tabindex=0 aria-label="{escape(table.title)}">'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>{notes}"
    )


def _picture(part: Picture, level: int) -> str:
    caption = f"<p class=note>{escape(part.caption)}</p>" if part.caption else ""
    return f"{caption}<img class=sheet {_image(part)}>"


def _picture_rows(part: PictureRows, level: int) -> str:
    keys = "".join(
        f'<span><i style="background:rgb({r},{g},{b})"></i>{escape(name)}</span>' for name, (r, g, b) in part.legend
    )
    legend = f"<div class=legend>{keys}</div>" if keys else ""
    rows = (
        f"<p class=of>{escape(name)}</p><div class=panels>{''.join(map(_captioned, row))}</div>"
        for name, row in part.rows
    )
    return legend + "\n".join(rows)


def _captioned(picture: Picture) -> str:
    image = "<div class=nothing>-</div>" if picture.content is None else f"<img {_image(picture)}>"
    return f"<figure>{image}<figcaption>{escape(picture.caption)}</figcaption></figure>"


def _image(picture: Picture) -> str:
    kind = picture.file.rsplit(".", 1)[1]
    content = base64.b64encode(picture.content or b"").decode()
    return f'alt="{escape(picture.description)}" src="data:image/{kind};base64,{content}"'


def _charts(part: Charts, level: int) -> str:
    charts = "".join(map(_chart, part.charts))
    return charts if part.wide else f"<div class=charts>{charts}</div>"


def _chart(chart: Chart) -> str:
    return f"<figure class=chart><figcaption>{escape(chart.title)}</figcaption>{chart.drawing}</figure>"


WRITERS = {
    Text: _text,
    Bullets: _bullets,
    Verbatim: lambda part, level: f"<pre>{escape(part.text)}</pre>",
    Table: _table,
    Picture: _picture,
    PictureRows: _picture_rows,
    Charts: _charts,
    Section: _section,
}
