"""What stages leave for TensorBoard beside the losses of a training."""

from __future__ import annotations

from mlsl_mx.reports.round_events import write_round_events
from mlsl_mx.stages.job import Job


def show_in_tensorboard(job: Job, round_index: int | None) -> None:
    """What is known by now of a round, or (None) of the source model; the first worker writes it."""
    if job.workers.rank == 0:
        folder = job.folder(round_index)
        events, panels = job.tensorboard_folder(round_index), job.config.evaluation.panels
        write_round_events(events, folder, round_index or 0, job.validation, panels)
