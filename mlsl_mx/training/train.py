"""The training loop, whatever is trained (Eq. 1, 5 and 6; Eq. 3 and 7)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.engine import Steps, engine_of
from mlsl_mx.network import save_original
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.stopping import Stopped, stops_when_asked
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.checkpoint import Checkpoint, Position
from mlsl_mx.training.loss_curve import LossCurve

LOGGER = logging.getLogger(__name__)


def train_step(steps: Steps, batch: Batch, learning_rate: float, number: int) -> dict[str, float]:
    """One step of SGD.

    Args:
        batch: this worker's part of it.
        number: the step's, for the message.

    Returns: terms of the loss, by name.
    Raises: InputError if the loss is not finite, naming the step and the batch's files; all workers do.
    """
    terms = steps.gradients(batch)
    if not math.isfinite(sum(terms.values())):
        raise InputError(
            f"training: the loss is not finite ({', '.join(f'{name} {value}' for name, value in terms.items())}) "
            f"at step {number}, batch {', '.join(batch.names)}: lower the learning rate or look at these files; "
            "a checkpoint, if there is one, is kept"
        )
    steps.update(learning_rate)
    return terms


@dataclass(frozen=True)
class Epochs:
    """What `train` needs besides the network: how many epochs, of what, with which loss and at which rate."""

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
    devices: Sequence[Any],
    out: Path,
    *,
    log: RunLog,
    title: str,
    workers: Workers = ALONE,
    checkpoint_seconds: float = math.inf,
    tensorboard: Path | None = None,
) -> None:
    """Train for all epochs and write `out/weights.params` in the original naming.

    Every `checkpoint_seconds` or more, and when the process is asked to stop, weights, momentum and position go to
    `out/.checkpoint`; a run that was interrupted goes on from there. Each step draws its dropout from its own number,
    so going on changes nothing. A damaged checkpoint is ignored. Of several workers, the first alone writes.

    Args:
        tensorboard: folder for this training's event file; None writes none.

    Raises: InputError as `train_step`, or if a weight is not finite at a checkpoint or the end of an epoch;
        Stopped by SIGINT, SIGTERM or SIGHUP, after the step that is being made.
    """
    engine = engine_of(devices[0])
    steps = engine.Steps(net, epochs.optimizer, epochs.loss, devices, workers)
    checkpoint = Checkpoint(out / ".checkpoint", checkpoint_seconds)
    position = _start(checkpoint, net, steps, log, workers)
    total, done = epochs.count * epochs.steps, position.epoch * epochs.steps + len(position.step_terms)
    network = SimpleNamespace(seconds=0.0)  # in steps; what a device still computes after one is not waited for
    stopping = stops_when_asked(partial(_any_asked, workers) if workers.count > 1 else None)
    curve = LossCurve(log, epochs.count, epochs.steps, epochs.learning_rate, done, tensorboard)
    with stopping as stop_here, progress(None, title, "step", total, done, network) as bar, curve:
        while position.epoch < epochs.count:
            epoch, losses = position.epoch, position.step_terms
            started, network_before = time.monotonic(), network.seconds
            for batch in epochs.batches(epoch, len(losses)):
                step = len(losses)
                engine.seed(_dropout_seed(epochs.seed, epoch, step, workers.rank))
                begun = time.monotonic()
                losses.append(train_step(steps, batch, epochs.learning_rate(epoch * epochs.steps + step), step))
                network.seconds += time.monotonic() - begun
                bar.update()
                curve.after_step(epoch, losses)
                try:
                    stop_here()
                except Stopped:
                    _save(checkpoint, net, steps, position, workers)
                    workers.barrier()  # none leaves before the first has saved: then the launcher ends the others
                    raise
                if workers.rank == 0 and checkpoint.is_due():
                    _save(checkpoint, net, steps, position, workers)
            _check_finite(steps, epoch)
            seconds, in_network = time.monotonic() - started, network.seconds - network_before
            loss = _log_epoch(log, position, epochs.learning_rate(epoch * epochs.steps), seconds, in_network)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            position.epoch, position.step_terms = epoch + 1, []
        if workers.rank == 0:
            save_original(net, out / "weights.params")
            checkpoint.remove()
        stop_here()


def _start(checkpoint: Checkpoint, net, steps: Steps, log: RunLog, workers: Workers) -> Position:
    """Where training goes on from: its beginning without a checkpoint. A damaged one is ignored, with a warning."""
    damage = checkpoint.damage() if workers.rank == 0 else None
    if damage is not None:
        LOGGER.warning("%s: this checkpoint is ignored, training starts from its beginning", damage)
        log.write("damaged_checkpoint", reason=damage)
        checkpoint.remove()
    if not workers.agreed(checkpoint.exists()):
        return Position()
    position = checkpoint.restore(net, steps)
    log.write("resumed", epoch=position.epoch, step=len(position.step_terms))
    return position


def _log_epoch(log: RunLog, position: Position, rate: float, seconds: float, in_network: float) -> float:
    """At an epoch's end. Returns: the mean loss of its steps."""
    loss = sum(sum(terms.values()) for terms in position.step_terms) / len(position.step_terms)
    took = {"seconds": round(seconds, 3), "network_seconds": round(in_network, 3)}
    log.write("epoch", epoch=position.epoch, loss=loss, learning_rate=rate, **took)
    return loss


def _save(checkpoint: Checkpoint, net, steps: Steps, position: Position, workers: Workers) -> None:
    _check_finite(steps, position.epoch)
    if workers.rank == 0:
        checkpoint.save(net, steps, position)


def _any_asked(workers: Workers, asked: bool) -> bool:
    """Whether one of the workers was asked to stop: all stop after the same step, or they wait for each other."""
    return bool(workers.sum(np.array([asked], np.int64))[0])


def _dropout_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Each worker drops other units; engines give each device masks of its own."""
    return int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1)[0] >> 1)


def _check_finite(steps: Steps, epoch: int) -> None:
    """The last step's weights are in no loss yet. Raises: InputError if one is not a finite number."""
    if not steps.is_finite():
        raise InputError(f"training: weights are not finite in epoch {epoch}: lower the learning rate")
