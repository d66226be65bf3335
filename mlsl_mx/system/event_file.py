"""TensorBoard's event files: scalars and pictures, in tensorboardX's records.

RUN/tensorboard/source, METHOD            what a round has to show, a file for each stage; step: the round
RUN/tensorboard/source/training           the loss while the source model is trained; step: steps of training
RUN/tensorboard/METHOD/round-0, ...       and in each round
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboardX import RecordWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import scalar

from mlsl_mx.system.whole_files import unwritable


class EventFile:
    """One file of events, on the disk after `flush` or `close`. SummaryWriter would append to no file and leave a torn
    one when it is killed; this one can be written under any name.

    Args:
        path: of the file.
        anew: TensorBoard forgets what it has seen in files before.

    Raises: InputError, here and in all methods, if it cannot be written.
    """

    def __init__(self, path: Path, anew: bool = False):
        self.path = Path(path)
        self._tried(lambda: self.path.parent.mkdir(parents=True, exist_ok=True))
        self._records = self._tried(lambda: RecordWriter(str(self.path.resolve())))
        self._write(Event(file_version="brain.Event:2"))
        if anew:
            self._write(Event(step=0, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, values: Mapping[str, float | None], step: int, wall_time: float | None = None) -> None:
        """One value for each tag, in one record; None is left out."""
        found = [scalar(tag, value).value[0] for tag, value in values.items() if value is not None]
        self._write(Event(step=step, summary=Summary(value=found)), wall_time)

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

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *problem: Any) -> None:
        self.close()

    def _write(self, event: Event, wall_time: float | None = None) -> None:
        event.wall_time = time.time() if wall_time is None else wall_time
        self._tried(lambda: self._records.write(event.SerializeToString()))

    def _tried(self, write: Callable[[], Any]) -> Any:
        try:
            return write()
        except OSError as problem:
            raise unwritable(self.path, problem) from None


def new_path(folder: Path, name: str) -> Path:
    """A name by which TensorBoard knows an event file, in its order after all that are in the folder."""
    seconds = [path.name.split(".")[3] for path in event_files(folder, "*")]
    second = max([round(time.time()), *(int(second) + 1 for second in seconds if second.isdecimal())])
    return Path(folder) / f"events.out.tfevents.{second}.{name}"


def event_files(folder: Path, name: str) -> list[Path]:
    """The files whose `new_path` was made from such a name; it may hold *."""
    return sorted(Path(folder).glob(f"events.out.tfevents.*.{name}"))
