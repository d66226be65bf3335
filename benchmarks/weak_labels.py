"""Are the weak labels of target crops right, and has the head learnt anything before round 0?

Takes runs with a source model and round 0 of SISC+PWL. Two tables:

- labels: recall and precision of the weak labels of target crops, for both scopes, against the classes that are in the
  crop. The crops are of validation images, labelled as the round labels the target; none is centred on a rare class.
  Beside them the ground truth of whole source images, which the rounds give to source crops in the scope `image`.
- head: Eq. 5 of the source model's head on crops of source scenes that no training saw and of validation images,
  against the classes in the crop; beside it the loss of the best constant answer for each class.

    .venv/bin/python benchmarks/weak_labels.py --runs runs/miniature/gta2city-seed0 --data runs/miniature/data
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import option_parser, table, write_results  # first: it sets the number of threads
from source_model import UNSEEN, job_on

# isort: split
import mxnet as mx
import numpy as np

from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.label_images import train_id_png
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.data.sampling import Domain, TrainingCrops, classes_present, joint_order
from mlsl_mx.network import load_original
from mlsl_mx.pseudo_labels import weak_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.stages.inputs import class_sizes
from mlsl_mx.stages.job import Job
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.runs import read_settings
from mlsl_mx.system.whole_files import read_json, write_bytes
from mlsl_mx.training.batches import load_batches
from mlsl_mx.training.losses import weak_label_loss

BATCH = 8
CROPS_OF_AN_IMAGE = 4
SCOPES = ("image", "crop")


def main() -> None:
    """Measure every run and write the tables."""
    parser = option_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_miniature(Path(folder), existing("data_lists/miniature"), UNSEEN)
        rows = [measure(run, options.data, Path(folder)) for run in options.runs]
    write_results("weak_labels", {"rows": rows}, tables(rows))


def measure(run: Path, data: Path, unseen: Path) -> dict[str, Any]:
    """One run. Returns: {run, source (its mIoU), labels {side, scope: ...}, head {side: {constant, head}}}."""
    job = opened(run, data)
    sides = {"source": opened(run, unseen).source, "target": job.validation}
    return {
        "run": run.name,
        "source": read_json(run / "source" / "evaluation.json")["miou"],
        "labels": {
            **{f"target, {scope}": found for scope, found in label_quality(job).items()},
            "source, image": truth_quality(job, sides["source"]),
        },
        "head": {
            side: {"constant": constant_loss(job, images), "head": head_loss(job, images)}
            for side, images in sides.items()
        },
    }


def opened(run: Path, data: Path) -> Job:
    """The miniature's job of a run, with other data."""
    seed = read_settings(run / "source" / "config.yaml")["seed"]
    return job_on(data, "gta2city", "sisc-pwl", run, seed)


def label_quality(job: Job) -> dict[str, dict[str, float]]:
    """By scope, recall and precision of round 0's weak labels of crops of validation images, in percent."""
    images, weak = job.validation, job.config.weak_labels
    rule = partial(weak_labels, h_s=class_sizes(job, job.source), eta=weak.eta, comparison=weak.comparison)
    there = weak_labels_of(job, Domain(images, present(job)))
    with tempfile.TemporaryDirectory() as folder:
        label_as_round_0(job, images, Path(folder))
        labelled = with_pseudo_labels(images, Path(folder))
        said = {scope: weak_labels_of(job, Domain(labelled, rule, scope)) for scope in SCOPES}
    return {scope: quality(found, there) for scope, found in said.items()}


def truth_quality(job: Job, source: SceneDataset) -> dict[str, float]:
    """The same of the classes that are in a whole source image."""
    image, crop = (weak_labels_of(job, Domain(source, present(job), scope)) for scope in SCOPES)
    return quality(image, crop)


def quality(found: np.ndarray, there: np.ndarray) -> dict[str, float]:
    """Recall and precision in percent, and wrong answers of the C, of (N, C) weak labels."""
    return {
        "recall": 100 * float((found * there).sum() / there.sum()),
        "precision": 100 * float((found * there).sum() / found.sum()),
        "wrong": float(np.abs(found - there).sum(axis=1).mean()),
    }


def label_as_round_0(job: Job, images: SceneDataset, folder: Path) -> None:
    """Write pseudo-labels of other images, made as those of the round: its patches, thresholds and rule."""
    selection = read_json(job.folder(0) / "pseudo_labels" / "selection.json")
    thresholds = [selection["thresholds"][name] for name in images.classes.names]
    net, _ = job.segmentation_network(job.weights_before(0))
    segmenter = Segmenter(net, job.ctx, job.config.pseudo_labels, patch_seed(job.seed, 0))
    for index, name in enumerate(images.names):
        labels = segmenter.labels(segmenter.maps(images.image(index), name), thresholds, selection["rule"])
        write_bytes(folder / f"{name}.png", train_id_png(labels, images.classes))


def present(job: Job) -> Callable[[np.ndarray], np.ndarray]:
    """The classes with a pixel in a crop."""
    return partial(classes_present, num_classes=job.config.num_classes)


def crops_of(job: Job, domain: Domain):
    """The same crops of a domain's images at each call."""
    order = np.tile(joint_order([len(domain.dataset)], job.seed, 0), (CROPS_OF_AN_IMAGE, 1))
    return load_batches(TrainingCrops([domain], order, job.config.self_training.crops, job.seed, 0), BATCH)


def weak_labels_of(job: Job, domain: Domain) -> np.ndarray:
    """(N, C) float32 of those crops."""
    return np.concatenate([batch.weak_labels for batch in crops_of(job, domain)])


def head_loss(job: Job, images: SceneDataset) -> float:
    """Eq. 5 of the source model's weak-label head against the classes that are in the crops; no dropout."""
    net = job.network(weak_label_head=True)
    net.initialize()
    load_original(net, job.weights_before(0))
    losses = [
        weak_label_loss(net(mx.nd.array(batch.images))[1], mx.nd.array(batch.weak_labels)).asscalar()
        for batch in crops_of(job, Domain(images, present(job)))
    ]
    return float(np.mean(losses))


def constant_loss(job: Job, images: SceneDataset) -> float:
    """Eq. 5 of the best constant answer: for each class the share of the crops that have it."""
    share = np.clip(weak_labels_of(job, Domain(images, present(job))).mean(axis=0), 1e-9, 1 - 1e-9)
    return float(-(share * np.log(share) + (1 - share) * np.log(1 - share)).mean())


def tables(rows: list[dict[str, Any]]) -> str:
    """Markdown, a row a run."""
    labels = [
        (f"{row['run']}, {what}", *(f"{found[key]:.1f}" for key in ("recall", "precision", "wrong")))
        for row in rows
        for what, found in row["labels"].items()
    ]
    heads = [
        (f"{row['run']}, {side}", *(f"{row['head'][side][key]:.3f}" for key in ("constant", "head")))
        for row in rows
        for side in row["head"]
    ]
    header = ("weak labels of crops, by scope", "recall, %", "precision, %", "wrong, of 19")
    return table(header, labels) + "\n" + table(("Eq. 5 on unseen crops", "best constant", "the head"), heads)


if __name__ == "__main__":
    main()
