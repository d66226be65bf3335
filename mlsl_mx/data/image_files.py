"""Whole pixels or a clear error: how every image and label file is opened."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageFile

from mlsl_mx.data.file_kinds import KINDS, other_kind
from mlsl_mx.data.image_structure import ENDING_BYTES, USUAL_ENDS, grey_bits, has_end, orientation, tiff_kind, turned
from mlsl_mx.data.netpbm import read_netpbm
from mlsl_mx.system.errors import InputError, is_out_of_memory

MOST_PIXELS = 1 << 26  # 8192x8192; a small file can claim many more, which would be allocated
MOST_BYTES = 1 << 29
DARK = 1 << 12  # of 16 bits: an image below is 12 bits of a camera, and nearly black in 8 bits
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # Pillow's limit is above ours


class MissingFile(InputError):
    """A listed file is not there."""


class UnreadableFile(InputError):
    """A file is there but is truncated, damaged or not an image."""


class Header(NamedTuple):
    """What the header of an image file says."""

    size: tuple[int, int]  # (height, width) as stored, as labels are read
    kind: str  # of the file, as Pillow names it
    mode: str  # of the pixels, as Pillow names it
    orientation: int  # EXIF's, 1: as stored
    palette: bytes | None  # in whatever form the file has it; of two files of a kind the same is the same

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) as `read_image` turns it."""
        return self.size[::-1] if self.orientation >= 5 else self.size


def read_image(path: Path, upright: bool = True) -> np.ndarray:
    """(H, W, 3) uint8, RGB: the first image of the file, upright as viewers show it, transparency left out.

    Args:
        upright: whether EXIF's orientation is heeded.

    Raises: MissingFile, UnreadableFile.
    """
    content = _read_bytes(path)
    with _opened(path, io.BytesIO(content)) as image:
        _check_end(path, image.format, content)
        pixels = _eight_bits(path, *_image_pixels(path, image, content))
        return turned(pixels, orientation(image, content[-ENDING_BYTES:]) if upright else 1)


def decode_channels(path: Path) -> np.ndarray:
    """(H, W) or (H, W, channels), uint8 or uint16: the numbers of an image file, channels in cv2's order (blue first).

    A palette gives its colours, with a fourth channel where it has transparency.

    Raises: MissingFile, UnreadableFile.
    """
    content = _read_bytes(path)
    with _opened(path, io.BytesIO(content)) as image:
        _check_end(path, image.format, content)
        if image.format == "PPM":
            pixels = _netpbm(path, content)[0]
            return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
        if image.format == "TIFF":
            _pillow_pixels(path, image)  # notices damage, which cv2 passes over
        return _cv2_pixels(path, content, cv2.IMREAD_UNCHANGED)


def decode_with_mode(path: Path) -> tuple[np.ndarray, str]:
    """(H, W) uint8 indices of a palette, or grey values, as the numbers stand in the file; of others what PIL gives.

    cv2 and mx.image give a palette PNG's colours, so this goes through PIL.

    Returns: and PIL's mode of the file: "P" for a palette, "L" for grey of up to 8 bits.
    Raises: MissingFile, UnreadableFile.
    """
    content = _read_bytes(path)
    with _opened(path, io.BytesIO(content)) as image:
        if image.format == "PPM":
            return _netpbm(path, content)[0], "L" if image.mode == "1" else image.mode
        pixels = _pillow_pixels(path, image)
        if image.mode not in ("1", "L"):
            return pixels, image.mode
        bits, zero_is_white = grey_bits(image, content)
        most = (1 << bits) - 1
        values = pixels.astype(np.uint8) if image.mode == "1" else pixels // (255 // most)
        return most - values if zero_is_white else values, "L"


def decode_palette(path: Path) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """(H, W) uint8 indices of a palette file, and the colours of its palette, (red, green, blue).

    Raises: MissingFile, UnreadableFile.
    """
    with _opened(path, io.BytesIO(_read_bytes(path))) as image:
        _palette(path, image)
        indices, flat = _pillow_pixels(path, image), image.getpalette()
        return indices, list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))


def _palette(path: Path, image: Image.Image) -> bytes | None:
    """The palette of an image that has indices into one. Raises: UnreadableFile if it lacks that."""
    if image.mode != "P":
        return None
    if image.palette is None:
        raise _unreadable(path, "a palette image without a palette")
    return bytes(image.palette.palette)


def header(path: Path) -> Header:
    """What the header of a file says; of a PNG or JPEG the end is looked for too, so that truncation is noticed.

    Raises: MissingFile, UnreadableFile.
    """
    try:
        _check_file(path)
        with open(path, "rb") as content:
            with _opened(path, content) as image:
                content.seek(-min(ENDING_BYTES, content.seek(0, io.SEEK_END)), io.SEEK_END)
                ending, palette = content.read(), _palette(path, image)
                found = Header(image.size[::-1], image.format, image.mode, orientation(image, ending), palette)
            if not ending.endswith(USUAL_ENDS.get(found.kind, b"")):
                content.seek(0)
                _check_end(path, found.kind, content.read())
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as problem:
        raise _unreadable(path, problem.strerror) from None
    return found


def _image_pixels(path: Path, image: Image.Image, content: bytes) -> tuple[np.ndarray, int]:
    """(H, W) or (H, W, 3) RGB, uint8 or uint16, and the number that is white."""
    if image.format == "PPM":
        pixels, most = _netpbm(path, content)
        return (1 - pixels if image.mode == "1" else pixels), most
    if image.format == "TIFF":
        pixels = _pillow_pixels(path, image)  # notices damage, which cv2 passes over
        if pixels.dtype == np.uint16:
            return pixels, (1 << grey_bits(image, content)[0]) - 1
        if grey_bits(image, content)[0] < 16:  # Pillow leaves 8 of 16 bits of three channels
            return np.asarray(image.convert("RGB")), 255
    pixels = _cv2_pixels(path, content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), 255 if pixels.dtype == np.uint8 else 65535


def _eight_bits(path: Path, pixels: np.ndarray, white: int) -> np.ndarray:
    """(H, W, 3) uint8. Raises: UnreadableFile for a 16-bit image that would be nearly black."""
    if white == 65535:
        if 0 < pixels.max() < DARK:
            reason = f"16 bits, but no value is above {pixels.max()}, so all would be nearly black: scale to 0..65535"
            raise _unreadable(path, reason)
        pixels = (pixels >> 8).astype(np.uint8)
    elif white != 255:
        pixels = ((pixels.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels


def _cv2_pixels(path: Path, content: bytes, flags: int) -> np.ndarray:
    """What cv2.imread gives."""
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as problem:
        if is_out_of_memory(problem):
            raise
        pixels = None
    if pixels is None:
        raise _unreadable(path, f"{len(content)} bytes that are not a whole image")
    return pixels


def _pillow_pixels(path: Path, image: Image.Image) -> np.ndarray:
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # gluoncv's import sets it, and the missing part would be read as id 0
    try:
        return np.array(image)
    except MemoryError:
        raise
    except Exception as problem:  # Pillow raises many kinds for a damaged file
        raise _unreadable(path, f"not a whole image, {problem}") from None


def _netpbm(path: Path, content: bytes) -> tuple[np.ndarray, int]:
    try:
        return read_netpbm(content)
    except ValueError as problem:
        raise _unreadable(path, f"{len(content)} bytes that are not a whole image: {problem}") from None


def _check_end(path: Path, kind: str, content: bytes) -> None:
    if not has_end(kind, content):
        raise _unreadable(path, "its end is missing")


def _opened(path: Path, content: BinaryIO) -> Image.Image:
    """The image in `content`, not yet decoded. Raises: UnreadableFile, also for one of too many pixels, or of numbers
    of which nobody knows what is white."""
    try:
        image = Image.open(content, formats=KINDS)
    except Exception as problem:  # Pillow raises many kinds for a damaged file
        reason = _unknown_kind(content) if "identify" in str(problem) else str(problem)
        raise _unreadable(path, reason) from None
    if image.format == "TIFF" and image.mode in ("F", "I"):
        raise _unreadable(path, _unknown_kind(content))
    if image.width * image.height > MOST_PIXELS:
        raise _unreadable(path, f"it claims {image.width}x{image.height} pixels, at most {MOST_PIXELS} are read")
    return image


def _unknown_kind(content: BinaryIO) -> str:
    tiff = tiff_kind(content)
    if tiff:
        return f"{tiff}, which is not read: save it with 8 or 16 bits, e.g. as PNG"
    content.seek(0)
    kind = other_kind(content.read(64))
    return f"{f'{kind}, ' if kind else ''}not {', '.join(KINDS)}"


def size_text(size: Sequence[int]) -> str:
    """(height, width) as people write it: width x height."""
    return f"{size[1]}x{size[0]}"


def _read_bytes(path: Path) -> bytes:
    try:
        _check_file(path)
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as problem:
        raise _unreadable(path, problem.strerror) from None


def _check_file(path: Path) -> None:
    """Raises: UnreadableFile for a folder, what never ends, as a pipe, and what is larger than images are; OSError."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "not a file")
    if status.st_size > MOST_BYTES:
        raise _unreadable(path, f"{status.st_size} bytes, at most {MOST_BYTES} are read")


def _missing(path: Path) -> MissingFile:
    return MissingFile(f"{path}: no such file: complete the data set or remove it from the list; see `mlsl check-data`")


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    reason = " ".join(reason.split())
    return UnreadableFile(f"{path}: cannot be read as an image ({reason}): download or write it again")
