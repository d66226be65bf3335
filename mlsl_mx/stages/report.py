"""Stage `report`: what a run has to show, or several side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mlsl_mx.reports.compare_document import write_comparison
from mlsl_mx.reports.model_card import write_model_cards
from mlsl_mx.reports.report import write_report
from mlsl_mx.stages.job import Job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.result import Result
from mlsl_mx.system.runs import remove_leftovers
from mlsl_mx.system.whole_files import read_json, write_bytes

LOGGER = logging.getLogger(__name__)


def report(job: Job) -> Result:
    """The run's tables, charts, panels and model cards; the text goes to `report/METHOD.txt` too."""
    remove_leftovers(job.run)
    text = write_report(job.run, job.config, job.validation, job.run / "report")
    write_bytes(job.run / "report" / f"{job.config.method}.txt", f"{text}\n".encode())
    write_model_cards(job.run)
    return Result(text, read_json(job.run / "report" / "report.json"))


def compare(runs: Sequence[Path], out: Path, table: str | None) -> Result:
    """Several runs side by side, in `out`; and their model cards, where the runs can be written."""
    text = write_comparison(runs, out, table)
    for run in runs:
        try:
            write_model_cards(run)
        except InputError as problem:
            LOGGER.warning("%s", problem)
    return Result(text, read_json(out / "comparison.json"))
