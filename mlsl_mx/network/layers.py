"""Layers that trunks and heads are made of."""

from __future__ import annotations

from mxnet.gluon import nn
from mxnet.initializer import MSRAPrelu


def convolution(name: str, in_channels: int, channels: int, kernel: int, stride=1, dilation=1, bias=False) -> nn.Conv2D:
    """A convolution that keeps the resolution (but for its stride), drawn from a normal of variance 2 / fan_in."""
    return nn.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        use_bias=bias,
        in_channels=in_channels,
        weight_initializer=MSRAPrelu("in", slope=0.0),
        prefix=f"{name}_",
    )
