"""Rates and lengths of videos, as files claim them and as their frames come."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import picture, write_model

from mlsl_mx.cli import main
from mlsl_mx.predict import videos
from mlsl_mx.predict.videos import (
    HIGHEST_RATE,
    RATE,
    SAMPLE,
    VideoFacts,
    video_facts,
    video_frames,
    video_writer,
)

TIMES = [0, 30, 45, 110, 130, 170, 175, 240, 260, 301, 333, 352]


def webm(path: Path, times: list[int]) -> None:
    """A video with frames at these milliseconds, written as browsers do: OpenCV takes it for 1000 frames a second."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 1000, (64, 48))
    for index in range(len(times)):
        video.write(picture(48, 64, seed=index))
    video.release()
    content, place = bytearray(path.read_bytes()), 0
    for index, time in enumerate(times):  # of each block: track 1, its time, flags with a bit for key frames
        before = re.compile(b"\x81" + re.escape(index.to_bytes(2, "big")) + b"[\x00\x80]", re.DOTALL)
        place = before.search(content, place).start() + 1
        content[place : place + 2] = time.to_bytes(2, "big")
    path.write_bytes(content)


def test_names_with_a_colon(tmp_path, monkeypatch):
    """FFmpeg would take what stands before it for a protocol."""
    monkeypatch.chdir(tmp_path)
    facts = VideoFacts((48, 64), 10.0, None, 10.0)
    with video_writer(Path("12:30/street"), facts) as (path, write):
        for index in range(3):
            write(picture(48, 64, seed=index))
    assert path.suffix == ".mp4" and video_facts(path).size == (48, 64) and len(list(video_frames(path))) == 3


class Capture:
    """What OpenCV says of a video: claimed rate and number of frames, and when each comes."""

    def __init__(self, rate: float, frames: float, times: list[float]):
        self.said, self.times = {cv2.CAP_PROP_FPS: rate, cv2.CAP_PROP_FRAME_COUNT: frames}, times
        self.at = -1

    def get(self, what: int) -> float:
        return self.times[self.at] if what == cv2.CAP_PROP_POS_MSEC else self.said[what]

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.times)

    def read(self) -> tuple[bool, np.ndarray]:
        return self.grab(), np.zeros((4, 6, 3), np.uint8)

    def release(self) -> None:
        pass


REGULAR = [40.0 * i for i in range(300)]
SLOWER = [20.0 * min(i, SAMPLE) + 90.0 * max(0, i - SAMPLE) for i in range(300)]  # after the sample


@pytest.mark.parametrize(
    ("claimed", "frames", "times", "rate", "count"),
    [
        (25.0, 300, REGULAR, 25.0, 300),
        (25.0, 310, REGULAR, 25.0, 310),  # cut off
        (29.97, 300, [i * 1000 / 29.97 // 1 for i in range(300)], 29.97, 300),
        (1000.0, 300, [float(i) for i in range(300)], 1000.0, 300),  # a camera that is so fast
        (1000.0, 12000, REGULAR, 25.0, 300),
        (0.0, 0, REGULAR, 25.0, 300),
        (-1.0, -5, REGULAR, 25.0, 300),
        (math.nan, math.nan, REGULAR, 25.0, 300),
        (math.inf, 300, REGULAR, 25.0, 300),
        (90000.0, 10**6, SLOWER, 1000 * 299 / SLOWER[-1], 300),
        (12.5, 300, [0.0] * 300, 12.5, 300),  # without times
        (90000.0, 300, [0.0] * 300, RATE, 300),
        (HIGHEST_RATE, 1, [0.0], HIGHEST_RATE, 1),
        (math.nan, math.nan, [0.0], RATE, None),
    ],
)
def test_the_rate_is_that_at_which_frames_come(monkeypatch, claimed, frames, times, rate, count):
    monkeypatch.setattr(videos, "_opened", lambda path: Capture(claimed, frames, times))
    facts = video_facts(Path("any.webm"))
    assert (facts.size, facts.frames) == ((4, 6), count) and facts.rate == pytest.approx(rate, abs=0.01)
    assert facts.claimed_rate == claimed or math.isnan(claimed)


@pytest.mark.parametrize(
    ("claimed", "read", "cut"),
    [(7, 7, False), (7, 6, False), (7, 5, True), (1000, 991, False), (1000, 980, True), (None, 3, False)],
)
def test_a_duration_that_is_counted_in_frames_is_no_cut(claimed, read, cut):
    assert videos.VideoFacts((4, 6), 25.0, claimed, 25.0).is_longer_than(read) is cut


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_recording_of_a_browser_plays_as_long_as_it_was_and_its_frames_are_counted(tmp_path, capsys, quiet):
    webm(tmp_path / "recording.webm", TIMES)
    words = ["--weights", str(write_model(tmp_path / "w.params")), "--out", str(tmp_path / "out"), "--json", *quiet]
    assert main(["predict", str(tmp_path / "recording.webm"), *words]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["result"]["frames"] == 12
    (made,) = (tmp_path / "out/overlay").iterdir()
    facts = video_facts(made)
    assert facts.frames == 12 and facts.rate == pytest.approx(1000 * 11 / 352, abs=0.01)
    warned = "recording.webm: claims 1000 frames a second" in told.err
    assert warned == (not quiet) and "check whether the file is complete" not in told.err
