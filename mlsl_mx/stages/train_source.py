"""Stage `train-source`: the source model, from an ImageNet trunk or from scratch."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from mlsl_mx.network import load_original
from mlsl_mx.network.weights.published_weights import check_trunk
from mlsl_mx.stages.inputs import check_files, class_weights, rare_classes
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import source_settings
from mlsl_mx.stages.source_iou import measure_source_model
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.start_files import check_start, start_file
from mlsl_mx.stages.training import train_stage
from mlsl_mx.training.epochs import source_epochs

LOGGER = logging.getLogger(__name__)


def train_source(job: Job, imagenet: Path | None, checkpoint_seconds: float) -> str:
    """Train the source model: Eq. 6 with the weak-label head, Eq. 1 without (`source_training.weak_label_weight` 0)."""
    training, weights = job.config.source_training, job.source_folder / "weights.params"
    check_start(job.config, imagenet)
    imagenet = start_file(job.config, imagenet)
    if imagenet:
        check_trunk(imagenet, job.config.network.width, job.config.network.trunk)
    job.check_batch("source_training")
    job.engine.seed(job.seed)
    net = job.network(training.weak_label_weight > 0, frozen_statistics=training.start == "trunk")
    net.initialize(ctx=list(job.devices))
    loaded = str(load_original(net, imagenet, part="trunk")) if imagenet else None
    settings, check = source_settings(job, imagenet=imagenet), partial(check_files, job.source, "source")
    with open_stage(job, "train-source", None, outputs=[weights], settings=settings, check=check) as stage:
        if not stage.done:
            if imagenet:
                stage.log.write("imagenet", file=str(imagenet), report=loaded)
                LOGGER.info("%s: %s", imagenet, loaded)
            by_class = {"mined": rare_classes(job, job.source), "class_weights": class_weights(job, job.source)}
            epochs = source_epochs(job.source, training, **by_class, **job.for_epochs)
            train_stage(
                job,
                stage,
                net,
                epochs,
                title="source",
                checkpoint_seconds=checkpoint_seconds,
                events=job.tensorboard_folder(None) / "training",
            )
        measure_source_model(job, stage)
    return str(stage) if stage.done else f"source model: {weights}"
