"""The two heads on the trunk's feature map: the class of each pixel, the classes of the image (Sec. 4.1.2)."""

from __future__ import annotations

from mxnet.gluon import nn
from mxnet.initializer import MSRAPrelu

from mlsl_mx.network.architecture import (
    SEGMENTATION_DILATION,
    SEGMENTATION_HIDDEN,
    WEAK_LABEL_CHANNELS,
    WEAK_LABEL_HIDDEN,
    scaled,
)
from mlsl_mx.network.layers import convolution


def _dense(name: str, in_units: int, units: int) -> nn.Dense:
    return nn.Dense(units, in_units=in_units, weight_initializer=MSRAPrelu("in", slope=0.0), prefix=f"{name}_")


class SegmentationHead(nn.HybridSequential):
    """3x3 512 + ReLU, 3x3 C, both of dilation 12: (B, F, h, w) -> logits (B, C, h, w)."""

    def __init__(self, in_channels: int, num_classes: int, width: float):
        super().__init__(prefix="")
        hidden = scaled(SEGMENTATION_HIDDEN, width)
        self.add(
            convolution("conv6a", in_channels, hidden, 3, dilation=SEGMENTATION_DILATION, bias=True),
            nn.Activation("relu"),
            convolution(f"linear{num_classes}", hidden, num_classes, 3, dilation=SEGMENTATION_DILATION, bias=True),
        )


class WeakLabelHead(nn.HybridSequential):
    """1x1 2048, 3x3 2048, global average, FC 512, FC C: (B, F, h, w) -> logits (B, C) of the sigmoids of Eq. 5.

    `relu_every_layer`: ReLU after every layer but the last (the paper), else after the 1x1 alone (the release).
    """

    def __init__(self, in_channels: int, num_classes: int, width: float, relu_every_layer: bool):
        super().__init__(prefix="")
        channels, hidden = scaled(WEAK_LABEL_CHANNELS, width), scaled(WEAK_LABEL_HIDDEN, width)
        self.add(convolution("conv61a", in_channels, channels, 1, bias=True), nn.Activation("relu"))
        self.add(convolution(f"logistic{num_classes}", channels, channels, 3, bias=True))
        if relu_every_layer:
            self.add(nn.Activation("relu"))
        self.add(nn.GlobalAvgPool2D())  # (B, channels, 1, 1)
        self.add(_dense("bCls0", channels, hidden))
        if relu_every_layer:
            self.add(nn.Activation("relu"))
        self.add(_dense("bCls1", hidden, num_classes))
