"""A document for the terminal: its tables and texts, without pictures, charts and what is folded."""

from __future__ import annotations

import textwrap

from mlsl_mx.reports.document import Bullets, Document, Part, Section, Table, Text, Verbatim

WIDTH = 100  # of text; tables are as wide as they need


def terminal_text(document: Document) -> str:
    """The whole text, without a newline at its end."""
    head = "\n".join(filter(None, [document.title, document.subtitle]))
    notice = [document.notice] if document.notice else []
    return "\n\n".join([*notice, head, *filter(None, map(_part, document.parts)), *notice])


def _part(part: Part) -> str:
    write = WRITERS.get(type(part))
    return write(part) if write else ""


def _section(part: Section) -> str:
    body = "" if part.folded else "\n\n".join(filter(None, map(_part, part.parts)))
    return body and f"{part.title}\n{body}"


def _table(table: Table) -> str:
    """Aligned columns under the title."""
    cells = [list(table.header), *map(list, table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]
    lines = [table.title]
    for row in cells:
        first, *others = (
            cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(2, "-" * max(map(len, lines[1:])))
    return "\n".join([*lines, *(textwrap.fill(note, WIDTH) for note in table.notes)])


def _bullets(part: Bullets) -> str:
    return "\n".join(textwrap.fill(i, WIDTH, initial_indent="- ", subsequent_indent="  ") for i in part.items)


WRITERS = {
    Text: lambda part: textwrap.fill(part.text, WIDTH),
    Bullets: _bullets,
    Verbatim: lambda part: part.text.rstrip(),
    Table: _table,
    Section: _section,
}
