"""Label files as the ids or colours that stand in them, and as train ids.

Each encoding has its own trap: cv2 turns palette indices into colours; PIL turns 16 bits of three channels into 8-bit
noise. What a file cannot be is refused, never guessed; so is an id or a colour of which nobody said what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mlsl_mx.config.class_table import OWN, REST
from mlsl_mx.config.classes import IGNORE, ClassSet, FileValue
from mlsl_mx.config.data_settings import SourceData, TargetData
from mlsl_mx.config.encodings import BITS, MEANINGS
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.image_files import Header, decode_channels, decode_with_mode
from mlsl_mx.system.errors import InputError

UNKNOWN, VOID = 65534, 65535  # codes of look-ups: of no class and not ignored; ignored. Train ids are smaller
SHOWN = 5  # unknown values named in an error


class WrongLabels(InputError):
    """A readable image that is not a label file of its data set."""


@dataclass(frozen=True)
class Encoding:
    """How pixels of a label file hold an id or a colour."""

    modes: tuple[str, ...]  # PIL's names of such files
    fits: Callable[[np.ndarray], bool]  # whether pixels as decoded are of this kind
    values: Callable[[np.ndarray], np.ndarray]  # (H, W) uint8 or uint16 ids, or int32 colours as 0xRRGGBB


def _is(dtype: type, *channels: int) -> Callable[[np.ndarray], bool]:
    return lambda pixels: pixels.dtype == dtype and (1 if pixels.ndim == 2 else pixels.shape[2]) in channels


def _channel(encoding: str) -> Encoding:
    name, bits = encoding.removesuffix("16"), BITS[encoding]
    index = ("blue", "green", "red").index(name)  # cv2's order
    dtype = {8: np.uint8, 16: np.uint16}[bits]
    return Encoding(("RGB", "RGBA"), _is(dtype, 3, 4), lambda pixels: cv2.extractChannel(pixels, index))


def _packed(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3 or 4) uint8 in cv2's order -> (H, W) int32, 0xRRGGBB."""
    blue, green, red = (pixels[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


ENCODINGS = {
    "ids": Encoding(("P", "L", "1", "LA"), _is(np.uint8, 1), lambda pixels: pixels),
    "ids16": Encoding(("I;16", "I;16B", "I"), _is(np.uint16, 1), lambda pixels: pixels),
    "colours": Encoding(("RGB", "RGBA", "P"), _is(np.uint8, 3, 4), _packed),
    **{encoding: _channel(encoding) for encoding in BITS if encoding not in ("ids", "ids16", "colours")},
}


@dataclass(frozen=True)
class LabelFormat:
    """What label files of one data set hold, and which train ids that becomes."""

    title: str  # whose files
    encodings: tuple[str, ...]  # keys of ENCODINGS, the first the usual one
    train_ids: tuple[tuple[FileValue, int], ...]  # id or colour in the file -> train id
    ignored: tuple[FileValue, ...] | str  # ids or colours without a class, or REST
    id_type: type  # of train ids
    remedy: str  # for a file that is something else

    @property
    def modes(self) -> tuple[str, ...]:
        """PIL's modes that such files may have."""
        return tuple(mode for encoding in self.encodings for mode in ENCODINGS[encoding].modes)

    @property
    def lookup(self) -> np.ndarray:
        """uint16: value in the file -> train id, VOID or UNKNOWN."""
        return _lookup(self.train_ids, self.ignored, max(BITS[encoding] for encoding in self.encodings))


def published_format(dataset: str, classes: ClassSet) -> LabelFormat:
    """That of a key of PUBLISHED: ids without a class are ignored, others than theirs refused.

    For a user's own class table the ids are those of its `source` or `target`, whichever the data set may be.
    """
    data = PUBLISHED[dataset]
    train_ids = classes.file_values(dataset if classes.benchmark else data.side)
    ignored = tuple(sorted(data.known_ids - set(train_ids)))
    return LabelFormat(data.title, data.encodings, tuple(train_ids.items()), ignored, classes.id_type, data.remedy)


def label_format(side: str, data: SourceData | TargetData, classes: ClassSet) -> LabelFormat:
    """That of the label files of "source" or "target" as an experiment's settings say it."""
    if data.dataset != OWN:
        return published_format(data.dataset, classes)
    remedy, train_ids = f"correct {side}.encoding or the files", tuple(classes.file_values(side).items())
    return LabelFormat(side, (data.encoding,), train_ids, data.ignore, classes.id_type, remedy)


def pseudo_label_format(classes: ClassSet) -> LabelFormat:
    """That of our own pseudo-labels: train ids as palette indices, or, of more than 255 classes, in 16 bits."""
    encoding = "ids" if classes.id_type == np.uint8 else "ids16"
    train_ids = tuple((index, index) for index in range(classes.num_classes))
    remedy = "write the pseudo-labels again"
    return LabelFormat("pseudo-labels", (encoding,), train_ids, (classes.ignore,), classes.id_type, remedy)


def read_train_ids(path: Path, form: LabelFormat) -> np.ndarray:
    """(H, W) train ids, uint8 or, of more than 255 classes, uint16; 255 or 65535 = ignore; at the file's own size.

    Raises: MissingFile, UnreadableFile, WrongLabels.
    """
    values, transparent = read_file_values(path, form)
    if values.dtype == form.id_type == np.uint8 and transparent is None:  # nearly all; 4 ms faster for 2048x1024 pixels
        train_ids = cv2.LUT(values, form.lookup[:256].astype(np.uint8))
        if not (train_ids == UNKNOWN & 255).any():
            return train_ids
    codes = cv2.LUT(values, form.lookup[:256]) if values.dtype == np.uint8 else form.lookup[values]
    if transparent is not None:
        codes[transparent] = VOID
    unknown = codes == UNKNOWN
    if unknown.any():
        raise _unknown(path, values[unknown], form)
    return codes.astype(form.id_type)  # VOID becomes 255 in 8 bits


def read_pseudo_label(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) train ids of one of our own pseudo-labels. Raises: MissingFile, UnreadableFile, WrongLabels."""
    return read_train_ids(path, pseudo_label_format(classes))


def read_file_values(path: Path, form: LabelFormat) -> tuple[np.ndarray, np.ndarray | None]:
    """What stands in the file.

    Returns: (H, W) uint8 or uint16 ids, or int32 colours as 0xRRGGBB; `transparent_part`, but of ids in a palette the
        indices count, and no transparency.
    Raises: MissingFile, UnreadableFile, WrongLabels.
    """
    # PIL for palette indices, of which cv2 gives the colours; cv2 for the rest, of which PIL spoils 16 bits.
    if form.encodings == ("ids",):
        pixels, mode = decode_with_mode(path)
        alpha = pixels[..., 1] if mode == "LA" else None
        pixels = pixels[..., 0] if mode == "LA" else pixels
    else:
        pixels = decode_channels(path)
        alpha = pixels[..., 3] if pixels.ndim == 3 and pixels.shape[2] == 4 else None
    for encoding in form.encodings:
        if ENCODINGS[encoding].fits(pixels):
            return ENCODINGS[encoding].values(pixels), transparent_part(alpha)
    usual = MEANINGS[form.encodings[0]]
    raise WrongLabels(f"{path}: is {_kind(pixels)}, but labels of {form.title} are {usual}: {form.remedy}")


def transparent_part(alpha: np.ndarray | None) -> np.ndarray | None:
    """Bool of `alpha`'s shape: where a label file says nothing, whatever colours an editor left there.

    None for nowhere, also of a file that is transparent all over, as some renderers write: it says what it holds.
    """
    return None if alpha is None or not alpha.any() or alpha.all() else alpha == 0


def check_header(path: Path, head: Header, form: LabelFormat) -> None:
    """Raises: WrongLabels for a file whose header says that it cannot hold such labels."""
    if head.mode not in form.modes:
        usual = MEANINGS[form.encodings[0]]
        raise WrongLabels(f"{path}: is of mode {head.mode}, but labels of {form.title} are {usual}: {form.remedy}")


def check_lossless(path: Path, head: Header) -> None:
    """Raises: WrongLabels for JPEG, of which no number is sure."""
    if head.kind in ("JPEG", "MPO"):
        raise WrongLabels(f"{path}: is a JPEG, whose compression changes values at label edges: save labels as PNG")


def packed(value: FileValue) -> int:
    """An id as it is, a colour as 0xRRGGBB."""
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]


def _kind(pixels: np.ndarray) -> str:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return f"{8 * pixels.itemsize} bits x {channels} channel{'s' if channels > 1 else ''}"


@lru_cache(maxsize=8)  # of colours 32 MB each
def _lookup(train_ids: tuple, ignored: tuple | str, bits: int) -> np.ndarray:
    lookup = np.full(1 << bits, VOID if ignored == REST else UNKNOWN, np.uint16)
    if ignored != REST:
        lookup[[packed(value) for value in ignored]] = VOID
    for value, train_id in train_ids:
        lookup[packed(value)] = train_id
    return lookup


def _unknown(path: Path, values: np.ndarray, form: LabelFormat) -> WrongLabels:
    """`values` (N,): those without a class."""
    found, counts = np.unique(values, return_counts=True)
    colours = form.encodings == ("colours",)
    shown = [
        f"{_as_text(value, colours)} ({count} pixels)"
        for value, count in zip(found[:SHOWN].tolist(), counts[:SHOWN], strict=True)
    ]
    more = ", ..." if len(found) > SHOWN else ""
    what = "colours" if colours else "ids"
    return WrongLabels(
        f"{path}: holds {what} {', '.join(shown)}{more}, which are in no class of {form.title} and not ignored: "
        + _unknown_remedy(form, what, found.tolist())
    )


def _unknown_remedy(form: LabelFormat, what: str, found: list[int]) -> str:
    if form.title in ("source", "target"):
        return f"name them in a class's `{form.title}`, or in {form.title}.ignore"
    if found == [IGNORE]:
        return f"255 is void among train ids: {form.remedy}"
    known = [value for value, _ in form.train_ids] + list(form.ignored)
    last = max(value for value in known if value != IGNORE)
    return f"its {what} are 0..{last}, so this is another data set's label file, or a damaged one"


def _as_text(value: int, colour: bool) -> str:
    return f"[{value >> 16}, {value >> 8 & 255}, {value & 255}]" if colour else str(value)
