"""What is said on stderr beside a command's result: how much of it, and in which colour."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

RED, YELLOW = "\x1b[1;31m", "\x1b[33m"
_PLAIN = "\x1b[0m"


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """`text` in a colour, where the stream is a terminal that shows colours and NO_COLOR is not set (no-color.org)."""
    shown = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"{colour}{text}{_PLAIN}" if shown else text


@contextmanager
def messages(stream: TextIO, quiet: bool, verbose: bool) -> Iterator[None]:
    """In the block the package's messages go to the stream.

    Args:
        quiet: errors alone, and no progress.
        verbose: also every event of a run's log, and where an error came from.
    """
    logger, handler = logging.getLogger("mlsl_mx"), _Messages(stream)
    before = logger.level, logger.propagate
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])  # an assignment would leave what loggers remember of the level in the block
        logger.propagate = before[1]


class _Messages(logging.Handler):
    """One line a message, warnings in yellow, none of them through a progress bar."""

    def __init__(self, stream: TextIO):
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # which takes as long as all other imports of `mlsl --help`

        text = self.format(record)
        if record.levelno >= logging.WARNING:
            text = coloured(text, YELLOW, self.stream)
        tqdm.write(text, file=self.stream)
        self.stream.flush()
