"""Label files of each data set, as the ids that stand in them and as train ids.

Each data set has its own trap: GTA-V's ids are palette indices that cv2 turns into colours; SYNTHIA's are one channel
of a 16-bit PNG that PIL turns into 8-bit noise. What a file cannot be is refused, never guessed.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mlsl_mx.data.image_files import decode, decode_indices
from mlsl_mx.errors import InputError
from mlsl_mx.labels import IGNORE, KNOWN_IDS, ClassSet

# What PIL calls the encodings of label files: P palette, L 8-bit grey, RGB also 16 bits x 3 channels.
MODES = {"gta5": ("P", "L"), "synthia": ("RGB", "L"), "cityscapes": ("L",)}
PSEUDO_LABEL_MODES = ("P", "L", "I;16")


class WrongLabels(InputError):
    """A readable image that is not a label file of its data set."""


def read_train_ids(path: Path, dataset: str, classes: ClassSet) -> np.ndarray:
    """(H, W) uint8 train ids of `classes`, 255 = ignore, at the file's own size.

    Args:
        path: the label file.
        dataset: "gta5", "synthia" or "cityscapes".
        classes: whose train ids.

    Raises: MissingFile, UnreadableFile, WrongLabels.
    """
    return cv2.LUT(read_label_ids(path, dataset), classes.train_id_lookup(dataset))


def read_label_ids(path: Path, dataset: str) -> np.ndarray:
    """(H, W) uint8: the ids of `dataset` as they stand in the file.

    Raises: MissingFile, UnreadableFile, WrongLabels.
    """
    ids = _READERS[dataset](path)
    return _checked(path, ids, KNOWN_IDS[dataset], f"label ids of {dataset}")


def read_pseudo_label(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) train ids from a palette (or grey) PNG whose indices they are; of more than 255 classes a 16-bit grey one.

    Raises: MissingFile, UnreadableFile, WrongLabels.
    """
    if classes.id_type != np.uint8:
        return _read_wide(path, classes)
    ids = _single_channel(path, decode_indices(path), "train ids", "write the pseudo-labels again")
    return _checked(path, ids, frozenset(range(classes.num_classes)) | {IGNORE}, f"{classes.num_classes} train ids")


def _read_wide(path: Path, classes: ClassSet) -> np.ndarray:
    ids = decode(path, cv2.IMREAD_UNCHANGED)
    if ids.dtype != np.uint16 or ids.ndim != 2:
        raise WrongLabels(
            f"{path}: is {_encoding(ids)}, but train ids of {classes.num_classes} classes are 16 bits x 1 channel: "
            "write the labels again"
        )
    if ((ids >= classes.num_classes) & (ids != classes.ignore)).any():
        known = frozenset(range(classes.num_classes)) | {classes.ignore}
        raise _unknown(path, ids, known, f"{classes.num_classes} train ids")
    return ids


def check_mode(path: Path, mode: str, modes: tuple[str, ...]) -> None:
    """Raises: WrongLabels for a file whose header says that it cannot hold label ids."""
    if mode not in modes:
        raise WrongLabels(
            f"{path}: is of mode {mode}, but such labels are of {' or '.join(modes)}: take the data set's label files, "
            "which hold ids and not colours, unchanged"
        )


def _read_gta5(path: Path) -> np.ndarray:
    return _single_channel(path, decode_indices(path), "palette indices", "take the palette PNG of the download")


def _read_synthia(path: Path) -> np.ndarray:
    """GT/LABELS is a 16-bit PNG of three channels, in cv2's order (-, instance, class).

    GT/labels, which some copies have, is 8-bit grey. An 8-bit file of three channels is a 16-bit one that was decoded
    wrongly: its ids are gone.
    """
    pixels = decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        return cv2.extractChannel(pixels, 2)
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        return pixels
    raise WrongLabels(
        f"{path}: is {_encoding(pixels)}, but SYNTHIA's labels are 16 bits x 3 channels: copy the files of "
        "SYNTHIA-RAND-CITYSCAPES GT/LABELS unchanged"
    )


def _read_cityscapes(path: Path) -> np.ndarray:
    pixels = decode(path, cv2.IMREAD_UNCHANGED)
    return _single_channel(path, pixels, "label ids", "take gtFine's *_gtFine_labelIds.png")


_READERS = {"gta5": _read_gta5, "synthia": _read_synthia, "cityscapes": _read_cityscapes}


def _single_channel(path: Path, pixels: np.ndarray, meaning: str, remedy: str) -> np.ndarray:
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise WrongLabels(f"{path}: is {_encoding(pixels)}, but {meaning} are 8 bits x 1 channel: {remedy}")
    return pixels


def _encoding(pixels: np.ndarray) -> str:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return f"{8 * pixels.itemsize} bits x {channels} channel{'s' if channels > 1 else ''}"


def _checked(path: Path, ids: np.ndarray, known: frozenset[int], meaning: str) -> np.ndarray:
    """`ids` as uint8, if all are known: without a look at each value as a rule, because this runs on every label."""
    if ids.dtype != np.uint8:
        if ids.max(initial=0) > 255:
            raise _unknown(path, ids, known, meaning)
        ids = ids.astype(np.uint8)
    wrapped = np.uint8(IGNORE in known)  # a known 255 becomes 0, as if ids were counted from -1
    first_unknown = min(set(range(257)) - known)
    if (ids + wrapped).max(initial=0) >= first_unknown + wrapped and not known.issuperset(np.unique(ids).tolist()):
        raise _unknown(path, ids, known, meaning)
    return ids


def _unknown(path: Path, ids: np.ndarray, known: frozenset[int], meaning: str) -> WrongLabels:
    found = sorted(set(np.unique(ids).tolist()) - known)
    more = ", ..." if len(found) > 5 else ""
    last = max(known - {IGNORE, 65535})
    return WrongLabels(
        f"{path}: holds ids {', '.join(map(str, found[:5]))}{more}, which are not among the {meaning} (0..{last}): "
        "this is another data set's label file, or a damaged one"
    )
