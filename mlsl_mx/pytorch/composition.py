"""The composite output of SISC (Sec. 3.2) with PyTorch: summed, counted, divided on the device; and labels from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch

from mlsl_mx.config.classes import id_type, ignore_id
from mlsl_mx.network.interpolation import interpolation_matrix
from mlsl_mx.pseudo_labels.maps import ImageMaps, Window
from mlsl_mx.pseudo_labels.selection import select_pseudo_labels
from mlsl_mx.pseudo_labels.windows import window_places
from mlsl_mx.pytorch.devices import Device
from mlsl_mx.pytorch.streams import follow


@torch.inference_mode()
def composite(image: ImageMaps, ctx: Device, upsampling: str = "bilinear", votes: bool = False) -> Iterator[Window]:
    """The composite output of an image: on a GPU in one window, on a CPU window by window, which stay in its cache.

    Arguments as of `pseudo_labels.composition.composite`.
    """
    for part in image.parts:
        follow(part, ctx.torch)
    parts = [(part, torch.as_tensor(part.probabilities).to(ctx.torch)) for part in image.parts]
    places = [(slice(0, image.size[0]), slice(0, image.size[1]))]
    return (
        _composed(image, parts, ctx, upsampling, votes, *place)
        for place in (places if ctx.device_type == "gpu" else window_places(image.size))
    )


@torch.inference_mode()
def _composed(image: ImageMaps, parts, ctx: Device, upsampling: str, votes: bool, rows, columns) -> Window:
    """One window of `composite`; nothing leaves the device, and nothing is waited for."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    total = torch.zeros(image.num_classes, height, width, device=ctx.torch)
    count = torch.zeros(height, width, device=ctx.torch)
    for part, maps in parts:
        for n, corner in zip(*part.reaching(rows, columns), strict=True):
            _add_map(total, count, maps[n], *corner.tolist(), part.size, upsampling, votes)
    return Window(rows, columns, total.div_(count.clamp(min=1)), count)


def _add_map(
    total: torch.Tensor,
    count: torch.Tensor,
    patch_map: torch.Tensor,
    top: int,
    left: int,
    size: tuple[int, int],
    upsampling: str,
    votes: bool,
) -> None:
    """Add a patch known at the network's stride, up-sampled on the way; what lies outside the window is left out.

    Args:
        total, count: (C, H, W) and (H, W), of the window.
        patch_map: (h, C, w) float32 on the device.
        top, left: as seen from the window: below 0 where the patch begins before it; it reaches into the window.
        size: (height, width) of the patch in pixels.
        upsampling: "bilinear" or "bicubic".
        votes: add 1 to the most probable class of a pixel instead of its probabilities.
    """
    _, height, width = total.shape
    first_row, last_row = max(top, 0), min(top + size[0], height)
    first_column, last_column = max(left, 0), min(left + size[1], width)
    rows = _weights(patch_map.shape[0], size[0], upsampling, patch_map.device)[first_row - top : last_row - top]
    columns = _weights(patch_map.shape[2], size[1], upsampling, patch_map.device)[
        first_column - left : last_column - left
    ]
    # (C, h, w) times (columns, w) transposed, then (rows, h) times that: (C, rows, columns)
    patch = torch.matmul(rows, torch.matmul(patch_map.transpose(0, 1), columns.T))
    if votes:
        patch = torch.nn.functional.one_hot(patch.argmax(0), len(patch)).permute(2, 0, 1)
    total[:, first_row:last_row, first_column:last_column] += patch
    count[first_row:last_row, first_column:last_column] += 1


@lru_cache(maxsize=64)
def _weights(length: int, output: int, method: str, device: torch.device) -> torch.Tensor:
    """The interpolation matrix (output, length), kept on the device."""
    return torch.from_numpy(interpolation_matrix(length, output, method)).to(device)  # waits: it is there for all


def to_numpy(array: torch.Tensor) -> np.ndarray:
    """A copy, once the tensor is computed."""
    return array.cpu().numpy()


@torch.inference_mode()
def most_probable(volume: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """`selection.most_probable` on the device: class and probability of each pixel, the first class of equal ones."""
    confidences, classes = volume.clamp(min=0).max(dim=0)
    return _train_ids(classes, len(volume)), confidences.cpu().numpy()


@torch.inference_mode()
def selected(volume: torch.Tensor, thresholds: Sequence[float], rule: str) -> np.ndarray:
    """`selection.select_pseudo_labels` on the device; a rule that has no form of it here gets NumPy arrays."""
    if rule not in ("reweighted", "argmax"):
        return select_pseudo_labels(np.maximum(to_numpy(volume), 0), thresholds, rule)
    limits = torch.tensor(thresholds, dtype=torch.float32, device=volume.device)  # (C,)
    limits = torch.where(limits > 0, limits, 1)
    if rule == "reweighted":
        ratio, classes = volume.clamp(min=0).div_(limits[:, None, None]).max(dim=0)
    else:
        best, classes = volume.clamp(min=0).max(dim=0)
        ratio = best / limits[classes]
    classes[~(ratio >= 1)] = ignore_id(len(volume))
    return _train_ids(classes, len(volume))


def _train_ids(classes: torch.Tensor, num_classes: int) -> np.ndarray:
    """(h, w) of `id_type`; not every device has unsigned 16 bits."""
    small = classes.to(torch.uint8) if id_type(num_classes) == np.uint8 else classes.to(torch.int32)
    return small.cpu().numpy().astype(id_type(num_classes), copy=False)
