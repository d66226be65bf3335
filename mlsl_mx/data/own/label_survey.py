"""What label files hold, found out by looking at them: encoding, ids or colours, palette."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsl_mx.config.class_table import MOST_CLASSES, REST
from mlsl_mx.config.classes import FileValue
from mlsl_mx.data.image_files import decode_channels, header
from mlsl_mx.data.label_files import ENCODINGS, LabelFormat, check_lossless, read_file_values, transparent_part
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.data.palettes import colours_of_ids, other_palettes
from mlsl_mx.system.background import READERS, ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress

MOST_FILES = 400  # looked at; `mlsl check-data` reads all
MOST_COLOURS = 512  # of one set of labels; more are those of photographs, of JPEG or of smoothing
LIKE_IDS = 64  # below which a channel of colours looks like ids; colours are brighter
CHANNEL_FILES = 8  # looked at to tell which channel holds ids


@dataclass(frozen=True)
class Survey:
    """What some label files of one kind hold."""

    encoding: str  # key of `label_files.ENCODINGS`
    shares: dict[FileValue, float]  # of pixels, by id or colour, in the order of the values
    palette: dict[int, tuple[int, int, int]]  # colours of the ids, if the files have them
    looked_at: int
    of: int  # files there are
    doubt: str = ""  # what speaks for another reading, in a sentence


def survey(paths: Sequence[Path], title: str, encoding: str = "") -> Survey:
    """Look at up to MOST_FILES of the label files, evenly spread.

    Args:
        encoding: key of `label_files.ENCODINGS`; empty: found out.

    Raises: InputError for files that are missing or damaged, of several kinds, or no labels, for an unknown encoding,
        or if nobody could tell which channel holds ids.
    """
    if encoding and encoding not in ENCODINGS:
        raise InputError(f"{title}: {encoding!r} is no encoding: use one of {', '.join(ENCODINGS)}")
    chosen = [paths[index] for index in evenly_spread(len(paths), MOST_FILES)]
    encoding, doubt = (encoding, "") if encoding else _encoding(chosen)
    remedy = "give label files of one kind, and of the encoding that is named, if one is"
    form = LabelFormat(title, (encoding,), (), REST, np.uint8, remedy)
    pixels = Counter()
    counted = ahead(lambda path: np.unique(_opaque_values(path, form), return_counts=True), chosen, READERS)
    for path, (values, counts) in zip(chosen, progress(counted, title, "label", total=len(chosen)), strict=True):
        pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        _check_count(path, encoding, len(pixels))
    total, value_of = sum(pixels.values()), _unpacked if encoding == "colours" else int
    shares = {value_of(value): pixels[value] / total for value in sorted(pixels)}
    return Survey(
        encoding,
        shares,
        _palette(chosen, shares) if encoding == "ids" else {},
        len(chosen),
        len(paths),
        doubt or _smoothed(shares),
    )


def _palette(paths: Sequence[Path], ids: Iterable[int]) -> dict[int, tuple[int, int, int]]:
    """Colours of the ids, from as many palette files as it takes: one file need not hold them all."""
    found, wanted = {}, set(ids)
    for path in paths:
        if wanted <= found.keys():
            break
        found = {**colours_of_ids(path), **found}
    return found


def _smoothed(shares: dict[FileValue, float]) -> str:
    """Whether these are masks of 0 and 255 with the shades that smoothing makes of their edges."""
    ends = shares.get(0, 0) + shares.get(255, 0)
    if ends < 0.9 or len(shares) < 128 or max(shares) != 255:
        return ""
    return f"0 and 255 are {ends:.0%} of the pixels, {len(shares) - 2} other values the rest: masks that were smoothed?"


def _opaque_values(path: Path, form: LabelFormat) -> np.ndarray:
    """(N,) what stands in the file where it is not transparent."""
    values, transparent = read_file_values(path, form)
    return values.ravel() if transparent is None else values[~transparent]


def _opaque_pixels(path: Path) -> np.ndarray:
    """(..., 3 or 4) of a file of three channels or four, without its transparent pixels."""
    pixels = decode_channels(path)
    transparent = transparent_part(pixels[..., 3]) if pixels.shape[2:] == (4,) else None
    return pixels if transparent is None else pixels[~transparent]


def _encoding(paths: Sequence[Path]) -> tuple[str, str]:
    """Also the doubt about it."""
    some = [paths[index] for index in evenly_spread(len(paths), CHANNEL_FILES)]
    for path in some:
        check_lossless(path, header(path))
    mode = header(paths[0]).mode
    if mode == "P":  # where files have palettes of their own, colours mean something and indices do not
        return ("colours" if other_palettes(paths) else "ids"), ""
    if mode in ("L", "1", "LA"):
        return "ids", ""
    if mode.startswith("I"):
        return "ids16", ""
    if mode not in ("RGB", "RGBA"):
        raise InputError(f"{paths[0]}: is of mode {mode}, which is no kind of label file: write ids or colours as PNG")
    return _of_channels(paths[0], [_opaque_pixels(path) for path in some])


def _of_channels(path: Path, files: Sequence[np.ndarray]) -> tuple[str, str]:
    """Which of three channels holds ids, or "colours"; and the doubt about it."""
    values = {
        name: np.unique(np.concatenate([np.unique(pixels[..., index]) for pixels in files]))
        for index, name in ((2, "red"), (1, "green"), (0, "blue"))  # cv2's order
    }
    varying = [name for name in values if len(values[name]) > 1]
    counts = ", ".join(f"{name} has {len(values[name])} values" for name in varying)
    bits = "16" if files[0].dtype == np.uint16 else ""
    if len(varying) <= 1 or all((pixels[..., :3] == pixels[..., :1]).all() for pixels in files):
        return f"{varying[0] if varying else 'red'}{bits}", ""
    if bits and (values.keys() <= set(varying) or "red" not in varying):
        raise InputError(f"{path}: {counts}: say which holds ids: --encoding (or --val-encoding) {varying[0]}16, ...")
    if bits:  # as SYNTHIA: classes in red, instances in green
        return "red16", f"{counts}: red is taken for the classes"
    ids = [name for name in varying if values[name].max() < LIKE_IDS]
    return "colours", f"{ids[0]} holds only 0 to {values[ids[0]].max()}, as ids would" if ids else ""


def _check_count(path: Path, encoding: str, values: int) -> None:
    if values > (MOST_COLOURS if encoding == "colours" else MOST_CLASSES):
        raise InputError(
            f"{path}: with it there are {values} different {'colours' if encoding == 'colours' else 'ids'}: these are "
            "photographs, instance maps, or labels that were smoothed or saved as JPEG: give label files, or say what "
            "holds the classes: --encoding, --val-encoding"
        )


def _unpacked(value: int) -> tuple[int, int, int]:
    return value >> 16, value >> 8 & 255, value & 255
