"""Networks of somebody else's for test_any_network.py: colours through a 1x1 convolution at several strides; faults."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# (C, 3) and (C,) of the convolution, for which noise has every class.
WEIGHT = np.array([[1.5, -0.5, 0.2], [-0.8, 1.2, 0.1], [0.3, -0.4, 1.1]], np.float32)
BIAS = np.array([0.25, 0.1, 0.0], np.float32)


class Colours(nn.Module):
    """Images (B, 3, H, W) -> {"out": logits (B, 3, H / stride, W / stride), "aux": something else}."""

    def __init__(self, stride: int):
        super().__init__()
        self.classes = nn.Conv2d(3, 3, 1)
        self.classes.weight.data = torch.from_numpy(WEIGHT)[:, :, None, None]
        self.classes.bias.data = torch.from_numpy(BIAS)
        self.pool = nn.AvgPool2d(stride)
        self.dropout = nn.Dropout(0.5)  # which a network that labels must not have

    def forward(self, images):
        return {"out": self.dropout(self.pool(self.classes(images))), "aux": images}


def stride_1():
    return Colours(1)


def stride_2():
    return Colours(2)


def stride_4():
    return Colours(4)


def stride_8():
    return Colours(8)


def stride_16():
    return Colours(16)


def function():
    """No module, and a tuple."""
    return lambda images: (functional.avg_pool2d(functional.conv2d(images, *_tensors()), 4), None)


def _tensors():
    return torch.from_numpy(WEIGHT)[:, :, None, None], torch.from_numpy(BIAS)


def of_21_classes():
    return nn.Conv2d(3, 21, 1)


def flat():
    return lambda images: images.mean(dim=(2, 3))


def without_output():
    return lambda images: None


def enlarging():
    return nn.Upsample(scale_factor=2)


def failing():
    return nn.Conv2d(4, 3, 1)


def failing_later():
    """At the third call."""
    calls, network = [], Colours(4)

    def called(images):
        calls.append(images.shape)
        if len(calls) > 2:
            raise RuntimeError("no such size")
        return network(images)

    return called


def not_made():
    raise FileNotFoundError("no weights in segformer.pt")


def no_network():
    return 3
