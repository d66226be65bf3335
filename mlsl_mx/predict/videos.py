"""Videos in and out, as far as this machine's OpenCV can: frames without sound."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import cv2
import numpy as np

from mlsl_mx.errors import InputError
from mlsl_mx.runs import whole_file

# Tried in this order: the first is small and plays nearly everywhere, the second needs no FFmpeg in OpenCV.
CODECS = ((".mp4", "mp4v"), (".avi", "MJPG"))
RATE = 25.0  # of a file that names none


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says of itself."""

    size: tuple[int, int]  # (height, width) of its first frame
    rate: float  # frames a second
    frames: int | None  # None if it does not say


def video_facts(path: Path) -> VideoFacts:
    """Size, rate and length of a video whose first frame can be read.

    Raises: InputError if it cannot.
    """
    video = _opened(path)
    read, frame = video.read()
    rate, frames = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    video.release()
    if not read:
        raise _unreadable(path)
    usable = math.isfinite(rate) and rate > 0
    return VideoFacts(frame.shape[:2], rate if usable else RATE, int(frames) if 0 < frames < 2**31 else None)


def video_frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video, (H, W, 3) uint8 RGB. Raises: InputError if it cannot be opened."""
    video = _opened(path)
    try:
        while True:
            read, frame = video.read()
            if not read:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        video.release()


@contextmanager
def video_writer(place: Path, facts: VideoFacts) -> Iterator[tuple[Path, Callable[[np.ndarray], None]]]:
    """A block in which a video of the same size and rate is written; there is a file only if the block ends well.

    An odd height or width loses its last row or column: MPEG-4 has even ones.

    Args:
        place: of the file, without its ending, which depends on what OpenCV can write (CODECS).

    Yields: the file, and the function that takes the next frame (H, W, 3) uint8 RGB.
    Raises: InputError if OpenCV can write no video here, or the file lacks frames in the end.
    """
    height, width = (length - length % 2 for length in facts.size)
    place.parent.mkdir(parents=True, exist_ok=True)
    path, partial, video = _writer(place, facts.rate, (width, height))
    written = 0

    def write(frame: np.ndarray) -> None:
        nonlocal written
        video.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        written += 1

    try:
        yield path, write
        video.release()  # which writes the index
        if _count(partial) != written:  # `write` tells nobody when the disk is full
            raise InputError(f"{path}: cannot be written: free some space, or choose another --out")
        with whole_file(path) as temporary:
            os.replace(partial, temporary)
    finally:
        video.release()
        partial.unlink(missing_ok=True)


def _writer(place: Path, rate: float, size: tuple[int, int]) -> tuple[Path, Path, cv2.VideoWriter]:
    """The file, its name while it is written, and who writes it. Raises: InputError if nobody can."""
    for ending, code in CODECS:
        path = Path(f"{place}{ending}")
        partial = path.with_name(f".partial-{path.name}")
        video = cv2.VideoWriter(str(partial), cv2.VideoWriter_fourcc(*code), rate, size)
        if video.isOpened():
            return path, partial, video
    codes = " or ".join(code for _, code in CODECS)
    raise InputError(
        f"{place}: this OpenCV cannot write a video there as {codes}: see that the folder can be written, install "
        "opencv-python from PyPI, or take the video apart into images"
    )


def _count(path: Path) -> int:
    """Frames of a video by its index, 0 if it cannot be read."""
    with suppress(InputError):
        return video_facts(path).frames or 0
    return 0


def _opened(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise _unreadable(path)
    return video


def _unreadable(path: Path) -> InputError:
    return InputError(
        f"{path}: cannot be read as a video: it is damaged, or of a codec that this OpenCV lacks: write it anew, "
        "e.g. as H.264 in .mp4, or take it apart into images"
    )
