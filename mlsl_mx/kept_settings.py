"""The settings that bind a run directory: once there are results, nothing that they depend on may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlsl_mx.class_table import OWN
from mlsl_mx.config import to_dict
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.given_files import selection_settings
from mlsl_mx.job import Job
from mlsl_mx.runs import environment, file_hash, keep_settings, own_list, write_bytes, write_json


def keep_source_settings(job: Job, imagenet: Path | None = None, weights: Path | None = None) -> None:
    """Note what the source model comes from. Raises: InputError if there is one that came from something else."""
    values, folder = to_dict(job.config), job.source_folder
    del values["network"]["head_relu"]  # of the weak-label head, which a source model does not have
    start = {"imagenet": file_hash(imagenet) if imagenet else None, "weights": file_hash(weights) if weights else None}
    shared = ("miniature", "classes", "source", "target", "network", "source_training")
    lists = {"source": job.source().fingerprint, "val": job.validation().fingerprint}
    settings = {"seed": job.seed, "start": start, "lists": lists, **{key: values[key] for key in shared}}
    results = [folder / "weights.params", folder / ".checkpoint"]
    _keep(job, folder, settings, any(path.exists() for path in results))
    _keep_list(job, "source", job.source())
    _keep_list(job, "val", job.validation())


def keep_method_settings(job: Job) -> None:
    """Note what the method's rounds come from. Raises: InputError if there are some that came from something else."""
    values, folder = to_dict(job.config), job.method_folder
    del values["self_training"]["rounds"]  # more rounds may follow
    values["selection"] = selection_settings(job.config.selection)
    values["evaluation"] = {"flip": values["evaluation"]["flip"]}  # what is only shown may change
    lists = {"source": job.source().fingerprint, "target": job.target().fingerprint}
    _keep(job, folder, {"seed": job.seed, "lists": lists, **values}, any(folder.glob("round-*")))
    _keep_list(job, "target", job.target())


def _keep_list(job: Job, name: str, dataset: SceneDataset) -> None:
    """Write which images were found where the experiment names no list."""
    if dataset.kind != OWN or job.workers.rank:
        return
    path, content = own_list(job.run, name), "".join(f"{entry}\n" for entry in dataset.entries).encode()
    if not path.exists() or path.read_bytes() != content:
        write_bytes(path, content)


def _keep(job: Job, folder: Path, settings: dict[str, Any], results: bool) -> None:
    """Note the settings and, the first time, the environment. Raises: InputError as `keep_settings`."""
    if job.workers.rank:  # the first worker does it for all
        return
    keep_settings(folder / "config.yaml", settings, results)
    if not (folder / "environment.json").exists():
        write_json(folder / "environment.json", environment())
