"""The segmentation network as it runs fastest in PyTorch, for labelling and evaluation, where no gradient is needed.

The same function of the weights as MLSLNet's segmentation: a batch normalisation that follows a convolution is folded
into it; there is no dropout and no weak-label head.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional

from mlsl_mx.pytorch.network import BatchNormReLU, MLSLNet, ResidualBlock
from mlsl_mx.pytorch.streams import cudnn_flag

# network.precision -> weights and feature maps, but for the first and last layer, which are always float32.
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class InferenceNet(nn.Module):
    """A copy of a network for inference alone: images (B, 3, H, W) float32 -> logits (B, C, H/8, W/8) float32.

    Args:
        net: with its weights, on its device; it stays as it is.
        precision: a key of DTYPES. Normalisation has float32 factors in each. "tf32" has NVIDIA's GPUs round what
            convolutions multiply to 10 bits of mantissa.
    """

    def __init__(self, net: MLSLNet, precision: str = "float32"):
        super().__init__()
        self.precision = precision
        dtype = DTYPES[precision]
        trunk, (hidden, _, classes) = net.trunk, net.segmentation_head
        self.first = _folded(trunk.first, trunk.blocks[0].preactivation)
        self.blocks = nn.ModuleList(_Block(block, dtype, first=not i) for i, block in enumerate(trunk.blocks))
        self.last = _Normalisation(trunk.last)
        self.hidden = copy.deepcopy(hidden).to(dtype)
        self.classes = copy.deepcopy(classes).float()
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dtype = self.hidden.weight.dtype
        with cudnn_flag("allow_tf32", self.precision == "tf32"):
            x = images.to(memory_format=torch.channels_last)
            x = functional.relu(self.first(x), inplace=True).to(dtype)
            for block in self.blocks:
                x = block(x)
            x = functional.relu(self.hidden(self.last(x)), inplace=True)  # (B, hidden, H/8, W/8)
            return self.classes(x.float())


class _Block(nn.Module):
    """A residual block; of the first one the normalisation before it stands in the convolution before it."""

    def __init__(self, block: ResidualBlock, dtype: torch.dtype, first: bool):
        super().__init__()
        self.preactivation = None if first else _Normalisation(block.preactivation)
        self.projection = None if block.projection is None else copy.deepcopy(block.projection).to(dtype)
        *others, last = block.convolutions
        self.folded = nn.ModuleList(
            _folded(layer, normal).to(dtype) for layer, normal in zip(others, block.normals, strict=True)
        )
        self.last = copy.deepcopy(last).to(dtype)

    def forward(self, x):
        active = x if self.preactivation is None else self.preactivation(x)
        shortcut = x if self.projection is None else self.projection(active)
        for layer in self.folded:
            active = functional.relu(layer(active), inplace=True)
        return self.last(active).add_(shortcut)


class _Normalisation(nn.Module):
    """BN + ReLU of a residual sum, which other layers read too; its factors are float32, its result as its input."""

    def __init__(self, normal: BatchNormReLU):
        super().__init__()
        self.normal = copy.deepcopy(normal).float().eval()

    def forward(self, x):
        own = self.normal
        normal = functional.batch_norm(x, own.running_mean, own.running_var, own.weight, own.bias, eps=own.eps)
        return functional.relu(normal, inplace=True)


def _folded(layer: nn.Conv2d, normal: BatchNormReLU) -> nn.Conv2d:
    """The convolution with the normalisation behind it, float32; folded in float64, which not every device has."""
    weight, gamma, beta, mean, variance = (
        tensor.detach().cpu().double()
        for tensor in (layer.weight, normal.weight, normal.bias, normal.running_mean, normal.running_var)
    )
    scale = gamma / torch.sqrt(variance + normal.eps)
    shape = layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation
    folded = nn.Conv2d(*shape)
    with torch.no_grad():
        folded.weight.copy_(weight * scale[:, None, None, None])
        folded.bias.copy_(beta - mean * scale)
    return folded.to(layer.weight.device)
