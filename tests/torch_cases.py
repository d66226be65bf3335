"""What both engines compute in test_pytorch.py; it needs neither."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mlsl_mx.config.settings import Network, PseudoLabels
from mlsl_mx.training.batches import Batch

CLASSES = 19
NETWORK = partial(Network, width=0.125)
LEARNING_RATES = (0.01, 0.005, 0.002)  # falling: then it matters where in the momentum the rate stands
STEPS = {
    "eq6": {},
    "hard": {"hard_examples": True},
    "pixels": {"normaliser": "pixels"},
    "rare": {"class_weights": [1 + c for c in range(19)]},
}
PATCHES = {"patch": 64, "patches": 12}
CASES: dict[str, dict[str, Any]] = {
    "sisc": PATCHES,
    "unmirrored": {**PATCHES, "flip": False},
    "released": {**PATCHES, "upsampling": "bicubic", "start": "single", "single_scale": 0.9, "placement": "released"},
    "votes": {**PATCHES, "votes": True},
    "single": {"inference": "single"},
}
THRESHOLDS = (0.5, 0.25, 0.0, 0.9)
CASE_THRESHOLDS = 0.06 + 0.04 * (np.arange(CLASSES) % 4)  # some above and some below what the network gives


def case_settings(name: str) -> PseudoLabels:
    """Of one of CASES."""
    return PseudoLabels(**CASES[name])


def loss_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `composite_loss`."""
    return {"weight": 0.025, **settings}


def training_batch(index: int) -> Batch:
    """Two crops of 72x104, of which the first has no label in its upper half."""
    rng = np.random.default_rng(index)
    train_ids = rng.integers(0, CLASSES, (2, 9, 13)).astype(np.uint8)
    train_ids[0, :4] = 255
    return Batch(
        rng.normal(size=(2, 3, 72, 104)).astype(np.float32),
        train_ids,
        rng.integers(0, 2, (2, CLASSES)).astype(np.float32),
        np.array([0, 1], np.float32),
        ("a", "b"),
    )
