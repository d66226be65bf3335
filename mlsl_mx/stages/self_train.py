"""Stage `self-train`: a round's training on source labels and pseudo-labels (Eq. 3; with weak labels Eq. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.transforms import MinedGroups
from mlsl_mx.stages.inputs import check_files, class_sizes, labels_made_by
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings
from mlsl_mx.stages.source_iou import measure_round
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.training import train_stage
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import file_hash, read_json
from mlsl_mx.training.epochs import self_training_epochs


def self_train(job: Job, round_index: int, checkpoint_seconds: float) -> str:
    """Train on source labels and the round's pseudo-labels, from the weights before it."""
    folder, config = job.folder(round_index), job.config
    weights, labels = folder / "weights.params", folder / "pseudo_labels" / "selection.json"
    job.check_batch("self_training")
    start = _start(job, round_index)
    selection = read_json(labels, "mined_first", "mined", "mined_in_target")
    source, target = job.source, with_pseudo_labels(job.target, labels.parent)
    with open_stage(
        job,
        "self-train",
        round_index,
        outputs=[weights, folder / ".checkpoint"],
        settings=method_settings(job),
        inputs={"weights": file_hash(start), "labels": file_hash(labels)},
        check=partial(_check, job, round_index, target),
    ) as stage:
        if not stage.done:
            epochs = self_training_epochs(
                source,
                target,
                config.self_training,
                config.weak_labels,
                class_sizes=class_sizes(job, source),
                mined=mined_groups(selection, source.classes.names),
                round_index=round_index,
                **job.for_epochs,
            )
            train_stage(
                job,
                stage,
                _network(job, round_index, start, stage.log),
                epochs,
                title=f"round {round_index}",
                checkpoint_seconds=checkpoint_seconds,
                events=job.tensorboard_folder(round_index) / folder.name,
            )
        measure_round(job, round_index, stage)
    return str(stage) if stage.done else f"round {round_index}: {weights}"


def mined_groups(summary: Mapping[str, Any], names: Sequence[str]) -> tuple[MinedGroups, MinedGroups]:
    """What a round mines, for `training_crop`: in source images, and in target images.

    Labels of the source are the truth. In the target, predictions of very rare classes are mostly wrong, so classes
    with a smaller share of the labels than `selection.mining_least` are not mined there.

    Args:
        summary: the content of selection.json.
        names: of all classes.
    """
    source, target = (
        tuple(tuple(map(names.index, found[key])) for key in ("mined_first", "mined"))
        for found in (summary, summary["mined_in_target"])
    )
    return source, target


def _check(job: Job, round_index: int, target: SceneDataset) -> None:
    labels, before = job.folder(round_index) / "pseudo_labels", job.weights_before(round_index)
    made_by, of_own = labels_made_by(labels)
    if not of_own and made_by != file_hash(before):
        raise InputError(
            f"{labels}: made by other weights than {before}, which are there now: run pseudo-label --round "
            f"{round_index} again"
        )
    check_files(job.source, "source")
    again = f"if a label file is missing or damaged, delete {labels / 'selection.json'} and run pseudo-label again"
    check_files(target, "pseudo-labels", again)


def _start(job: Job, round_index: int) -> Path:
    """The weights that a round's training starts from: those before it, of round 0 with a trained weak-label head.

    Raises: InputError if the head has not been trained yet.
    """
    if round_index or not job.needs_head_training():
        return job.weights_before(round_index)
    weights = job.head_folder / "weights.params"
    if not weights.exists():
        raise InputError(
            f"{weights}: no such file: {job.weights_before(0)} has no weak-label head: run train-head first, or start "
            "from a random one: weak_labels.start=random"
        )
    return weights


def _network(job: Job, round_index: int, start: Path, log: RunLog) -> Any:
    """The network with the weights that it starts from."""
    weak = job.config.weak_labels
    net, report = job.network_to_train(start, weak.enabled)
    log.write("start", weights=str(start), report=report)
    if weak.enabled and weak.start == "random" and round_index == 0:
        job.engine.seed(job.seed)  # the same head, whether or not the source model has one
        net.redraw_head(list(job.devices))
    return net
