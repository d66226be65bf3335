"""Devices by their names in CTX: which library computes on them, and how workers share them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.workers import MOST_WORKERS

OF_PYTORCH = re.compile(r"cuda(:\d+)?|mps|torch:cpu")


def library_of(device: Any) -> str:
    """ "torch" or "mxnet", of a device or of the first of several.

    Args:
        device: a name as CTX has it, or what `Engine.devices` made of one.

    >>> library_of("cuda:0,cuda:1"), library_of("gpu(0)")
    ('torch', 'mxnet')
    """
    return "torch" if OF_PYTORCH.fullmatch(str(device).split(",")[0].strip()) else "mxnet"


def each_once(names: str, device: Callable[[str], Any]) -> tuple[Any, ...]:
    """What `device` makes of each of the names, which have commas between. Raises: InputError for one named twice."""
    found = tuple(device(name.strip()) for name in names.split(","))
    if len(set(found)) < len(found):
        raise InputError(f"ctx {names!r} names a device twice: name each once")
    return found


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
