"""What comes before the stages: data that is made or looked at, and whether a run can begin."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Sequence

import mxnet as mx

from mlsl_mx.config.settings import load_config
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.image_files import header
from mlsl_mx.data.miniature import datasets as miniature
from mlsl_mx.pseudo_labels.store import stored_bytes
from mlsl_mx.stages.inputs import datasets, target_patch
from mlsl_mx.stages.job import Job, devices
from mlsl_mx.stages.recorded_settings import check_method_settings, check_source_settings
from mlsl_mx.stages.shares import check_labelling, check_training
from mlsl_mx.stages.start_files import check_start, described
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.result import Result


def begin(
    job: Job,
    imagenet: Path | None,
    weights: Path | None,
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
    given, rounds = described(job.config, imagenet, weights), job.config.self_training.rounds
    check_labelling(job.devices, len(job.devices) if workers is None else workers)
    trainings = ["source_training" if weights is None else "head_training"] + ["self_training"] * bool(rounds)
    train_devices = devices(train_ctx) if train_ctx else job.devices
    check_training(job.config, train_devices, train_workers, trainings)
    lists = [f"  {title}: {len(dataset)} images" for title, dataset in datasets(job).items()]
    check_source_settings(job, imagenet, weights)
    if weights is None:
        check_start(job.config, imagenet)
    if rounds:
        check_method_settings(job)
        lists.append(_disk_line(job, job.target))
    on = ", ".join(map(str, job.devices))
    what = f"{job.config.name}, {job.config.method}: {rounds} rounds, seed {job.seed}, on {on}, in {job.run}"
    return "\n".join([what, *given, *lists])


def _disk_line(job: Job, target: SceneDataset) -> str:
    """What a round keeps on disk while it labels, and what is free."""
    sizes = [target.size or header(target.image_path(index)).upright_size for index in range(len(target))]
    stored = sum(stored_bytes(job.config.pseudo_labels, job.config.num_classes, size) for size in sizes)
    there = next(place for place in (job.run, *job.run.absolute().parents) if place.exists())
    needed, free = stored / 1e9, shutil.disk_usage(there).free / 1e9
    short = "" if needed < free else ": free some, or choose another RUN"
    return f"  disk: up to {needed:.2f} GB while a round is labelled, {free:.1f} GB free{short}"


def make_miniature(root: Path, lists: Path | None, seed: int, preview: Path | None) -> str:
    """Render the embedded data sets, or other lists of such scenes, below `root`."""
    miniature.make_miniature(root, lists or existing("data_lists/miniature"), seed)
    if preview is not None:
        miniature.write_preview(root, preview)
    return f"miniature data sets in {root}"


def check_data(experiment: Path, settings: Sequence[str], roots: dict[str, Path | None]) -> Result:
    """Look at every file of an experiment's source, target and validation images.

    Returns: with a fault if a file is missing, unreadable or wrong.
    """
    config = load_config(experiment, None, tuple(settings))
    job = Job(config, Path(), roots, 0, (mx.cpu(),), folder=experiment.parent)
    patches = {"target": target_patch(job)}
    reports = [
        check_dataset(dataset, title, patch=patches.get(title.split()[0], 0))
        for title, dataset in datasets(job).items()
    ]
    text = [line for report in reports for line in report.lines()]
    fault = next(filter(None, (report.fault() for report in reports)), None)
    content = {"lists": [report.content() for report in reports]}
    return Result("\n".join(text if fault else [*text, "all data can be used"]), content, fault)
