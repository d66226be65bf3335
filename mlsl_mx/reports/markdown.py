"""A document in Markdown: all but the charts. Pictures are files in a folder next to it."""

from __future__ import annotations

import re
import textwrap
from urllib.parse import quote

from mlsl_mx.reports.document import Bullets, Document, Part, Picture, PictureRows, Section, Table, Text, Verbatim

PICTURES = "pictures"  # folder of the pictures


def markdown_text(document: Document) -> str:
    """The whole text, without a newline at its end."""
    head = [f"# {_plain(document.title)}", *([_plain(document.subtitle)] if document.subtitle else [])]
    notice = [document.notice] if document.notice else []
    return "\n\n".join([*notice, *head, *filter(None, (_part(part, 2) for part in document.parts)), *notice])


def _part(part: Part, level: int) -> str:
    write = WRITERS.get(type(part))
    return write(part, level) if write else ""


def _section(part: Section, level: int) -> str:
    body = list(filter(None, (_part(one, level + 1) for one in part.parts)))
    return "\n\n".join([_heading(part.title, level), *body]) if body else ""


def _table(table: Table, level: int) -> str:
    """A heading, a pipe table and the notes."""
    cells = _pipe_table([list(map(_plain, row)) for row in (table.header, *table.rows)], "---:")
    return "\n\n".join([_heading(table.title, level), cells, *map(_plain, table.notes)])


def _pipe_table(rows: list[list[str]], alignment: str) -> str:
    """The first row is the header; all columns but the first are aligned that way."""
    header, *lines = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([header, "|---|" + f"{alignment}|" * (len(rows[0]) - 1), *lines])


def _picture_rows(part: PictureRows, level: int) -> str:
    header = ["", *(_plain(picture.caption) for picture in part.rows[0][1])]
    return _pipe_table([header, *([_plain(name), *map(_image, row)] for name, row in part.rows)], "---")


def _picture(picture: Picture, level: int) -> str:
    return "\n\n".join(filter(None, [_plain(picture.caption), _image(picture)]))


def _image(picture: Picture) -> str:
    if picture.content is None:
        return "-"
    description = re.sub(r"[][]", r"\\\g<0>", _plain(picture.description))
    return f"![{description}]({PICTURES}/{quote(picture.file)})"


def _verbatim(part: Verbatim, level: int) -> str:
    """Indented, which nothing in the text can end."""
    return textwrap.indent(part.text.rstrip(), "    ")


def _heading(title: str, level: int) -> str:
    return f"{'#' * level} {_plain(title)}"


def _plain(text: str) -> str:
    """Without what Markdown would take for a tag, a column or, at the beginning, a list."""
    return re.sub(r"[<|]|^[*+-](?= )", r"\\\g<0>", text)


def _text(part: Text, level: int) -> str:
    return f"**{_plain(part.text)}**" if part.strong else _plain(part.text)


WRITERS = {
    Text: _text,
    Bullets: lambda part, level: "\n".join(f"- {_plain(item)}" for item in part.items),
    Verbatim: _verbatim,
    Table: _table,
    Picture: _picture,
    PictureRows: _picture_rows,
    Section: _section,
}
