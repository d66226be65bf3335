"""A run directory with made-up numbers, as the stages would leave it.

run = write_run(tmp_path / "run", {"source-only": [35.0], "sisc": [40.0, 42.0]})   # mIoU of each round
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from mlsl_mx.config.classes import ClassSet, class_set
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.data.label_images import palette_png
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import write_bytes, write_json
from mlsl_mx.training.loss_curve import LossPoint

PAPER = Config()
SOURCE_LIST = "fedcba9876543210"  # fingerprint of the source images
WHOLE = {"segmentation": 1.0}  # term of a loss -> its share
ABSENT = "train"  # in neither truth nor prediction of a made-up evaluation


def write_run(run: Path, mious: dict, config: Config = PAPER, seed: int = 1, names: tuple = ()) -> Path:
    """One folder a method with one evaluation a round; predictions, labels and sheets only for the images `names`."""
    classes = class_set(config.classes)
    write_json(run / "source" / "environment.json", {"mlsl_mx": "0.1.0", "mxnet": "1.9.1", "revision": "abc1234"})
    for method, rounds in mious.items():
        folder = run / ("source" if method == "source-only" else method)
        settings = {"seed": seed, "lists": {"source": SOURCE_LIST}, **to_dict(config), "method": method}
        write_bytes(folder / "config.yaml", yaml.safe_dump(settings).encode())
        for index, miou in enumerate(rounds):
            stage = folder if method == "source-only" else folder / f"round-{index}"
            write_json(stage / "evaluation.json", evaluation(classes, miou))
            write_predictions(stage, classes, names, seed=index)
            if method != "source-only":
                write_json(stage / "pseudo_labels" / "selection.json", selection(classes, index))
                write_json(stage / "diagnosis.json", diagnosis(classes, index))
    return run


def evaluation(classes: ClassSet, miou: float) -> dict:
    """IoUs that fall from class to class around the mean; those of ABSENT are missing."""
    names = [name for name in classes.names if name != ABSENT]
    steps = np.linspace(20, -20, len(names))
    per_class = {name: None for name in classes.names}
    per_class.update({name: float(miou + step) for name, step in zip(names, steps, strict=True)})
    mious = {}
    for count in classes.published_means:
        values = [per_class[classes.names[i]] for i in classes.common(count)]
        mious[str(count)] = float(np.mean([v for v in values if v is not None]))
    confusion = np.diag([0 if name == ABSENT else 9 for name in classes.names])
    return {
        "miou": miou,
        "mious": mious,
        "per_class": per_class,
        "classes": list(classes.names),
        "images": 500,
        "confusion": confusion.tolist(),
        "list_hash": "0123456789abcdef",
    }


def selection(classes: ClassSet, index: int) -> dict:
    """Shares as the selection stage writes them."""
    coverage = 0.15 + 0.05 * index
    per_class = {name: coverage / classes.num_classes for name in classes.names}
    return {
        "round": index,
        "portion": coverage,
        "thresholds": {name: 0.99 - 0.05 * index for name in classes.names},
        "coverage": coverage,
        "coverage_per_class": per_class,
        "predicted_share": {name: 1 / classes.num_classes for name in classes.names},
        "mined": ["rider"],
        "images": 2975,
    }


def diagnosis(classes: ClassSet, index: int) -> dict:
    """From round to round labels agree more and patches disagree less; round 0 has none before it to agree with."""
    made = selection(classes, index)
    agreement = 0.8 + 0.03 * index if index else None
    known = {"agreement": agreement, "kept": 0.7 if index else None, "patch_disagreement": 0.06 - 0.01 * index}
    per_class = {
        name: {"threshold": made["thresholds"][name], "coverage": made["coverage_per_class"][name], **known}
        for name in classes.names
    }
    return {
        "portion": made["portion"],
        "coverage": made["coverage"],
        **known,
        "patch_images": 6,
        "per_class": per_class,
        "ground_truth": ground_truth(classes, index),
    }


def write_loss(run: Path, method: str, index: int, steps: int = 120, shares: Mapping[str, float] = WHOLE) -> None:
    """A loss that falls from 3 to 1, a point each step, in the run's log; its terms have these shares of it."""
    log_round = None if method == "source-only" else index
    log = RunLog(
        run / "log.jsonl", "train-source" if log_round is None else "self-train", method=method, round=log_round
    )
    for step in range(1, steps + 1):
        loss = 1 + 2 * (1 - step / steps) ** 2
        terms = {name: share * loss for name, share in shares.items()}
        point = LossPoint("2026-01-02T03:04:05", 4 * step // (steps + 1), step, steps, loss, terms, 0.01)
        log.write("loss", **point._asdict())


def ground_truth(classes: ClassSet, index: int) -> dict:
    """Precision falls and recall rises with the rounds; one class has no label at all."""
    one = {"precision": 0.9 - 0.02 * index, "recall": 0.1 + 0.05 * index, "labelled": 0.01}
    per_class = {name: dict(one) for name in classes.names}
    per_class[classes.names[-1]] = {"precision": None, "recall": 0.0, "labelled": 0}
    return {"images": 8, "precision": one["precision"], "coverage": 0.2, "per_class": per_class}


def write_predictions(stage: Path, classes: ClassSet, names: tuple, seed: int) -> None:
    """Palette PNGs of coloured blocks."""
    rng = np.random.default_rng(seed)
    for name in names:
        ids = rng.integers(0, classes.num_classes, (4, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        write_bytes(stage / "predictions" / "palette" / f"{name}.png", palette_png(ids, classes))
