"""`begin`: whether a run can begin, and with what."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlsl_mx.config.settings import Config
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.image_files import header, size_text
from mlsl_mx.engine import engine_of
from mlsl_mx.network.weights.published_weights import has_weak_label_head
from mlsl_mx.pseudo_labels.store import stored_bytes
from mlsl_mx.stages.inputs import check_as_source, check_files
from mlsl_mx.stages.job import Job, check_batch
from mlsl_mx.stages.recorded_settings import head_settings, method_settings, source_settings
from mlsl_mx.stages.start_files import check_start, described, start_file
from mlsl_mx.system.device_shares import check_count, divided
from mlsl_mx.system.errors import InputError


def begin(
    job: Job,
    imagenet: Path | None,
    weights: Path | None,
    *,
    workers: int | None = None,
    train_ctx: str | None = None,
    train_workers: int = 1,
) -> str:
    """See that the run directory holds no results of other settings, and say what will be done with what.

    Args:
        imagenet, weights: what `train_source` or `import_weights` starts from.
        workers: that will label and evaluate on the job's devices; default: one a device.
        train_ctx, train_workers: what training will use; default: the job's devices, in one process.
    """
    imagenet = start_file(job.config, imagenet)
    given, rounds = described(job.config, imagenet, weights), job.config.self_training.rounds
    _check_labelling(job.devices, len(job.devices) if workers is None else workers)
    train_devices = engine_of(train_ctx).devices(train_ctx) if train_ctx else job.devices
    trainings = _trainings(job.config, weights)
    _check_training(job.config, train_devices, train_workers, trainings)
    lists = [f"  {title}: {len(dataset)} images" for title, dataset in job.titled.items()]
    source_settings(job, imagenet, weights).check()
    check_as_source(job)
    check_files(job.validation, "validation")
    if "head_training" in trainings:
        head_settings(job).check()
    if weights is None:
        check_start(job.config, imagenet)
    if rounds:
        method_settings(job).check()
        lists.append(_disk_line(job, job.target))
    on = ", ".join(map(str, job.devices))
    what = f"{job.config.name}, {job.config.method}: {rounds} rounds, seed {job.seed}, on {on}, in {job.run}"
    return "\n".join([what, *given, *lists])


def _check_training(config: Config, devices: Sequence[Any], workers: int, stages: Sequence[str]) -> None:
    """See that `mlsl launch -n WORKERS` can train on the devices. Raises: InputError if not."""
    check_count("--train-workers", workers)
    own = divided(devices, workers, "--train-ctx")[0]
    for stage in stages:
        check_batch(config, stage, len(own), workers)


def _check_labelling(devices: Sequence[Any], workers: int) -> None:
    """See that workers can label and evaluate on the devices, each on one. Raises: InputError if not."""
    check_count("--workers", workers)
    if len(divided(devices, workers, "--ctx")[0]) > 1:
        raise InputError(
            f"--ctx names {len(devices)} devices for {workers} workers, but only training uses several in one process: "
            f"label and evaluate with as many workers (make WORKERS={len(devices)})"
        )


def _trainings(config: Config, weights: Path | None) -> list[str]:
    """Which stages will train: that of the head where the source model has none, and a round needs one."""
    stages = [] if weights else ["source_training"]
    if not config.self_training.rounds:
        return stages
    if config.weak_labels.wants_trained_head:
        has_head = has_weak_label_head(weights) if weights else config.source_training.weak_label_weight > 0
        stages += [] if has_head else ["head_training"]
    return [*stages, "self_training"]


def _disk_line(job: Job, target: SceneDataset) -> str:
    """What a round keeps on disk while it labels, and what is free.

    Raises: InputError for an image that is smaller than a patch, which labelling would refuse after source training.
    """
    sizes = Counter(target.size or header(target.image_path(index)).upright_size for index in range(len(target)))
    smallest = min(sizes, key=min)
    if min(smallest) < job.target_patch:
        raise InputError(
            f"pseudo_labels.patch is {job.target_patch}, but the target has images of {size_text(smallest)}: lower it, "
            "or leave those out; `mlsl check-data` names them"
        )
    settings, classes = job.config.pseudo_labels, job.config.num_classes
    stored = sum(count * stored_bytes(settings, classes, size) for size, count in sizes.items())
    there = next(place for place in (job.run, *job.run.absolute().parents) if place.exists())
    needed, free = stored / 1e9, shutil.disk_usage(there).free / 1e9
    short = "" if needed < free else ": free some, or choose another RUN"
    return f"  disk: up to {needed:.2f} GB while a round is labelled, {free:.1f} GB free{short}"
