"""What both engines compute in test_pytorch.py; it needs neither."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.config.settings import Network, PseudoLabels
from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.engine import engine_of
from mlsl_mx.network import load_original
from mlsl_mx.pseudo_labels import ClassConfidences
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.training.batches import Batch

CLASSES = 19
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
RULES = ("reweighted", "argmax")
THRESHOLDS = (0.5, 0.25, 0.0, 0.9)
CASE_THRESHOLDS = 0.06 + 0.04 * (np.arange(CLASSES) % 4)  # some above and some below what the network gives


class Computed:
    """What the engine of a device gives, from the weights and images in a folder."""

    def __init__(self, ctx: str, folder: Path):
        self.folder = folder
        self.engine = engine_of(ctx)
        self.devices = self.engine.devices(ctx)

    def network(self, weak_label_head: bool, **settings):
        """The narrow network with these weights."""
        net = self.engine.network(CLASSES, Network(width=0.125, **settings), weak_label_head)
        load_original(net, self.folder / "weights.params", ctx=self.devices[0])
        return net

    def inference_net(self, precision: str = "float32"):
        """Of the network without the weak-label head."""
        return self.engine.inference_net(self.network(False), precision)

    def loss(self, name: str):
        """Of one of STEPS."""
        return partial(self.engine.losses.composite_loss, weight=0.025, **STEPS[name])

    def steps(self, name: str) -> tuple[list[dict[str, float]], dict[str, np.ndarray]]:
        """Terms of the loss of steps of SGD, and all tensors after them."""
        net, terms = self.network(True, dropout=(0, 0)), []
        steps = self.engine.Steps(net, Optimizer(), self.loss(name), self.devices)
        for index, rate in enumerate(LEARNING_RATES):
            terms.append(steps.gradients(training_batch(index)))
            steps.update(rate)
        return terms, net.tensors()

    def labels(self, name: str) -> dict[str, np.ndarray]:
        """Classes, confidences, thresholds and labels of the image, looked at as in one of CASES."""
        segmenter = Segmenter(self.inference_net(), self.devices[0], PseudoLabels(**CASES[name]), seed=3)
        maps = segmenter.maps(np.load(self.folder / "image.npy"), "an image")
        classes, confidences = segmenter.confidences(maps)
        filed = ClassConfidences(CLASSES)
        filed.update_top(classes, confidences)
        labels = {rule: segmenter.labels(maps, CASE_THRESHOLDS, rule) for rule in RULES}
        return {"classes": classes, "confidences": confidences, "thresholds": filed.thresholds(0.3), **labels}


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
