"""Work of one image that goes on in a thread beside the network's work on the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """One call at a time in a thread of its own, in the order given; leaving the block waits for the last one.

    An exception of a call comes out at the next `run` or at the end of the block.

    >>> with Background() as background:
    ...     for name in "ab":
    ...         background.run(print, name)
    a
    b
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future | None = None

    def run(self, call: Callable[..., Any], *args: Any) -> None:
        """Start `call(*args)` once the call before is done, so that at most one waits."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._thread.submit(call, *args)

    def __enter__(self) -> Background:
        return self

    def __exit__(self, problem, *_: Any) -> None:
        self._thread.shutdown(wait=True)
        if problem is None and self._pending is not None:
            self._pending.result()
