"""Training: one epoch with everything as arguments, and the two stages made of it (Eq. 1; Eq. 3 and 7)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from mlsl_mx.config import Optimizer
from mlsl_mx.data.sampling import Batch
from mlsl_mx.errors import InputError
from mlsl_mx.network import load_original, save_original
from mlsl_mx.network_time import TrainingTime
from mlsl_mx.progress import progress
from mlsl_mx.runs import RunLog, read_json, whole_file, write_json
from mlsl_mx.training.losses import segmentation_loss, weak_label_loss

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


def make_trainer(net, optimizer: Optimizer) -> gluon.Trainer:
    """SGD with momentum over the learnable parameters; factors for biases and betas are on the parameters."""
    settings = {
        "learning_rate": optimizer.learning_rate,
        "momentum": optimizer.momentum,
        "wd": optimizer.weight_decay,
    }
    return gluon.Trainer(net.collect_params(), "sgd", settings, kvstore=None)


def train_one_epoch(
    net,
    loss: Callable,
    batches: Iterable[Batch],
    trainer: gluon.Trainer,
    ctx: mx.Context,
    learning_rate: Callable[[int], float],
) -> float:
    """One pass over `batches`; the rate of step k is `learning_rate(k)`.

    Returns: mean loss of the steps.
    Raises: InputError at the first loss that is not finite, naming the step and the batch's files.
    """
    losses = []
    for step, batch in enumerate(batches):
        trainer.set_learning_rate(learning_rate(step))
        images, train_ids, weak_labels = (
            mx.nd.array(values, ctx=ctx, dtype="float32")
            for values in (batch.images, batch.train_ids, batch.weak_labels)
        )
        with autograd.record():
            value = loss(net(images), train_ids, weak_labels)
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


def train(net, epochs: Epochs, ctx: mx.Context, out: Path, log: RunLog, title: str) -> None:
    """Train for all epochs and write `out/weights.params` in the original naming.

    At ends of epochs, once a minute at most, weights, momentum and position go to `out/.checkpoint`; a run that was
    interrupted goes on from there. Each epoch draws its dropout from (seed, epoch), so going on changes nothing.

    Raises: InputError as `train_one_epoch`, or if a weight is no longer finite at the end of an epoch.
    """
    trainer = make_trainer(net, epochs.optimizer)
    checkpoint = Checkpoint(out / ".checkpoint")
    first = checkpoint.restore(net, trainer, ctx)
    if first:
        log.write("resumed", epoch=first)
    network, total = TrainingTime(), epochs.count * epochs.steps
    with progress(None, title, "step", total, done=first * epochs.steps, network=network) as steps:
        for epoch in range(first, epochs.count):
            started, network_before = time.monotonic(), network.seconds
            mx.random.seed(epochs.seed * 100003 + epoch)
            batches = _counted(network.of_steps(epochs.batches(epoch)), steps)
            start = epoch * epochs.steps
            rate = lambda step, start=start: epochs.learning_rate(start + step)  # noqa: E731
            mean_loss = train_one_epoch(net, epochs.loss, batches, trainer, ctx, rate)
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
            checkpoint.save_if_due(net, trainer, epoch + 1)
    save_original(net, out / "weights.params")
    checkpoint.remove()


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
        with whole_file(momentum) as temporary:
            mx.nd.save(str(temporary), {str(i): m for i, m in _momentum(trainer).items() if m is not None})
        write_json(self.position, {"epoch": epoch})
        for old in self.folder.glob("*.params"):
            if old not in (weights, momentum):
                old.unlink()

    def restore(self, net, trainer: gluon.Trainer, ctx: mx.Context) -> int:
        """Number of epochs done (0 if there is no checkpoint); network and momentum are as they were then."""
        if not self.position.exists():
            return 0
        epoch = read_json(self.position)["epoch"]
        load_original(net, self.folder / f"weights-{epoch}.params")
        saved = mx.nd.load(str(self.folder / f"momentum-{epoch}.params"))
        states = {int(i): m.as_in_context(ctx) for i, m in saved.items()}
        # Trainer.load_states would unpickle; the updater takes the NDArrays as they are.
        updater = _updater(trainer)
        updater.states.update(states)
        updater.states_synced.update({i: True for i in states})
        return epoch

    def remove(self) -> None:
        """Delete the folder; the finished weights stand elsewhere."""
        for file in self.folder.glob("*"):
            file.unlink()
        if self.folder.exists():
            self.folder.rmdir()


def _updater(trainer: gluon.Trainer):
    return trainer._updaters[0]


def _momentum(trainer: gluon.Trainer):
    return _updater(trainer).states
