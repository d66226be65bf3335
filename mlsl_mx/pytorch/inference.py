"""With PyTorch, from one image to class probabilities at the network's stride: `pseudo_labels.inference` on a device.

The network may be anybody's: any callable that gives logits of images, at any stride. Nothing here waits for a GPU:
what follows does, when it needs the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mlsl_mx.data.transforms import NORMALISED, normalise
from mlsl_mx.pseudo_labels import batching
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps, seen_size
from mlsl_mx.pseudo_labels.store import STEPS
from mlsl_mx.pytorch.devices import Device
from mlsl_mx.pytorch.streams import algorithms_tried, follow, to_device, with_event
from mlsl_mx.system.errors import InputError

FINEST = 4  # stride, in pixels: a network's output at a finer one is averaged to it


class PatchBatch(batching.PatchBatch):
    """How many patches go through the network at once; the result stays on the device, and no batch is filled up."""

    def _run(self, call: Callable[[Sequence], torch.Tensor], inputs: Sequence) -> torch.Tensor:
        size = min(self.size, len(inputs))
        return torch.cat([call(inputs[start : start + size]) for start in range(0, len(inputs), size)])


class TimedNetwork:
    """A network that adds up the time of its calls: on CUDA by events of the device, which nobody waits for.

    Attributes: `net`, the network; `seconds`, so far in its calls.
    """

    def __init__(self, net: Callable[[torch.Tensor], Any]):
        self.net = net
        self._seconds = 0.0
        self._events: list[tuple[Any, Any]] = []

    def __call__(self, images: torch.Tensor) -> Any:
        if images.device.type != "cuda":
            started = time.monotonic()
            output = self.net(images)
            self._seconds += time.monotonic() - started
            return output
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        stream = torch.cuda.current_stream(images.device)
        before.record(stream)
        output = self.net(images)
        after.record(stream)
        self._events.append((before, after))
        return output

    @property
    def seconds(self) -> float:
        """Of the calls that are done."""
        done = [pair for pair in self._events if pair[1].query()]
        self._seconds += sum(before.elapsed_time(after) for before, after in done) / 1000
        self._events = self._events[len(done) :]
        return self._seconds


def image(pixels: np.ndarray, device: Device) -> torch.Tensor:
    """(3, H, W) float32, normalised, on the device, from (H, W, 3) uint8 RGB."""
    if device.kind == "cpu":
        return torch.from_numpy(normalise(pixels))
    table = to_device(NORMALISED, device.torch)  # (3, 256)
    values = to_device(pixels, device.torch).permute(2, 0, 1)  # (3, H, W)
    return torch.stack([of_channel[plane.long()] for of_channel, plane in zip(table, values, strict=True)])


@torch.inference_mode()
def single_inference(net: Callable, image: torch.Tensor, flip: bool) -> PatchMaps:
    """The image in one piece, as a patch of its own; arguments as of `pseudo_labels.inference.single_inference`."""
    size = seen_size(image.shape[1:], 1)
    below, right = np.subtract(size, image.shape[1:]).tolist()
    padded = functional.pad(image[None], (0, right, 0, below))  # (1, 3, H + below, W + right)
    inputs = [padded, padded.flip(3)] if flip else [padded]
    maps = torch.cat([_softmax(net, one) for one in inputs])
    return with_event(PatchMaps(np.zeros((1, 2), np.int64), size, _means_of_mirrored(maps, flip)))


@torch.inference_mode()
def segment_patches(
    net: Callable, image: torch.Tensor, corners: np.ndarray, patch: int, flip: bool, batch: PatchBatch
) -> PatchMaps:
    """Square patches, each on its own (Sec. 3.2); arguments as of `pseudo_labels.inference.segment_patches`."""
    sources = [image, image.flip(2)] if flip else [image]
    last_left = image.shape[2] - patch
    inputs = [
        source[:, top : top + patch, place : place + patch]
        for top, left in np.asarray(corners).tolist()
        for source, place in zip(sources, (left, last_left - left), strict=False)
    ]
    with algorithms_tried():
        maps = batch.run(lambda some: _softmax(net, torch.stack(some)), inputs)  # (N * sources, h, C, w)
    return with_event(PatchMaps(np.asarray(corners, np.int64), (patch, patch), _means_of_mirrored(maps, flip)))


def _means_of_mirrored(maps: torch.Tensor, flip: bool) -> torch.Tensor:
    """(N, h, C, w) from as many, or from (2 N, h, C, w) if every second map is that of a mirrored input."""
    return (maps[::2] + maps[1::2].flip(3)) / 2 if flip else maps


def _softmax(net: Callable, images: torch.Tensor) -> torch.Tensor:
    """(B, h, C, w) float32, at the network's stride or, where that is finer than 4, means over 4x4 pixels."""
    probabilities = _logits(net(images), images).float().softmax(dim=1)
    kept = tuple(min(own, side // FINEST) for own, side in zip(probabilities.shape[2:], images.shape[2:], strict=True))
    if kept != tuple(probabilities.shape[2:]):
        probabilities = functional.adaptive_avg_pool2d(probabilities, kept)
    return probabilities.permute(0, 2, 1, 3).contiguous()


def _logits(output: Any, images: torch.Tensor) -> torch.Tensor:
    """The first thing that a network gives, if these are logits (B, C, h, w) of its input (B, 3, H, W).

    Raises: InputError if they are not.
    """
    if isinstance(output, Mapping):
        output = tuple(output.values())
    logits = output[0] if isinstance(output, (tuple, list)) else output
    shape = tuple(getattr(logits, "shape", ()))
    sides = zip(shape[2:], images.shape[2:], strict=False)
    if len(shape) != 4 or shape[0] != len(images) or not all(1 <= own <= most for own, most in sides):
        found = f"of shape {shape}" if shape else f"of type {type(logits).__name__}"
        raise InputError(
            f"the network's output is {found}, its input {tuple(images.shape)}: it must give logits (B, C, h, w) with "
            "the images' own B, and h and w not above theirs, alone or first"
        )
    return logits


@torch.inference_mode()
def as_stored(part: PatchMaps) -> PatchMaps:
    """`store.as_stored` on the device: the same numbers."""
    numbers = (part.probabilities * float(STEPS)).round_().clamp_(1, float(STEPS)).sub_(1)
    return with_event(replace(part, probabilities=(numbers + (numbers > 0)).div_(float(STEPS))))


def on_host(maps: ImageMaps) -> ImageMaps:
    """With probabilities as NumPy arrays."""
    return replace(maps, parts=tuple(map(_on_host, maps.parts)))


def _on_host(part: PatchMaps) -> PatchMaps:
    follow(part, part.probabilities.device)
    return replace(part, probabilities=part.probabilities.cpu().numpy(), ready=None)


def is_finite(part: PatchMaps) -> bool:
    """Whether all probabilities are finite numbers."""
    probabilities = torch.as_tensor(part.probabilities)  # on the host if they come from a file
    follow(part, probabilities.device)
    return bool(probabilities.isfinite().all())


def parameters(net: Any) -> Iterator[np.ndarray]:
    """All tensors of a module, as 32 bits."""
    for tensor in net.state_dict().values() if isinstance(net, nn.Module) else ():
        yield tensor.float().contiguous().cpu().numpy()
