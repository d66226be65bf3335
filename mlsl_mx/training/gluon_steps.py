"""Training steps by MXNet: SGD over several devices and workers, all of which see the loss of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.batches import Batch


class GluonSteps:
    """The engine's part of a training: gradients, steps and momentum.

    SGD with momentum over the learnable parameters; factors for biases and betas are on the parameters. Gradients are
    added over devices and workers; then each makes the same step of its own, so that momentum stays here and no
    optimizer is sent to the parameter server, which would unpickle it.

    Args:
        net: with its parameters on all devices.
        loss: (outputs, train_ids, weak_labels, is_target) -> terms by name, as `composite_loss`.
        devices: of this worker, which share its part of a batch evenly.
        workers: who share each batch.
    """

    def __init__(
        self, net, optimizer: Optimizer, loss: Callable, devices: Sequence[mx.Context], workers: Workers = ALONE
    ):
        self.net = net
        self.loss = loss
        self.devices = devices
        self.workers = workers
        settings = {
            "learning_rate": optimizer.learning_rate,
            "momentum": optimizer.momentum,
            "wd": optimizer.weight_decay,
        }
        kvstore = workers.kvstore or "device"  # which is none for a single device
        self._trainer = gluon.Trainer(net.collect_params(), "sgd", settings, kvstore=kvstore, update_on_kvstore=False)
        if workers.count > 1:
            # All take the weights of the first, and wait: else a gradient may overtake a weight, and be taken for it.
            self._trainer._init_kvstore()
            self._trainer._init_params()
            mx.nd.waitall()

    def gradients(self, batch: Batch) -> dict[str, float]:
        """Terms of the loss, by name, of a batch of which this worker has its part; their gradients are kept."""
        terms = batch_loss(self.net, self.loss, batch, self.devices, self.workers)
        with autograd.record():
            loss = nd.add_n(*(term.reshape((1,)) for term in terms.values()))  # of which a user's own may be constant
        loss.backward()
        return {name: term.asnumpy().item() for name, term in terms.items()}

    def update(self, learning_rate: float) -> None:
        """One step of SGD by the gradients that are kept."""
        self._trainer.set_learning_rate(learning_rate)
        self._trainer.step(1)  # the loss has its normaliser already

    def momentum(self) -> dict[str, np.ndarray]:
        """Float32, by the names of parameters in weights files; empty before the first step."""
        names = self._names()
        states = self._trainer._updaters[0].states.items()  # those of the other devices are the same
        return {names[index]: state.asnumpy() for index, state in states if state is not None}

    def set_momentum(self, saved: Mapping[str, np.ndarray]) -> None:
        """Go on with what `momentum` gave."""
        # Trainer.load_states would unpickle; the updaters take NDArrays as they are.
        states = {index: saved[name] for index, name in self._names().items() if name in saved}
        for updater, device in zip(self._trainer._updaters, self.devices, strict=True):
            updater.states.update({index: mx.nd.array(state, ctx=device) for index, state in states.items()})
            updater.states_synced.update(dict.fromkeys(states, True))

    def _names(self) -> dict[int, str]:
        """The trainer's number of each parameter -> its name in weights files."""
        named = {id(parameter): name for name, parameter in self.net.named_parameters().items()}
        return {index: named[id(parameter)] for index, parameter in enumerate(self._trainer._params)}

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        parameters = self.net.collect_params().values()
        return bool(np.isfinite(sum(parameter.list_data()[0].sum().asscalar() for parameter in parameters)))


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
