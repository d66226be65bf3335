"""The paper's tables: complete, in agreement with themselves where they are, and beside the right methods."""

from __future__ import annotations

import pytest

from mlsl_mx.config.classes import class_set
from mlsl_mx.reports import published

ROWS = [(1, row, 19) for row in published.TABLE_1]
ROWS += [(2, row, classes) for row in published.TABLE_2 for classes in (16, 13)]


def mean_over(row, classes):
    values = [row.per_class[name] for name in class_set(classes).names]
    return None if None in values else sum(values) / classes


def test_every_row_is_whole():
    assert [len(published.TABLE_1), len(published.TABLE_2)] == [10, 9]
    assert all(tuple(row.per_class) == class_set(19).names for row in published.TABLE_1)
    assert all(tuple(row.per_class) == class_set(16).names for row in published.TABLE_2)
    assert all(row.kind in ("Adv", "ST", "-") for _, row, _ in ROWS)
    missing = [(row.method, name) for row in published.TABLE_2 for name, iou in row.per_class.items() if iou is None]
    assert missing == [("CLAN", "wall"), ("CLAN", "fence"), ("CLAN", "pole")]


@pytest.mark.parametrize("table, row, classes", ROWS, ids=lambda value: getattr(value, "method", str(value)))
def test_printed_mean_is_that_of_the_printed_classes(table, row, classes):
    printed, mean = row.means[classes], mean_over(row, classes)
    if printed is None:
        assert mean is None
    elif (table, row.method, classes) in published.DISAGREEMENTS:
        assert abs(printed - mean) > 0.05
        assert published.DISAGREEMENTS[table, row.method, classes] == (printed, round(mean, 2))
    else:
        assert abs(printed - mean) <= 0.05 + 1e-9


def test_disagreements_are_of_existing_rows():
    assert set(published.DISAGREEMENTS) <= {(table, row.method, classes) for table, row, classes in ROWS}


@pytest.mark.parametrize("source, classes", [("gta5", 19), ("synthia", 13)])
def test_table_3_agrees_with_itself_and_the_tables(source, classes):
    means = {row.method.replace("CBST-SP", "CBST"): row.means[classes] for row in published.published_table(source)}
    for method, row in published.TABLE_3[source].items():
        assert row.gain == pytest.approx(row.adapted - row.source_only)
        if (source, method) in published.TABLE_3_DISAGREEMENTS:
            assert published.TABLE_3_DISAGREEMENTS[source, method] == (row.adapted, means[method])
        elif method in means:
            assert row.adapted == means[method]
    assert published.TABLE_3[source]["SISC"].source_only == means["ResNet-38"]


def test_table_4_peaks_at_the_settings_of_table_1():
    best = {name: max(values, key=values.get) for name, values in published.TABLE_4.items()}
    assert best == {"lambda": 0.025, "eta": 0.05}
    assert published.TABLE_4["lambda"][0.025] == published.published_row("gta5", "sisc-pwl").means[19]


def test_methods_and_their_rows():
    expected = {
        "gta5": {"source-only": 35.4, "st": None, "cbst": None, "cbst-sp": 46.2, "sisc": 48.7, "sisc-pwl": 49.0},
        "synthia": {"source-only": 29.2, "st": None, "cbst": 42.5, "cbst-sp": None, "sisc": 44.4, "sisc-pwl": 45.2},
    }
    for source, methods in expected.items():
        for method, printed in methods.items():
            row = published.published_row(source, method)
            assert (None if row is None else row.means[19 if source == "gta5" else 16]) == printed
    with pytest.raises(ValueError, match="kitti"):
        published.published_table("kitti")


def test_released_settings_stand_beside_the_same_rows():
    for source, means in (("gta5", [48.7, 49.0]), ("synthia", [44.4, 45.2])):
        rows = [published.published_row(source, f"released-{method}") for method in ("sisc", "sisc-pwl")]
        assert [next(iter(row.means.values())) for row in rows] == means
    assert published.published_row("gta5", "released-cbst") is None


def test_cbsts_readme_gives_what_the_paper_does_not():
    for source, means in published.CBST_README.items():
        assert all(published.published_row(source, method) is None for method in means)
    assert published.CBST_README == {"gta5": {"st": 41.5, "cbst": 45.2}, "synthia": {"st": 32.2}}


def test_some_cells_read_in_the_paper():
    sisc = published.published_row("gta5", "sisc")
    assert (sisc.per_class["road"], sisc.per_class["train"], sisc.per_class["bicycle"]) == (91.0, 41.9, 44.4)
    pwl = published.published_row("synthia", "sisc-pwl")
    assert (pwl.per_class["wall"], pwl.per_class["bus"], pwl.means[13]) == (22.9, 26.3, 51.0)
