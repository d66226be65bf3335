"""Training: one epoch with everything as arguments, and the stages made of it (Eq. 1, 5 and 6; Eq. 3 and 7)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import gluon

from mlsl_mx.config.settings import Optimizer
from mlsl_mx.network import save_original
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.network_time import TrainingTime
from mlsl_mx.system.progress import progress
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.stopping import Stopped, stops_when_asked
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.checkpoint import Checkpoint, Position
from mlsl_mx.training.loss_curve import LossCurve
from mlsl_mx.training.losses import segmentation_loss, weak_label_loss
from mlsl_mx.training.shards import batch_loss

LOGGER = logging.getLogger(__name__)


def composite_loss(
    outputs,
    train_ids,
    weak_labels,
    is_target,
    *,
    weight: float,
    hard_examples: bool = False,
    normaliser: str = "labelled",
    own_loss: Callable | None = None,
) -> dict[str, mx.nd.NDArray]:
    """Eq. 6: L_seg + lambda * L_Fcl. A network without the weak-label head has L_seg alone (Eq. 1 to 3).

    Args:
        outputs: logits (B, C, h, w), or (logits, weak logits (B, C)).
        train_ids: (B, h, w); weak_labels: (B, C); is_target: (B,), 1 for a crop of the target, 0 for one of the source.
        weight: lambda.
        hard_examples, normaliser: as of `segmentation_loss`.
        own_loss: of the user: (logits, train_ids, is_target) -> more terms by their names, each with its weight.

    Returns: the terms by their names, (1,) float32 each: "segmentation" and, times lambda, "weak_labels". The loss is
        the sum of all terms, whatever they are; log, charts and messages show each under its name.
    """
    logits, weak_logits = outputs if isinstance(outputs, (list, tuple)) else (outputs, None)
    terms = {"segmentation": segmentation_loss(logits, train_ids, hard_examples, normaliser)}
    if weak_logits is not None:
        terms["weak_labels"] = weight * weak_label_loss(weak_logits, weak_labels)
    return terms if own_loss is None else {**terms, **own_loss(logits, train_ids, is_target)}


def head_loss(outputs, train_ids, weak_labels, is_target) -> dict[str, mx.nd.NDArray]:
    """Eq. 5 alone, to train the weak-label head on its own; arguments and result as of `composite_loss`."""
    return {"weak_labels": weak_label_loss(outputs[1], weak_labels)}


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
    losses: list[dict[str, float]] | None = None,
) -> float:
    """One pass over `batches`; the rate of step k is `learning_rate(k)`.

    Args:
        batches: this worker's part of each.
        trainer: of the same workers.
        devices: of this worker, which share its part evenly.
        losses: of the steps that were done before `batches`, each by its terms; those of the others are added.

    Returns: mean loss of all steps.
    Raises: InputError at the first loss that is not finite, naming the step and the batch's files; all workers do.
    """
    losses = [] if losses is None else losses
    for batch in batches:
        step = len(losses)
        trainer.set_learning_rate(learning_rate(step))
        terms = batch_loss(net, loss, batch, devices, workers)
        mx.autograd.backward(list(terms.values()))  # of their sum
        found = {name: float(term.asscalar()) for name, term in terms.items()}
        if not math.isfinite(sum(found.values())):
            raise InputError(
                f"training: the loss is not finite ({', '.join(f'{name} {value}' for name, value in found.items())}) "
                f"at step {step}, batch {', '.join(batch.names)}: lower the learning rate or look at these files; "
                "the last checkpoint is kept"
            )
        trainer.step(1)  # the loss has its normaliser already
        losses.append(found)
    return sum(sum(terms.values()) for terms in losses) / len(losses) if losses else 0.0


@dataclass(frozen=True)
class Epochs:
    """What `train` needs beside the network: how many epochs, of what, with which loss and at which rate."""

    count: int
    steps: int  # in one epoch
    batches: Callable[[int, int], Iterable[Batch]]  # of an epoch, from one of its steps on
    loss: Callable  # (outputs, train_ids, weak_labels, is_target) -> terms by name, as `composite_loss`
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
    checkpoint_seconds: float = math.inf,
    tensorboard: Path | None = None,
) -> None:
    """Train for all epochs and write `out/weights.params` in the original naming.

    Every `checkpoint_seconds` or more, and when the process is asked to stop, weights, momentum and position go to
    `out/.checkpoint`; a run that was interrupted goes on from there. Each step draws its dropout from its own number,
    so going on changes nothing. A checkpoint that is damaged is left out. Of several workers, the first alone writes.

    Args:
        tensorboard: folder for this training's event file; None writes none.

    Raises: InputError as `train_one_epoch`, or if a weight is not finite at a checkpoint or the end of an epoch;
        Stopped by SIGINT, SIGTERM or SIGHUP, after the step that is being made.
    """
    trainer = make_trainer(net, epochs.optimizer, workers)
    checkpoint, position = Checkpoint(out / ".checkpoint", checkpoint_seconds), Position()
    if workers.rank == 0:
        _leave_out_if_damaged(checkpoint, log)
    if workers.agreed(checkpoint.exists()):
        position = checkpoint.restore(net, trainer, devices)
        log.write("resumed", epoch=position.epoch, step=len(position.step_terms))
    network, total = TrainingTime(), epochs.count * epochs.steps
    done = position.epoch * epochs.steps + len(position.step_terms)
    stopping = stops_when_asked(partial(_any_asked, workers) if workers.count > 1 else None)
    curve = LossCurve(log, epochs.count, epochs.steps, epochs.learning_rate, done, tensorboard)
    with stopping as stop_here, progress(None, title, "step", total, done, network) as steps, curve:
        save = partial(_save, checkpoint, net, trainer, position, workers)
        after_step = partial(_after_step, steps, curve, position, stop_here, checkpoint, save, workers)
        while position.epoch < epochs.count:
            epoch, started, network_before = position.epoch, time.monotonic(), network.seconds
            batches = _seeded(epochs.batches(epoch, len(position.step_terms)), epochs.seed, position, workers.rank)
            batches = _watched(network.of_steps(batches), after_step)
            rate = lambda step, epoch=epoch: epochs.learning_rate(epoch * epochs.steps + step)  # noqa: E731
            mean_loss = train_one_epoch(net, epochs.loss, batches, trainer, devices, rate, workers, position.step_terms)
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
            position.epoch, position.step_terms = epoch + 1, []
        if workers.rank == 0:
            save_original(net, out / "weights.params")
            checkpoint.remove()
        stop_here()


def _leave_out_if_damaged(checkpoint: Checkpoint, log: RunLog) -> None:
    """Training then starts from its beginning, and says so."""
    damage = checkpoint.damage()
    if damage is not None:
        LOGGER.warning("%s: the checkpoint is left out, training starts from its beginning", damage)
        log.write("damaged_checkpoint", reason=damage)
        checkpoint.remove()


def _after_step(
    steps,
    curve: LossCurve,
    position: Position,
    stop_here: Callable[[], None],
    checkpoint: Checkpoint,
    save: Callable[[], None],
    workers: Workers,
) -> None:
    """Show the step and its loss, and save where training stands if it must stop here, or if that is due."""
    steps.update()
    curve.after_step(position.epoch, position.step_terms)
    try:
        stop_here()
    except Stopped:
        save()
        workers.barrier()  # none leaves before the first has saved: then the launcher ends the others
        raise
    if checkpoint.is_due():
        save()


def _save(checkpoint: Checkpoint, net, trainer: gluon.Trainer, position: Position, workers: Workers) -> None:
    _check_finite(net, position.epoch)
    if workers.rank == 0:
        checkpoint.save(net, trainer, position)


def _any_asked(workers: Workers, asked: bool) -> bool:
    """Whether one of the workers was asked to stop: all stop after the same step, or they wait for each other."""
    return bool(workers.sum(np.array([asked], np.int64))[0])


def _seeded(batches: Iterable[Batch], seed: int, position: Position, rank: int) -> Iterator[Batch]:
    """`batches`, with what is random in each step set before it."""
    for batch in batches:
        mx.random.seed(_dropout_seed(seed, position.epoch, len(position.step_terms), rank))
        yield batch


def _dropout_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Each worker drops other units; MXNet itself gives each device masks of its own."""
    return int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1)[0] >> 1)


def _watched(batches: Iterable[Batch], after_step: Callable[[], None]) -> Iterator[Batch]:
    """`batches`, and a call after each has been dealt with."""
    for batch in batches:
        yield batch
        after_step()


def _check_finite(net, epoch: int) -> None:
    """The last step's weights are in no loss yet. Raises: InputError if one is not a finite number."""
    total = sum(parameter.list_data()[0].sum().asscalar() for parameter in net.collect_params().values())
    if not math.isfinite(total):
        raise InputError(f"training: weights are not finite in epoch {epoch}: lower the learning rate")
