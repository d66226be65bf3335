"""A table of class names that a user has already, for `mlsl init-experiment --classes`.

CSV with a header: `name`, and any of `colour`, `source`, `target`. Ids and colours (#rrggbb) are separated by blanks;
rows named `ignore`, or another of `class_table.VOID_NAMES`, list those without a class.

    name,colour,source,target
    floor,#804080,1 2,3
    ignore,,0,255
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.config.class_table import is_void_name, read_classes, read_values
from mlsl_mx.config.classes import FileValue, LabelClass
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.text_files import MOST_YAML_BYTES, read_text

COLUMNS = ("name", "colour", "source", "target")
WHOLE = re.compile("0|[1-9][0-9]*")  # without leading zeros: not all programs read them as decimal


@dataclass(frozen=True)
class GivenClasses:
    """What the table says."""

    classes: tuple[LabelClass, ...]
    ignored: dict[str, tuple[FileValue, ...]]  # of "source" and "target"
    void_rows: tuple[str, ...] = ()  # their names


def read_class_file(path: Path) -> GivenClasses:
    """Raises: InputError naming the line of a file that is not such a table."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(path, MOST_YAML_BYTES)), strict=True))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: --classes takes a CSV table of class names") from None
    except (OSError, ValueError, csv.Error) as problem:
        raise InputError(f"{path}: not a readable CSV table ({problem}): save it as CSV in UTF-8") from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "name" not in header or not set(header) <= set(COLUMNS):
        raise InputError(f"{path}: its first line is {','.join(header)!r}: write name,colour,source,target")
    if twice := [column for column in COLUMNS if header.count(column) > 1]:
        raise InputError(f"{path}: column {twice[0]} is there twice: put all of a class's values in one, with blanks")
    entries, ignored, void_rows = [], {"source": (), "target": ()}, []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise InputError(
                f"{path}:{number}: {len(row)} cells, but the first line has {len(header)}: quote cells with commas"
            )
        cells = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
        name, sides = cells["name"], {side: _values(cells.get(side, ""), f"{path}:{number}") for side in ignored}
        if is_void_name(name):
            void_rows.append(name)
            ignored = {side: ignored[side] + values for side, values in sides.items()}
        else:
            entries.append({"name": name, **({"colour": cells["colour"]} if cells.get("colour") else {}), **sides})
    given = GivenClasses(read_classes(entries, str(path)), ignored, tuple(void_rows))
    for side, values in ignored.items():
        for one in given.classes:
            if both := set(values) & set(getattr(one, side)):
                raise InputError(
                    f"{path}: {side} {min(both)} is ignored, and class {one.name!r} too: take it out of one"
                )
    return given


def _values(cell: str, where: str) -> tuple[FileValue, ...]:
    return read_values([int(word) if WHOLE.fullmatch(word) else word for word in cell.split()], where)
