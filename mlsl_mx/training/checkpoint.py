"""Where training stands, on disk: a run that was stopped or killed goes on from there, to the same weights."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlsl_mx.engine import Steps
from mlsl_mx.network import load_original, save_original
from mlsl_mx.network.weights.params_file import read_params, write_params
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import file_hash, read_json, write_json


@dataclass
class Position:
    """How far training is: the epoch it is in, and the terms of the loss, by name, of each step done in it."""

    epoch: int = 0
    step_terms: list[dict[str, float]] = field(default_factory=list)


class Checkpoint:
    """Weights, momentum and position, in a folder that vanishes when training is done.

    What is random in a step (crops, dropout) follows from the seed and the step's number, so there is no random state
    to keep.

    Args:
        folder: where.
        seconds: at least, between two checkpoints that are only due.
    """

    def __init__(self, folder: Path, seconds: float):
        self.folder = Path(folder)
        self.seconds = seconds
        self.position = self.folder / "position.json"
        self.saved = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last one is `seconds` old: writing must not cost more than it may save."""
        return time.monotonic() - self.saved >= self.seconds

    def save(self, net, steps: Steps, position: Position) -> None:
        """Write the state; `position.json` comes last and names the files that belong to it, with their hashes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{position.epoch}-{len(position.step_terms)}"
        weights, momentum = (self.folder / f"{kind}-{name}.params" for kind in ("weights", "momentum"))
        save_original(net, weights)
        write_params(momentum, steps.momentum())
        files = {path.name: file_hash(path) for path in (weights, momentum)}
        write_json(self.position, {**asdict(position), "files": files, "check": _check(position, files)})
        for old in self.folder.glob("*.params"):
            if old not in (weights, momentum):
                old.unlink()
        self.saved = time.monotonic()

    def exists(self) -> bool:
        """Whether there is one to go on from."""
        return self.position.exists()

    def damage(self) -> str | None:
        """What is wrong with it; None if all of it is as it was written, or there is none."""
        if not self.exists():
            return None
        try:
            kept = read_json(self.position)
            if kept["check"] != _check(Position(kept["epoch"], kept["step_terms"]), kept["files"]):
                return f"{self.position} is not as it was written"
            changed = [name for name, known in kept["files"].items() if file_hash(self.folder / name) != known]
            return f"{self.folder / changed[0]} is not as it was written" if changed else None
        except (KeyError, TypeError):
            return f"{self.position} is no checkpoint of this version"
        except InputError as problem:
            return str(problem)

    def restore(self, net, steps: Steps) -> Position:
        """Make network and momentum what they were, and say how far training was."""
        kept = read_json(self.position)
        weights, momentum = (self.folder / name for name in kept["files"])
        load_original(net, weights)
        steps.set_momentum(read_params(momentum))  # none before the first step
        return Position(kept["epoch"], kept["step_terms"])

    def remove(self) -> None:
        """Delete the folder; the finished weights stand elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _check(position: Position, files: dict[str, str]) -> str:
    """Changes with the position or a file's hash."""
    return hashlib.sha256(json.dumps([asdict(position), files]).encode()).hexdigest()[:16]
