"""One batch over several devices and workers: each computes its crops, all see the loss of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from mlsl_mx.system.workers import Workers
from mlsl_mx.training.batches import Batch


def batch_loss(
    net, loss: Callable, batch: Batch, devices: Sequence[mx.Context], workers: Workers
) -> dict[str, nd.NDArray]:
    """Loss of the whole batch, recorded, so that `backward` gives this worker's part of the gradient.

    The network's outputs at stride 8 are small, so they are brought together, not the losses: normalisers (Eq. 1, 2 and
    5) and the choice of hard examples are then those of the whole batch, and all workers have the same loss.

    Args:
        net: with its parameters on all devices.
        loss: (outputs, train_ids, weak_labels, is_target) -> terms by name, as `composite_loss`.
        batch: the worker's crops, a multiple of the number of devices.

    Returns: the terms by name, (1,) float32 each on the first device.
    """
    images = np.split(batch.images, len(devices))  # each (B / devices, 3, s, s)
    images = [nd.array(part, ctx=device, dtype="float32") for part, device in zip(images, devices, strict=True)]
    known = [
        nd.array(workers.gather(values.astype(np.float32, copy=False)), ctx=devices[0], dtype="float32")
        for values in (batch.train_ids, batch.weak_labels, batch.is_target)
    ]
    with autograd.record():
        return loss(_together([net(part) for part in images], workers), *known)


def _together(outputs: Sequence, workers: Workers):
    """The outputs of all devices and workers, on the first device; only this worker's have a gradient."""
    if isinstance(outputs[0], (list, tuple)):
        return [_together(parts, workers) for parts in zip(*outputs, strict=True)]
    device = outputs[0].context
    own = outputs[0]
    if len(outputs) > 1:
        own = nd.concat(*(part.as_in_context(device) for part in outputs), dim=0)  # (crops of the worker, C, ...)
    if workers.count == 1:
        return own
    with autograd.pause():
        whole = nd.array(workers.gather(own.asnumpy()), ctx=device)
        parts = list(nd.split(whole, workers.count, axis=0))
    parts[workers.rank] = own
    return nd.concat(*parts, dim=0)  # (B, C, ...)
