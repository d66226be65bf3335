"""CUDA's streams: what follows the network's output runs beside its work on the next image, and no copy is waited for.

The main thread has PyTorch's default stream, in which the network runs. A thread beside it gets a stream of its own:
in the default one it would wait for all that the main thread has asked for since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import numpy as np
import torch

from mlsl_mx.pseudo_labels.maps import PatchMaps

FIRST = -1  # priority: short work, for which a thread waits, before the network's


def to_device(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """A copy on the device, ready for what this thread asks of it next; on CUDA nobody waits for it."""
    tensor = torch.from_numpy(np.require(values, requirements=["C", "W"]))
    if device.type != "cuda":
        return tensor.to(device)
    with torch.cuda.device(device):
        return tensor.pin_memory().to(device, non_blocking=True)


def with_event(part: PatchMaps) -> PatchMaps:
    """The same, with what tells other streams when its probabilities, asked for in this one, are there."""
    device = part.probabilities.device
    return replace(part, ready=torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None)


@torch.inference_mode()  # as the probabilities were computed in
def follow(part: PatchMaps, device: torch.device) -> None:
    """Let what this thread asks of the device from now on come after the probabilities of `part`."""
    if device.type != "cuda":
        return
    if _is_beside() and torch.cuda.current_stream(device) == torch.cuda.default_stream(device):
        torch.cuda.set_stream(torch.cuda.Stream(device, priority=FIRST))
    if part.ready is not None:
        stream = torch.cuda.current_stream(device)
        stream.wait_event(part.ready)
        part.probabilities.record_stream(stream)  # their memory is not used again before this stream has read it


def _is_beside() -> bool:
    return threading.current_thread() is not threading.main_thread()


@contextmanager
def cudnn_flag(name: str, value: bool) -> Iterator[None]:
    """A block in which this flag of `torch.backends.cudnn` has this value."""
    before = getattr(torch.backends.cudnn, name)
    setattr(torch.backends.cudnn, name, value)
    try:
        yield
    finally:
        setattr(torch.backends.cudnn, name, before)


def algorithms_tried() -> AbstractContextManager[None]:
    """A block in which cuDNN tries its algorithms on each new shape and keeps the fastest: for shapes that come again.

    Which one is fastest may differ from run to run, so not where deterministic algorithms are asked for.
    """
    return cudnn_flag("benchmark", not torch.are_deterministic_algorithms_enabled())
