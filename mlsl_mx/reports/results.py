"""What a run directory holds: every method's rounds with their evaluation, selection and diagnosis."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.pseudo_labels.diagnosis import drift_in_words
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.runs import read_settings
from mlsl_mx.system.whole_files import read_json
from mlsl_mx.training.loss_curve import LossPoint, Training, loss_curves

# METHOD -> its name in tables, in the order of the tables
METHODS = {
    "source-only": "source only",
    "st": "ST",
    "cbst": "CBST",
    "cbst-sp": "CBST-SP",
    "cbst-pwl": "CBST+PWL",
    "sisc": "SISC",
    "sisc-pwl": "SISC+PWL",
    "lambda-0.1": "SISC+PWL, lambda 0.1",
    "lambda-0.05": "SISC+PWL, lambda 0.05",
    "lambda-0.001": "SISC+PWL, lambda 0.001",
    "eta-0.0": "SISC+PWL, eta 0",
    "eta-0.1": "SISC+PWL, eta 0.1",
    "eta-0.025": "SISC+PWL, eta 0.025",
    "patches-25": "SISC, K = 25",
    "patches-100": "SISC, K = 100",
    "patch-256": "SISC, patch 256",
    "votes": "SISC, relative frequency",
    "sliding": "SISC, sliding patches",
    "released-cbst": "CBST as released",
    "released-sisc": "SISC as released",
    "released-sisc-pwl": "SISC+PWL as released",
}

MINIATURE = "miniature: not comparable with the paper"

Curves = dict[Training, tuple[LossPoint, ...]]
EVALUATION_KEYS = ("miou", "mious", "per_class", "classes", "images")


@dataclass(frozen=True)
class Round:
    """One round of self-training; what its stages have not written yet is None."""

    index: int
    folder: Path
    evaluation: dict[str, Any] | None
    selection: dict[str, Any] | None
    diagnosis: dict[str, Any] | None
    source_iou: dict[str, Any] | None = None  # of its weights
    loss: tuple[LossPoint, ...] = ()  # while its weights were trained

    @property
    def drift(self) -> dict[str, list[float]]:
        """Classes of which its labels see far more or less than those of round 0; see `diagnosis.drift`."""
        return (self.diagnosis or {}).get("drift") or {}

    @property
    def ground_truth(self) -> dict[str, Any]:
        """The part of the diagnosis that compares labels with the truth; empty unless it was asked for."""
        return (self.diagnosis or {}).get("ground_truth") or {}


@dataclass(frozen=True)
class MethodResults:
    """A method's rounds; the source model counts as a method of one round."""

    method: str
    folder: Path
    rounds: tuple[Round, ...]
    config: dict[str, Any]  # the settings and the seed that its folder notes
    source_config: dict[str, Any]  # those of the source model that it starts from

    @property
    def title(self) -> str:
        """The method's name in tables."""
        return METHODS.get(self.method, self.method)

    @property
    def seed(self) -> int | None:
        """The seed of its folder's settings, if they name one."""
        return self.config.get("seed")

    @property
    def evaluated(self) -> tuple[Round, ...]:
        """The rounds with an evaluation; at least one in what `read_run` returns."""
        return tuple(r for r in self.rounds if r.evaluation is not None)

    @property
    def result(self) -> Round:
        """The last evaluated round: the result, whatever an earlier one reached."""
        return self.evaluated[-1]

    @property
    def better_round(self) -> Round | None:
        """The best earlier round if it beats the result. Chosen on the validation set, it is not a result."""
        best = max(self.evaluated, key=lambda r: r.evaluation["miou"] or 0.0)
        return best if (best.evaluation["miou"] or 0.0) > (self.result.evaluation["miou"] or 0.0) else None

    @property
    def suggestion(self) -> tuple[int, str] | None:
        """The round to keep if there are no target labels: the one before the first whose labels drift; and why.

        None where no labels drift, and the last round is as good a choice as any. A suggestion: the last is the result.
        """
        first = next((one for one in self.rounds if one.drift), None)
        if first is None:
            return None
        return first.index - 1, f"from round {first.index} on its labels drift ({drift_in_words(first.drift)})"


def read_run(run: Path) -> tuple[MethodResults, ...]:
    """The methods of a run that have at least one evaluation, `ordered`.

    Raises: InputError if there is none, or if a file is not what its stage writes.
    """
    run = Path(run)
    curves = loss_curves(read_log(run / "log.jsonl"))
    names = ordered({path.parent.parent.name for path in run.glob("*/round-*/evaluation.json")})
    read = [_read_source(run / "source", curves), *(_read_method(run / name, name, curves) for name in names)]
    methods = tuple(method for method in read if method.evaluated)
    if not methods:
        raise InputError(f"{run}: no source/evaluation.json and no METHOD/round-R/evaluation.json: evaluate first")
    return methods


def ordered(methods: Iterable[str]) -> list[str]:
    """In the order of METHODS; a method of the user's own comes after them, by its name."""
    known = list(METHODS)
    return sorted(methods, key=lambda method: (known.index(method) if method in known else len(known), method))


def _read_source(folder: Path, curves: Curves) -> MethodResults:
    only = read_round(folder, 0, curves.get(("train-source", "source-only", None), ()))
    config = _read_config(folder)
    return MethodResults("source-only", folder, (only,), config, config)


def _read_method(folder: Path, method: str, curves: Curves) -> MethodResults:
    names = (re.fullmatch(r"round-(\d+)", path.name) for path in folder.glob("*"))
    indices = sorted(int(name[1]) for name in names if name)
    rounds = tuple(read_round(folder / f"round-{i}", i, curves.get(("self-train", method, i), ())) for i in indices)
    return MethodResults(method, folder, rounds, _read_config(folder), _read_config(folder.parent / "source"))


def read_round(folder: Path, index: int, loss: tuple[LossPoint, ...] = ()) -> Round:
    """What the stages of a round left in its folder; the source model's has no labels.

    Raises: InputError if a file is not what its stage writes.
    """
    return Round(
        index,
        folder,
        if_there(folder / "evaluation.json", *EVALUATION_KEYS),
        if_there(
            folder / "pseudo_labels" / "selection.json", "portion", "thresholds", "coverage", "coverage_per_class"
        ),
        if_there(folder / "diagnosis.json", "agreement", "kept", "patch_disagreement", "per_class", "ground_truth"),
        if_there(folder / "source_iou.json", "miou", "images"),
        loss,
    )


def if_there(path: Path, *keys: str) -> dict[str, Any] | None:
    """A JSON file of ours, as `read_json`; None if there is none."""
    return read_json(path, *keys) if path.exists() else None


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    return read_settings(path) if path.exists() else {}
