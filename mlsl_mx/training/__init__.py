"""Losses, schedules and the training loop.

The losses need MXNet, so they are imported when they are first asked for: reports read loss curves without it.
"""

from mlsl_mx.system.lazy import lazily

__all__ = ["segmentation_loss", "weak_label_loss"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "mlsl_mx.training.losses"))
