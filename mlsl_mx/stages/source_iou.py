"""Does a network know its source? IoU on source images, which have labels where the target has none: on those that are
held out (`source.held_out`), or else on a few that it is trained on.

It shows early, and without any target label, that a source model has not learnt its source, or that the steps of the
rounds are so large that the network forgets it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlsl_mx.config.classes import listed
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.evaluation.evaluate import confusion_of, summary
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.stage import Stage
from mlsl_mx.system.whole_files import file_hash, read_json, write_json

LOGGER = logging.getLogger(__name__)

FILE = "source_iou.json"  # beside the weights that it is of
MOST = 100  # images that are looked at, of those held out
UNLEARNT = 1.0  # percent: a class below it has not been learnt
LITTLE = 40.0  # mIoU in percent: a source model below it has not learnt its source
FORGOTTEN = 0.85  # of the source model's mIoU: a round that ends below it has forgotten


def measure_source_model(job: Job, stage: Stage) -> None:
    """Measure the source model, and warn of what it has not learnt. The first worker alone does, and once."""
    images = _to_measure(job, job.source_folder, stage)
    if not images:
        return
    found = _measure(job, job.source_folder, images, stage)
    seen = f"{found['images']} source images that it is {'not ' if found['held_out'] else ''}trained on"
    LOGGER.info("source model: %.1f mIoU on %s", found["miou"] or 0.0, seen)
    if (found["miou"] or 0.0) < LITTLE:
        LOGGER.warning(
            "the source model has not learnt its source: %.1f mIoU on %s; rounds on top of it rarely help: train it "
            "longer (source_training.epochs) before you spend time on them",
            *(found["miou"] or 0.0, seen),
        )
    if found["unlearnt"]:
        LOGGER.warning(
            "the source model does not know %s: IoU below %g %% on %s, so no round can find them in the target: train "
            "it longer (source_training.epochs), or centre crops on rare classes (source_training.mining_probability)",
            *(listed(found["unlearnt"]), UNLEARNT, seen),
        )


def measure_round(job: Job, round_index: int, stage: Stage) -> None:
    """Measure the weights after a round, and warn if they know the source much worse than the source model."""
    folder = job.folder(round_index)
    images = _to_measure(job, folder, stage)
    if not images:
        return
    before = _measured(job, job.source_folder, images) or _measure(job, job.source_folder, images, stage)
    after = _measure(job, folder, images, stage)
    if (after["miou"] or 0.0) < FORGOTTEN * (before["miou"] or 0.0):
        LOGGER.warning(
            "round %d: the network forgets its source: %.1f mIoU on %d source images, %.1f before the rounds: steps "
            "are too large: lower self_training.optimizer.learning_rate, or raise self_training.batch",
            *(round_index, after["miou"], after["images"], before["miou"]),
        )


def _to_measure(job: Job, folder: Path, stage: Stage) -> SceneDataset | None:
    """Of the images held out at most MOST, or else some that it is trained on: `evaluation.diagnosed_images`. None for
    other workers than the first, and where an earlier start has measured them."""
    if not stage.first:
        return None
    seen, most = (job.source, job.config.evaluation.diagnosed_images) if job.held_out is None else (job.held_out, MOST)
    images = seen.subset(evenly_spread(len(seen), most))
    return None if stage.done and _measured(job, folder, images) else images


def _measured(job: Job, folder: Path, images: SceneDataset) -> dict[str, Any] | None:
    """What source_iou.json says, if it is of the weights that are there, of these images and seen in the same way."""
    if not (folder / FILE).exists():
        return None
    found = read_json(folder / FILE, "miou", "images")
    return found if _made_from(job, file_hash(folder / "weights.params"), images).items() <= found.items() else None


def _made_from(job: Job, weights: str, images: SceneDataset) -> dict[str, Any]:
    """What a measurement depends on."""
    return {"weights": weights, "list_hash": images.fingerprint, "flip": job.config.evaluation.flip}


def _measure(job: Job, folder: Path, images: SceneDataset, stage: Stage) -> dict[str, Any]:
    """Write `folder`/source_iou.json. Returns: its content.

    That is miou and per_class in percent, the number of images, whether they are held out, `unlearnt`: classes of their
    truth below UNLEARNT; and what it is made from. Where an earlier start has done the training the log stays as it is,
    so the training's time does, too.
    """
    net, weights = replace(job, devices=job.devices[:1]).segmentation_network(folder / "weights.params")
    segmenter = whole_image_segmenter(net, job.ctx, job.config.evaluation.flip)
    scored = summary(confusion_of(segmenter, images, "source IoU"), images.classes, len(images))
    in_truth = (name for name, row in zip(images.classes.names, scored["confusion"], strict=True) if sum(row))
    found = {key: scored[key] for key in ("miou", "per_class", "images")}
    found["held_out"] = job.held_out is not None
    found["unlearnt"] = [name for name in in_truth if scored["per_class"][name] < UNLEARNT]
    found.update(_made_from(job, weights, images))
    write_json(folder / FILE, found)
    if not stage.done:
        stage.log.write("source_iou", weights=folder.name, miou=found["miou"], images=found["images"])
    return found
