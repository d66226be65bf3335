"""How often the ids of two label maps meet: what IoU, agreement and precision are all made from."""

from __future__ import annotations

import cv2
import numpy as np

from mlsl_mx.config.classes import MOST_CLASSES, id_type
from mlsl_mx.system.errors import InputError

# Pixels that OpenCV, which gives counts as float32, counts exactly; it takes half of np.bincount's time.
EXACT = 1 << 24


def no_counts(num_classes: int) -> np.ndarray:
    """(n, n) int64 zeros, to which `joint_counts` add up.

    Raises: InputError for more than MOST_CLASSES classes.
    """
    if num_classes > MOST_CLASSES:
        raise InputError(
            f"{num_classes} classes: a confusion matrix is counted for at most {MOST_CLASSES}: merge some of them"
        )
    n = 256 if id_type(num_classes) == np.uint8 else num_classes + 2
    return np.zeros((n, n), np.int64)


def counts_of(train_ids: np.ndarray, num_classes: int) -> np.ndarray:
    """(C,) int64: how many pixels of a label map, of ids from 0 to 65535, have each class; other ids count for none."""
    ids = np.ascontiguousarray(train_ids)
    ids = (ids if ids.dtype in (np.uint8, np.uint16) else ids.astype(np.uint16)).reshape(-1, 1)
    bins, counts = np.iinfo(ids.dtype).max + 1, np.zeros(num_classes, np.int64)
    for start in range(0, len(ids), EXACT):
        histogram = cv2.calcHist([ids[start : start + EXACT]], [0], None, [bins], [0, bins])
        counts[:bins] += histogram.ravel()[:num_classes].astype(np.int64)
    return counts


def joint_counts(rows: np.ndarray, columns: np.ndarray, num_classes: int) -> np.ndarray:
    """How many pixels have which id in `rows` and which in `columns`.

    Args:
        rows, columns: two maps of train ids, of one shape and the type `id_type(num_classes)`.

    Returns: (n, n) int64; indices 0..C-1 are the classes, the last one is ignore, all between are other ids. n is 256,
        or C + 2 for more than 255 classes, whose other ids are counted together.
    Raises: ValueError for maps of different shapes; InputError as `no_counts`.
    """
    if rows.shape != columns.shape:
        raise ValueError(f"label maps of {rows.shape} and {columns.shape}: shapes must agree")
    counts = no_counts(num_classes)
    rows, columns = (np.ascontiguousarray(ids).reshape(-1, 1) for ids in (rows, columns))
    if rows.dtype != np.uint8:
        rows, columns = (_positions(ids, num_classes) for ids in (rows, columns))
        return counts + np.bincount(rows * len(counts) + columns, minlength=counts.size).reshape(counts.shape)
    for start in range(0, len(rows), EXACT):
        some = [ids[start : start + EXACT] for ids in (rows, columns)]
        counts += cv2.calcHist(some, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return counts


def _positions(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """(pixels,) int64: where 16-bit ids stand in a count."""
    lookup = np.full(1 << 16, num_classes)
    lookup[:num_classes] = np.arange(num_classes)
    lookup[-1] = num_classes + 1
    return lookup[ids.ravel()]
