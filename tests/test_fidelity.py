"""docs/FIDELITY.md names what exists: functions, files, settings with their values; and its sums are right."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml

from mlsl_mx.config.experiment_files import load_config, to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.sampling import source_subset
from mlsl_mx.reports import published
from mlsl_mx.system.errors import InputError
from mlsl_mx.training.schedules import source_portion

ROOT = Path(__file__).parents[1]
GTA2CITY = ROOT / "experiments" / "gta2city.yaml"
TEXT = (ROOT / "docs" / "FIDELITY.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`]+)`", TEXT)))


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = TEXT.split(f"{heading}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def value_of(config: Config, key: str):
    value = to_dict(config)
    for part in key.split("."):
        value = value[part]
    return value


def check_code(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    found = import_module(path[: -len(".py")].replace("/", "."))
    module = found.__name__
    for part in name.split("."):
        found = getattr(found, part)
    if callable(found):
        assert found.__module__ == module, "is imported there, and defined elsewhere"


def check(quoted: str) -> None:
    """Raises: an error if what is quoted does not exist. Nothing else may be quoted."""
    path, colon, name = quoted.partition(":")
    key, equals, value = quoted.partition("=")
    if colon:
        check_code(path, name)
    elif key == "METHOD":
        load_config(GTA2CITY, value)
    elif key == "SET":
        assert value == "key=value"
    elif equals:
        load_config(GTA2CITY, settings=(quoted,))
    else:
        assert "/" in quoted and (ROOT / quoted).exists()


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_is_quoted_exists(quoted):
    check(quoted)


@pytest.mark.parametrize(
    "quoted",
    [
        "mlsl_mx/training/losses.py:segmentation_loss_before_it_was_renamed",
        "mlsl_mx/pseudo_labels/sisc.py:SISCAccumulator.averaged",
        "mlsl_mx/training/loss.py:segmentation_loss",
        "mlsl_mx/network/upsampling.py:interpolation_matrix",
        "docs/FIDELITIES.md",
        "weak_labels.theta=0.05",
        "weak_labels.comparison=more",
        "METHOD=released-st",
        "weak labels",
    ],
)
def test_what_does_not_exist_is_found(quoted):
    with pytest.raises((AssertionError, AttributeError, InputError)):
        check(quoted)


def rows_with_settings() -> list[list[tuple[str, str]]]:
    """(key, value) pairs of the last cell of each row that has a default, by row."""
    cells = [line.strip("|").split("|")[-1] for line in TEXT.splitlines() if line.startswith("|")]
    return [pairs for pairs in (re.findall(r"`([\w.]+)=([^`]+)`", cell) for cell in cells) if pairs]


def test_first_values_are_our_defaults():
    for pairs in rows_with_settings():
        for key, value in dict(reversed(pairs)).items():  # of two values of a key the first stays
            written = load_config(GTA2CITY, settings=(f"{key}={value}",))
            assert value_of(written, key) == value_of(load_config(GTA2CITY), key), key


def test_every_switch_of_the_released_presets_is_there_with_its_value():
    written = {(key, str(yaml.safe_load(value))) for pairs in rows_with_settings() for key, value in pairs}
    for path in (ROOT / "experiments" / "released").glob("*.yaml"):
        for group, settings in yaml.safe_load(path.read_text()).items():
            for key, value in settings.items() if isinstance(settings, dict) else ():
                assert (f"{group}.{key}", str(value)) in written


def test_what_the_list_of_505_images_makes_of_the_rounds():
    """Updates in batches of one, and the share of source crops, from the schedule that training follows."""
    rows = table("## The 505 images")
    assert [row[:2] for row in rows] == [[s, n] for s in ("gta5", "synthia") for n in ("2975", "505")]
    for source, target, *cells in rows:
        config = load_config(ROOT / "experiments" / f"{'gta' if source == 'gta5' else source}2city.yaml", "sisc-pwl")
        training, images = config.self_training, len(read_list(ROOT / config.source.images))
        portions = [source_portion(training, r) for r in range(training.rounds)]
        subsets = np.array([len(source_subset(images, portion, seed=0)) for portion in portions])
        crops = subsets + int(target)
        updates, shares = training.epochs * np.cumsum(crops), 100 * np.cumsum(subsets) / np.cumsum(crops)
        exact = [updates[0], shares[0], updates[-1], shares[-1]]
        assert list(map(float, cells)) == pytest.approx(exact, abs=0.0501)
    more, fewer = (list(map(float, row[2:])) for row in rows[:2])
    assert f"{more[2] / fewer[2]:.2f} times the updates over the rounds ({more[0] / fewer[0]:.2f} times" in TEXT


def test_printed_means_are_all_listed():
    rows = table("### Printed means that are not those of the printed classes")
    listed = {(int(number), method, int(classes)): (float(p), float(r)) for number, method, classes, p, r in rows}
    assert listed == published.DISAGREEMENTS


def test_table_3_is_listed():
    rows = table("### Table 3 against Tables 1 and 2")
    listed = {(source, method): (float(third), float(other)) for source, method, third, other in rows}
    assert listed == published.TABLE_3_DISAGREEMENTS


def test_percentages_are_recomputed():
    numbers = {mean for row in (*published.TABLE_1, *published.TABLE_2) for mean in row.means.values()}
    numbers |= {gain.gain for side in published.TABLE_3.values() for gain in side.values()}
    rows = table("### Percentages")
    assert len(rows) == 13
    for claim, *cells in rows:
        printed, old, new, points, of_new, of_old = map(float, cells)
        assert {old, new} <= numbers, claim
        assert [points, of_new, of_old] == [
            pytest.approx(exact, abs=0.0501) for exact in (new - old, 100 * (new - old) / new, 100 * (new - old) / old)
        ], claim
