"""Stage `pseudo-label`: labels of the target's training images by the weights before a round (Sec. 3.2)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from mlsl_mx.config.classes import listed
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels, take_over_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.stages.inputs import check_files, prior
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.start_files import selection_settings
from mlsl_mx.stages.tensorboard import show_in_tensorboard
from mlsl_mx.system.result import Result
from mlsl_mx.system.runs import check_lengths


def pseudo_label(job: Job, round_index: int) -> Result:
    """Label the images by SISC or single inference and class-balanced selection, as the method says."""
    folder = job.folder(round_index) / "pseudo_labels"
    net, weights_hash = job.segmentation_network(job.weights_before(round_index))
    inputs = _inputs(job, round_index, weights_hash)
    with open_stage(
        job,
        "pseudo-label",
        round_index,
        outputs=[folder / "selection.json", folder],
        settings=method_settings(job),
        inputs=inputs,
        check=partial(_check, job, folder),
    ) as stage:
        if stage.first and not stage.done:
            take_over_labels(job.run, stage.record, inputs, folder, stage.log)
        segmenter = Segmenter(net, job.ctx, job.config.pseudo_labels, patch_seed(job.seed, round_index), prior(job))
        how = {"log": stage.log, "workers": job.workers}
        selection = generate_pseudo_labels(segmenter, job.target, job.config.selection, round_index, folder, **how)
        show_in_tensorboard(job, round_index)
    return Result(f"round {round_index}: {_in_words(selection, job.config.num_classes)}; see {folder}", selection)


def _inputs(job: Job, round_index: int, weights_hash: str) -> dict[str, Any]:
    """What the labels depend on; methods that have the same share them."""
    return {
        "weights": weights_hash,
        "precision": job.config.network.precision,
        "list": job.target.fingerprint,
        "round": round_index,
        "seed": job.seed,
        "pseudo_labels": to_dict(job.config)["pseudo_labels"],
        "selection": selection_settings(job.config.selection),
    }


def _check(job: Job, folder: Path) -> None:
    check_lengths(folder, (f"{name}.png" for name in job.target.names))
    check_files(job.target, "target", patch=job.target_patch)


def _in_words(selection: dict[str, Any], classes: int) -> str:
    text = f"{100 * selection['coverage']:.1f} % of the target's pixels labelled"
    if selection["collapsed"]:
        text += f"; no label at all for {listed(selection['collapsed'])}"
    if selection["loose"]:
        text += f"; threshold below 1/{classes}: {listed(selection['loose'])}"
    return text
