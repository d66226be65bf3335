"""How much arithmetic the network is; PyTorch alone is needed."""

from __future__ import annotations

import torch
from torch import nn

from mlsl_mx.pytorch import MLSLNet


def multiply_adds(width: float, side: int) -> int:
    """Of the convolutions of a forward pass of one square image, by their shapes alone, without the weak-label head."""
    with torch.device("meta"):
        net, found = MLSLNet(19, width, False), []
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                count = lambda own, _, output: found.append(output[0, 0].numel() * own.weight.numel())  # noqa: E731
                layer.register_forward_hook(count)
        net.segmentation_head(net.trunk(torch.empty(1, 3, side, side)))
    return sum(found)
