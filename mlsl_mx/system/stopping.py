"""Being asked to stop: by a user's Ctrl-C, or by a batch system's SIGTERM when the time is up."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.02  # by then the `__del__` is left
SAME_SECONDS = 1  # a batch system tells Make and each of its processes, and Make tells them once more


class Stopped(BaseException):
    """The process was asked to stop. Like KeyboardInterrupt it is no Exception, so that nothing swallows it.

    Attributes: `number`, of the signal; `exit_code`, 128 + that number, as shells have it.
    """

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number
        self.exit_code = 128 + number

    def __reduce__(self):
        return Stopped, (self.number,)  # of a pool's process it comes by way of pickle


@contextmanager
def stops_at_once() -> Iterator[None]:
    """In the block SIGINT, SIGTERM and SIGHUP raise Stopped wherever the main thread is."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled(handler):
        yield


@contextmanager
def stops_when_asked(agree: Callable[[bool], bool] | None = None) -> Iterator[Callable[[], None]]:
    """In the block SIGINT, SIGTERM and SIGHUP wait until the function that is given is called: it raises Stopped then.

    A second signal stops at once. One within SAME_SECONDS counts as the same request: a batch system and Make may both
    send it.

    Args:
        agree: from whether this process was asked to whether all stop, for processes that must stop together: no
            signal makes one of them leave the others alone.
    """
    received: list[tuple[int, float]] = []  # signals and their moments

    def handler(number: int, frame: FrameType | None) -> None:
        received.append((number, time.monotonic()))
        if agree is None and received[-1][1] - received[0][1] > SAME_SECONDS:
            raise Stopped(number)

    def stop_here() -> None:
        if agree(bool(received)) if agree else received:
            raise Stopped(received[0][0] if received else signal.SIGTERM)

    with _handled(handler):
        yield stop_here


def forks_processes() -> None:
    """Have Linux fork the processes of pools, as Python did by itself until 3.14.

    So they are this process's own children and end with it, and pools of threads start no process that tracks locks.
    """
    if sys.platform == "linux":
        import multiprocessing  # which takes time that `mlsl --help` need not

        multiprocessing.set_start_method("fork", force=True)


def end_with_parent(parent: int) -> None:
    """Have Linux end this process when the one that started it is killed; elsewhere do nothing.

    Args:
        parent: that process's id. It may have been killed before Linux is told.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _ask_again(unraisable: Callable) -> Callable:
    """Python drops what is raised in a `__del__`, e.g. an NDArray's: then the signal is sent once more, a bit later."""

    def hook(dropped) -> None:
        if isinstance(dropped.exc_value, Stopped):
            threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), dropped.exc_value.number)).start()
        else:
            unraisable(dropped)

    return hook


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hands signals to the main thread alone
        return
    # SIGHUP is ignored under `nohup`. So is SIGINT in what a shell script runs beside itself, but nobody asks for that.
    handled = [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in handled}
    unraisable, sys.unraisablehook = sys.unraisablehook, _ask_again(sys.unraisablehook)
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        for number, old in before.items():
            signal.signal(number, old)
