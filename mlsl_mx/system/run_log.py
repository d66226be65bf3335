"""The log of a run directory, RUN/log.jsonl: one JSON object a line. Its events stand in docs/RELIABILITY.md."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlsl_mx.system.environment import revision
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import unwritable

LOGGER = logging.getLogger(__name__)
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"  # local time


class RunLog:
    """One JSON object a line, each with the time of day and the stage, appended and flushed at once.

    Args:
        path: of the file; None writes nothing, as all but the first of several workers.
        about: what every line of this log says besides, e.g. method and round.
    """

    def __init__(self, path: Path | None, stage: str, **about: Any):
        self.path = path and Path(path)
        self.about = {"stage": stage, **about}
        self.events = 0  # written by this object

    def write(self, event: str, **values: Any) -> None:
        """Append one event; values must be JSON. Raises: InputError if the log cannot be written."""
        line = {"time": time.strftime(TIME_FORMAT), **self.about, "event": event, **values}
        if self.path:
            try:
                self._append(json.dumps(line).encode() + b"\n")
            except OSError as problem:
                raise unwritable(self.path, problem) from None
        LOGGER.debug("%s", json.dumps(line))
        self.events += 1

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as log:
            if log.tell():
                log.seek(-1, os.SEEK_END)
                line = line if log.read() == b"\n" else b"\n" + line  # a line that a crash tore must not take this one
            log.write(line)

    @contextmanager
    def timed(self, **where: Any) -> Iterator[RunLog]:
        """Write `begin` with `where`, threads, code revision and command line; at the end `end` with the seconds.

        The outcome is "worked" if the block wrote any event, as whatever does work does, "no-op" if it wrote none, and
        "unfinished" if an exception left it, which `reason` then names.
        """
        process = {"threads": os.environ.get("OMP_NUM_THREADS"), "revision": revision()}
        self.write("begin", **where, **process, command=shlex.join(sys.argv[1:]))
        begun, started = self.events, time.monotonic()
        found = {"outcome": "unfinished"}
        try:
            yield self
            found = {"outcome": "worked" if self.events > begun else "no-op"}
        except BaseException as problem:
            found["reason"] = f"{type(problem).__name__}: {problem}"
            raise
        finally:
            self.write("end", **found, seconds=round(time.monotonic() - started, 3))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events of a log in their order, none if there is no log; a line that a crash tore is left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}): check its permissions") from None
    return [event for event in map(_event, lines) if event is not None]


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
