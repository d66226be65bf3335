"""Evaluation on the validation images: confusion matrix and IoU."""

from mlsl_mx.evaluation.metrics import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
