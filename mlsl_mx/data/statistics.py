"""Statistics of the source labels, computed when missing and cached under what they depend on."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlsl_mx.config.classes import listed
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.system.background import READERS, ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.whole_files import read_json, write_json

LOGGER = logging.getLogger(__name__)


def source_class_sizes(dataset: SceneDataset, sizes, cache: Path):
    """Count every label of a data set, for h_s of Eq. 4 and for which classes are rare.

    The counts are kept in `cache` under the fingerprint and where the labels lie; a cache of another list, of
    other label files, another class set or size is computed again and overwritten.

    Args:
        dataset: with labels.
        sizes: a fresh `mlsl_mx.pseudo_labels.ClassSizes`.
        cache: JSON file.

    Returns: `sizes`, with all labels counted.
    Raises: InputError naming a label file that cannot be used, or an unreadable cache; if no label shows any class.
    """
    places = [os.path.relpath(dataset.label_path(index), dataset.root) for index in range(len(dataset))]
    kept = {
        "fingerprint": dataset.fingerprint,
        "labels": hashlib.sha256("\n".join(places).encode()).hexdigest()[:16],
        "classes": list(dataset.classes.names),
    }
    if Path(cache).exists():
        cached = read_json(cache)
        if isinstance(cached, dict) and {"share_sum", "images"} <= cached.keys() and kept.items() <= cached.items():
            sizes.share_sum += cached["share_sum"]
            sizes.images += cached["images"]
            return sizes
    for train_ids in progress(label_maps(dataset), "class sizes", "label", total=len(dataset)):
        sizes.update(train_ids)
    _check_classes(dataset, sizes.images)
    write_json(cache, {**kept, "share_sum": sizes.share_sum.tolist(), "images": sizes.images.tolist()})
    return sizes


def _check_classes(dataset: SceneDataset, images: np.ndarray) -> None:
    """Warn of classes that no label shows. Raises: InputError if none shows any."""
    absent = [name for name, count in zip(dataset.classes.names, images, strict=True) if not count]
    if len(absent) == len(images):
        raise InputError(f"{dataset.root}: no source label shows any class: correct what `source` says of the classes")
    if absent:
        LOGGER.warning(
            "no source label shows %s: correct the ids or colours of `source`, or leave it out", listed(absent)
        )


def label_maps(dataset: SceneDataset) -> Iterator[np.ndarray]:
    """Every label, (H, W) train ids, in order; decoded by threads, a few ahead of the reader."""
    return ahead(dataset.label, range(len(dataset)), READERS)
