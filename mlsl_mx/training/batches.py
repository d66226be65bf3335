"""The batches of an epoch: crops drawn ahead by threads, and shared by workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mlsl_mx.data.sampling import TrainingCrops
from mlsl_mx.system.background import ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.workers import ALONE, Workers


class Batch(NamedTuple):
    """The B crops of a batch, or those of them that are one worker's, and the names of the whole batch's images."""

    images: np.ndarray  # (B, 3, s, s) float32, normalised
    train_ids: np.ndarray  # (B, s/8, s/8) uint8 or uint16, whose largest value is ignore
    weak_labels: np.ndarray  # (B, C) float32
    is_target: np.ndarray  # (B,) float32: 1 for a crop of the target, 0 for one of the source
    names: tuple[str, ...]


def num_batches(crops: TrainingCrops, batch: int) -> int:
    """Batches of an epoch; the last one is filled up, so that the network sees one shape."""
    return -(-len(crops) // batch)


def load_batches(
    crops: TrainingCrops, batch: int, readers: int = 0, start: int = 0, workers: Workers = ALONE
) -> Iterator[Batch]:
    """The batches of an epoch in their order; of each, the crops of this worker.

    Args:
        crops: of the epoch.
        batch: B, a multiple of the number of workers.
        readers: threads that draw crops ahead of time; 0 draws them here. Decoding holds no interpreter lock, so they
            run side by side; processes would have to hand over 3 MB a crop, for a seventh more time.
        start: batches already done, when an epoch is resumed.
        workers: that share each batch: the first has its first crops, and so on.

    Raises: InputError naming the file that cannot be used, from readers too.
    """
    if not len(crops):
        raise InputError("no image to train on: raise self_training.source_portion, or name images")
    share = batch // workers.count
    starts = range(start * batch, num_batches(crops, batch) * batch, batch)
    mine = [range(k + workers.rank * share, k + (workers.rank + 1) * share) for k in starts]
    drawn = ahead(lambda places: _stacked([crops[i] for i in places]), mine, readers)
    for k, arrays in zip(starts, drawn, strict=True):
        yield Batch(*arrays, names=tuple(map(crops.name, range(k, k + batch))))


def _stacked(items) -> tuple[np.ndarray, ...]:
    return tuple(np.stack(arrays) for arrays in zip(*items, strict=True))
