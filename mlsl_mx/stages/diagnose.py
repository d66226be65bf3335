"""Stage `diagnose`: how consistent a round's pseudo-labels are and, only if asked, how right. Nothing is fed back."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from mlsl_mx.data.datasets import with_pseudo_labels
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.pseudo_labels.consistency import agreement, patch_disagreement
from mlsl_mx.pseudo_labels.contact_sheet import sheet_path
from mlsl_mx.pseudo_labels.diagnosis import CONSISTENCY, compare_with_truth, diagnosis, drift_in_words, in_words
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.stages.inputs import labels_made_by, prior
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.tensorboard import show_in_tensorboard
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.result import Result
from mlsl_mx.system.whole_files import file_hash, read_json, write_json

LOGGER = logging.getLogger(__name__)


def diagnose(job: Job, round_index: int, with_ground_truth: bool, own: str | None = None) -> Result:
    """Measure a round's labels against those of the round before, their patches, and perhaps the truth.

    Args:
        with_ground_truth: read the labels of some validation images; the target's training labels are never opened.
        own: the network that made the labels, if it was the user's own; as of `pseudo_label`.
    """
    folder, config = job.folder(round_index), job.config
    labels, out = folder / "pseudo_labels", folder / "diagnosis.json"
    before = job.folder(round_index - 1) / "pseudo_labels" if round_index else None
    keys = ("portion", "thresholds", "coverage", "coverage_per_class", "predicted_share")
    selection = read_json(labels / "selection.json", *keys)
    first = read_json(job.folder(0) / "pseudo_labels" / "selection.json", "predicted_share")["predicted_share"]
    net, weights_hash = job.labelling_network(round_index, own)
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
    check, how = partial(_check, labels, weights_hash), {"settings": method_settings(job), "inputs": inputs}
    with open_stage(job, "diagnose", round_index, outputs=[out], check=check, **how) as stage:
        if stage.done:
            return Result(str(stage), read_json(out))
        segmenter = Segmenter(net, job.ctx, config.pseudo_labels, patch_seed(job.seed, round_index), prior(job))
        result = diagnosis(
            selection,
            first,
            agreement(with_pseudo_labels(now, before), now) if before else None,
            patch_disagreement(segmenter, sample) if config.pseudo_labels.inference == "sisc" else None,
            compare_with_truth(segmenter, truth, selection) if with_ground_truth else None,
        )
        write_json(out, result)
        if result["drift"]:
            LOGGER.warning(
                "round %d: labels drift: the network assigns far more or far less of the target to some classes than "
                "before the rounds: %s. Each round learns from the one before: look at %s before you trust this "
                "round or a later one",
                *(round_index, drift_in_words(result["drift"]), sheet_path(labels)),
            )
        stage.log.write("diagnosed", **{key: result[key] for key in ("coverage", *CONSISTENCY)})
        show_in_tensorboard(job, round_index)
    return Result(f"round {round_index}: {in_words(result)}", result)


def _check(labels: Path, weights_hash: str) -> None:
    if labels_made_by(labels)[0] != weights_hash:
        raise InputError(
            f"{labels}: made by another network than the one to measure them with: give the --net that they were made "
            "with, or run pseudo-label again"
        )
