"""Training: one epoch with everything as arguments, and the stages made of it (Eq. 1, 5 and 6; Eq. 3 and 7)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.engine import Engine, Steps, engine_of
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

LOGGER = logging.getLogger(__name__)


def train_one_epoch(
    steps: Steps,
    batches: Iterable[Batch],
    learning_rate: Callable[[int], float],
    losses: list[dict[str, float]] | None = None,
) -> float:
    """One pass over `batches`; the rate of step k is `learning_rate(k)`.

    Args:
        batches: this worker's part of each.
        losses: of the steps that were done before `batches`, each by its terms; those of the others are added.

    Returns: mean loss of all steps.
    Raises: InputError at the first loss that is not finite, naming the step and the batch's files; all workers do.
    """
    losses = [] if losses is None else losses
    for batch in batches:
        step, found = len(losses), steps.gradients(batch)
        if not math.isfinite(sum(found.values())):
            raise InputError(
                f"training: the loss is not finite ({', '.join(f'{name} {value}' for name, value in found.items())}) "
                f"at step {step}, batch {', '.join(batch.names)}: lower the learning rate or look at these files; "
                "the last checkpoint is kept"
            )
        steps.update(learning_rate(step))
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
    devices: Sequence[Any],
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
    engine = engine_of(devices[0])
    steps = engine.Steps(net, epochs.optimizer, epochs.loss, devices, workers)
    checkpoint, position = Checkpoint(out / ".checkpoint", checkpoint_seconds), Position()
    if workers.rank == 0:
        _leave_out_if_damaged(checkpoint, log)
    if workers.agreed(checkpoint.exists()):
        position = checkpoint.restore(net, steps)
        log.write("resumed", epoch=position.epoch, step=len(position.step_terms))
    network, total = TrainingTime(), epochs.count * epochs.steps
    done = position.epoch * epochs.steps + len(position.step_terms)
    stopping = stops_when_asked(partial(_any_asked, workers) if workers.count > 1 else None)
    curve = LossCurve(log, epochs.count, epochs.steps, epochs.learning_rate, done, tensorboard)
    with stopping as stop_here, progress(None, title, "step", total, done, network) as bar, curve:
        save = partial(_save, checkpoint, net, steps, position, workers)
        after_step = partial(_after_step, bar, curve, position, stop_here, checkpoint, save, workers)
        while position.epoch < epochs.count:
            epoch, started, network_before = position.epoch, time.monotonic(), network.seconds
            batches = epochs.batches(epoch, len(position.step_terms))
            batches = _seeded(engine, batches, epochs.seed, position, workers.rank)
            batches = _watched(network.of_steps(batches), after_step)
            rate = lambda step, epoch=epoch: epochs.learning_rate(epoch * epochs.steps + step)  # noqa: E731
            mean_loss = train_one_epoch(steps, batches, rate, position.step_terms)
            _check_finite(steps, epoch)
            bar.set_postfix(loss=f"{mean_loss:.3f}", refresh=False)
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
    bar,
    curve: LossCurve,
    position: Position,
    stop_here: Callable[[], None],
    checkpoint: Checkpoint,
    save: Callable[[], None],
    workers: Workers,
) -> None:
    """Show the step and its loss, and save where training stands if it must stop here, or if that is due."""
    bar.update()
    curve.after_step(position.epoch, position.step_terms)
    try:
        stop_here()
    except Stopped:
        save()
        workers.barrier()  # none leaves before the first has saved: then the launcher ends the others
        raise
    if checkpoint.is_due():
        save()


def _save(checkpoint: Checkpoint, net, steps: Steps, position: Position, workers: Workers) -> None:
    _check_finite(steps, position.epoch)
    if workers.rank == 0:
        checkpoint.save(net, steps, position)


def _any_asked(workers: Workers, asked: bool) -> bool:
    """Whether one of the workers was asked to stop: all stop after the same step, or they wait for each other."""
    return bool(workers.sum(np.array([asked], np.int64))[0])


def _seeded(engine: Engine, batches: Iterable[Batch], seed: int, position: Position, rank: int) -> Iterator[Batch]:
    """`batches`, with what is random in each step set before it."""
    for batch in batches:
        engine.seed(_dropout_seed(seed, position.epoch, len(position.step_terms), rank))
        yield batch


def _dropout_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Each worker drops other units; engines give each device masks of its own."""
    return int(np.random.SeedSequence((seed, epoch, step, rank)).generate_state(1)[0] >> 1)


def _watched(batches: Iterable[Batch], after_step: Callable[[], None]) -> Iterator[Batch]:
    """`batches`, and a call after each has been dealt with."""
    for batch in batches:
        yield batch
        after_step()


def _check_finite(steps: Steps, epoch: int) -> None:
    """The last step's weights are in no loss yet. Raises: InputError if one is not a finite number."""
    if not steps.is_finite():
        raise InputError(f"training: weights are not finite in epoch {epoch}: lower the learning rate")
