"""What stages read beside weights: data sets after the cheap part of `mlsl check-data`, the prior, the class sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.statistics import source_class_sizes
from mlsl_mx.pseudo_labels import ClassSizes
from mlsl_mx.pseudo_labels.prior_files import keep_prior
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.weak_labels import RELEASED_SIZES
from mlsl_mx.stages.job import Job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import record_of
from mlsl_mx.system.whole_files import read_json

MOST_WEIGHT = 10.0  # of a class in the loss; the median class has 1


def check_files(dataset: SceneDataset, title: str, remedy: str = "", patch: int = 0) -> None:
    """See that the files of a data set are there, whole and images, from their headers: before anything is written.

    Args:
        remedy: extra advice, appended to the error.
        patch: as `check_dataset`.

    Raises: InputError for the gravest fault.
    """
    fault = check_dataset(dataset, f"check {title}", quick=True, patch=patch).fault()
    if fault is not None:
        raise InputError(f"{fault}{remedy and f'; {remedy}'}")


def check_as_source(job: Job) -> None:
    """Raises: InputError if the source model was evaluated on other images, or in another way, than rounds would be."""
    record, evaluated = record_of(job.source_folder, "evaluate"), job.source_folder / "evaluation.json"
    if not (record.exists() and evaluated.exists()):
        return
    remedy = "gains over the source model would mean nothing: {}, or choose another RUN"
    before, flip = read_json(record, "flip", "list_hash"), job.config.evaluation.flip
    if before["flip"] != flip:
        said = f"evaluation.flip is {str(flip).lower()}, but {record} says {str(before['flip']).lower()}"
        raise InputError(f"{said}: {remedy.format('set it back')}")
    if before["list_hash"] != job.validation.fingerprint:
        said = f"validation: {len(job.validation)} images, not the ones scored in {evaluated}"
        raise InputError(f"{said}: {remedy.format('restore the list or its images')}")


def labels_made_by(labels: Path) -> tuple[str, bool]:
    """The hash of the network that made the pseudo-labels of a folder, and whether it was the user's own (`--net`)."""
    record = read_json(record_of(labels, "pseudo-label"), "weights")
    return record["weights"], "weak_labels" in record  # which only labels of one's own network depend on


def prior(job: Job) -> SpatialPrior | None:
    """The run's spatial prior, made once a run; None where the method has none."""
    if not job.config.selection.spatial_prior:
        return None
    source, prior_file = job.source, job.config.selection.prior_file
    path = job.workers.first_then_all(lambda: keep_prior(job.run, source, prior_file))
    return SpatialPrior.load(path, job.config.num_classes)


def class_sizes(job: Job, source: SceneDataset) -> np.ndarray:
    """h_s of the weak labels, (C,); all NaN if weak labels are off: reading every source label takes minutes."""
    weak = job.config.weak_labels
    if not weak.enabled:
        return ClassSizes(job.config.num_classes).mean()
    return np.array(RELEASED_SIZES) if weak.sizes == "released" else _counted(job, source).mean()


def rare_classes(job: Job, source: SceneDataset) -> tuple[tuple[int, ...], ...]:
    """The group of classes that source training is to mine, the rarest of those that its labels have; none if it mines
    none. Not in the paper, which starts from trained source models."""
    training = job.config.source_training
    if not training.mining_probability:
        return ()
    shares = _counted(job, source).share_sum
    return (tuple(c for c in np.argsort(shares, kind="stable").tolist() if shares[c])[: training.mining_rarest],)


def class_weights(job: Job, source: SceneDataset) -> tuple[float, ...] | None:
    """What a pixel of each class counts in the loss of source training; None: the same.

    Not in the paper: the square root of median frequency balancing (Eigen and Fergus, 2015), with each class's share
    over all images instead of over those that show it. A class that no label has gets 1.
    """
    if job.config.source_training.class_weights == "equal":
        return None
    shares = _counted(job, source).share_sum
    median = np.median(shares[shares > 0])
    return tuple(np.minimum(np.sqrt(median / np.where(shares > 0, shares, median)), MOST_WEIGHT).tolist())


def _counted(job: Job, source: SceneDataset) -> ClassSizes:
    """The classes of all source labels, counted once a run."""
    sizes, cache = ClassSizes(job.config.num_classes), job.source_folder / "class_sizes.json"
    return job.workers.first_then_all(lambda: source_class_sizes(source, sizes, cache))
