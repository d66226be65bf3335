"""The settings that bind a run directory: once there are results, nothing that they depend on may change.

A stage checks them before it waits for its lock, so that what is wrong is refused at once, and keeps them when it has
the lock: until then the settings of the process that is at work stand there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.settings import to_dict
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.start_files import selection_settings
from mlsl_mx.system.runs import check_settings, environment, file_hash, keep_settings, own_list, write_bytes, write_json


def check_source_settings(job: Job, imagenet: Path | None = None, weights: Path | None = None) -> None:
    """Raises: InputError if there is a source model that came from something else."""
    if not job.workers.rank:  # the first worker does it for all
        check_settings(*_of_source(job, imagenet, weights))


def keep_source_settings(job: Job, imagenet: Path | None = None, weights: Path | None = None) -> None:
    """Note what the source model comes from. Raises: InputError as `check_source_settings`."""
    if not job.workers.rank:
        _keep(*_of_source(job, imagenet, weights))
        _keep_list(job, "source", job.source)
        _keep_list(job, "val", job.validation)


def check_method_settings(job: Job) -> None:
    """Raises: InputError if there are rounds of the method that came from something else."""
    if not job.workers.rank:
        check_settings(*_of_method(job))


def keep_method_settings(job: Job) -> None:
    """Note what the method's rounds come from. Raises: InputError as `check_method_settings`."""
    if not job.workers.rank:
        _keep(*_of_method(job))
        _keep_list(job, "target", job.target)


def _of_source(job: Job, imagenet: Path | None, weights: Path | None) -> tuple[Path, dict[str, Any], bool]:
    """The file, its settings, and whether there are results of it."""
    values, folder = to_dict(job.config), job.source_folder
    if weights or not job.config.source_training.weak_label_weight:
        del values["network"]["head_relu"]  # of the weak-label head, which is trained elsewhere
    start = {"imagenet": file_hash(imagenet) if imagenet else None, "weights": file_hash(weights) if weights else None}
    shared = ("miniature", "classes", "source", "target", "network", "source_training")
    lists = {"source": job.source.fingerprint, "val": job.validation.fingerprint}
    settings = {"seed": job.seed, "start": start, "lists": lists, **{key: values[key] for key in shared}}
    results = [folder / "weights.params", folder / ".checkpoint"]
    return folder / "config.yaml", settings, any(path.exists() for path in results)


def _of_method(job: Job) -> tuple[Path, dict[str, Any], bool]:
    """The file, its settings, and whether there are results of it."""
    values, folder = to_dict(job.config), job.method_folder
    del values["self_training"]["rounds"]  # more rounds may follow
    values["selection"] = selection_settings(job.config.selection)
    values["evaluation"] = {"flip": values["evaluation"]["flip"]}  # what is only shown may change
    lists = {"source": job.source.fingerprint, "target": job.target.fingerprint}
    return folder / "config.yaml", {"seed": job.seed, "lists": lists, **values}, any(folder.glob("round-*"))


def _keep_list(job: Job, name: str, dataset: SceneDataset) -> None:
    """Write which images were found where the experiment names no list."""
    path, content = own_list(job.run, name), "".join(f"{entry}\n" for entry in dataset.entries).encode()
    if dataset.kind == OWN and (not path.exists() or path.read_bytes() != content):
        write_bytes(path, content)


def _keep(path: Path, settings: dict[str, Any], results: bool) -> None:
    """Note the settings and, the first time, the environment."""
    keep_settings(path, settings, results)
    if not path.with_name("environment.json").exists():
        write_json(path.with_name("environment.json"), environment())
