"""A stage at work in its run directory: what all stages have in common, so that each shows what it alone does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import RecordedSettings
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.runs import begin_stage, is_done, locked, record_of, remove_leftovers


@dataclass(frozen=True)
class Stage:
    """What `open_stage` gives its block.

    Attributes:
        log: of the run; only the first worker's is written.
        result: the first of the stage's outputs.
        done: whether the result was there already, made from the same.
        first: whether this worker writes the files shared by all images (rank 0).
        record: where the inputs are noted.
    """

    log: RunLog
    result: Path
    done: bool
    first: bool
    record: Path

    def __str__(self) -> str:
        return f"{self.result} is there already"


@contextmanager
def open_stage(
    job: Job,
    name: str,
    round_index: int | None,
    *,
    outputs: Sequence[Path],
    settings: RecordedSettings | None,
    inputs: dict[str, Any] | None = None,
    check: Callable[[], None] | None = None,
) -> Iterator[Stage]:
    """A block that is a stage's work on a round, or (None) on the source model.

    Wrong input is refused before the block, with nothing written. Then one process at a time works on a round or on the
    source model, which the methods of a run share; or several workers together, of which the first holds the lock and
    writes the log (see `RunLog.timed`). At the end the result's time stamp is renewed even if nothing was done, so
    Make sees it as current.

    Args:
        outputs: files and folders that the stage makes; the first is its result, which comes last and says that it is
            done. Its inputs are noted beside it.
        settings: that bind what is made.
        inputs: what it is made from, as JSON. Outputs of other inputs are removed, and made anew. None: `settings` say
            it all.
        check: called before anything is written, if there is work to do.

    Raises: InputError as `check`, or if there are results of other settings.
    """
    first, result = job.workers.rank == 0, outputs[0]
    record = record_of(result.parent, name)
    if check and not job.workers.agreed(result.exists() if inputs is None else is_done(record, inputs, result)):
        check()
    if first and settings:
        settings.check()
    with _alone(job, name, round_index) as log:
        if first and settings:
            settings.keep()
        if first and inputs is not None:
            begin_stage(record, inputs, outputs)
        yield Stage(log, result, bool(job.workers.agreed(result.exists())), first, record)
        if first:
            result.touch()


@contextmanager
def _alone(job: Job, name: str, round_index: int | None) -> Iterator[RunLog]:
    """The lock of a round or the source model, and the log, which gets the begin and end of the block."""
    method = "source-only" if round_index is None else job.config.method
    place = method if round_index is None else f"{method}-round-{round_index}"
    first = job.workers.rank == 0
    log = RunLog(job.run / "log.jsonl" if first else None, name, method=method, round=round_index)
    devices = ",".join(map(str, job.devices))
    where = {"experiment": job.config.name, "ctx": devices, "gpu": job.engine.model(job.ctx)}
    if job.workers.count > 1:
        where["workers"] = job.workers.count
    with locked(job.run / ".locks" / place) if first else nullcontext():
        if first:
            remove_leftovers(job.run)
        job.workers.barrier()
        with log.timed(**where):
            yield log
