"""Stage `evaluate`: IoU on the target's validation images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from mlsl_mx.evaluation.evaluate import evaluate, evaluate_predictions
from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.reports.cells import number
from mlsl_mx.stages.inputs import check_as_source, check_files
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.tensorboard import show_in_tensorboard
from mlsl_mx.system.result import Result
from mlsl_mx.system.whole_files import check_lengths, read_json


def evaluate_weights(job: Job, round_index: int | None) -> Result:
    """IoU of the weights after a round, or (None) of the source model."""
    folder, config = job.folder(round_index), job.config
    net, weights_hash = job.segmentation_network(job.weights(round_index))  # first: a mistyped RUN must get no log
    made_from = {"weights": weights_hash, "precision": config.network.precision}
    with open_stage(
        job,
        "evaluate",
        round_index,
        outputs=[folder / "evaluation.json", folder / "predictions"],
        settings=None if round_index is None else method_settings(job),
        inputs={**made_from, "list_hash": job.validation.fingerprint, "flip": config.evaluation.flip},
        check=partial(_check, job, round_index),
    ) as stage:
        if stage.done:
            result = read_json(stage.result, "miou", "mious", "images")
        else:
            segmenter = whole_image_segmenter(net, job.ctx, config.evaluation.flip)
            how = {"log": stage.log, "made_from": made_from, "workers": job.workers}
            result = evaluate(segmenter, job.validation, folder, **how)
        show_in_tensorboard(job, round_index)
    return Result(_in_words("source model" if round_index is None else f"round {round_index}", result), result)


def evaluate_saved(job: Job, predictions: Path) -> Result:
    """IoU of predictions that somebody saved as PNG files; nothing is written."""
    result = evaluate_predictions(predictions, job.validation)
    classes = [f"  {name}: {number(iou)}" for name, iou in result["per_class"].items()]
    return Result("\n".join([_in_words(str(predictions), result), *classes]), result)


def _check(job: Job, round_index: int | None) -> None:
    if round_index is not None:
        check_as_source(job)
    check_lengths(job.folder(round_index), (f"{name}.png" for name in job.validation.names))
    check_files(job.validation, "validation")


def _in_words(title: str, result: dict[str, Any]) -> str:
    means = [f"mIoU over {count} classes {number(mean)}" for count, mean in result["mious"].items()]
    note = resolution_note(result)
    return "\n".join([f"{title}: {', '.join(means)}", *([f"  {note}"] if note else [])])
