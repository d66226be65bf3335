"""What has been predicted into a folder: its log says of each result what it was made from."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mlsl_mx.predict.inputs import Input
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog, read_log
from mlsl_mx.system.whole_files import file_hash


class Record:
    """The results in a folder, as they stand in its log.jsonl. Their settings are kept apart: all have the same."""

    def __init__(self, out: Path):
        self.out = out
        self._made: dict[str, dict[str, Any]] = {}
        for event in read_log(out / "log.jsonl"):
            if event.get("event") == "predicted" and {"name", "input", "hash", "files"} <= set(event):
                self._add(event)

    def __len__(self) -> int:
        return len(self._made)

    def _add(self, event: dict[str, Any]) -> None:
        before = self._made.get(event["name"])
        if before is not None and before["hash"] == event["hash"]:  # of another start, which wrote other kinds
            event = {**event, "files": {**before["files"], **event["files"]}}
        self._made[event["name"]] = event

    def missing(self, inputs: Sequence[Input], kinds: Collection[str]) -> list[Input]:
        """Those of which a file of one of the kinds is not there, or was made from another content.

        Raises: InputError if it was made from another input of the same name.
        """
        return [one for one in inputs if not self._is_made(one, kinds)]

    def remove_outdated(self, inputs: Sequence[Input]) -> None:
        """Remove what was made of inputs that have changed since: of kinds that are not made anew, nobody would."""
        for one in inputs:
            made = self._made.get(one.name)
            if made is not None and made["hash"] != file_hash(one.path):
                for file in made["files"].values():
                    (self.out / file).unlink(missing_ok=True)

    def _is_made(self, one: Input, kinds: Collection[str]) -> bool:
        made = self._made.get(one.name)
        if made is None:
            return False
        if made["hash"] == file_hash(one.path):
            files = [made["files"].get(kind) for kind in (("overlay",) if one.is_video else kinds)]
            return all(file is not None and (self.out / file).is_file() for file in files)
        if made["input"] != os.path.abspath(one.path):
            raise InputError(
                f"{one.path}: its results would be called {one.name}, but {self.out} already holds those of "
                f"{made['input']}: choose another --out"
            )
        return False


def note(log: RunLog, one: Input, content: str, files: dict[str, Path], out: Path) -> None:
    """Write into the log of `out` that an input's results are there.

    Args:
        content: `file_hash` of the input.
        files: kind -> file.
    """
    below = {kind: file.relative_to(out).as_posix() for kind, file in files.items()}
    log.write("predicted", name=one.name, input=os.path.abspath(one.path), hash=content, files=below)
