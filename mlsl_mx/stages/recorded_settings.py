"""The settings that bind a run directory: once there are results, nothing that they depend on may change.

A stage checks them before it waits for its lock, so that what is wrong is refused at once. They are written only under
the lock: before, config.yaml may belong to another running process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.setting import own_code_in
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.pseudo_labels.labelling import labelling_settings
from mlsl_mx.stages.job import Job
from mlsl_mx.system.environment import environment
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import code_hashes
from mlsl_mx.system.runs import check_settings, first_image, keep_settings, own_list
from mlsl_mx.system.whole_files import file_hash, write_bytes, write_json

TRAINED = ("weights.params", ".checkpoint")  # what a training leaves in its folder
OF_A_ROUND = ("round-*/pseudo_labels/selection.json", *(f"round-*/{name}" for name in TRAINED))


@dataclass(frozen=True)
class RecordedSettings:
    """What the results in a folder of a run come from.

    Args:
        run: the run directory.
        folder: of it, whose config.yaml holds them.
        values: the settings, as JSON.
        results: patterns of what counts as a result there.
        lists: the data sets whose images they name, by the name of the list that the run keeps of one's own data.
    """

    run: Path
    folder: Path
    values: dict[str, Any]
    results: tuple[str, ...]
    lists: dict[str, SceneDataset]

    def check(self) -> None:
        """Raises: InputError if there are results of other settings, or of other images with the same names."""
        results = self._any_results()
        check_settings(self.folder / "config.yaml", self.values, results)
        if results:
            for name, dataset in self.lists.items():
                _check_first_image(self.run, name, dataset)

    def keep(self) -> None:
        """Note them and, the first time, the environment. Raises: InputError as `check`."""
        keep_settings(self.folder / "config.yaml", self.values, self._any_results())
        if not (self.folder / "environment.json").exists():
            write_json(self.folder / "environment.json", environment())
        for name, dataset in self.lists.items():
            if dataset.kind == OWN and len(dataset):
                _keep_list(self.run, name, dataset)

    def _any_results(self) -> bool:
        return any(any(self.folder.glob(pattern)) for pattern in self.results)


def source_settings(job: Job, imagenet: Path | None = None, weights: Path | None = None) -> RecordedSettings:
    """What the source model comes from.

    Args:
        imagenet, weights: the file that its training starts from, or that it is imported from.
    """
    values = to_dict(job.config)
    if weights or not job.config.source_training.weak_label_weight:
        del values["network"]["head_relu"]  # of the weak-label head, which is trained elsewhere
    start = {"imagenet": file_hash(imagenet) if imagenet else None, "weights": file_hash(weights) if weights else None}
    shared = ("miniature", "classes", "source", "target", "network", "source_training")
    lists = {"source": job.source.fingerprint, "val": job.validation.fingerprint}
    settings = {"seed": job.seed, "start": start, "lists": lists, **{key: values[key] for key in shared}}
    settings.update(own_code(job, shared))
    named = {"source": job.source, "val": job.validation}
    return RecordedSettings(job.run, job.source_folder, settings, TRAINED, named)


def head_settings(job: Job) -> RecordedSettings:
    """What the weak-label head comes from that is trained after a source model without one."""
    values = to_dict(job.config)
    settings = {"seed": job.seed, "lists": {"source": job.source.fingerprint}}
    settings.update({key: values[key] for key in ("classes", "network", "head_training")})
    settings.update(own_code(job, ("network",)))
    return RecordedSettings(job.run, job.head_folder, settings, TRAINED, {})


def method_settings(job: Job) -> RecordedSettings:
    """What the rounds of the job's method come from."""
    values = to_dict(job.config)
    del values["self_training"]["rounds"]  # more rounds may follow
    values.update(labelling_settings(job.config.pseudo_labels, job.config.selection))
    values["evaluation"] = {"flip": values["evaluation"]["flip"]}  # what is only shown may change
    lists = {"source": job.source.fingerprint, "target": job.target.fingerprint}
    settings = {"seed": job.seed, "lists": lists, **values}
    settings.update(own_code(job, tuple(values)))
    return RecordedSettings(job.run, job.method_folder, settings, OF_A_ROUND, {"target": job.target})


def own_code(job: Job, groups: tuple[str, ...]) -> dict[str, Any]:
    """`code_hashes` of a user's own code that settings of these groups name."""
    return code_hashes((key, spec) for key, spec in own_code_in(job.config) if key.partition(".")[0] in groups)


def _keep_list(run: Path, name: str, dataset: SceneDataset) -> None:
    """Write which images were found where the experiment names no list, and the hash of the first."""
    path, content = own_list(run, name), "".join(f"{entry}\n" for entry in dataset.entries).encode()
    if not path.exists() or path.read_bytes() != content:
        write_bytes(first_image(run, name), file_hash(dataset.image_path(0)).encode())
        write_bytes(path, content)  # last: where it stands, the hash does too


def _check_first_image(run: Path, name: str, dataset: SceneDataset) -> None:
    """Raises: InputError if the first image is not the one that the run noted: names alone may be another folder's."""
    path = first_image(run, name)
    if path.exists() and path.read_text() != file_hash(dataset.image_path(0)):
        raise InputError(
            f"{dataset.image_path(0)}: {run} holds results of another image of this name: choose another RUN, or bring "
            "that one back"
        )
