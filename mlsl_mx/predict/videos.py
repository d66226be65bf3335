"""Videos in and out, as far as this machine's OpenCV can: frames without sound."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import temporary_name, whole_file

# Tried in this order: the first is small and plays nearly everywhere, the second needs no FFmpeg in OpenCV.
CODECS = ((".mp4", "mp4v"), (".avi", "MJPG"))
RATE = 25.0  # of a file that tells none, neither by a number nor by the times of its frames
HIGHEST_RATE = 240.0  # that is believed where times tell nothing
SAMPLE = 100  # frames whose times must agree with the rate that a file claims
AGREEING = 1.25  # at most so many times the other


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says of itself."""

    size: tuple[int, int]  # (height, width) of its first frame
    rate: float  # frames a second, by which it plays as long as it was recorded
    frames: int | None  # None if it does not say
    claimed_rate: float  # 1000 is common where frames come at irregular times, as from browsers; 0 or NaN for none

    def is_longer_than(self, frames: int) -> bool:
        """Whether it says that it has more frames, by more than what a duration that is counted in frames is out."""
        return self.frames is not None and self.frames - frames > max(1, self.frames // 100)


def video_facts(path: Path) -> VideoFacts:
    """Size, rate and length of a video whose first frame can be read.

    Where its first frames come at another rate than it claims, all are gone through, for their number and times.

    Raises: InputError if it cannot.
    """
    video = _opened(path)
    read, frame = video.read()
    claimed, frames = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    video.release()
    if not read:
        raise _unreadable(path)
    size, known = frame.shape[:2], int(frames) if 0 < frames < 2**31 else None
    _, rate = _measured(path, SAMPLE)
    if rate is None:
        return VideoFacts(size, claimed if 0 < claimed <= HIGHEST_RATE else RATE, known, claimed)
    if 1 / AGREEING < claimed / rate < AGREEING:
        return VideoFacts(size, claimed, known, claimed)
    count, rate = _measured(path, math.inf)
    return VideoFacts(size, round(rate, 2) if rate else RATE, count, claimed)


def _measured(path: Path, most: float) -> tuple[int, float | None]:
    """Number of a video's frames, up to `most`, and how many come a second; None if their times do not tell."""
    video, times = _opened(path), []
    while len(times) < most and video.grab():
        times.append(video.get(cv2.CAP_PROP_POS_MSEC))
    video.release()
    return len(times), 1000 * (len(times) - 1) / (times[-1] - times[0]) if times[1:] and times[-1] > times[0] else None


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
    ending, code = _codec(place, facts.rate, (width, height))
    path, written = Path(f"{place}{ending}"), 0

    def write(frame: np.ndarray) -> None:
        nonlocal written
        video.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        written += 1

    with whole_file(path) as temporary:
        video = _writer(temporary, code, facts.rate, (width, height))
        try:
            yield path, write
        finally:
            video.release()  # which writes the index
        if _count(temporary) != written:  # `write` tells nobody when the disk is full
            raise InputError(f"{path}: cannot be written: free some space, or choose another --out")


def _codec(place: Path, rate: float, size: tuple[int, int]) -> tuple[str, str]:
    """The first of CODECS in which a video can be written in the folder of `place`. Raises: InputError if none can."""
    for ending, code in CODECS:
        tried = temporary_name(place.parent, ending)
        video = _writer(tried, code, rate, size)
        works = video.isOpened()
        video.release()
        tried.unlink(missing_ok=True)
        if works:
            return ending, code
    codes = " or ".join(code for _, code in CODECS)
    raise InputError(
        f"{place}: this OpenCV cannot write a video there as {codes}: see that the folder can be written, install "
        "opencv-python from PyPI, or take the video apart into images"
    )


def _writer(path: Path, code: str, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    return cv2.VideoWriter(os.path.abspath(path), cv2.VideoWriter_fourcc(*code), rate, size)


def _count(path: Path) -> int:
    """Frames of a video by its index, 0 if it cannot be read."""
    with suppress(InputError):
        return video_facts(path).frames or 0
    return 0


def _opened(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(os.path.abspath(path))  # FFmpeg takes what stands before a colon for a protocol
    if not video.isOpened():
        raise _unreadable(path)
    return video


def _unreadable(path: Path) -> InputError:
    return InputError(
        f"{path}: cannot be read as a video: it is damaged, or of a codec that this OpenCV lacks: write it again, "
        "e.g. as H.264 in .mp4, or take it apart into images"
    )
