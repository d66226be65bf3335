"""Whether the devices and workers of a run can share its batches and images: known before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlsl_mx.config.settings import Config
from mlsl_mx.system.device_shares import check_count, divided
from mlsl_mx.system.errors import InputError


def check_batch(config: Config, stage: str, devices: int, workers: int) -> None:
    """See that each batch of a training can be divided.

    Args:
        stage: "source_training", "head_training" or "self_training".
        devices: of each worker.

    Raises: InputError if it cannot.
    """
    settings, shards = getattr(config, stage), devices * workers
    fewer = "or train on fewer (make TRAIN_CTX= one device, TRAIN_WORKERS=1)"
    if settings.batch % shards:
        raise InputError(
            f"{stage}.batch is {settings.batch}: it cannot be split over {workers} workers with {devices} devices "
            f"each: set it to a multiple of {shards}, {fewer}"
        )
    if shards > 1 and stage == "source_training" and settings.start == "scratch":
        raise InputError(
            f"source_training.start is scratch: normalisation then follows the statistics of whole batches, which "
            f"{shards} devices or workers do not exchange: start from a trunk, {fewer}"
        )


def check_training(config: Config, devices: Sequence[Any], workers: int, stages: Sequence[str]) -> None:
    """See that `mlsl launch -n WORKERS` can train on the devices. Raises: InputError if not."""
    check_count("--train-workers", workers)
    own = divided(devices, workers, "--train-ctx")[0]
    for stage in stages:
        check_batch(config, stage, len(own), workers)


def check_labelling(devices: Sequence[Any], workers: int) -> None:
    """See that workers can label and evaluate on the devices, each on one. Raises: InputError if not."""
    check_count("--workers", workers)
    if len(divided(devices, workers, "--ctx")[0]) > 1:
        raise InputError(
            f"--ctx names {len(devices)} devices for {workers} workers, but only training uses several in one process: "
            f"label and evaluate with as many workers (make WORKERS={len(devices)})"
        )
