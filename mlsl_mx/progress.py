"""How far a long stage is: a bar on a terminal, a few lines in a log file."""

from __future__ import annotations

import sys
from typing import Iterable

from tqdm import tqdm

LOG_SECONDS = 15  # between two lines where there is no terminal


def progress(items: Iterable | None, title: str, unit: str, total: int | None = None, done: int = 0) -> tqdm:
    """`items`, shown while they are gone through, with rate and time left, on stderr.

    Args:
        items: None where the caller calls `update`.
        unit: what is counted, e.g. "image".
        total: number of items, where they have no length.
        done: of them, before the start.
    """
    pace = {} if sys.stderr.isatty() else {"mininterval": LOG_SECONDS, "maxinterval": LOG_SECONDS, "ascii": True}
    return tqdm(items, title, total=total, initial=done, unit=unit, dynamic_ncols=True, **pace)
