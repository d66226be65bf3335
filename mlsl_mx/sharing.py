"""How devices and batches are divided among workers, and what cannot be: known before anything starts."""

from __future__ import annotations

from typing import Any, Sequence

from mlsl_mx.config import Config
from mlsl_mx.errors import InputError
from mlsl_mx.workers import MOST_WORKERS


def check_count(option: str, count: int) -> None:
    """Raises: InputError if a number of workers, or of a worker's threads, is none."""
    if not 1 <= count <= MOST_WORKERS:
        raise InputError(f"{option} is {count}: it must be from 1 to {MOST_WORKERS}")


def divided(devices: Sequence[Any], workers: int, option: str) -> list[Sequence[Any]]:
    """Each worker's part of the devices, names or contexts; one CPU is for all.

    Raises: InputError if they cannot be divided, naming the option that gave them.
    """
    if len(devices) == 1 and str(devices[0]).startswith("cpu"):
        return [devices] * workers
    if len(devices) % workers:
        raise InputError(
            f"{option} names {len(devices)} devices, which cannot be divided among {workers} workers: name {workers}, "
            "or a multiple of it"
        )
    share = len(devices) // workers
    return [devices[i * share : (i + 1) * share] for i in range(workers)]


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
