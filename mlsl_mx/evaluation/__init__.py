"""Evaluation on the validation images, the published tables, and the reports."""

from mlsl_mx.evaluation.metrics import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
