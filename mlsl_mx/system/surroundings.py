"""What a shell, batch system or current folder brings along and must not affect whether the program runs.

`prepare` is for the program before anything else is imported; `check_variables` before a command uses MXNet.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import usable_cores

LOGGER = logging.getLogger(__name__)
# Of the progress, whose form is ours, and of the images' largest size, where our own limits hold.
NOT_HEEDED = ("TQDM_", "OPENCV_IO_MAX_IMAGE_")
MOST_THREADS = 1024  # with many more the OpenMP library crashes
# MXNet ends the process at a number or truth value that it cannot read. Variables with these ends are texts.
TEXTS = re.compile(r"MXNET_\w*(HOME|REPO|PATH|TYPE|BACKEND|VERSION|ROOT|DIR|URL)")
NUMBERS = re.compile(r"\s*([+-]?\d{1,9}(\.\d*)?|true|false|)\s*", re.IGNORECASE)
ROLES = ("worker", "server", "scheduler")
PROGRAM = (sys.executable, str(Path(__file__).parents[1] / "__main__.py"))  # that runs now, as a command


def prepare() -> None:
    """Have this process import from its own environment first, and have channels that can be written to."""
    outside = {"", *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    with suppress(OSError):  # the current folder is gone
        outside.add(os.getcwd())
    sys.path.sort(key=lambda folder: folder in outside)  # what only they have is still found
    for name in [name for name in os.environ if name.startswith(NOT_HEEDED)]:
        del os.environ[name]
    if any(action == "error" for action, *_ in warnings.filters):  # meant for one's own programs: MXNet warns a lot
        warnings.simplefilter("ignore")
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed, as by `>&-`: else the next file has its number, and libraries write messages into it
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = (Channel(stream or open(os.devnull, "w")) for stream in (sys.stdout, sys.stderr))


class Channel:
    """stdout or stderr: what it cannot take, as its reader has gone or its disk is full, is dropped.

    Characters that its encoding lacks are written as Python escapes them.

    Attributes: `problem`, why something was dropped; None also for a reader that has gone: `head` has read enough.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.problem: OSError | None = None
        stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any stream."""
        self._tried(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        self._tried(self._stream.flush)

    def _tried(self, call: Callable, *args: Any) -> None:
        try:
            call(*args)
        except OSError as problem:
            if not isinstance(problem, BrokenPipeError):
                self.problem = problem
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def check_variables(environ: MutableMapping[str, str]) -> None:
    """Set OpenMP's number of threads, and remove MXNET_* values on which MXNet would abort; a warning names each.

    Raises: InputError if MXNet cannot work with what Python or MXNet was started with.
    """
    if sys.flags.optimize > 1:
        raise InputError(
            "Python was started with -OO, which takes away the docstrings that MXNet needs: unset PYTHONOPTIMIZE, or "
            "leave out -OO"
        )
    if environ.get("DMLC_ROLE", ROLES[0]) not in ROLES:
        raise InputError(f"DMLC_ROLE is {environ['DMLC_ROLE']!r}: it must be one of {', '.join(ROLES)}: unset it")
    for name in [name for name in environ if name.startswith("MXNET_") and not TEXTS.fullmatch(name)]:
        if not NUMBERS.fullmatch(environ[name]):
            LOGGER.warning("%s is %r, which is not a number: it is ignored", name, environ.pop(name))
    environ["OMP_NUM_THREADS"] = str(_threads(environ.get("OMP_NUM_THREADS", "")))


def unfit_name(name: str) -> str:
    """What to say of a name that no report could hold, as it is not UTF-8 or has control characters."""
    with suppress(UnicodeError):
        sound = os.fsencode(name).decode("utf-8")
        if sound != name and sound.isprintable():
            encoding = sys.getfilesystemencoding()
            return f"{sound!r}: is UTF-8, but the locale is not ({encoding}): export LC_ALL=C.UTF-8"
    return f"{name!r}: is not UTF-8, or holds a control character: rename it"


def _threads(given: str) -> int:
    """What OMP_NUM_THREADS says, the first number of a list; where it says nothing that can be used, all cores: MXNet's
    default on some machines is one thread, at half the speed of two."""
    first = given.split(",")[0].strip()
    if first.isdecimal() and 1 <= int(first) <= MOST_THREADS:
        return int(first)
    if given.strip():
        LOGGER.warning("OMP_NUM_THREADS is %r, not from 1 to %d: one thread a core is used", given, MOST_THREADS)
    return usable_cores()


def python(code: str) -> list[str]:
    """The command that runs code in a Python of its own, which imports from where this one does."""
    start = f"import sys, warnings; sys.path[:] = {sys.path}; warnings.simplefilter('ignore')"
    return [sys.executable, "-c", f"{start}; {code}"]
