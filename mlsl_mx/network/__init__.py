"""ResNet-38 with a segmentation head and a weak-label head, and its weights in the naming of the original release."""

from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.weights.original_weights import LoadReport, load_original, save_original

__all__ = ["LoadReport", "MLSLNet", "load_original", "save_original"]
