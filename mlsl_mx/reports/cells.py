"""Numbers as cells of a table, and tables from columns of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlsl_mx.reports.document import Table

BESIDE_OURS = ("gain", "paper", "diff")  # columns that belong to ours on their left
Column = tuple[str, Iterable[str]]  # header and cells


def number(value: float | None, digits: int = 1) -> str:
    """A percentage, or - for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def minus(ours: float | None, other: float | None) -> float | None:
    """The difference, or None where one is missing."""
    return None if ours is None or other is None else ours - other


def signed(value: float | None) -> str:
    """A percentage with its sign, or - for None."""
    return "-" if value is None else f"{value:+.1f}"


def percent(share: float | None) -> float | None:
    """Of a share in [0, 1]."""
    return None if share is None else 100 * share


def share(value: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage, or -."""
    return number(percent(value), digits)


def mean_name(count: str | int, classes: int) -> str:
    """What the paper calls the mean over so many of a set's classes: mIoU* is the one over 13 of the 19 or 16."""
    return f"mIoU*({count})" if str(count) == "13" and classes != 13 else f"mIoU({count})"


def with_paper(
    name: str, ours: Sequence[float | None], paper: Sequence[float | None], comparable: bool = True
) -> list[Column]:
    """Our percentages, the paper's and, where they can be compared, the differences."""
    columns = [(name, map(number, ours)), ("paper", map(number, paper))]
    return [*columns, ("diff", map(signed, map(minus, ours, paper)))] if comparable else columns


def table_of(title: str, columns: Iterable[Column], optional: Sequence[str] = BESIDE_OURS, **more: Any) -> Table:
    """A table without the `optional` columns that have no value; `more` are other fields of the table."""
    columns = [(name, list(cells)) for name, cells in columns]
    columns = [(name, cells) for name, cells in columns if name not in optional or set(cells) - {"-"}]
    header, cells = zip(*columns, strict=True)
    joined = tuple(name for name in BESIDE_OURS if name in header)
    return Table(title, header, list(zip(*cells, strict=True)), joined=joined, **more)
