"""Copies of label files in which part of a class is ignored, e.g. the bonnet that a simulator labels as a car."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from mlsl_mx.config.classes import IGNORE
from mlsl_mx.data.image_files import decode_with_mode, header
from mlsl_mx.data.label_files import WrongLabels, check_lossless
from mlsl_mx.data.label_images import encoded
from mlsl_mx.data.own.files import own_images
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.whole_files import write_new


def mask_labels(labels: str, out: Path, value: int, row: int) -> str:
    """Write a copy of each label file to `out`, under the same path below its folder: grey PNGs of the same ids, but
    with 255 where `value` stands in `row` or further down.

    Args:
        labels: the place of files of 8 bits and one channel (`encoding: ids`).

    Returns: how many pixels that was.
    Raises: InputError if `out` is the folder of the labels, or a folder in it that would be read as labels next time;
        if another file lies where a copy would; if a listed file does not lie below the list's folder; for a JPEG, or a
        file that holds no such ids or has no such row; or if `value` stands there in none.
    """
    files = own_images(Path(), labels, "--labels")
    real, root = Path(os.path.realpath(out)), Path(os.path.realpath(files.root))
    if real == root or (real.is_relative_to(root) and not os.path.isfile(labels)):
        raise InputError(f"--out {out}: the labels themselves lie there: name another folder")
    outside = [entry for entry in files.entries if os.path.isabs(entry) or ".." in PurePosixPath(entry).parts]
    if outside:
        raise InputError(
            f"{labels}: {outside[0]} does not lie below {files.root}: move the list above all of its files"
        )
    if not 0 <= value < IGNORE:
        raise InputError(f"--value {value}: is no id that can be masked: give one from 0 to {IGNORE - 1}")
    if not any(_masked(files.root / entry, value, row)[1] for entry in files.entries):  # mostly the first has it
        raise InputError(f"{labels}: no file holds {value} in row {row} or below: nothing was written")
    masked = pixels = 0
    for entry in progress(files.entries, "mask labels", "image"):
        ids, part = _masked(files.root / entry, value, row)
        masked, pixels = masked + part, pixels + ids.size
        copy = out / PurePosixPath(entry).with_suffix(".png")
        write_new(copy, encoded(Image.fromarray(ids), "PNG"), "another file is there: name another --out, or delete it")
    share = 100 * masked / pixels
    return f"{out}: {len(files.entries)} label files; {value} from row {row} on is 255 now, {share:.2f} % of the pixels"


def _masked(path: Path, value: int, row: int) -> tuple[np.ndarray, int]:
    """The ids of a file, masked, and how many pixels are."""
    check_lossless(path, header(path))
    ids, mode = decode_with_mode(path)
    if mode not in ("L", "P"):
        raise WrongLabels(f"{path}: is of mode {mode}, but only ids of 8 bits in one channel can be masked")
    if not 0 <= row < len(ids):
        raise InputError(f"{path}: has rows 0 to {len(ids) - 1}, but --below is {row}")
    below = ids[row:] == value
    ids = ids.copy()
    ids[row:][below] = IGNORE
    return ids, int(below.sum())
