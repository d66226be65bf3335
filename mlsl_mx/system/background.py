"""Work on images that goes on in threads beside the network's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

AHEAD = 2  # items done ahead, for each thread
READERS = 2  # threads that read files where a data set is looked through


class Background:
    """Calls in threads of their own, begun in the order given; leaving the block waits for the last one.

    Args:
        threads: calls at a time.

    An exception of a call comes out at the next `run` or at the end of the block.

    >>> with Background() as background:
    ...     for name in "ab":
    ...         background.run(print, name)
    a
    b
    """

    def __init__(self, threads: int = 1):
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future] = deque()

    def run(self, call: Callable[..., Any], *args: Any) -> None:
        """Start `call(*args)` once the oldest of as many calls as there are threads is done, so that none waits."""
        if len(self._pending) == self._threads:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(call, *args))

    def __enter__(self) -> Background:
        return self

    def __exit__(self, problem, *_: Any) -> None:
        self._pool.shutdown(wait=True)
        if problem is None:
            for pending in self._pending:
                pending.result()


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
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # nobody wants the others any more
            for future in waiting:
                future.cancel()
