"""MLSLNet in PyTorch, with the weights of an MLSLNet: what the benchmarks compare with.

PyTorch goes into a folder of its own, as GluonCV refuses to be imported where it finds a PyTorch of 2.0 or later, and
`mlsl` with it:

    .venv/bin/pip install -c constraints.txt --target .torch torch
    PYTHONPATH=.torch .venv/bin/python benchmarks/forward.py
"""

from __future__ import annotations

import mxnet as mx
import numpy as np
import torch
from torch import nn

from mlsl_mx.network import MLSLNet
from mlsl_mx.network.heads import SEGMENTATION_DILATION
from mlsl_mx.network.resnet38 import BATCH_NORM_EPSILON, BRANCHES, LEVELS, Level

LARGEST_DIFFERENCE = 1e-4  # of logits


class TorchNet(nn.Module):
    """ResNet-38 and the segmentation head, eager: images (B, 3, H, W) -> logits (B, C, H/8, W/8).

    Args:
        tensors: name in the release -> values; channel counts are read off them.
        dropout: rates before the last convolution of levels 6 and 7, while training.
    """

    def __init__(self, tensors: dict[str, np.ndarray], dropout: tuple[float, float] = (0.3, 0.5)):
        super().__init__()
        blocks = [TorchBlock(name, level, tensors, dropout) for level in LEVELS for name in level.block_names]
        last = next(name for name in tensors if name.startswith("linear") and name.endswith("_weight"))[
            : -len("_weight")
        ]
        self.trunk = nn.Sequential(
            _convolution("conv1a", tensors), *blocks, FrozenBatchNorm("bn7", tensors), nn.ReLU(inplace=True)
        )
        self.segmentation_head = nn.Sequential(
            _convolution("conv6a", tensors, dilation=SEGMENTATION_DILATION),
            nn.ReLU(inplace=True),
            _convolution(last, tensors, dilation=SEGMENTATION_DILATION),
        )

    def forward(self, images):
        return self.segmentation_head(self.trunk(images))


class TorchBlock(nn.Module):
    """A pre-activation residual block, as `resnet38.ResidualBlock`."""

    def __init__(self, name: str, level: Level, tensors, dropout):
        super().__init__()
        first = name == level.block_names[0]
        dilations = level.first_dilations if first else level.dilations
        rate = {6: dropout[0], 7: dropout[1]}.get(level.number, 0.0)
        self.preactivation = nn.Sequential(FrozenBatchNorm(f"bn{name}_{BRANCHES[0]}", tensors), nn.ReLU(inplace=True))
        self.projection = _convolution(f"res{name}_branch1", tensors, level.stride) if first else None
        residual = []
        for i, branch in enumerate(BRANCHES[: len(level.channels)]):
            if i > 0:
                residual += [FrozenBatchNorm(f"bn{name}_{branch}", tensors), nn.ReLU(inplace=True)]
            if i == len(level.channels) - 1 and rate > 0:
                residual.append(nn.Dropout(rate))
            stride = level.stride if first and i == 0 else 1
            residual.append(_convolution(f"res{name}_{branch}", tensors, stride, dilations[i]))
        self.residual = nn.Sequential(*residual)

    def forward(self, x):
        active = self.preactivation(x)
        shortcut = x if self.projection is None else self.projection(active)
        return shortcut + self.residual(active)


class FrozenBatchNorm(nn.BatchNorm2d):
    """Normalises with the stored statistics while training too; gamma and beta are trained."""

    def __init__(self, name: str, tensors):
        values = [
            torch.from_numpy(tensors[f"{name}_{part}"]) for part in ("gamma", "beta", "moving_mean", "moving_var")
        ]
        super().__init__(len(values[0]), eps=BATCH_NORM_EPSILON)
        for own, value in zip((self.weight, self.bias, self.running_mean, self.running_var), values, strict=True):
            own.data.copy_(value)
        self.eval()

    def train(self, mode: bool = True):
        return super().train(False)


def torch_copy(net: MLSLNet, dropout: tuple[float, float] = (0.3, 0.5)) -> TorchNet:
    """The trunk and the segmentation head of `net`, in PyTorch, in inference mode."""
    named = {name[len(net.prefix) :]: p.data().asnumpy() for name, p in net.collect_params().items()}
    return TorchNet(named, dropout).eval()


def random_net(width: float, **settings) -> MLSLNet:
    """An MLSLNet without a weak-label head; its logits are moderate, as a trained network's."""
    mx.random.seed(0)
    net = MLSLNet(19, width, weak_label_head=False, **settings)
    net.initialize()
    for parameter in net.collect_params(".*_branch2b._weight").values():  # nothing else holds the residual sums back
        parameter.set_data(parameter.data() / 2)
    return net


def check_same(logits: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference. Raises: AssertionError if it is not that of rounding."""
    difference = float(np.abs(logits - expected).max())
    assert difference <= LARGEST_DIFFERENCE, f"logits differ by {difference:.1e}: not the same network"
    return difference


def multiply_adds(model: TorchNet, side: int) -> int:
    """Multiplications, each with its addition, of all convolutions for an image of `side` x `side`, a multiple of 8."""
    counts: list[int] = []

    def count(layer, inputs, output):
        counts.append(output.numel() * layer.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        model(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return sum(counts) * side**2 // 64**2


def _convolution(name: str, tensors, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    weight, bias = tensors[f"{name}_weight"], tensors.get(f"{name}_bias")
    out_channels, in_channels, kernel, _ = weight.shape
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=bias is not None)
    layer.weight.data.copy_(torch.from_numpy(weight))
    if bias is not None:
        layer.bias.data.copy_(torch.from_numpy(bias))
    return layer
