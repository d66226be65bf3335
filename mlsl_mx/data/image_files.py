"""Whole pixels or a clear error: how every image and label file is opened."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path
from typing import BinaryIO, Sequence

import cv2
import numpy as np
from PIL import Image, ImageFile

from mlsl_mx.errors import InputError

# What data sets come in. Pillow knows many more kinds, some of which start other programs.
KINDS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
# By which files in folders are known.
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MOST_PIXELS = 1 << 26  # 8192x8192; a small file can claim many more, which would be allocated
MOST_BYTES = 1 << 29
ORIENTATION = 0x0112  # EXIF's tag
ENDINGS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}  # without which cv2 fills up what is missing
ENDING_BYTES = 1024  # in which they stand; some cameras write more after them
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # Pillow's limit is above ours


class MissingFile(InputError):
    """A listed file is not there."""


class UnreadableFile(InputError):
    """A file is there but is truncated, damaged or not an image."""


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8, RGB.

    Raises: MissingFile, UnreadableFile.
    """
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def decode(path: Path, flags: int) -> np.ndarray:
    """What cv2.imread gives, with its channels in cv2's order (blue first).

    Raises: MissingFile, UnreadableFile.
    """
    content = _read_bytes(path)
    with _opened(path, io.BytesIO(content)) as image:
        _check_ending(path, image.format, content[-ENDING_BYTES:])
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise _unreadable(path, f"{len(content)} bytes that are not a whole image")
    return pixels


def decode_indices(path: Path) -> np.ndarray:
    """(H, W) uint8: the indices of a palette PNG, or the values of a grey one; any other image as PIL gives it.

    cv2 and mx.image give a palette PNG's colours, so this goes through PIL.

    Raises: MissingFile, UnreadableFile.
    """
    return decode_with_mode(path)[0]


def decode_with_mode(path: Path) -> tuple[np.ndarray, str]:
    """`decode_indices`, and PIL's mode of the file: "P" for a palette, "L" for 8-bit grey.

    Raises: MissingFile, UnreadableFile.
    """
    content = _read_bytes(path)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # gluoncv's import sets it, and the missing part would be read as id 0
    with _opened(path, io.BytesIO(content)) as image:
        try:
            return np.array(image), image.mode
        except Exception as problem:  # Pillow raises many kinds for a damaged file
            raise _unreadable(path, f"{len(content)} bytes, {problem}") from None


def header(path: Path, upright: bool = False) -> tuple[tuple[int, int], str]:
    """(height, width) and PIL's mode from the file's header; of a PNG or JPEG the end is looked at too, so that
    truncation is noticed.

    Args:
        upright: the size as `read_image` gives it, which turns what a camera notes as lying on its side; labels are
            read as they are stored.

    Raises: MissingFile, UnreadableFile.
    """
    try:
        _check_file(path)
        with open(path, "rb") as content:
            with _opened(path, content) as image:
                (width, height), kind, mode = image.size, image.format, image.mode
                if upright and _lies_on_its_side(image):
                    width, height = height, width
            content.seek(-min(ENDING_BYTES, content.seek(0, io.SEEK_END)), io.SEEK_END)
            _check_ending(path, kind, content.read())
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as problem:
        raise _unreadable(path, problem.strerror) from None
    return (height, width), mode


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether cv2 turns it by a quarter: it heeds the EXIF orientation of JPEG and PNG, and none of WebP."""
    if image.format not in ("JPEG", "MPO", "PNG"):
        return False
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif"))
    except Exception:  # Pillow raises many kinds for a damaged block, which cv2 passes over
        return False
    return exif.get(ORIENTATION) in (5, 6, 7, 8)


def _check_ending(path: Path, kind: str, ending: bytes) -> None:
    if ENDINGS.get(kind, b"") not in ending:
        raise _unreadable(path, "its end is missing")


def _opened(path: Path, content: BinaryIO) -> Image.Image:
    """The image in `content`, not yet decoded. Raises: UnreadableFile, also for one of too many pixels."""
    try:
        image = Image.open(content, formats=KINDS)
    except Exception as problem:  # Pillow raises many kinds for a damaged file
        raise _unreadable(path, f"not {', '.join(KINDS)}" if "identify" in str(problem) else str(problem)) from None
    if image.width * image.height > MOST_PIXELS:
        raise _unreadable(path, f"it claims {image.width}x{image.height} pixels, at most {MOST_PIXELS} are read")
    return image


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
    return MissingFile(f"{path}: no such file: complete the data set or take it from the list; see `mlsl check-data`")


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    reason = " ".join(reason.split())
    return UnreadableFile(f"{path}: cannot be read as an image ({reason}): download or write it again")
