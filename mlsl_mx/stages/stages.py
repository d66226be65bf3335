"""The stages as Make calls them: open what a stage reads, run it, leave its files in the run directory.

Each is idempotent: a finished stage is a no-op, an interrupted one goes on. No stage knows the next one.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Sequence

import mxnet as mx

from mlsl_mx.config.classes import listed
from mlsl_mx.config.settings import to_dict
from mlsl_mx.data.datasets import with_pseudo_labels
from mlsl_mx.evaluation.evaluate import evaluate, evaluate_predictions
from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.network import load_original, save_original
from mlsl_mx.network.weights.published_weights import check_source_model, check_trunk, has_weak_label_head
from mlsl_mx.pseudo_labels.consistency import agreement, patch_disagreement
from mlsl_mx.pseudo_labels.contact_sheet import evenly_spread
from mlsl_mx.pseudo_labels.diagnosis import CONSISTENCY, compare_with_truth, diagnosis, in_words
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels, mined_groups, take_over_labels
from mlsl_mx.pseudo_labels.prior_files import keep_prior
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.reports.compare_tables import write_comparison
from mlsl_mx.reports.model_card import write_model_cards
from mlsl_mx.reports.report import write_report
from mlsl_mx.reports.round_events import write_round_events
from mlsl_mx.stages.inputs import check_files, class_sizes, prior, rare_classes, target_patch
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import (
    check_method_settings,
    check_source_settings,
    keep_method_settings,
    keep_source_settings,
)
from mlsl_mx.stages.start_files import check_start, selection_settings
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.result import Result
from mlsl_mx.system.runs import (
    begin_stage,
    check_lengths,
    file_hash,
    is_done,
    read_json,
    remove_leftovers,
    write_bytes,
    write_json,
)
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.epochs import head_epochs, self_training_epochs, source_epochs
from mlsl_mx.training.train import train

LOGGER = logging.getLogger(__name__)


def train_source(job: Job, imagenet: Path | None, checkpoint_seconds: float = math.inf) -> str:
    """Train the source model, from the trunk of an ImageNet classifier or, if the experiment says so, from scratch.

    It has both heads (Eq. 6), unless `source_training.weak_label_weight` is 0.
    """
    settings = job.config.source_training
    check_start(job.config, imagenet)
    if imagenet:
        check_trunk(imagenet, job.config.network.width)
    job.check_batch("source_training")
    source, weights = job.source, job.source_folder / "weights.params"
    if not job.workers.agreed(weights.exists()):
        check_files(source, "source")
    mx.random.seed(job.seed)
    net = job.network(settings.weak_label_weight > 0, frozen_statistics=settings.start == "trunk")
    net.initialize(ctx=list(job.devices))
    loaded = str(load_original(net, imagenet, part="trunk")) if imagenet else None
    check_source_settings(job, imagenet=imagenet)
    with job.stage("train-source") as log:
        keep_source_settings(job, imagenet=imagenet)
        if job.workers.agreed(weights.exists()):
            return _already(weights, job.workers)
        if imagenet:
            log.write("imagenet", file=str(imagenet), report=loaded)
            LOGGER.info("%s: %s", imagenet, loaded)
        epochs = source_epochs(source, settings, rare_classes(job, source), job.seed, job.readers, job.workers)
        events = job.tensorboard_folder(None) / "training"
        train(net, epochs, job.devices, job.source_folder, log, "source", job.workers, checkpoint_seconds, events)
        return f"source model: {weights}"


def import_weights(job: Job, weights: Path) -> str:
    """Take a source model in the original naming as this run's."""
    check_source_model(weights, job.config.num_classes, job.config.network.width)
    net = job.network(has_weak_label_head(weights))
    report = load_original(net, weights, ctx=job.ctx)
    check_source_settings(job, weights=weights)
    with job.stage("import-weights") as log:
        keep_source_settings(job, weights=weights)
        if (job.source_folder / "weights.params").exists():
            return _already(job.source_folder / "weights.params")
        save_original(net, job.source_folder / "weights.params")
        log.write("imported", file=str(weights), report=str(report))
        return f"{weights}: {report}"


def train_head(job: Job, checkpoint_seconds: float = math.inf) -> str:
    """Train the weak-label head alone on the source (Eq. 5), where round 0 needs it and the source model has none.

    All else of the network stays as it is, so the round's pseudo-labels are those of the source model.
    """
    folder, source_model = job.head_folder, job.weights_before(0)
    ready, weights = folder / "head.json", folder / "weights.params"
    inputs = {"weights": file_hash(source_model), "source": job.source.fingerprint, "seed": job.seed}
    needed = job.needs_head_training()
    if needed:
        job.check_batch("head_training")
        check_files(job.source, "source")
    check_method_settings(job)
    with job.stage("train-head", 0) as log:
        keep_method_settings(job)
        if job.workers.rank == 0:
            begin_stage(folder / "head.inputs.json", inputs, [ready, weights, folder / ".checkpoint"])
        if job.workers.agreed(ready.exists()):
            return _already(ready, job.workers)
        if needed:
            mx.random.seed(job.seed)
            net = job.network(weak_label_head=True)
            net.initialize(ctx=list(job.devices))
            log.write("start", weights=str(source_model), report=str(load_original(net, source_model)))
            net.freeze_all_but_head()
            epochs = head_epochs(job.source, job.config.head_training, job.seed, job.readers, job.workers)
            events = job.tensorboard_folder(0) / "head"
            train(net, epochs, job.devices, folder, log, "weak-label head", job.workers, checkpoint_seconds, events)
        start = str(weights if needed else source_model)
        if job.workers.rank == 0:
            write_json(ready, {"trained": needed, "start": start})
        return f"weak-label head of round 0: {start}" if needed else f"{start}: no weak-label head to train"


def spatial_prior(job: Job) -> str:
    """Compute or import the run's spatial prior and plot it, whether or not the method uses it."""
    path = keep_prior(job.run, job.source, job.config.selection.prior_file)
    return f"spatial prior: {path}, plotted in {path.with_suffix('.png')}"


def pseudo_label(job: Job, round_index: int) -> Result:
    """Label the target's training images with the weights before the round."""
    folder = _round(job, round_index) / "pseudo_labels"
    net, weights_hash = job.segmentation_network(job.weights_before(round_index))
    target, record = job.target, folder.parent / "pseudo_labels.inputs.json"
    inputs = {
        "weights": weights_hash,
        "precision": job.config.network.precision,
        "list": target.fingerprint,
        "round": round_index,
        "seed": job.seed,
        "pseudo_labels": to_dict(job.config)["pseudo_labels"],
        "selection": selection_settings(job.config.selection),
    }
    if not job.workers.agreed(is_done(record, inputs, folder / "selection.json")):
        check_lengths(folder, (f"{name}.png" for name in target.names))
        check_files(target, "target", patch=target_patch(job))
    check_method_settings(job)
    with job.stage("pseudo-label", round_index) as log:
        keep_method_settings(job)
        if job.workers.rank == 0:
            begin_stage(record, inputs, [folder])
            if not (folder / "selection.json").exists():
                take_over_labels(job.run, record, inputs, folder, log)
        result = generate_pseudo_labels(
            net,
            target,
            job.ctx,
            job.config.pseudo_labels,
            job.config.selection,
            round_index,
            job.seed,
            folder,
            prior=prior(job),
            log=log,
            workers=job.workers,
        )
        _show_in_tensorboard(job, round_index)
        _touch(folder / "selection.json", job.workers)
        lost = f"; no label at all for {listed(result['collapsed'])}" if result["collapsed"] else ""
        lost += f"; threshold below 1/{job.config.num_classes}: {listed(result['loose'])}" if result["loose"] else ""
        share = _percent(result["coverage"])
        text = f"round {round_index}: {share} % of the target's pixels labelled{lost}; see {folder}"
        return Result(text, result)


def diagnose(job: Job, round_index: int, with_ground_truth: bool) -> Result:
    """Measure how consistent the round's pseudo-labels are and, only if asked, how right. Nothing of it is fed back.

    Args:
        with_ground_truth: read the labels of some validation images; the target's training labels are never opened.
    """
    folder, config = _round(job, round_index), job.config
    labels, out = folder / "pseudo_labels", folder / "diagnosis.json"
    before = job.round_folder(round_index - 1) / "pseudo_labels" if round_index else None
    selection = read_json(labels / "selection.json", "portion", "thresholds", "coverage", "coverage_per_class")
    net, weights_hash = job.segmentation_network(job.weights_before(round_index))
    now, validation = with_pseudo_labels(job.target, labels), job.validation
    sample, truth = (d.subset(evenly_spread(len(d), config.evaluation.diagnosed_images)) for d in (now, validation))
    inputs = {
        "weights": weights_hash,
        "selection": file_hash(labels / "selection.json"),
        "selection_before": file_hash(before / "selection.json") if before else None,
        "target": now.fingerprint,
        "sample": sample.fingerprint,
        "ground_truth": truth.fingerprint if with_ground_truth else None,
    }
    check_method_settings(job)
    with job.stage("diagnose", round_index) as log:
        keep_method_settings(job)
        begin_stage(folder / "diagnosis.inputs.json", inputs, [out])
        if out.exists():
            return Result(_already(out), read_json(out))
        seed = patch_seed(job.seed, round_index)
        segmenter = Segmenter(net, job.ctx, config.pseudo_labels, seed, prior(job))
        result = diagnosis(
            selection,
            agreement(with_pseudo_labels(now, before), now) if before else None,
            patch_disagreement(segmenter, sample) if config.pseudo_labels.inference == "sisc" else None,
            compare_with_truth(segmenter, truth, selection) if with_ground_truth else None,
        )
        write_json(out, result)
        log.write("diagnosed", **{key: result[key] for key in ("coverage", *CONSISTENCY)})
        _show_in_tensorboard(job, round_index)
        return Result(f"round {round_index}: {in_words(result)}", result)


def self_train(job: Job, round_index: int, checkpoint_seconds: float = math.inf) -> str:
    """Train on source labels and the round's pseudo-labels, from the weights before it."""
    folder, config = _round(job, round_index), job.config
    job.check_batch("self_training")
    labels, start = folder / "pseudo_labels" / "selection.json", _start_of_training(job, round_index)
    selection = read_json(labels, "mined_first", "mined", "mined_in_target")
    source, target = job.source, with_pseudo_labels(job.target, labels.parent)
    inputs = {"weights": file_hash(start), "labels": file_hash(labels)}
    record, outputs = folder / "self_train.inputs.json", [folder / "weights.params", folder / ".checkpoint"]
    if not job.workers.agreed(is_done(record, inputs, outputs[0])):
        check_files(source, "source")
        check_files(
            target, "pseudo-labels", f"of a missing or damaged label delete {labels}: pseudo-label makes all anew"
        )
    check_method_settings(job)
    with job.stage("self-train", round_index) as log:
        keep_method_settings(job)
        if job.workers.rank == 0:
            begin_stage(record, inputs, outputs)
        if job.workers.agreed(outputs[0].exists()):
            return _already(outputs[0], job.workers)
        h_s = class_sizes(job, source)
        mx.random.seed(job.seed)
        net = job.network(weak_label_head=config.weak_labels.enabled)
        net.initialize(ctx=list(job.devices))
        log.write("start", weights=str(start), report=str(load_original(net, start)))
        if config.weak_labels.enabled and config.weak_labels.start == "random" and round_index == 0:
            mx.random.seed(job.seed)  # the same head, whether or not the source model has one
            net.weak_label_head.initialize(ctx=list(job.devices), force_reinit=True)
        mined = mined_groups(selection, source.classes.names)
        settings = (config.self_training, config.weak_labels, h_s, mined, round_index, job.seed)
        epochs = self_training_epochs(source, target, *settings, job.readers, job.workers)
        title, events = f"round {round_index}", job.tensorboard_folder(round_index) / folder.name
        train(net, epochs, job.devices, folder, log, title, job.workers, checkpoint_seconds, events)
        return f"round {round_index}: {outputs[0]}"


def _start_of_training(job: Job, round_index: int) -> Path:
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


def evaluate_weights(job: Job, round_index: int | None) -> Result:
    """IoU on the validation images of the weights after a round, or (None) of the source model."""
    folder = job.source_folder if round_index is None else _round(job, round_index)
    net, weights_hash = job.segmentation_network(folder / "weights.params")  # first: a mistyped RUN must get no log
    validation, flip = job.validation, job.config.evaluation.flip
    if not job.workers.agreed((folder / "evaluation.json").exists()):
        check_lengths(folder, (f"{name}.png" for name in validation.names))
        check_files(validation, "validation")
    if round_index is not None:
        check_method_settings(job)
    with job.stage("evaluate", round_index) as log:
        if round_index is not None:
            keep_method_settings(job)
        precision = job.config.network.precision
        result = evaluate(net, validation, job.ctx, flip, folder, log, weights_hash, precision, job.workers)
        _show_in_tensorboard(job, round_index)
        _touch(folder / "evaluation.json", job.workers)
        return Result(_means("source model" if round_index is None else f"round {round_index}", result), result)


def evaluate_saved(job: Job, predictions: Path) -> Result:
    """IoU of predictions that somebody saved as PNG files; nothing is written."""
    result = evaluate_predictions(predictions, job.validation)
    classes = [f"  {name}: {_percent(iou, 1)}" for name, iou in result["per_class"].items()]
    return Result("\n".join([_means(str(predictions), result), *classes]), result)


def _means(title: str, result: dict[str, Any]) -> str:
    means = [f"mIoU over {count} classes {_percent(mean, 1)}" for count, mean in result["mious"].items()]
    note = resolution_note(result)
    return "\n".join([f"{title}: {', '.join(means)}", *([f"  {note}"] if note else [])])


def report(job: Job) -> Result:
    """The run's tables, charts, panels and model cards; the text goes to `report/METHOD.txt` too."""
    remove_leftovers(job.run)
    text = write_report(job.run, job.config, job.validation, job.run / "report")
    write_bytes(job.run / "report" / f"{job.config.method}.txt", f"{text}\n".encode())
    write_model_cards(job.run, existing)
    return Result(text, read_json(job.run / "report" / "report.json"))


def compare(runs: Sequence[Path], out: Path, table: str | None) -> Result:
    """Several runs side by side, in `out`; and their model cards."""
    text = write_comparison(runs, out, table)
    for run in runs:
        write_model_cards(run, existing)
    return Result(text, read_json(out / "comparison.json"))


def _round(job: Job, round_index: int) -> Path:
    """The folder of a round. Raises: InputError if there is no such round."""
    rounds = job.config.self_training.rounds
    if not 0 <= round_index < rounds:
        raise InputError(
            f"round {round_index}: {job.config.name} with {job.config.method} has {rounds}, from 0: raise --rounds "
            "(make ROUNDS=)"
        )
    return job.round_folder(round_index)


def _show_in_tensorboard(job: Job, round_index: int | None) -> None:
    """What is known by now of a round, or (None) of the source model; the first worker writes it."""
    if job.workers.rank == 0:
        folder = job.source_folder if round_index is None else job.round_folder(round_index)
        events, validation = job.tensorboard_folder(round_index), job.validation
        write_round_events(events, folder, round_index or 0, validation, job.config.evaluation.panels)


def _already(path: Path, workers: Workers = ALONE) -> str:
    _touch(path, workers)
    return f"{path} is there already"


def _touch(path: Path, workers: Workers) -> None:
    """Make it newer than what it was made from, also where it was there: for Make."""
    if workers.rank == 0:
        path.touch()


def _percent(value: float | None, factor: float = 100) -> str:
    return "-" if value is None else f"{factor * value:.1f}"
