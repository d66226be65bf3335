"""Small tables of text cells, written for the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Sequence

MINIATURE = "miniature: not comparable with the paper"


@dataclass(frozen=True)
class Table:
    """Cells of text; the first column is left-aligned, the others are numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: tuple[str, ...] = ()


def number(value: float | None, digits: int = 1) -> str:
    """A percentage, or - for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def difference(ours: float | None, other: float | None) -> str:
    """Signed difference of two percentages, or - where one is missing."""
    return "-" if ours is None or other is None else f"{ours - other:+.1f}"


def share(value: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage, or -."""
    return number(None if value is None else 100 * value, digits)


def to_text(table: Table) -> str:
    """Aligned columns under the title."""
    cells = [list(table.header), *map(list, table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]
    lines = [table.title]
    for row in cells:
        first, *others = (cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(2, "-" * max(map(len, lines[1:])))
    return "\n".join([*lines, *table.notes])


def to_markdown(table: Table, level: int = 2) -> str:
    """A heading, a pipe table and the notes."""

    def line(cells):
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|---|" + "---:|" * (len(table.header) - 1)
    lines = [f"{'#' * level} {table.title}", "", line(table.header), rule, *map(line, table.rows)]
    for note in table.notes:
        lines += ["", note]
    return "\n".join(lines)


def to_html(table: Table) -> str:
    """A table in a box that scrolls sideways on a narrow screen. Rows of means and signs of differences get a class;
    where columns of ours stand beside the paper's, each group of them starts with a line."""
    grouped = "paper" in table.header
    starts = [grouped and name not in ("paper", "diff") for name in table.header]

    def cell(text: str, column: int) -> str:
        if column == 0:
            return f"<th scope=row>{escape(text)}</th>"
        sign = {"+": "up", "-": "down"}.get(text[:1], "") if len(text) > 1 else ""
        kinds = " ".join(filter(None, [sign, "first" if starts[column] else ""]))
        return f'<td class="{kinds}">{escape(text)}</td>' if kinds else f"<td>{escape(text)}</td>"

    def line(row: Sequence[str]) -> str:
        kind = " class=mean" if row[0].startswith("mIoU") else ""
        return f"<tr{kind}>" + "".join(cell(text, column) for column, text in enumerate(row)) + "</tr>"

    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in table.header)
    body = "\n".join(map(line, table.rows))
    notes = "".join(f"<p class=note>{escape(note)}</p>" for note in table.notes)
    return (
        f"<h3>{escape(table.title)}</h3>\n<div class=scroll><table>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>{notes}"
    )
