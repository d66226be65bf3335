"""Several runs that differ only in their seed: mean and spread of every number, and paired differences."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Dict, Sequence

from mlsl_mx.errors import InputError
from mlsl_mx.evaluation.published import published_row
from mlsl_mx.evaluation.report_tables import mean_name
from mlsl_mx.evaluation.results import METHODS, MethodResults, read_run
from mlsl_mx.evaluation.tables import MINIATURE, Table, number, to_markdown, to_text
from mlsl_mx.runs import environment, write_bytes, write_json

BASELINES = ("source-only", "cbst", "cbst-sp")
Runs = Dict[str, Dict[str, MethodResults]]  # run name -> METHOD -> results


def write_study(runs: Sequence[Path], out: Path) -> str:
    """Write `out/study.json` and `out/study.md`.

    The value of a run is that of its last round. The spread is the sample standard deviation (n - 1) over the runs;
    a paired difference is taken within each run, so both sides have its seed and its source model.

    Returns: the text for the terminal.
    Raises: InputError for runs that cannot be averaged: other settings, image list or last round; a seed twice.
    """
    content = {**study_content([Path(run) for run in runs]), "environment": environment()}
    differences = difference_tables(content)
    tables = [summary_table(content), seed_table(content), *differences, round_table(content), class_table(content)]
    warning = [MINIATURE] if content["miniature"] else []
    markdown = [*warning, f"# {_headline(content)}", *map(to_markdown, tables), *warning]
    write_json(Path(out) / "study.json", content)
    write_bytes(Path(out) / "study.md", ("\n\n".join(markdown) + "\n").encode())
    return "\n\n".join([*warning, _headline(content), *map(to_text, tables), *warning])


def study_content(runs: Sequence[Path]) -> dict[str, Any]:
    """The content of study.json; IoU in percent, `std` None where n is 1."""
    results = _read_runs(runs)
    _check_comparable(results)
    methods = [m for m in METHODS if any(m in found for found in results.values())]
    first = next(found[m] for found in results.values() for m in methods if m in found)
    source = first.config.get("source", {}).get("dataset")
    return {
        "miniature": any(r.config.get("miniature", False) for found in results.values() for r in found.values()),
        "source": source,
        "runs": {name: _seed(found) for name, found in results.items()},
        "classes": first.result.evaluation["classes"],
        "methods": {m: _method_content(results, m, source) for m in methods},
        "differences": {b: _paired(results, methods, b) for b in BASELINES if b in methods},
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


def summary_table(content: dict[str, Any]) -> Table:
    """Each method's means over 19, 16 and 13 classes."""
    counts = list(next(iter(content["methods"].values()))["mious"])
    header = ["method", *(cell for n in counts for cell in (mean_name(n), "paper")), "n"]
    rows = []
    for method, values in content["methods"].items():
        cells = [c for n in counts for c in (_cell(values["mious"][n]), number(values["published"].get(n)))]
        rows.append([METHODS[method], *cells, str(values["miou"]["n"])])
    return Table("Mean and sample standard deviation over the seeds", header, rows)


def seed_table(content: dict[str, Any]) -> Table:
    """mIoU of every run."""
    header = ["method", *(name if seed is None else f"seed {seed}" for name, seed in content["runs"].items())]
    rows = [[METHODS[m], *map(number, v["miou_by_run"].values())] for m, v in content["methods"].items()]
    return Table(f"mIoU over all {len(content['classes'])} classes, run by run", header, rows)


def difference_tables(content: dict[str, Any]) -> list[Table]:
    """Paired differences of mIoU to each baseline."""
    tables = []
    for baseline, methods in content["differences"].items():
        rows = []
        for method, values in methods.items():
            single = ["-" if value is None else f"{value:+.1f}" for value in values["by_run"].values()]
            rows.append([METHODS[method], _cell(values, "+"), str(values["n"]), *single])
        header = ["method", "mean", "n", *content["runs"]]
        tables.append(Table(f"mIoU minus that of {METHODS[baseline]} in the same run", header, rows))
    return [table for table in tables if table.rows]


def round_table(content: dict[str, Any]) -> Table:
    """Means over the runs, round by round: the labels that a round was trained on, and what came of it."""
    rows = []
    for method, values in content["methods"].items():
        for one in values["rounds"]:
            shares = [_cell(_in_percent(one[key])) for key in ("coverage", "precision")]
            rows.append([METHODS[method], str(one["round"]), *shares, _cell(one["miou"])])
    header = ["method", "round", "pixels labelled, %", "labels right on val, %", "mIoU"]
    return Table("Round by round", header, rows)


def _in_percent(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, **{key: None if values[key] is None else 100 * values[key] for key in ("mean", "std")}}


def class_table(content: dict[str, Any]) -> Table:
    """Mean and spread of each class."""
    methods = content["methods"]
    rows = [[name, *(_cell(v["per_class"][name]) for v in methods.values())] for name in content["classes"]]
    return Table("IoU of each class", ["class", *(METHODS[m] for m in methods)], rows)


def _cell(values: dict[str, Any], sign: str = "") -> str:
    if values["mean"] is None:
        return "-"
    return f"{values['mean']:{sign}.1f}" + ("" if values["std"] is None else f" ± {values['std']:.1f}")


def _headline(content: dict[str, Any]) -> str:
    return f"{len(content['runs'])} runs, {len(content['classes'])} classes, IoU in percent, last round of each run"


def _read_runs(runs: Sequence[Path]) -> Runs:
    if not runs:
        raise InputError("study: no run is given: name at least one run directory")
    results: Runs = {}
    for run in map(str, runs):
        if run in results:
            raise InputError(f"{run}: named twice: name every run once")
        found = {method.method: method for method in read_run(Path(run))}
        for other, methods in results.items():
            if _seed(found) is not None and _seed(found) == _seed(methods):
                raise InputError(f"{run}: seed {_seed(found)}, as {other} has: a spread needs runs of different seeds")
        results[run] = found
    return results


def _seed(methods: dict[str, MethodResults]) -> int | None:
    return next(iter(methods.values())).seed


def _check_comparable(results: Runs) -> None:
    for method in METHODS:
        found = [(name, methods[method]) for name, methods in results.items() if method in methods]
        for name, other in found[1:]:
            _check_pair(method, *found[0], name, other)


def _check_pair(method: str, first_name: str, first: MethodResults, name: str, other: MethodResults) -> None:
    pair = f"{first_name} and {name}: {method}"
    if first.result.index != other.result.index:
        raise InputError(f"{pair} ends at round {first.result.index} and {other.result.index}: finish the shorter one")
    for key in ("list_hash", "classes"):
        if first.result.evaluation.get(key) != other.result.evaluation.get(key):
            raise InputError(f"{pair} was evaluated with another {key}: evaluate on one list and class set")
    keys = [k for k in {**first.config, **other.config} if first.config.get(k) != other.config.get(k) and k != "seed"]
    if keys:
        raise InputError(f"{pair} has other settings under {keys[0]!r} in config.yaml: only the seed may differ")


def _method_content(results: Runs, method: str, source: str | None) -> dict[str, Any]:
    evaluations = {name: r[method].result.evaluation for name, r in results.items() if method in r}
    first = next(iter(evaluations.values()))
    row = published_row(source, method) if source else None
    return {
        "miou": spread([e["miou"] for e in evaluations.values()]),
        "mious": {n: spread([e["mious"].get(n) for e in evaluations.values()]) for n in first["mious"]},
        "per_class": {c: spread([e["per_class"].get(c) for e in evaluations.values()]) for c in first["classes"]},
        "rounds": _rounds([r[method] for r in results.values() if method in r]) if method != "source-only" else [],
        "miou_by_run": {name: evaluations.get(name, {}).get("miou") for name in results},
        "published": {} if row is None else {str(n): value for n, value in row.means.items()},
    }


def _rounds(runs: Sequence[MethodResults]) -> list[dict[str, Any]]:
    """Spread of coverage, precision (shares) and mIoU (percent) in each round that every run has."""
    rounds = []
    for same in zip(*(run.evaluated for run in runs)):
        values = {
            "coverage": [(one.selection or {}).get("coverage") for one in same],
            "precision": [(one.quality or {}).get("precision") for one in same],
            "miou": [one.evaluation["miou"] for one in same],
        }
        rounds.append({"round": same[0].index, **{key: spread(found) for key, found in values.items()}})
    return rounds


def _paired(results: Runs, methods: Sequence[str], baseline: str) -> dict[str, Any]:
    differences = {}
    for method in methods[methods.index(baseline) + 1 :]:
        by_run = {name: _difference(found, method, baseline) for name, found in results.items()}
        differences[method] = {**spread(list(by_run.values())), "by_run": by_run}
    return differences


def _difference(found: dict[str, MethodResults], method: str, baseline: str) -> float | None:
    if method not in found or baseline not in found:
        return None
    ours, theirs = (found[m].result.evaluation["miou"] for m in (method, baseline))
    return None if ours is None or theirs is None else ours - theirs
