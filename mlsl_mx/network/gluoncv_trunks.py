"""GluonCV's dilated ResNets as trunks: stride 8, the backbone of most papers in this field."""

from __future__ import annotations

from gluoncv import model_zoo
from mxnet.initializer import MSRAPrelu

from mlsl_mx.network.trunks import Trunk

PARTS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


class GluonCVResNet(Trunk):
    """A ResNet of GluonCV without its classifier: images (B, 3, H, W) -> feature map (B, channels, H/8, W/8).

    Names in weights files are those of GluonCV's own files. GluonCV's classifiers were trained with the normalisation
    that images have here. There is no dropout in it.
    """

    stride = 8
    classifier = ("fc.weight", "fc.bias")

    def __init__(self, width: float, dropout: tuple[float, float], frozen_statistics: bool):
        super().__init__()
        with self.name_scope():
            whole = getattr(model_zoo, self.gluoncv)(dilated=True, use_global_stats=frozen_statistics)
            for part in PARTS:
                setattr(self, part, getattr(whole, part))
        self.channels = whole.fc.weight.shape[1]
        # From scratch: normal, of variance 2 / fan_in, as the other trunk's.
        self.collect_params(".*_weight$").setattr("init", MSRAPrelu("in", slope=0.0))

    def hybrid_forward(self, F, x):
        """(B, 3, H, W) -> (B, channels, H/8, W/8)."""
        for part in PARTS:
            x = getattr(self, part)(x)
        return x


class ResNet50v1s(GluonCVResNet):
    """50 layers, a stem of three 3x3 convolutions; 2048 channels."""

    gluoncv = "resnet50_v1s"


class ResNet101v1s(GluonCVResNet):
    """101 layers, else as ResNet50v1s."""

    gluoncv = "resnet101_v1s"
