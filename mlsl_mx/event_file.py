"""TensorBoard's event files: scalars and pictures, in tensorboardX's records.

RUN/tensorboard/source, METHOD            what a round has to show, a file each round; step: the round
RUN/tensorboard/source/training           the loss while the source model is trained; step: steps of training
RUN/tensorboard/METHOD/round-0, ...       and in each round
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Mapping

from tensorboardX import RecordWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import scalar

from mlsl_mx.errors import InputError


class EventFile:
    """One file of events, on the disk after `flush` or `close`. SummaryWriter would append to no file and leave a torn
    one when it is killed; this one can be written under any name.

    Args:
        path: of the file.
        start: TensorBoard forgets what it has seen of this step and later ones in other files of the folder.

    Raises: InputError, here and in all methods, if it cannot be written.
    """

    def __init__(self, path: Path, start: int):
        self.path = Path(path)
        self._tried(lambda: self.path.parent.mkdir(parents=True, exist_ok=True))
        self._records = self._tried(lambda: RecordWriter(str(self.path.resolve())))
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=start, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, values: Mapping[str, float | None], step: int, wall_time: float | None = None) -> None:
        """One value for each tag; None is left out."""
        for tag, value in values.items():
            if value is not None:
                self._write(Event(step=step, summary=scalar(tag, value)), wall_time)

    def picture(self, tag: str, jpeg: bytes, size: tuple[int, int], step: int) -> None:
        """An encoded RGB picture of (width, height) pixels."""
        image = Summary.Image(width=size[0], height=size[1], colorspace=3, encoded_image_string=jpeg)
        self._write(Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, image=image)])))

    def flush(self) -> None:
        """Have everything written to the disk."""
        self._tried(self._records.flush)

    def close(self) -> None:
        """Write what is left, and no more."""
        self._tried(self._records.close)

    def _write(self, event: Event, wall_time: float | None = None) -> None:
        event.wall_time = time.time() if wall_time is None else wall_time
        self._tried(lambda: self._records.write(event.SerializeToString()))

    def _tried(self, write: Callable[[], Any]) -> Any:
        try:
            return write()
        except OSError as problem:
            raise InputError(f"{self.path}: cannot be written ({problem.strerror}): free some space") from None


def new_path(folder: Path, name: str) -> Path:
    """A name by which TensorBoard knows an event file, later in its order than those of earlier seconds."""
    return Path(folder) / f"events.out.tfevents.{time.time():.0f}.{name}"


def event_files(folder: Path, name: str) -> list[Path]:
    """The files whose `new_path` was made from such a name; it may hold *."""
    return sorted(Path(folder).glob(f"events.out.tfevents.*.{name}"))
