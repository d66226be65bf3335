"""Progress as tqdm shows it, in our form; imported where something is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

LOG_SECONDS = 15  # between two lines where there is no terminal

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {speed}{share}{postfix}]"
_LINE = "{desc}: {n_fmt}/{total_fmt} in {elapsed}, {remaining} left, {speed}{share}{postfix}"
_RATES = {"s": 1, "min": 60, "h": 3600}


def progress_bar(items: Iterable | None, title: str, unit: str, total: int | None, done: int, network: Any) -> tqdm:
    """As `progress`: a bar on a terminal, a line now and then in a log file."""
    shown = {"total": total, "initial": done, "unit": unit}
    if sys.stderr.isatty():
        return _Progress(network, items, title, bar_format=_BAR, dynamic_ncols=True, **shown)
    pace = {"mininterval": LOG_SECONDS, "maxinterval": LOG_SECONDS}
    return _Progress(network, items, title, bar_format=_LINE, file=_Lines(sys.stderr), **pace, **shown)


def rate_text(rate: float, unit: str) -> str:
    """`rate` items a second, per second, minute or hour, whichever gives a number to remember.

    >>> rate_text(0.21, "image"), rate_text(0.008, "image")
    ('0.21 image/s', '0.48 image/min')
    """
    per = next((per for per, seconds in _RATES.items() if rate * seconds >= 0.1), "h")
    return f"{rate * _RATES[per]:.2f} {unit}/{per}"


class _Progress(tqdm):
    """tqdm with the fields `speed` and `share` for its formats."""

    def __init__(self, network: Any, *args: Any, **settings: Any):
        self._network = network
        self._seconds_before = network.seconds if network is not None else 0.0
        super().__init__(*args, **settings)

    @property
    def format_dict(self) -> dict[str, Any]:
        shown = super().format_dict
        elapsed, rate = shown["elapsed"], shown["rate"]
        if rate is None and elapsed:
            rate = (shown["n"] - shown["initial"]) / elapsed
        speed = rate_text(rate, shown["unit"]) if rate else f"? {shown['unit']}/s"
        return {**shown, "speed": speed, "share": self._share(elapsed)}

    def _share(self, elapsed: float) -> str:
        if self._network is None or not elapsed:
            return ""
        return f", network {100 * (self._network.seconds - self._seconds_before) / elapsed:.0f} %"


class _Lines:
    """A log in which each state is a line of its own, where tqdm would write over the one before."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self.stream.write(f"{text.strip()}\n")

    def flush(self) -> None:
        self.stream.flush()
