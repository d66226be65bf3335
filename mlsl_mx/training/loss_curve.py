"""The loss while a network is trained: points in the run's log and, as they come, in TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlsl_mx.system.run_log import TIME_FORMAT, RunLog, read_log

if TYPE_CHECKING:
    from mlsl_mx.system.event_file import EventFile

MOST_POINTS = 500  # of one training, and one more an epoch: as many as a chart is wide
FLUSH_SECONDS = 5  # TensorBoard itself looks for new points less often


class LossPoint(NamedTuple):
    """Means over the steps since the point before, or since the epoch began."""

    time: str  # of day, as in the log
    epoch: int
    step: int  # how many were done, counted over all epochs
    steps: int  # of all epochs
    loss: float  # of the whole training: the sum of its terms
    losses: dict[str, float]  # the terms by name, weighted, as the training's loss gives them
    learning_rate: float  # of the last step


Training = tuple[str, str, int | None]  # stage, method and round, as in the log


class LossCurve:
    """Writes the points of one training; of several workers, only for the one whose log has a file.

    Where points lie depends on the number of steps alone, so a training that goes on from a checkpoint writes the
    points that one without an interruption would.

    Args:
        log: of the stage.
        epochs, steps: how many, and the steps of one.
        learning_rate: of a step, counted over all epochs.
        done: steps that the training goes on from.
        tensorboard: folder of the training's event files; None writes none.
    """

    def __init__(
        self,
        log: RunLog,
        epochs: int,
        steps: int,
        learning_rate: Callable[[int], float],
        done: int = 0,
        tensorboard: Path | None = None,
    ):
        self.log = log
        self.epochs = epochs
        self.steps = steps
        self.learning_rate = learning_rate
        self.every = -(-epochs * steps // MOST_POINTS)
        self.flushed = 0.0
        self.file = self._event_file(tensorboard, done) if tensorboard and log.path else None

    def _event_file(self, folder: Path, done: int) -> EventFile:
        """A new file, with all points up to `done` once more: TensorBoard forgets those in files of earlier starts."""
        training = _training(self.log.about)
        from mlsl_mx.system.event_file import EventFile, new_path  # these need tensorboardX

        file = EventFile(new_path(folder, "training"), anew=True)
        points = loss_curves(read_log(self.log.path)).get(training, ())
        _show(file, [point for point in points if point.step <= done])
        return file

    def after_step(self, epoch: int, losses: Sequence[Mapping[str, float]]) -> None:
        """Write a point if one is due.

        Args:
            losses: of the steps done in the epoch, each by its terms; one that a step does not have is 0 there.
        """
        in_epoch, step = len(losses), epoch * self.steps + len(losses)
        if in_epoch % self.every and in_epoch < self.steps:
            return
        since = losses[(in_epoch - 1) // self.every * self.every :]
        names = dict.fromkeys(name for terms in since for name in terms)
        means = {name: sum(terms.get(name, 0.0) for terms in since) / len(since) for name in names}
        point = LossPoint(
            time=time.strftime(TIME_FORMAT),
            epoch=epoch,
            step=step,
            steps=self.epochs * self.steps,
            loss=sum(means.values()),
            losses=means,
            learning_rate=self.learning_rate(step - 1),
        )
        self.log.write("loss", **point._asdict())
        if self.file:
            _show(self.file, [point])
            if time.monotonic() - self.flushed >= FLUSH_SECONDS:
                self.file.flush()
                self.flushed = time.monotonic()

    def __enter__(self) -> LossCurve:
        return self

    def __exit__(self, *problem: Any) -> None:
        if self.file:
            self.file.close()


def loss_curves(events: Iterable[dict[str, Any]]) -> dict[Training, tuple[LossPoint, ...]]:
    """The points of each training in a log, in the order of their steps.

    A training that went on from a checkpoint, or from its beginning, did some steps again: the later points hold.

    Args:
        events: what `read_log` returns; those that are no points are left out.
    """
    found: dict[Training, list[LossPoint]] = {}
    for event in events:
        point = _point(event) if event.get("event") == "loss" else None
        if point is not None:
            points = found.setdefault(_training(event), [])
            while points and points[-1].step >= point.step:
                points.pop()
            points.append(point)
    return {training: tuple(points) for training, points in found.items()}


def _training(event: Mapping[str, Any]) -> Training:
    return str(event.get("stage")), str(event.get("method")), event.get("round")


def _point(event: dict[str, Any]) -> LossPoint | None:
    """None for an event that is not as `LossCurve` writes it."""
    try:
        point = LossPoint(**{name: event[name] for name in LossPoint._fields})
        time.strptime(point.time, TIME_FORMAT)
        numbers = [point.epoch, point.step, point.steps, point.loss, *point.losses.values(), point.learning_rate]
        return point if all(isinstance(number, (int, float)) for number in numbers) else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _show(file: EventFile, points: Iterable[LossPoint]) -> None:
    """Write points for TensorBoard."""
    for point in points:
        values = {
            "loss/total": point.loss,
            **{f"loss/{name}": value for name, value in point.losses.items()},
            "learning_rate": point.learning_rate,
        }
        file.scalars(values, point.step, time.mktime(time.strptime(point.time, TIME_FORMAT)))
