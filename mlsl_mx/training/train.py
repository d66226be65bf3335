"""Training: one epoch with everything as arguments, and the two stages made of it (Eq. 1; Eq. 3 and 7)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from mlsl_mx.config import Optimizer
from mlsl_mx.data.sampling import Batch
from mlsl_mx.errors import InputError
from mlsl_mx.network import load_original, save_original
from mlsl_mx.network_time import TrainingTime
from mlsl_mx.progress import progress
from mlsl_mx.runs import RunLog, read_json, whole_file, write_json
from mlsl_mx.training.losses import segmentation_loss, weak_label_loss
from mlsl_mx.training.shards import batch_loss
from mlsl_mx.workers import ALONE, Workers

CHECKPOINT_SECONDS = 60  # at least, between two checkpoints


def composite_loss(outputs, train_ids, weak_labels, weight: float, hard_examples: bool = False):
    """Eq. 6: L_seg + lambda * L_Fcl. A network without the weak-label head has L_seg alone (Eq. 1 to 3).

    Args:
        outputs: logits (B, C, h, w), or (logits, weak logits (B, C)).
        weight: lambda.

    Returns: (1,) NDArray.
    """
    logits, weak_logits = outputs if isinstance(outputs, (list, tuple)) else (outputs, None)
    loss = segmentation_loss(logits, train_ids, hard_examples)
    if weak_logits is None:
        return loss
    return loss + weight * weak_label_loss(weak_logits, weak_labels)


def make_trainer(net, optimizer: Optimizer, workers: Workers = ALONE) -> gluon.Trainer:
    """SGD with momentum over the learnable parameters; factors for biases and betas are on the parameters.

    Gradients are added over devices and workers; then each makes the same step of its own, so that momentum stays here
    and no optimizer is sent to the parameter server, which would unpickle it.
    """
    settings = {
        "learning_rate": optimizer.learning_rate,
        "momentum": optimizer.momentum,
        "wd": optimizer.weight_decay,
    }
    kvstore = workers.kvstore or "device"  # which is none for a single device
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings, kvstore=kvstore, update_on_kvstore=False)
    if workers.count > 1:
        # All take the weights of the first, and wait: else a gradient may overtake a weight, and be taken for it.
        trainer._init_kvstore()
        trainer._init_params()
        mx.nd.waitall()
    return trainer


def train_one_epoch(
    net,
    loss: Callable,
    batches: Iterable[Batch],
    trainer: gluon.Trainer,
    devices: Sequence[mx.Context],
    learning_rate: Callable[[int], float],
    workers: Workers = ALONE,
) -> float:
    """One pass over `batches`; the rate of step k is `learning_rate(k)`.

    Args:
        batches: this worker's part of each.
        trainer: of the same workers.
        devices: of this worker, which share its part evenly.

    Returns: mean loss of the steps.
    Raises: InputError at the first loss that is not finite, naming the step and the batch's files; all workers do.
    """
    losses = []
    for step, batch in enumerate(batches):
        trainer.set_learning_rate(learning_rate(step))
        value = batch_loss(net, loss, batch, devices, workers)
        value.backward()
        losses.append(value.asscalar())
        if not math.isfinite(losses[-1]):
            raise InputError(
                f"training: the loss is {losses[-1]} at step {step}, batch {', '.join(batch.names)}: "
                "lower the learning rate or look at these files; the weights of the epoch before are kept"
            )
        trainer.step(1)  # the loss is a mean already
    return float(np.mean(losses)) if losses else 0.0


@dataclass(frozen=True)
class Epochs:
    """What `train` needs beside the network: how many epochs, of what, at which rate, and where to keep its place."""

    count: int
    steps: int  # in one epoch
    batches: Callable[[int], Iterable[Batch]]  # of an epoch
    loss: Callable  # (outputs, train_ids, weak_labels) -> NDArray
    learning_rate: Callable[[int], float]  # of a step, counted over all epochs
    optimizer: Optimizer
    seed: int


def train(
    net,
    epochs: Epochs,
    devices: Sequence[mx.Context],
    out: Path,
    log: RunLog,
    title: str,
    workers: Workers = ALONE,
) -> None:
    """Train for all epochs and write `out/weights.params` in the original naming.

    At ends of epochs, once a minute at most, weights, momentum and position go to `out/.checkpoint`; a run that was
    interrupted goes on from there. Each epoch draws its dropout from (seed, epoch, rank), so going on changes nothing.
    Of several workers, the first alone writes.

    Raises: InputError as `train_one_epoch`, or if a weight is no longer finite at the end of an epoch.
    """
    trainer = make_trainer(net, epochs.optimizer, workers)
    checkpoint = Checkpoint(out / ".checkpoint")
    first = workers.agreed(checkpoint.epochs_done())
    if first:
        checkpoint.restore(net, trainer, devices, first)
        log.write("resumed", epoch=first)
    network, total = TrainingTime(), epochs.count * epochs.steps
    with progress(None, title, "step", total, done=first * epochs.steps, network=network) as steps:
        for epoch in range(first, epochs.count):
            started, network_before = time.monotonic(), network.seconds
            mx.random.seed(_dropout_seed(epochs.seed, epoch, workers.rank))
            batches = _counted(network.of_steps(epochs.batches(epoch)), steps)
            start = epoch * epochs.steps
            rate = lambda step, start=start: epochs.learning_rate(start + step)  # noqa: E731
            mean_loss = train_one_epoch(net, epochs.loss, batches, trainer, devices, rate, workers)
            _check_finite(net, epoch)
            steps.set_postfix(loss=f"{mean_loss:.3f}", refresh=False)
            log.write(
                "epoch",
                epoch=epoch,
                loss=mean_loss,
                learning_rate=rate(0),
                seconds=round(time.monotonic() - started, 3),
                network_seconds=round(network.seconds - network_before, 3),
            )
            if workers.rank == 0:
                checkpoint.save_if_due(net, trainer, epoch + 1)
    if workers.rank == 0:
        save_original(net, out / "weights.params")
        checkpoint.remove()


def _dropout_seed(seed: int, epoch: int, rank: int) -> int:
    """Each worker drops other units; MXNet itself gives each device masks of its own."""
    if rank == 0:
        return seed * 100003 + epoch
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1)[0] >> 1)


def _check_finite(net, epoch: int) -> None:
    """The last step's weights are in no loss yet. Raises: InputError if one is not a finite number."""
    total = sum(parameter.list_data()[0].sum().asscalar() for parameter in net.collect_params().values())
    if not math.isfinite(total):
        raise InputError(f"training: weights are not finite after epoch {epoch}: lower the learning rate")


def _counted(batches: Iterable[Batch], steps) -> Iterable[Batch]:
    for batch in batches:
        yield batch
        steps.update()


class Checkpoint:
    """Weights, momentum and position at the end of an epoch, in a folder that vanishes when training is done."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.position = self.folder / "position.json"
        self.saved = time.monotonic()

    def save_if_due(self, net, trainer: gluon.Trainer, epoch: int) -> None:
        """Save unless that was done a moment ago: writing must not cost more than it may save."""
        if time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
            self.save(net, trainer, epoch)
            self.saved = time.monotonic()

    def save(self, net, trainer: gluon.Trainer, epoch: int) -> None:
        """Write the state; `position.json` comes last and names the files that belong to it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights, momentum = (self.folder / f"{kind}-{epoch}.params" for kind in ("weights", "momentum"))
        save_original(net, weights)
        states = trainer._updaters[0].states.items()  # those of the other devices are the same
        with whole_file(momentum) as temporary:
            mx.nd.save(str(temporary), {str(i): m for i, m in states if m is not None})
        write_json(self.position, {"epoch": epoch})
        for old in self.folder.glob("*.params"):
            if old not in (weights, momentum):
                old.unlink()

    def epochs_done(self) -> int:
        """Number of epochs done; 0 if there is no checkpoint."""
        return read_json(self.position)["epoch"] if self.position.exists() else 0

    def restore(self, net, trainer: gluon.Trainer, devices: Sequence[mx.Context], epoch: int) -> None:
        """Make network and momentum what they were after `epoch` epochs."""
        load_original(net, self.folder / f"weights-{epoch}.params")
        saved = mx.nd.load(str(self.folder / f"momentum-{epoch}.params"))
        # Trainer.load_states would unpickle; the updaters take the NDArrays as they are.
        for updater, device in zip(trainer._updaters, devices):
            updater.states.update({int(i): m.copyto(device) for i, m in saved.items()})
            updater.states_synced.update({int(i): True for i in saved})

    def remove(self) -> None:
        """Delete the folder; the finished weights stand elsewhere."""
        for file in self.folder.glob("*"):
            file.unlink()
        if self.folder.exists():
            self.folder.rmdir()
