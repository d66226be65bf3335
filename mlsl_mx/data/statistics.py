"""Statistics of the source labels, computed when missing and cached under what they depend on."""

from __future__ import annotations

from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Iterator

import numpy as np

from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.progress import progress
from mlsl_mx.runs import read_json, write_json


def source_class_sizes(dataset: SceneDataset, sizes, cache: Path, threads: int = 2) -> np.ndarray:
    """h_s, the mean share of the image that each class fills where it occurs (Eq. 4), over a labelled data set.

    The result is kept in `cache` under the data set's fingerprint; a cache of another list, class set or size is
    computed again and overwritten.

    Args:
        dataset: with labels.
        sizes: a fresh `mlsl_mx.pseudo_labels.ClassSizes`, with `update(train_ids)` and `mean()`.
        cache: JSON file.
        threads: that decode labels.

    Returns: (C,) float64; NaN, as `sizes.mean()` gives it, survives the cache.
    Raises: InputError naming a label file that cannot be used, or an unreadable cache.
    """
    if Path(cache).exists():
        cached = read_json(cache)
        if isinstance(cached, dict) and cached.get("fingerprint") == dataset.fingerprint:
            return np.array([np.nan if share is None else share for share in cached["h_s"]], np.float64)
    for train_ids in progress(label_maps(dataset, threads), "class sizes", "label", total=len(dataset)):
        sizes.update(train_ids)
    h_s = np.asarray(sizes.mean(), np.float64)
    shares = [None if np.isnan(share) else float(share) for share in h_s]
    write_json(cache, {"fingerprint": dataset.fingerprint, "classes": list(dataset.classes.names), "h_s": shares})
    return h_s


def label_maps(dataset: SceneDataset, threads: int = 2) -> Iterator[np.ndarray]:
    """Every label, (H, W) train ids, in order; decoded by threads, a few ahead of the reader."""
    ahead = 8 * threads  # bounded, because a list of all labels does not fit memory
    with ThreadPool(threads) as pool:
        for start in range(0, len(dataset), ahead):
            yield from pool.map(dataset.label, range(start, min(start + ahead, len(dataset))))
