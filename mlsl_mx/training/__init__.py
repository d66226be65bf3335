"""Losses, schedules and the training loop.

The losses need MXNet, so they are imported when they are first asked for: reports read loss curves without it.
"""

__all__ = ["segmentation_loss", "weak_label_loss"]


def __getattr__(name):
    if name in __all__:
        from mlsl_mx.training import losses

        return getattr(losses, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
