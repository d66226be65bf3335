"""The second engine: PyTorch, for GPUs and Pythons that MXNet does not reach. Equal to the first within rounding."""

from mlsl_mx.system.lazy import lazily

__all__ = ["MLSLNet"]

__getattr__ = lazily(__name__, {"MLSLNet": "mlsl_mx.pytorch.network"})
