"""What benchmarks/gpu.py finds out: rows, some with a goal, and remarks, and what follows for a row of Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measure import table

from mlsl_mx.config.settings import Config
from mlsl_mx.system.whole_files import write_bytes, write_json
from mlsl_mx.training.schedules import source_portion

VALIDATION_IMAGES = 500


@dataclass
class Row:
    """Something measured; `reached` says whether it meets the goal, None where nothing is judged."""

    part: str
    what: str
    value: float | None
    unit: str
    goal: str = ""
    reached: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Of a table."""
        value = "-" if self.value is None else f"{self.value:.4g} {self.unit}"
        return self.part, self.what, value, self.goal, {True: "PASS", False: "short of it", None: ""}[self.reached]


@dataclass
class Findings:
    """Of all parts; a row or remark is shown when it comes."""

    judged: bool  # whether goals are
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # by what they are of
    part: str = ""  # that is measured

    def goal(self, what: str, value: float, which: str, goal: float, unit: str) -> None:
        """A row with a goal; 0 is none."""
        reached = (value >= goal) if which == "at least" else (value <= goal)
        text = f"{which} {goal:g} {unit}".strip() if goal else ""
        self.row(what, value, unit, text, reached if goal and self.judged else None)

    def row(self, what: str, value: float, unit: str, goal: str = "", reached: bool | None = None) -> None:
        """Add a row, and show it."""
        self.rows.append(Row(self.part, what, value if np.isfinite(value) else None, unit, goal, reached))
        print(" | ".join(self.rows[-1].cells), flush=True)

    def note(self, text: str) -> None:
        """Add a remark, and show it."""
        self.notes.append(f"{self.part}: {text}")
        print(self.notes[-1], flush=True)

    def write(self, path: Path, head: str, settings: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """The result files: `path`, and a table with the same name in .md, which begins with `head`."""
        found = {
            "rows": [vars(row) for row in self.rows],
            "notes": self.notes,
            "seconds": {key: value for key, value in self.seconds.items() if np.isfinite(value)},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**settings, **found, "environment": environment})
        machine = ", ".join(f"{key} {value}" for key, value in environment.items() if value is not None)
        rows = table(("part", "what", "measured", "goal", ""), [row.cells for row in self.rows], numbers=(2,))
        text = "\n".join([f"{head} {machine}.", "", rows, *(f"- {note}" for note in self.notes)])
        write_bytes(path.with_suffix(".md"), f"{text}\n".encode())


def row_seconds(config: Config, found: Mapping[str, float], sources: int, images: int) -> dict[str, float]:
    """Seconds of the stages of Table 1's row, on so many target images, from seconds of their parts."""
    own, head = config.self_training, config.head_training
    crops = sum(own.epochs * (round(source_portion(own, r) * sources) + images) for r in range(own.rounds))
    diagnosed = config.evaluation.diagnosed_images
    stages = 3 * own.rounds + 2  # that make a network: labels, training and evaluation of each round, and before them
    return {
        "weak-label head on the source": -(-sources * head.epochs // head.batch)
        * found["16 crops, the weak-label head alone"],
        "sizes of the source's classes": sources * found["read a source label"],
        "labelling": own.rounds * (found["label, once"] + (images + diagnosed) * found["label"]),
        f"{crops} steps of training": crops * found["1 crop, both heads"],
        "evaluation of the source model and each round": (own.rounds + 1) * VALIDATION_IMAGES * found["evaluate"],
        "making networks": stages * found["make a network"],
    }
