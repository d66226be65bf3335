"""What label files hold, found out by looking at them: encoding, ids or colours, palette."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Sequence

import numpy as np

from mlsl_mx.class_table import MOST_CLASSES, REST
from mlsl_mx.data.image_files import decode_channels, header
from mlsl_mx.data.label_files import LabelFormat, check_lossless, read_file_values, transparent_part
from mlsl_mx.data.palettes import colours_of_ids, other_palettes
from mlsl_mx.errors import InputError
from mlsl_mx.labels import FileValue
from mlsl_mx.progress import progress

MOST_FILES = 400  # looked at; `mlsl check-data` reads all
MOST_COLOURS = 512  # of one set of labels; more are those of photographs, of JPEG or of smoothing
CHANNEL_FILES = 8  # looked at to tell which channel holds ids


@dataclass(frozen=True)
class Survey:
    """What some label files of one kind hold."""

    encoding: str  # key of `label_files.ENCODINGS`
    shares: dict[FileValue, float]  # of pixels, by id or colour, in the order of the values
    files: dict[FileValue, int]  # in how many of the files looked at
    palette: dict[int, tuple[int, int, int]]  # colours of the ids, if the files have them
    looked_at: int
    of: int  # files there are


def survey(paths: Sequence[Path], title: str, threads: int = 2) -> Survey:
    """Look at up to MOST_FILES of the label files, evenly spread.

    Raises: InputError for files that are missing or damaged, of several kinds, or no labels.
    """
    chosen = [paths[i * len(paths) // min(len(paths), MOST_FILES)] for i in range(min(len(paths), MOST_FILES))]
    encoding = _encoding(chosen)
    form = LabelFormat(title, (encoding,), (), REST, np.uint8, "give label files of one kind")
    pixels, files = Counter(), Counter()
    with ThreadPool(threads) as pool:
        counted = pool.imap(lambda path: np.unique(_opaque_values(path, form), return_counts=True), chosen)
        for path, (values, counts) in zip(chosen, progress(counted, title, "label", total=len(chosen))):
            pixels.update(dict(zip(values.tolist(), counts.tolist())))
            files.update(values.tolist())
            _check_count(path, encoding, len(pixels))
    total, value_of = sum(pixels.values()), _unpacked if encoding == "colours" else int
    return Survey(
        encoding,
        {value_of(value): pixels[value] / total for value in sorted(pixels)},
        {value_of(value): files[value] for value in sorted(pixels)},
        colours_of_ids(chosen[0]) if encoding == "ids" else {},
        len(chosen),
        len(paths),
    )


def _opaque_values(path: Path, form: LabelFormat) -> np.ndarray:
    """(N,) what stands in the file where it is not transparent."""
    values, transparent = read_file_values(path, form)
    return values.ravel() if transparent is None else values[~transparent]


def _opaque_pixels(path: Path) -> np.ndarray:
    """(..., 3 or 4) of a file of three channels or four, without its transparent pixels."""
    pixels = decode_channels(path)
    transparent = transparent_part(pixels[..., 3]) if pixels.shape[2:] == (4,) else None
    return pixels if transparent is None else pixels[~transparent]


def _encoding(paths: Sequence[Path]) -> str:
    for path in _some(paths):
        check_lossless(path, header(path))
    mode = header(paths[0]).mode
    if mode == "P":  # where files have palettes of their own, colours mean something and indices do not
        return "colours" if other_palettes(paths) else "ids"
    if mode in ("L", "1", "LA"):
        return "ids"
    if mode.startswith("I"):
        return "ids16"
    if mode not in ("RGB", "RGBA"):
        raise InputError(f"{paths[0]}: is of mode {mode}, which is no kind of label file: write ids or colours as PNG")
    return _of_channels([_opaque_pixels(path) for path in _some(paths)])


def _some(paths: Sequence[Path]) -> list[Path]:
    count = min(len(paths), CHANNEL_FILES)
    return [paths[i * len(paths) // count] for i in range(count)]


def _of_channels(files: Sequence[np.ndarray]) -> str:
    """Which of three channels holds ids; or "colours". In 16 bits the one with the fewest values, but more than one."""
    distinct = {
        name: len(np.unique(np.concatenate([np.unique(pixels[..., index]) for pixels in files])))
        for index, name in ((2, "red"), (1, "green"), (0, "blue"))  # cv2's order
    }
    varying = {name: count for name, count in distinct.items() if count > 1}
    fewest = min(varying, key=varying.get) if varying else "red"
    if files[0].dtype == np.uint16:
        return f"{fewest}16"
    grey = all((pixels[..., :3] == pixels[..., :1]).all() for pixels in files)
    return fewest if len(varying) <= 1 or grey else "colours"


def _check_count(path: Path, encoding: str, values: int) -> None:
    if values > (MOST_COLOURS if encoding == "colours" else MOST_CLASSES):
        raise InputError(
            f"{path}: with it there are {values} different {'colours' if encoding == 'colours' else 'ids'}: these are "
            "photographs, instance maps, or labels that were smoothed or saved as JPEG: give label files"
        )


def _unpacked(value: int) -> tuple[int, int, int]:
    return value >> 16, value >> 8 & 255, value & 255
