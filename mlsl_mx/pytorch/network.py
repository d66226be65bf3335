"""The network of the paper in PyTorch: ResNet-38 and its heads, with the tensors and names of the original release.

The layers follow `network.architecture`, as the first engine's do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mlsl_mx.network.architecture import (
    BATCH_NORM_EPSILON,
    BRANCHES,
    LEVELS,
    SEGMENTATION_DILATION,
    SEGMENTATION_HIDDEN,
    WEAK_LABEL_CHANNELS,
    WEAK_LABEL_HIDDEN,
    Level,
    scaled,
)
from mlsl_mx.network.trunk_facts import DEFAULT

# PyTorch's names of a layer's tensors -> those of the release.
OF_NORMALISATION = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}


class MLSLNet(nn.Module):
    """ResNet-38 with a segmentation head and, if wanted, a weak-label head; see `mlsl_mx.network.MLSLNet`.

    Weights are drawn at construction: from a normal of variance 2 / fan_in, biases and betas 0, gammas 1.

    Args:
        num_classes: C.
        width: factor of every channel count.
        weak_label_head: whether there is one.
        head_relu: "every_layer" (the paper) or "released": where the weak-label head has a ReLU.
        dropout: rates before the last convolution of levels 6 and 7, while training.
        frozen_statistics: normalise with the running statistics while training too.
        precision: "float32", or "bfloat16": convolutions run in it; weights and outputs stay float32.
    """

    trunk_name = DEFAULT

    def __init__(
        self,
        num_classes: int = 19,
        width: float = 1.0,
        weak_label_head: bool = True,
        *,
        head_relu: str = "every_layer",
        dropout: tuple[float, float] = (0.3, 0.5),
        frozen_statistics: bool = True,
        precision: str = "float32",
    ):
        super().__init__()
        self.precision = precision
        self.trunk = ResNet38(width, dropout, frozen_statistics)
        features, hidden = self.trunk.channels, scaled(SEGMENTATION_HIDDEN, width)
        self.segmentation_head = nn.Sequential(
            convolution("conv6a", features, hidden, 3, dilation=SEGMENTATION_DILATION, bias=True),
            nn.ReLU(inplace=True),
            convolution(f"linear{num_classes}", hidden, num_classes, 3, dilation=SEGMENTATION_DILATION, bias=True),
        )
        self.weak_label_head = None
        if weak_label_head:
            self.weak_label_head = WeakLabelHead(features, num_classes, width, head_relu == "every_layer")
        self.apply(_draw)

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """images (B, 3, H, W), normalised RGB -> logits (B, C, H/8, W/8), or (logits, weak_logits (B, C))."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            features = self.trunk(images)  # (B, F, H/8, W/8)
            logits = self.segmentation_head(features).float()
            return logits if self.weak_label_head is None else (logits, self.weak_label_head(features).float())

    def named_tensors(self) -> dict[str, torch.Tensor]:
        """All parameters and running statistics by their names in weights files."""
        found = {}
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                found.update({f"{layer.name}_{name}": getattr(layer, own) for own, name in OF_NORMALISATION.items()})
            elif isinstance(layer, (nn.Conv2d, nn.Linear)):
                found[f"{layer.name}_weight"] = layer.weight
                if layer.bias is not None:
                    found[f"{layer.name}_bias"] = layer.bias
        return found

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors by their names in weights files."""
        return {name: tuple(tensor.shape) for name, tensor in self.named_tensors().items()}

    def tensors(self) -> dict[str, np.ndarray]:
        """Copies of all tensors by their names in weights files, float32."""
        return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in self.named_tensors().items()}

    def set_tensors(self, values: Mapping[str, np.ndarray], ctx=None) -> None:
        """Give tensors these values, by their names in weights files; the others stay as they are.

        Args:
            ctx: the device to move to, in a list or not; None: where the network is.
        """
        if ctx is not None:
            self.initialize(ctx)
        with torch.no_grad():
            for name, tensor in self.named_tensors().items():
                if name in values:
                    tensor.copy_(torch.from_numpy(np.array(values[name])))

    def initialize(self, ctx) -> None:
        """Move to a device, given alone or in a list: weights are there since the construction."""
        self.to(_only(ctx).torch, memory_format=_only(ctx).layout)

    def redraw_head(self, ctx) -> None:
        """Draw the weak-label head's weights anew."""
        device = _only(ctx).torch
        self.weak_label_head.cpu().apply(_draw).to(device)  # drawn on the CPU, so of each device the same

    def freeze_all_but_head(self) -> None:
        """Freeze everything except the weak-label head."""
        self.requires_grad_(False)
        self.weak_label_head.requires_grad_(True)


class ResNet38(nn.Module):
    """images (B, 3, H, W) -> feature map (B, 4096 * width, H/8, W/8), the output of the last BN + ReLU."""

    def __init__(self, width: float, dropout: tuple[float, float], frozen: bool):
        super().__init__()
        rates = {6: dropout[0], 7: dropout[1]}
        channels = scaled(64, width)
        self.first = convolution("conv1a", 3, channels, 3)
        self.blocks = nn.ModuleList()
        for level in LEVELS:
            for name in level.block_names:
                self.blocks.append(ResidualBlock(name, channels, level, width, rates.get(level.number, 0.0), frozen))
                channels = scaled(level.channels[-1], width)
        self.last = BatchNormReLU("bn7", channels, frozen)
        self.channels = channels

    def forward(self, images):
        x = self.first(images)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class ResidualBlock(nn.Module):
    """shortcut + residual, both of the input; BN and ReLU come before each convolution.

    In the first block of a level the shortcut is a 1x1 projection of the first BN + ReLU output, else the input itself.
    """

    def __init__(self, name: str, in_channels: int, level: Level, width: float, dropout: float, frozen: bool):
        super().__init__()
        first = name == level.block_names[0]
        channels = [scaled(c, width) for c in level.channels]
        dilations = level.first_dilations if first else level.dilations
        self.preactivation = BatchNormReLU(f"bn{name}_{BRANCHES[0]}", in_channels, frozen)
        self.projection = None
        if first:
            self.projection = convolution(f"res{name}_branch1", in_channels, channels[-1], 1, level.stride)
        self.convolutions, self.normals = nn.ModuleList(), nn.ModuleList()
        for i, branch in enumerate(BRANCHES[: len(channels)]):
            before, stride = (in_channels, level.stride if first else 1) if i == 0 else (channels[i - 1], 1)
            if i:
                self.normals.append(BatchNormReLU(f"bn{name}_{branch}", before, frozen))
            self.convolutions.append(
                convolution(f"res{name}_{branch}", before, channels[i], level.kernels[i], stride, dilations[i])
            )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        active = self.preactivation(x)
        shortcut = x if self.projection is None else self.projection(active)
        *others, last = self.convolutions
        for layer, normal in zip(others, self.normals, strict=True):
            active = normal(layer(active))
        return shortcut + last(self.dropout(active))


class WeakLabelHead(nn.Module):
    """1x1 2048, 3x3 2048, global average, FC 512, FC C: (B, F, h, w) -> logits (B, C) of the sigmoids of Eq. 5."""

    def __init__(self, in_channels: int, num_classes: int, width: float, relu_every_layer: bool):
        super().__init__()
        channels, hidden = scaled(WEAK_LABEL_CHANNELS, width), scaled(WEAK_LABEL_HIDDEN, width)
        self.convolutions = nn.Sequential(
            convolution("conv61a", in_channels, channels, 1, bias=True),
            nn.ReLU(inplace=True),
            convolution(f"logistic{num_classes}", channels, channels, 3, bias=True),
        )
        self.hidden, self.classes = nn.Linear(channels, hidden), nn.Linear(hidden, num_classes)
        self.hidden.name, self.classes.name = "bCls0", "bCls1"
        self.relu_every_layer = relu_every_layer

    def forward(self, features):
        x = self.convolutions(features)  # (B, channels, h, w)
        x = self.hidden(self._relu(x).mean(dim=(2, 3)))  # (B, hidden)
        return self.classes(self._relu(x))

    def _relu(self, x):
        return functional.relu(x) if self.relu_every_layer else x


class BatchNormReLU(nn.BatchNorm2d):
    """Batch normalisation and ReLU; gamma and beta are trained.

    `frozen`: normalise with the running statistics while training too, and leave them alone. Otherwise they are
    estimated from the batches; PyTorch's variance is then that of a sample, n / (n - 1) times MXNet's.
    """

    def __init__(self, name: str, channels: int, frozen: bool):
        super().__init__(channels, eps=BATCH_NORM_EPSILON, momentum=0.1)
        self.name = name
        self.frozen = frozen
        self.train()

    def train(self, mode: bool = True):
        return super().train(mode and not self.frozen)

    def forward(self, x):
        return functional.relu(super().forward(x), inplace=True)


def convolution(
    name: str, in_channels: int, channels: int, kernel: int, stride: int = 1, dilation: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the resolution (but for its stride), named as in the release."""
    layer = nn.Conv2d(in_channels, channels, kernel, stride, dilation * (kernel // 2), dilation, bias=bias)
    layer.name = name
    return layer


def _draw(layer: nn.Module) -> None:
    """Weights from a normal of variance 2 / fan_in, biases 0."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _only(ctx):
    return ctx[0] if isinstance(ctx, Sequence) else ctx
