"""How far a long stage is: a bar on a terminal, a few lines in a log file.

tqdm is imported where something is shown.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

LOGGER = logging.getLogger(__name__)


def progress(
    items: Iterable | None, title: str, unit: str, total: int | None = None, done: int = 0, network: Any = None
) -> Any:
    """`items`, shown while they are gone through, on stderr: rate, time left, and share of time in the network.

    Nothing is shown where the package's logger lets nothing but errors through, as under `--quiet`.

    Args:
        items: None where the caller calls `update`.
        unit: what is counted, e.g. "image".
        total: number of items, where they have no length.
        done: of them, before the start.
        network: its `seconds` are those spent in the network so far, as of `Engine.timed`; None shows no share.
    """
    if not LOGGER.isEnabledFor(logging.WARNING):
        return _Quiet(items)
    from mlsl_mx.system.progress_bar import progress_bar

    return progress_bar(items, title, unit, total, done, network)


class _Quiet:
    """Shows nothing, with the calls of tqdm that are used here."""

    def __init__(self, items: Iterable | None):
        self._items = () if items is None else items

    def __iter__(self) -> Iterator:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def update(self, count: int = 1) -> None:
        """Nothing."""

    def set_postfix(self, **_: Any) -> None:
        """Nothing."""
