"""The second engine's MLSLNet with the weights of the first one's: what the benchmarks compare with.

PyTorch goes into a folder of its own, as GluonCV refuses to be imported where it finds a PyTorch of 2.0 or later, and
`mlsl` with it:

    .venv/bin/pip install -c constraints.txt --target .torch torch
    PYTHONPATH=.torch .venv/bin/python benchmarks/forward.py
"""

from __future__ import annotations

import mxnet as mx
import numpy as np

from mlsl_mx.network import MLSLNet
from mlsl_mx.network.architecture import LEVELS
from mlsl_mx.pytorch import MLSLNet as TorchNet

CLASSES = 19
LARGEST_DIFFERENCE = 1e-4  # of logits


def torch_copy(net: MLSLNet, dropout: tuple[float, float] = (0.3, 0.5)) -> TorchNet:
    """The trunk and the segmentation head of `net`, in PyTorch, in inference mode."""
    width = net.trunk.channels / LEVELS[-1].channels[-1]
    copy = TorchNet(CLASSES, width, weak_label_head=False, dropout=dropout)
    copy.set_tensors(net.tensors())
    return copy.eval()


def random_net(width: float, **settings) -> MLSLNet:
    """An MLSLNet without a weak-label head; its logits are moderate, as a trained network's."""
    mx.random.seed(0)
    net = MLSLNet(CLASSES, width, weak_label_head=False, **settings)
    net.initialize()
    for parameter in net.collect_params(".*_branch2b._weight").values():  # nothing else holds the residual sums back
        parameter.set_data(parameter.data() / 2)
    return net


def check_same(logits: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference. Raises: AssertionError if it is not that of rounding."""
    difference = float(np.abs(logits - expected).max())
    assert difference <= LARGEST_DIFFERENCE, f"logits differ by {difference:.1e}: not the same network"
    return difference
