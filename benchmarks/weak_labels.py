"""What weak labels are worth: are those of target crops right, does the head learn, and what comes of it in the end?

Takes source models of several seeds and adapts each with every variant of the weak labels and, beside them, with SISC
alone at the same batch. Three kinds of figures:

- labels: recall and precision of the weak labels of target crops, against the classes that are in the crop. The crops
  are of validation images, labelled as the round labels the target; no crop is centred on a rare class.
- head: Eq. 5 on crops of source scenes that no training saw and of validation images, against the classes in the crop;
  beside it the loss of the best constant answer for each class.
- mIoU after the last round.

    .venv/bin/python benchmarks/weak_labels.py --runs runs/miniature/gta2city-seed0 runs/miniature/gta2city-seed1 \\
        --data runs/miniature/data
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable

from measure import table, write_results  # first: it sets the number of threads

# isort: split
import mxnet as mx
import numpy as np

from mlsl_mx import stages
from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.label_images import train_id_png
from mlsl_mx.data.miniature import make_miniature
from mlsl_mx.data.sampling import Domain, TrainingCrops, classes_present, joint_order, load_batches
from mlsl_mx.job import Job, open_job
from mlsl_mx.network import load_original
from mlsl_mx.pseudo_labels import weak_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.runs import read_json, read_settings, write_bytes
from mlsl_mx.shipped import found
from mlsl_mx.stage_inputs import class_sizes
from mlsl_mx.training.losses import weak_label_loss

EXPERIMENT = Path("experiments/miniature/gta2city.yaml")
UNSEEN = 2000  # seed of source scenes that no training saw
BATCH = 8
CROPS_OF_AN_IMAGE = 4
VARIANTS = {  # row: METHOD and settings; all at SISC's batch
    "SISC": ("sisc", ()),
    "head at random, scope crop": ("sisc-pwl", ("weak_labels.start=random", "weak_labels.scope=crop")),
    "scope crop": ("sisc-pwl", ("weak_labels.scope=crop",)),
    "scope crop, source by size too": ("sisc-pwl", ("weak_labels.scope=crop", "weak_labels.source_rule=threshold")),
    "scope image": ("sisc-pwl", ("weak_labels.scope=image",)),
    "scope image, source by size too": ("sisc-pwl", ("weak_labels.scope=image", "weak_labels.source_rule=threshold")),
}


def main() -> None:
    """Measure every variant from every source model and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run directories with a source model each")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenes = Path(folder) / "unseen"
        make_miniature(scenes, found("data_lists/miniature"), UNSEEN)
        rows = [
            measure(run, options.data, scenes, variant, Path(folder) / f"{number}-{variant}")
            for number, run in enumerate(options.runs)
            for variant in VARIANTS
        ]
    write_results("weak_labels", {"runs": len(options.runs), "rows": rows}, tables(rows))


def measure(source: Path, data: Path, unseen: Path, variant: str, run: Path) -> dict[str, Any]:
    """One variant from the source model of the run `source`, in the run directory `run`."""
    method, settings = VARIANTS[variant]
    shutil.copytree(source / "source", run / "source")
    seed = read_settings(source / "source" / "config.yaml")["seed"]
    job = opened(method, (*settings, "self_training.batch=2"), run, data, seed)
    row = {"variant": variant, "run": source.name, "source": read_json(source / "source" / "evaluation.json")["miou"]}
    for r in range(job.config.self_training.rounds):
        stages.pseudo_label(job, r)
        if r == 0 and method != "sisc":
            row["labels"] = label_quality(job, run / "labels")
        stages.self_train(job, r)
        stages.evaluate_weights(job, r)
        print(f"{source.name}, {variant}: round {r} done", flush=True)
    row["miou"] = read_json(job.round_folder(r) / "evaluation.json")["miou"]
    if method != "sisc":
        held_out = {"source": opened(method, settings, run, unseen, seed).source, "target": job.validation}
        weights = {"before": job.source_folder, "after": job.round_folder(r)}
        row["head"] = {
            side: {**{when: head_loss(job, at / "weights.params", data) for when, at in weights.items()}}
            | {"constant": constant_loss(job, data)}
            for side, data in held_out.items()
        }
    return row


def opened(method: str, settings: Iterable[str], run: Path, data: Path, seed: int) -> Job:
    """The miniature's job with some settings and data."""
    roots = {name: data / name for name in ("gta5", "synthia", "cityscapes")}
    return open_job(found(str(EXPERIMENT)), method, tuple(settings), run, roots, seed, "cpu")


def label_quality(job: Job, folder: Path) -> dict[str, float]:
    """Recall and precision of round 0's weak labels of crops of validation images, in percent."""
    images, weak = job.validation, job.config.weak_labels
    selection = read_json(job.round_folder(0) / "pseudo_labels" / "selection.json")
    thresholds = [selection["thresholds"][name] for name in images.classes.names]
    net, _ = job.segmentation_network(job.weights_before(0))
    segmenter = Segmenter(net, job.ctx, job.config.pseudo_labels, patch_seed(job.seed, 0))
    for index, name in enumerate(images.names):
        labels = segmenter.labels(segmenter.maps(images.image(index), name), thresholds, selection["rule"])
        write_bytes(folder / f"{name}.png", train_id_png(labels, images.classes))
    rule = partial(weak_labels, h_s=class_sizes(job, job.source), eta=weak.eta, comparison=weak.comparison)
    said = crops_of(job, Domain(with_pseudo_labels(images, folder), rule, weak.scope))
    there = crops_of(job, Domain(images, present(job)))
    said, there = (np.concatenate([batch.weak_labels for batch in batches]) for batches in (said, there))
    both = (said * there).sum()
    return {"recall": 100 * both / there.sum(), "precision": 100 * both / said.sum(), "present": there.sum(1).mean()}


def present(job: Job) -> Callable[[np.ndarray], np.ndarray]:
    """The classes with a pixel in a crop."""
    return partial(classes_present, num_classes=job.config.num_classes)


def crops_of(job: Job, domain: Domain):
    """The same crops of a domain's images at each call."""
    order = np.tile(joint_order(len(domain.dataset), 0, job.seed, 0), (CROPS_OF_AN_IMAGE, 1))
    return load_batches(TrainingCrops([domain], order, job.config.self_training.crops, job.seed, 0), BATCH)


def head_loss(job: Job, weights: Path, images: SceneDataset) -> float:
    """Eq. 5 of a network with the weak-label head against the classes that are in the crops; no dropout."""
    net = job.network(weak_label_head=True)
    mx.random.seed(job.seed)
    net.initialize()
    load_original(net, weights)
    losses = [
        weak_label_loss(net(mx.nd.array(batch.images))[1], mx.nd.array(batch.weak_labels)).asscalar()
        for batch in crops_of(job, Domain(images, present(job)))
    ]
    return float(np.mean(losses))


def constant_loss(job: Job, images: SceneDataset) -> float:
    """Eq. 5 of the best constant answer: for each class the share of the crops that have it."""
    there = np.concatenate([batch.weak_labels for batch in crops_of(job, Domain(images, present(job)))])
    share = np.clip(there.mean(axis=0), 1e-9, 1 - 1e-9)
    return float(-(share * np.log(share) + (1 - share) * np.log(1 - share)).mean())


def tables(rows: list[dict[str, Any]]) -> str:
    """Markdown: means and standard deviations over the source models."""
    gains, heads = [], []
    for variant in VARIANTS:
        mine = [row for row in rows if row["variant"] == variant]
        gain = spread([row["miou"] - row["source"] for row in mine])
        labels = [row["labels"] for row in mine if "labels" in row]
        quality = [spread([found[key] for found in labels]) if labels else "-" for key in ("recall", "precision")]
        gains.append((variant, *quality, spread([row["miou"] for row in mine]), gain))
        for side in ("source", "target") if labels else ():
            losses = [[row["head"][side][key] for row in mine] for key in ("constant", "before", "after")]
            heads.append((f"{variant}: {side}", *(f"{np.mean(values):.3f}" for values in losses)))
    labels_header = ("variant", "recall of weak labels, %", "precision, %", "mIoU", "above the source model")
    head_header = ("Eq. 5 on unseen crops", "best constant", "before round 0", "after the last round")
    return table(labels_header, gains) + "\n" + table(head_header, heads)


def spread(values: list[float]) -> str:
    """Mean and sample standard deviation."""
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
