"""How devices are divided among workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.workers import MOST_WORKERS


def check_count(option: str, count: int) -> None:
    """Raises: InputError if a number of workers, or of a worker's threads, is none."""
    if not 1 <= count <= MOST_WORKERS:
        raise InputError(f"{option} is {count}: it must be from 1 to {MOST_WORKERS}")


def divided(devices: Sequence[Any], workers: int, option: str) -> list[Sequence[Any]]:
    """Each worker's part of the devices, names or contexts; one CPU or Apple's GPU is for all.

    Raises: InputError if they cannot be divided, naming the option that gave them.
    """
    if len(devices) == 1 and str(devices[0]).startswith(("cpu", "torch:cpu", "mps")):
        return [devices] * workers
    if len(devices) % workers:
        raise InputError(
            f"{option} names {len(devices)} devices, which cannot be divided among {workers} workers: name {workers}, "
            "or a multiple of it"
        )
    share = len(devices) // workers
    return [devices[i * share : (i + 1) * share] for i in range(workers)]
