"""A document as plain data. Reports, comparisons and model cards are built as one; `terminal_text`, `markdown_text` and
`html_page` write it, and know of runs nothing but what is in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Verbatim:
    """Lines that are shown as they are, such as settings and commands."""

    text: str


@dataclass(frozen=True)
class Table:
    """Cells of text; the first column is left-aligned, the others are numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    joined: Sequence[str] = ()  # names of columns that belong to the one on their left
    means: int = 0  # how many of the last rows sum up the others


@dataclass(frozen=True)
class Picture:
    """A PNG or JPEG image."""

    file: str  # name, whose ending is that of its kind: .png or .jpeg
    content: bytes | None  # None: it is missing
    description: str
    caption: str = ""


@dataclass(frozen=True)
class PictureRows:
    """Pictures in columns, e.g. an image, its truth and its segmentations; all rows have the same captions."""

    rows: Sequence[tuple[str, Sequence[Picture]]]  # title and pictures
    legend: Sequence[tuple[str, tuple[int, int, int]]] = ()  # name and RGB


@dataclass(frozen=True)
class Chart:
    """A drawing of numbers; Markdown and the terminal leave it out."""

    title: str
    drawing: str  # SVG, and an HTML legend


@dataclass(frozen=True)
class Charts:
    """Side by side, or each as wide as the page."""

    charts: Sequence[Chart]
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """Parts under a title; what is folded is closed at first, and not shown on the terminal."""

    title: str
    parts: Sequence[Part]
    folded: bool = False


Part = Text | Bullets | Verbatim | Table | Picture | PictureRows | Charts | Section


@dataclass(frozen=True)
class Document:
    """What a reader gets, in its order."""

    title: str
    subtitle: str
    parts: Sequence[Part]
    notice: str | None = None  # a warning, first and last


def present(*parts: Part | None) -> tuple[Part, ...]:
    """The parts that are not None."""
    return tuple(part for part in parts if part is not None)


def section(title: str, *parts: Part | None, folded: bool = False) -> Section | None:
    """The parts that are not None under a title; None if all are."""
    return Section(title, present(*parts), folded) if present(*parts) else None


def pictures(parts: Sequence[Part]) -> Iterator[Picture]:
    """All pictures in the parts and below that are not missing."""
    for part in parts:
        if isinstance(part, Picture) and part.content is not None:
            yield part
        elif isinstance(part, Section):
            yield from pictures(part.parts)
        elif isinstance(part, PictureRows):
            for _, row in part.rows:
                yield from pictures(row)
