"""Runs side by side: mean and spread over seeds of every number, paired differences, and the paper's tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.reports.cells import minus
from mlsl_mx.reports.published import (
    TABLE_3_ROWS,
    disagreement_notes,
    paper_source,
    published_means,
    published_row,
    published_table,
)
from mlsl_mx.reports.results import METHODS, MethodResults, ordered, read_run
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import flat
from mlsl_mx.system.whole_files import read_json

Runs = dict[str, dict[str, MethodResults]]  # run name -> METHOD -> results

GAIN_CLASSES = {"gta5": "19", "synthia": "13"}  # what Table 3 counts: mIoU from GTA-V, mIoU* from SYNTHIA


@dataclass(frozen=True)
class PaperTable:
    """What one table of the paper (or a section without a table) puts side by side."""

    title: str
    source: str
    methods: tuple[str, ...]
    baseline: str  # METHOD that the others are compared with, seed by seed


_TABLE_1_METHODS = ("source-only", "st", "cbst", "cbst-sp", "cbst-pwl", "sisc", "sisc-pwl")

PAPER_TABLES = {
    "table1": PaperTable("Table 1: GTA-V to Cityscapes", "gta5", _TABLE_1_METHODS, "cbst"),
    "table2": PaperTable("Table 2: SYNTHIA to Cityscapes", "synthia", _TABLE_1_METHODS, "cbst"),
    "table4": PaperTable(
        "Table 4: influence of lambda and eta, GTA-V to Cityscapes",
        "gta5",
        ("source-only", "lambda-0.1", "lambda-0.05", "sisc-pwl", "lambda-0.001", "eta-0.0", "eta-0.1", "eta-0.025"),
        "sisc-pwl",
    ),
    "ablations": PaperTable(
        "Sec. 4.3: number, size and placement of patches, relative frequency, GTA-V to Cityscapes",
        "gta5",
        ("source-only", "sisc", "patches-25", "patches-100", "patch-256", "votes", "sliding"),
        "sisc",
    ),
}


@dataclass(frozen=True)
class Row:
    """One method under one set of settings, in every run that has it."""

    method: str
    differs: dict[str, Any]  # settings that another row of the same method has otherwise
    entries: dict[str, MethodResults]  # by run

    @property
    def title(self) -> str:
        """The method's name, with the settings that tell it from other rows of the method."""
        name = METHODS.get(self.method, self.method)
        settings = ", ".join(f"{key}={value}" for key, value in self.differs.items())
        return f"{name} ({settings})" if settings else name


def comparison(runs: Sequence[Path], table: str | None = None) -> dict[str, Any]:
    """What `mlsl report --compare` writes as comparison.json; IoU in percent, `std` None where n is 1.

    The value of a run is that of its last round. Runs of one method that differ in the seed alone are one row: mean and
    sample standard deviation (n - 1). Runs of other settings get a row of their own, named by what differs. A paired
    difference is taken within one run directory, so both sides have its seed and its source model.

    Args:
        runs: run directories.
        table: key of PAPER_TABLES, to show its methods alone, with its numbers; None shows every method.

    Raises: InputError for runs that cannot stand side by side: another class set, image list, labels or source;
        rounds that differ within a row; a seed twice; a method of `table` that no run has.
    """
    results = _read_runs([str(run) for run in runs])
    first, spec = _first(results), PAPER_TABLES.get(table)
    source = paper_source(first.config)
    if spec is not None and spec.source != source:
        raise InputError(
            f"--table {table} is about the source {spec.source}, but the runs' is {source or 'your own'}: name other "
            "runs, or leave out --table"
        )
    _check_evaluations(results)
    rows = _rows(results, _methods(results, table))
    return {
        "title": None if spec is None else spec.title,
        "miniature": any(m.config.get("miniature", False) for methods in results.values() for m in methods.values()),
        "source": source,
        "runs": {name: next(iter(methods.values())).seed for name, methods in results.items()},
        "classes": first.result.evaluation["classes"],
        "rows": [_row_content(row, results, source) for row in rows],
        "gains": _gains(rows, results, source),
        "differences": None if spec is None else _differences(rows, results, spec.baseline),
        "made_with": _made_with(rows),
        "notes": _notes(rows, source, table),
    }


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and sample standard deviation of the values that are there.

    >>> spread([1.0, 3.0, None])
    {'mean': 2.0, 'std': 1.4142135623730951, 'n': 2}
    """
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.mean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
        "n": len(known),
    }


def _read_runs(runs: Sequence[str]) -> Runs:
    if not runs:
        raise InputError("report --compare: no run is given: name at least one run directory")
    twice = [run for run in runs if runs.count(run) > 1]
    if twice:
        raise InputError(f"{twice[0]}: named twice: name every run once")
    return {run: {method.method: method for method in read_run(Path(run))} for run in runs}


def _first(results: Runs) -> MethodResults:
    return next(iter(next(iter(results.values())).values()))


def _check_evaluations(results: Runs) -> None:
    first_name, first = next(iter(results)), _evaluated_with(_first(results))
    for name, methods in results.items():
        for method, entry in methods.items():
            for what, value in _evaluated_with(entry).items():
                if value != first[what]:
                    raise InputError(
                        f"{first_name} and {name}: {method} was evaluated with other {what}: evaluate all the same way"
                    )


def _evaluated_with(entry: MethodResults) -> dict[str, Any]:
    """What numbers that stand side by side have in common; of the labels, how many pixels each class has."""
    found = entry.result.evaluation
    return {
        "images": found.get("list_hash"),
        "classes": found["classes"],
        "flip averaging": found.get("flip"),
        "labels": [sum(row) for row in found["confusion"]],  # a row is a true class
    }


def _methods(results: Runs, table: str | None) -> list[str]:
    known = ordered({method for methods in results.values() for method in methods})
    if table is None:
        return known
    missing = [method for method in PAPER_TABLES[table].methods if method not in known]
    if missing:
        raise InputError(f"--table {table}: no run has the method {missing[0]}: make {table} runs them all")
    return list(PAPER_TABLES[table].methods)


def _rows(results: Runs, shown: Sequence[str]) -> list[Row]:
    rows = []
    for method in shown:
        entries = {name: methods[method] for name, methods in results.items() if method in methods}
        settings = {name: _settings(entry) for name, entry in entries.items()}
        keys = sorted({key for values in settings.values() for key in values})
        keys = [key for key in keys if len({repr(values.get(key)) for values in settings.values()}) > 1]
        groups: dict[str, list[str]] = {}
        for name in entries:
            groups.setdefault(repr([settings[name].get(key) for key in keys]), []).append(name)
        for names in groups.values():
            differs = {key: settings[names[0]].get(key) for key in keys}
            rows.append(Row(method, differs, {name: entries[name] for name in names}))
    for row in rows:
        _check_row(row)
    return rows


def _settings(entry: MethodResults) -> dict[str, Any]:
    """What a result depends on besides the seed: its settings, and the weights that the source model comes from."""
    settings = {**entry.config, "start": entry.source_config.get("start", {})}
    return {key: value for key, value in flat(settings) if key != "seed"}


def _check_row(row: Row) -> None:
    seeds: dict[Any, str] = {}
    first_name, first = next(iter(row.entries.items()))
    for name, entry in row.entries.items():
        if entry.result.index != first.result.index:
            raise InputError(
                f"{first_name} and {name}: {row.method} ends at round {first.result.index} and {entry.result.index}: "
                "finish the shorter one"
            )
        if entry.seed is not None and entry.seed in seeds:
            raise InputError(
                f"{name}: {row.method} has seed {entry.seed}, like {seeds[entry.seed]}: a spread needs different seeds"
            )
        seeds[entry.seed] = name


def _row_content(row: Row, results: Runs, source: str | None) -> dict[str, Any]:
    evaluations = {name: entry.result.evaluation for name, entry in row.entries.items()}
    first = next(iter(evaluations.values()))
    paper = published_row(source, row.method) if source else None
    return {
        "method": row.method,
        "title": row.title,
        "differs": row.differs,
        "miou": spread([e["miou"] for e in evaluations.values()]),
        "mious": {n: spread([e["mious"].get(n) for e in evaluations.values()]) for n in first["mious"]},
        "per_class": {c: spread([e["per_class"].get(c) for e in evaluations.values()]) for c in first["classes"]},
        "rounds": [] if row.method == "source-only" else _rounds(list(row.entries.values())),
        "miou_by_run": {name: evaluations.get(name, {}).get("miou") for name in results},
        "per_class_by_run": {name: evaluation["per_class"] for name, evaluation in evaluations.items()},
        "published": {str(n): value for n, value in published_means(source, row.method).items()} if source else {},
        "published_per_class": None if paper is None else paper.per_class,
    }


def _rounds(entries: Sequence[MethodResults]) -> list[dict[str, Any]]:
    """Spread of coverage, precision (shares) and mIoU (percent) in each round that every run has."""
    by_index = [{one.index: one for one in entry.evaluated} for entry in entries]
    rounds = []
    for index in sorted(set.intersection(*map(set, by_index))):
        same = [rounds_of_run[index] for rounds_of_run in by_index]
        values = {
            "coverage": [(one.selection or {}).get("coverage") for one in same],
            "precision": [one.ground_truth.get("precision") for one in same],
            "miou": [one.evaluation["miou"] for one in same],
        }
        rounds.append({"round": index, **{key: spread(one) for key, one in values.items()}})
    return rounds


def _gains(rows: Sequence[Row], results: Runs, source: str | None) -> dict[str, Any]:
    """Each row's gain over the source model of the same run, in the mean that Table 3 counts, and Table 3's own."""
    if source not in GAIN_CLASSES:
        return {}
    table_3, gains = TABLE_3_ROWS[source], {}
    for row in rows:
        gain = _paired(row, results, "source-only", GAIN_CLASSES[source])
        if row.method != "source-only" and gain["n"]:
            gains[row.title] = {**gain, "published": table_3[row.method].gain if row.method in table_3 else None}
    return gains


def _differences(rows: Sequence[Row], results: Runs, baseline: str) -> dict[str, Any]:
    """mIoU over all classes minus that of the baseline in the same run."""
    others = [row for row in rows if row.method not in (baseline, "source-only")]
    return {"baseline": METHODS[baseline], "rows": {row.title: _paired(row, results, baseline) for row in others}}


def _paired(row: Row, results: Runs, other: str, classes: str | None = None) -> dict[str, Any]:
    """mIoU over that many classes (None: all) minus that of another method in the same run: `spread` and `by_run`."""

    def mean(entry: MethodResults | None) -> float | None:
        if entry is None:
            return None
        evaluation = entry.result.evaluation
        return evaluation["miou"] if classes is None else evaluation["mious"].get(classes)

    by_run = {run: minus(mean(entry), mean(results[run].get(other))) for run, entry in row.entries.items()}
    return {**spread(list(by_run.values())), "by_run": by_run}


def _notes(rows: Sequence[Row], source: str | None, table: str | None) -> list[str]:
    """Where the paper's own numbers disagree, and at which size ours were measured if not the labels'."""
    resolutions = [resolution_note(entry.result.evaluation) for row in rows for entry in row.entries.values()]
    if table in ("table1", "table2"):
        printed = published_table(source)
    else:
        ours = (published_row(source, method) for method in dict.fromkeys(row.method for row in rows))
        printed = [row for row in ours if row is not None]
    notes = [note for row in printed for note in disagreement_notes(source, row)]
    return [*notes, *dict.fromkeys(filter(None, resolutions))]


def _made_with(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The distinct environments that the rows' results were made in, without their command lines."""
    environments: list[dict[str, Any]] = []
    for path in (entry.folder / "environment.json" for row in rows for entry in row.entries.values()):
        environment = read_json(path) if path.exists() else {}
        environment.pop("command", None)
        if environment not in environments:
            environments.append(environment)
    return environments
