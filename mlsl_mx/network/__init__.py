"""ResNet-38 with a segmentation head and a weak-label head, and its weights in the naming of the original release.

The names here need MXNet, so they are imported when they are first asked for: parameter files are read without it.
"""

from mlsl_mx.system.lazy import lazily

__all__ = ["LoadReport", "MLSLNet", "load_original", "save_original"]

WEIGHTS = "mlsl_mx.network.weights.original_weights"
__getattr__ = lazily(
    __name__,
    {
        "MLSLNet": "mlsl_mx.network.mlsl_net",
        "LoadReport": WEIGHTS,
        "load_original": WEIGHTS,
        "save_original": WEIGHTS,
    },
)
