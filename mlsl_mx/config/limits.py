"""What values the settings of an experiment may have."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.encodings import BITS
from mlsl_mx.config.own_limits import check_own
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import flat

CHOICES = {
    "source.dataset": ("gta5", "synthia", OWN),
    "target.dataset": ("cityscapes", OWN),
    "source.encoding": tuple(BITS),
    "target.encoding": tuple(BITS),
    "source.label_orientation": ("unknown", "upright", "stored"),
    "target.label_orientation": ("unknown", "upright", "stored"),
    "network.head_relu": ("every_layer", "released"),
    "network.precision": ("float32", "bfloat16", "float16"),
    "source_training.start": ("trunk", "scratch"),
    "source_training.decay": ("constant", "poly"),
    "self_training.decay": ("constant", "poly"),
    "pseudo_labels.inference": ("sisc", "single"),
    "pseudo_labels.placement": ("random", "sliding", "released"),
    "pseudo_labels.upsampling": ("bilinear", "bicubic"),
    "pseudo_labels.start": ("empty", "single"),
    "selection.policy": ("class_balanced", "global"),
    "selection.rule": ("reweighted", "argmax"),
    "weak_labels.start": ("source", "random"),
    "weak_labels.scope": ("crop", "image", "cells"),
    "weak_labels.sizes": ("source", "released"),
    "weak_labels.comparison": ("greater", "at_least"),
    "weak_labels.source_rule": ("present", "threshold"),
    "self_training.normaliser": ("labelled", "pixels"),
}

TRAININGS = ("source_training", "head_training", "self_training")

# Smallest and largest value that makes sense: far above what anybody uses, but below what no machine can hold.
LIMITS = {
    "source.size": (8, 16384),
    "target.size": (8, 16384),
    "network.width": (0.02, 4),
    "network.dropout": (0, 0.99),
    "pseudo_labels.patches": (1, 10_000),
    "pseudo_labels.patch": (8, 16384),
    "pseudo_labels.single_scale": (0.05, 1),
    "pseudo_labels.batch": (0, 1024),
    "selection.portion": (0, 1),
    "selection.portion_step": (0, 1),
    "selection.portion_max": (0, 1),
    "selection.stride": (1, 1_000_000),
    "weak_labels.eta": (0, 1),
    "weak_labels.weight": (0, 1e6),
    "source_training.weak_label_weight": (0, 1e6),
    "source_training.mining_probability": (0, 1),
    "source_training.mining_rarest": (1, 1000),
    "self_training.rounds": (0, 999),
    "self_training.learning_rate_decay": (0, 1),
    "self_training.source_portion": (0, 1),
    "self_training.source_portion_step": (0, 1),
    "self_training.source_portion_max": (0, 1),
    "self_training.mining_probability": (0, 1),
    "selection.mining_share": (0, 1),
    "selection.mining_rarest": (0, 1000),
    "selection.mining_least": (0, 1),
    "evaluation.diagnosed_images": (0, 1_000_000),
    "evaluation.panels": (0, 1000),
    **{f"{stage}.epochs": (1, 100_000) for stage in TRAININGS},
    **{f"{stage}.batch": (1, 4096) for stage in TRAININGS},
    **{f"{stage}.crops.size": (8, 16384) for stage in TRAININGS},
    **{f"{stage}.crops.scale": (0.05, 20) for stage in TRAININGS},
    **{f"{stage}.optimizer.learning_rate": (0, 10) for stage in TRAININGS},
    **{f"{stage}.optimizer.momentum": (0, 1) for stage in TRAININGS},
    **{f"{stage}.optimizer.weight_decay": (0, 1) for stage in TRAININGS},
}


def check_values(config) -> None:
    """Raises: InputError for a value that no stage can use, naming its key and the limit."""
    settings = dict(flat(dataclasses.asdict(config)))
    check_each(settings)
    for name in (f"{stage}.crops.scale" for stage in TRAININGS):
        if settings[name][0] > settings[name][1]:
            raise InputError(f"{name} is {settings[name]}: the first must not exceed the second")
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith("~/"):
            raise InputError(
                f"{name} is {value}: only a shell knows ~: write the whole path of your folder in its place"
            )
    prior_file = config.selection.prior_file
    if prior_file and not prior_file.endswith((".mat", ".npz")):
        raise InputError(f"selection.prior_file is {prior_file!r}: it must be a .mat or an .npz file")
    labels, size = config.pseudo_labels, config.target.size
    if labels.inference == "sisc" and size is not None and labels.patch > min(size):
        raise InputError(
            f"pseudo_labels.patch is {labels.patch}, larger than a side of target.size {list(size)}: lower it"
        )
    weak = config.weak_labels
    if weak.enabled and weak.sizes == "released" and config.classes != 19:
        raise InputError(
            f"weak_labels.sizes is released, but the release has sizes of 19 classes, not of {config.num_classes}: "
            "use weak_labels.sizes=source"
        )
    check_own(config)


def check_each(settings: Mapping[str, Any]) -> None:
    """See that each of some settings, by their keys, has a value that it may have, whatever the others are.

    Raises: InputError as `check_values`.
    """
    for name in (name for name in CHOICES if name in settings):
        if settings[name] not in CHOICES[name]:
            raise InputError(f"{name} is {settings[name]!r}: use one of {', '.join(map(str, CHOICES[name]))}")
    for name in (name for name in LIMITS if name in settings):
        low, high = LIMITS[name]
        for value in settings[name] if isinstance(settings[name], tuple) else [settings[name]]:
            if value is not None and not low <= value <= high:
                raise InputError(f"{name} is {value}: it must be between {low} and {high}")
    for name in (*(f"{stage}.crops.size" for stage in TRAININGS), "pseudo_labels.patch"):
        if settings.get(name, 0) % 8:
            raise InputError(f"{name} is {settings[name]}: it must be a multiple of 8, the network's stride")
