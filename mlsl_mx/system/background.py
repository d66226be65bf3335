"""Work on images that goes on in threads beside the network's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PATIENCE = 600  # seconds for one item, before a stuck thread is an error
AHEAD = 2  # items done ahead, for each thread


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


def ahead(call: Callable[[Any], Any], items: Iterable, threads: int) -> Iterator[Any]:
    """`call` of each item in their order, by threads that work some items ahead; without threads, here."""
    if not threads:
        yield from map(call, items)
        return
    waiting: deque = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(call, item))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result(PATIENCE)
            while waiting:
                yield waiting.popleft().result(PATIENCE)
        finally:  # nobody wants the others any more
            for future in waiting:
                future.cancel()
