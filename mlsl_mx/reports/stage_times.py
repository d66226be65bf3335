"""How long each stage of a run took: the begin and end that it noted in the run's log, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
Part = tuple[Event, Event | None]  # begin and end; a process that was killed noted no end


@dataclass(frozen=True)
class StageTime:
    """What making a stage's result took: the start that finished it, and those before it that were cut short."""

    method: str  # "source-only" for the source model
    stage: str
    round: int | None
    seconds: float | None  # wall clock of the parts that noted their end; None if none did
    parts: int
    lost: int  # of the parts, those that noted no end: their time is in no sum
    finished: bool
    taken_over: str | None  # the folder of another method of the run whose labels were copied
    ctx: str | None  # of the last part, as the following
    gpu: str | None
    workers: int | None  # processes that shared it; None for one alone
    threads: str | None
    experiment: str | None
    command: str | None
    revision: str | None


LAST = ("taken_over", "ctx", "gpu", "workers", "threads", "experiment", "command", "revision")


def stage_times(events: Sequence[Event]) -> tuple[StageTime, ...]:
    """The stages in the order of their first begin, those that never did any work left out.

    A start that had nothing to do does not count. If a result was made again, only the latest making
    counts; starts that were cut short after it do not.

    Args:
        events: what `read_log` returns.
    """
    running: dict[tuple, Event] = {}
    parts: dict[tuple, list[Part]] = {}  # since the stage last finished
    finished: dict[tuple, list[Part]] = {}
    for event in events:
        key = (event.get("method"), event.get("stage"), event.get("round"))
        if event.get("event") == "begin":
            if key in running:
                parts[key].append((running[key], None))
            parts.setdefault(key, [])
            running[key] = event
        elif key in running and event.get("event") == "taken_over":
            running[key] = {**running[key], "taken_over": event.get("labels")}
        elif key in running and event.get("event") == "end":
            begin = running.pop(key)
            if event.get("outcome") != "no-op":
                parts[key].append((begin, event))
            if event.get("outcome") == "worked":
                finished[key], parts[key] = parts[key], []
    for key, begin in running.items():
        parts[key].append((begin, None))
    counted = {key: finished.get(key, unfinished) for key, unfinished in parts.items()}
    return tuple(_summed(key, made, key in finished) for key, made in counted.items() if made)


def _summed(key: tuple, parts: Sequence[Part], finished: bool) -> StageTime:
    method, stage, round_index = key
    last = parts[-1][0]
    seconds = [end.get("seconds", 0.0) for _, end in parts if end is not None]
    return StageTime(
        method=method,
        stage=stage,
        round=round_index,
        seconds=round(sum(seconds), 3) if seconds else None,
        parts=len(parts),
        lost=len(parts) - len(seconds),
        finished=finished,
        **{key: last.get(key) for key in LAST},
    )
