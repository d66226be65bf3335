"""Stage `pseudo-label`: labels of the target's training images by the weights before a round (Sec. 3.2)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.config.classes import listed
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.pseudo_labels.labelling import SUMMARY, generate_pseudo_labels, labelling_settings
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed, whole_image_segmenter
from mlsl_mx.pseudo_labels.weak_label_file import WEAK_LABELS, write_weak_labels
from mlsl_mx.stages.inputs import check_files, class_sizes, labels_made_by, prior
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings, own_code
from mlsl_mx.stages.stage import Stage, open_stage
from mlsl_mx.stages.tensorboard import show_in_tensorboard
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import called_for
from mlsl_mx.system.result import Result
from mlsl_mx.system.runs import record_of
from mlsl_mx.system.whole_files import check_lengths, read_json, write_bytes


def pseudo_label(job: Job, round_index: int, own: str | None = None) -> Result:
    """Label the images by SISC or single inference and class-balanced selection, as the method says.

    Args:
        own: a network of the user's own in the place of the weights before the round; see `Engine.own_network`. The
            weak labels of its labels are then written, too, if the method has them.
    """
    folder = job.folder(round_index) / "pseudo_labels"
    net, weights_hash = job.labelling_network(round_index, own)
    inputs = _inputs(job, round_index, weights_hash, own is not None)
    with open_stage(
        job,
        "pseudo-label",
        round_index,
        outputs=[folder / "selection.json", folder],
        settings=method_settings(job),
        inputs=inputs,
        check=partial(_check, job, round_index, net, own),
    ) as stage:
        if stage.first and not stage.done:
            take_over_labels(job, stage, inputs, folder)
        # Before the labels: what is wrong with a source label is told at once.
        h_s = None if own is None else _missing_sizes(job, folder)
        patches, seed = job.config.pseudo_labels, patch_seed(job.seed, round_index)
        segmenter = Segmenter(net, job.ctx, patches, seed, prior(job), identity=weights_hash)
        how = {"log": stage.log, "workers": job.workers}
        selection = generate_pseudo_labels(segmenter, job.target, job.config.selection, round_index, folder, **how)
        if h_s is not None and job.workers.rank == 0:
            write_weak_labels(folder, job.target, h_s, job.config.weak_labels)
        show_in_tensorboard(job, round_index)
    return Result(f"round {round_index}: {_in_words(selection, job.config.num_classes)}; see {folder}", selection)


def _inputs(job: Job, round_index: int, weights_hash: str, own: bool) -> dict[str, Any]:
    """What the labels depend on; methods that have the same share them."""
    inputs = {
        "weights": weights_hash,
        "precision": job.config.network.precision,
        "list": job.target.fingerprint,
        "round": round_index,
        "seed": job.seed,
        **labelling_settings(job.config.pseudo_labels, job.config.selection),
        **own_code(job, ("selection",)),
    }
    if own:  # whose weak labels are written beside the labels
        inputs.update(weak_labels=to_dict(job.config)["weak_labels"], source=job.source.fingerprint)
    return inputs


def take_over_labels(job: Job, stage: Stage, inputs: dict[str, Any], folder: Path) -> None:
    """Copy the labels that another method of the run made from the same inputs: SISC and SISC+PWL share round 0's.

    Args:
        folder: of the round's pseudo-labels; replaced if there are some to take over, none of them damaged.
    """
    copy = folder.with_name(f".{folder.name}.copy")  # takes its name when it is whole
    for other in sorted(job.run.glob(f"*/round-*/{folder.name}/{stage.record.name}")):
        if other != stage.record and _copied(other, inputs, copy, job.target):
            shutil.rmtree(folder, ignore_errors=True)
            copy.replace(folder)
            stage.log.write("taken_over", labels=str(other.parent.relative_to(job.run)))
            return
        shutil.rmtree(copy, ignore_errors=True)


def _copied(record: Path, inputs: dict[str, Any], copy: Path, target: SceneDataset) -> bool:
    """Whether the labels beside the record are whole, of these inputs, and copied; they may be being made anew."""
    try:
        if read_json(record) != inputs or not (record.parent / SUMMARY).exists():
            return False
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(record.parent, copy, ignore=shutil.ignore_patterns(".*"), copy_function=_copy_whole)
        for name in target.names:
            read_pseudo_label(copy / f"{name}.png", target.classes)
    except (OSError, InputError):
        return False
    return True


def _copy_whole(source: str, copy: str) -> None:
    """Copy a file so that it survives a power failure."""
    write_bytes(Path(copy), Path(source).read_bytes())


def _check(job: Job, round_index: int, net: Callable, own: str | None) -> None:
    labels, trained = (job.folder(round_index) / name for name in ("pseudo_labels", "weights.params"))
    of_own = own is not None or (record_of(labels, "pseudo-label").exists() and labels_made_by(labels)[1])
    if of_own and trained.exists():
        raise InputError(
            f"{trained} was trained on the labels that would be replaced: choose another RUN, or the network that made "
            "them (--net)"
        )
    check_lengths(labels, (f"{name}.png" for name in job.target.names))
    check_files(job.target, "target", patch=job.target_patch)
    if own is not None:
        _check_network(job, net, own)


def _check_network(job: Job, net: Callable, own: str) -> None:
    """Let a network of the user's own see what it will see: a patch of the first image, or all of it.

    Raises: InputError if it fails, or gives something else than logits of the experiment's classes.
    """
    patch = job.target_patch or None
    image = job.target.image(0)[:patch, :patch]
    with called_for(f"--net {own}", f" with an image of {image.shape[1]}x{image.shape[0]}", "pseudo-label"):
        maps = whole_image_segmenter(net, job.ctx, flip=False).exact_maps(image, job.target.names[0])
    maps.check_classes(job.config.num_classes)


def _missing_sizes(job: Job, folder: Path) -> np.ndarray | None:
    """h_s for the weak labels of a folder, (C,); None where they are there, or the method has none."""
    if not job.config.weak_labels.enabled or job.workers.agreed((folder / WEAK_LABELS).exists()):
        return None
    return class_sizes(job, job.source)


def _in_words(selection: dict[str, Any], classes: int) -> str:
    text = f"{100 * selection['coverage']:.1f} % of the target's pixels labelled"
    if selection["collapsed"]:
        text += f"; no label at all for {listed(selection['collapsed'])}"
    if selection["loose"]:
        text += f"; threshold below 1/{classes}: {listed(selection['loose'])}"
    return text
