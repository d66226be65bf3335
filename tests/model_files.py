"""Weights files of small networks whose output changes from place to place."""

from __future__ import annotations

from pathlib import Path

import mxnet as mx
import numpy as np

from mlsl_mx.network import MLSLNet, save_original


def write_model(
    path: Path, classes: int = 19, width: float = 0.02, weak_label_head: bool = False, seed: int = 0
) -> Path:
    """A model as it is initialised, but with a last layer that is blind to what all places share."""
    mx.random.seed(seed)
    net = MLSLNet(classes, width, weak_label_head)
    net.initialize()
    weight = net.segmentation_head[2].weight
    values = weight.data().asnumpy()  # (C, F, 3, 3)
    weight.set_data(mx.nd.array(values - values.mean(axis=0)))
    save_original(net, path)
    return path


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: blocks of 8x8 pixels in random colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy()
