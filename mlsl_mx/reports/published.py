"""Tables 1 to 4 of the paper as it prints them, and which of its rows each of our methods is compared with; and the
means in CBST's README of methods that the paper has no row for.

Numbers are percent; `-` is a number that the paper does not give. Table 1 has the 19 classes of Cityscapes in train-id
order, Table 2 the 16 of SYNTHIA in the same order; mIoU* is over 13 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlsl_mx.config.classes import class_set

# Method | adversarial (Adv) or self-training (ST) | IoU of each class | mIoU
_TABLE_1 = """
ResNet-38|-|70.0 23.7 67.8 15.4 18.1 40.2 41.9 25.3 78.8 11.7 31.4 62.9 29.8 60.1 21.5 26.8 7.7 28.1 12.0|35.4
AdaptSetNet|Adv|86.5 36.0 79.9 23.4 23.3 23.9 35.2 14.8 83.4 33.3 75.6 58.5 27.6 73.7 32.5 35.4 3.9 30.1 28.1|42.4
Saleh et al.|ST|79.8 29.3 77.8 24.2 21.6 6.9 23.5 44.2 80.5 38.0 76.2 52.7 22.2 83.0 32.3 41.3 27.0 19.3 27.7|42.5
MinEnt|ST|86.2 18.6 80.3 27.2 24.0 23.4 33.5 24.7 83.3 31.0 75.6 54.6 25.6 85.2 30.0 10.9 0.1 21.3 37.1|42.3
DLOW|Adv|87.1 33.5 80.5 24.5 13.2 29.8 29.5 26.6 82.6 26.7 81.8 55.9 25.3 78.0 33.5 38.7 0.0 22.9 34.5|42.3
CLAN|Adv|87.0 27.1 79.6 27.3 23.3 28.3 35.5 24.2 83.6 27.4 74.2 58.6 28.0 76.2 33.1 36.7 6.7 31.9 31.4|43.2
All Structure|Adv|91.5 47.5 82.5 31.3 25.6 33.0 33.7 25.8 82.7 28.8 82.7 62.4 30.8 85.2 27.7 34.5 6.4 25.2 24.4|45.4
CBST-SP|ST|88 56.2 77 27.4 22.4 40.7 47.3 40.9 82.4 21.6 60.3 50.2 20.4 83.8 35 51 15.2 20.6 37|46.2
SISC|ST|91.0 49.3 79.9 24.4 27.9 37.9 45.1 45.1 81.3 19.0 61.7 63.9 28.0 86.5 23.9 42.3 41.9 33.1 44.4|48.7
SISC+PWL|ST|89.0 45.2 78.2 22.9 27.3 37.4 46.1 43.8 82.9 18.6 61.2 60.4 26.7 85.4 35.9 44.9 36.4 37.2 49.3|49.0
"""

# The same with mIoU over 16 classes and mIoU* over 13
_TABLE_2 = """
ResNet-38|-|32.6 21.5 46.5 4.81 0.03 26.5 14.8 13.1 70.8 60.3 56.6 3.5 74.1 20.4 8.9 13.1|29.2 33.6
Road|Adv|77.7 30.0 77.5 9.6 0.3 25.8 10.3 15.6 77.6 79.8 44.5 16.6 67.8 14.5 7.0 23.8|36.2 41.8
AdaptSetNet|Adv|81.7 39.1 78.4 11.1 0.3 25.8 6.8 9.0 79.1 80.8 54.8 21.0 66.8 34.7 13.8 29.9|39.6 45.8
MinEnt|ST|73.5 29.2 77.1 7.7 0.2 27.0 7.1 11.4 76.7 82.1 57.2 21.3 69.4 29.2 12.9 27.9|38.1 44.2
CLAN|Adv|81.3 37.0 80.1 - - - 16.1 13.7 78.2 81.5 53.4 21.2 73.0 32.9 22.6 30.7|- 47.8
All Structure|Adv|91.7 53.5 77.1 2.5 0.2 27.1 6.2 7.6 78.4 81.2 55.8 19.2 82.3 30.3 17.1 34.3|41.5 48.7
CBST|ST|53.6 23.7 75.0 12.5 0.3 36.4 23.5 26.3 84.8 74.7 67.2 17.5 84.5 28.4 15.2 55.8|42.5 48.4
SISC|ST|73.7 34.4 78.7 13.7 2.9 36.6 28.2 22.3 86.1 76.8 65.3 20.5 81.7 31.4 13.9 47.3|44.4 50.8
SISC+PWL|ST|59.2 30.2 68.5 22.9 1.0 36.2 32.7 28.3 86.2 75.4 68.6 27.7 82.7 26.3 24.3 52.7|45.2 51.0
"""


@dataclass(frozen=True)
class PublishedRow:
    """One row of Table 1 or 2."""

    method: str
    kind: str  # Adv|ST|- (source only)
    per_class: dict[str, float | None]  # class name -> IoU in percent
    means: dict[int, float | None]  # number of classes -> mean IoU in percent, as printed


@dataclass(frozen=True)
class Gain:
    """One row and side of Table 3: mIoU in percent (GTA-V) or mIoU* (SYNTHIA)."""

    source_only: float
    adapted: float
    gain: float


def _parse(text: str, classes: int, means: tuple[int, ...]) -> tuple[PublishedRow, ...]:
    def number(cell: str) -> float | None:
        return None if cell == "-" else float(cell)

    rows = []
    for line in text.strip().splitlines():
        method, kind, ious, printed = (cell.strip() for cell in line.split("|"))
        per_class = dict(zip(class_set(classes).names, map(number, ious.split()), strict=True))
        rows.append(PublishedRow(method, kind, per_class, dict(zip(means, map(number, printed.split()), strict=True))))
    return tuple(rows)


TABLE_1 = _parse(_TABLE_1, 19, (19,))
TABLE_2 = _parse(_TABLE_2, 16, (16, 13))

TABLE_3 = {
    "gta5": {
        "FCN in the wild": Gain(21.2, 27.1, 5.9),
        "Curriculum DA": Gain(22.3, 28.9, 6.6),
        "AdaptSetNet": Gain(36.6, 42.4, 5.8),
        "MinEnt": Gain(36.6, 42.3, 5.7),
        "CLAN": Gain(36.6, 43.2, 6.6),
        "All Structure": Gain(36.6, 45.4, 8.8),
        "CBST": Gain(35.4, 46.2, 10.8),
        "SISC": Gain(35.4, 48.7, 13.3),
        "SISC+PWL": Gain(35.4, 49.0, 13.6),
    },
    "synthia": {
        "FCN in the wild": Gain(23.6, 25.4, 1.8),
        "Curriculum DA": Gain(28.4, 34.82, 6.42),
        "AdaptSetNet": Gain(38.6, 46.7, 8.1),
        "MinEnt": Gain(38.6, 44.2, 5.6),
        "CLAN": Gain(38.6, 47.8, 9.2),
        "All Structure": Gain(38.6, 48.7, 10.1),
        "CBST": Gain(33.6, 48.4, 14.8),
        "SISC": Gain(33.6, 50.8, 17.2),
        "SISC+PWL": Gain(33.6, 51.0, 17.4),
    },
}

# mIoU of SISC+PWL, GTA-V to Cityscapes, by the weight lambda of the weak-label loss and by eta
TABLE_4 = {
    "lambda": {0.1: 46.0, 0.05: 48.1, 0.025: 49.0, 0.001: 48.24},
    "eta": {0.0: 45.5, 0.1: 46.0, 0.05: 49.0, 0.025: 47.33},
}

# METHOD -> mIoU over all classes, where the paper has no row: from the README of CBST's program, github.com/yzou2/CBST.
# The README's other rows are those of Tables 1 and 2.
CBST_README = {"gta5": {"st": 41.5, "cbst": 45.2}, "synthia": {"st": 32.2}}

# Where the printed mean is not the mean of the printed classes: (table, method, classes) -> (printed, recomputed).
# Below 0.1 the rounding of the classes could explain it; above it cannot.
DISAGREEMENTS = {
    (1, "MinEnt", 19): (42.3, 40.66),
    (1, "SISC", 19): (48.7, 48.77),
    (1, "SISC+PWL", 19): (49.0, 48.88),
    (2, "Road", 13): (41.8, 41.75),
    (2, "All Structure", 13): (48.7, 48.82),
    (2, "CBST", 13): (48.4, 48.48),
    (2, "SISC", 16): (44.4, 44.59),
}

# Where Table 3 gives another adapted mean than Tables 1 and 2: (source, method) -> (Table 3, Table 1 or 2)
TABLE_3_DISAGREEMENTS = {("synthia", "AdaptSetNet"): (46.7, 45.8)}

# Our METHOD -> the method's name in the table; a method that is not here has no published row.
_GTA5_ROWS = {"source-only": "ResNet-38", "cbst-sp": "CBST-SP", "sisc": "SISC", "sisc-pwl": "SISC+PWL"}
_SYNTHIA_ROWS = {"source-only": "ResNet-38", "cbst": "CBST", "sisc": "SISC", "sisc-pwl": "SISC+PWL"}

# METHOD of experiments/ablations -> its number in Table 4
_TABLE_4_MEANS = {f"{name}-{value}": miou for name, values in TABLE_4.items() for value, miou in values.items()}

# METHOD -> its row in Table 3, whose "CBST" is Table 1's CBST-SP
TABLE_3_ROWS = {
    "gta5": {name: TABLE_3["gta5"][row.replace("-SP", "")] for name, row in _GTA5_ROWS.items() if row != "ResNet-38"},
    "synthia": {name: TABLE_3["synthia"][row] for name, row in _SYNTHIA_ROWS.items() if row != "ResNet-38"},
}


def paper_source(settings: dict[str, Any]) -> str | None:
    """Which tables the results of an experiment are compared with, "gta5" or "synthia"; None for a user's own data.

    Args:
        settings: the experiment's, as `to_dict` gives them.
    """
    source, target = (settings.get(side, {}).get("dataset") for side in ("source", "target"))
    published = isinstance(settings.get("classes", 19), int) and target in (None, "cityscapes")
    return source if published and source in ("gta5", "synthia") else None


def published_table(source: str | None) -> tuple[PublishedRow, ...]:
    """All rows for `source`, "gta5" (Table 1) or "synthia" (Table 2); none for None.

    Raises: ValueError for another source.
    """
    tables = {"gta5": TABLE_1, "synthia": TABLE_2, None: ()}
    if source not in tables:
        raise ValueError(f"the paper has no table for the source {source!r}: it has gta5 and synthia")
    return tables[source]


def published_rows(source: str | None) -> dict[str, PublishedRow]:
    """METHOD -> the row it is compared with: those trained from the same ResNet-38 source model."""
    table = {row.method: row for row in published_table(source)}
    names = {"gta5": _GTA5_ROWS, "synthia": _SYNTHIA_ROWS, None: {}}[source]
    return {method: table[name] for method, name in names.items()}


def published_row(source: str | None, method: str) -> PublishedRow | None:
    """The published row of one METHOD, None where the paper has none (st; cbst for GTA-V; cbst-sp for SYNTHIA).

    A method with the release's settings has the row of the method: `released-sisc` that of `sisc`.
    """
    return published_rows(source).get(method.removeprefix("released-"))


def published_means(source: str | None, method: str) -> dict[int, float | None]:
    """Number of classes -> mean IoU that the paper prints for one METHOD, those of Table 4 included; {} for none."""
    row = published_row(source, method)
    if row is not None:
        return row.means
    return {19: _TABLE_4_MEANS[method]} if source == "gta5" and method in _TABLE_4_MEANS else {}


def disagreement(source: str, row: PublishedRow, classes: int) -> tuple[float, float] | None:
    """(printed, recomputed) mean over `classes` where the two differ in the paper, else None."""
    return DISAGREEMENTS.get((1 if source == "gta5" else 2, row.method, classes))


def disagreement_notes(source: str, row: PublishedRow) -> list[str]:
    """The same as sentences, one for each such mean of the row."""
    return [
        f"The paper prints {both[0]} for {row.method}; its {classes} classes average {both[1]}."
        for classes in row.means
        if (both := disagreement(source, row, classes))
    ]
