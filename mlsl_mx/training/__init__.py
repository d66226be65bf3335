"""Losses, schedules and the training loop."""

from mlsl_mx.training.losses import segmentation_loss, weak_label_loss

__all__ = ["segmentation_loss", "weak_label_loss"]
