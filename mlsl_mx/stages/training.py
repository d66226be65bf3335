"""What the stages that train have in common: the loop of `train`, in a stage's folder, log and workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlsl_mx.stages.job import Job
from mlsl_mx.stages.stage import Stage
from mlsl_mx.training.train import Epochs, train


def train_stage(
    job: Job, stage: Stage, net: Any, epochs: Epochs, *, title: str, checkpoint_seconds: float, events: Path
) -> None:
    """Train on the job's devices and write the stage's result, weights.params. Raises: as `train`.

    Args:
        title: of the progress bar.
        events: folder for TensorBoard.
    """
    train(
        net,
        epochs,
        job.devices,
        stage.result.parent,
        log=stage.log,
        title=title,
        workers=job.workers,
        checkpoint_seconds=checkpoint_seconds,
        tensorboard=events,
    )
