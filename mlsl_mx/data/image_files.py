"""Whole pixels or a clear error: how every image and label file is opened."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np
from PIL import Image, ImageFile

from mlsl_mx.errors import InputError


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
    content = np.frombuffer(_read_bytes(path), np.uint8)
    try:
        pixels = cv2.imdecode(content, flags) if content.size else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise _unreadable(path, f"{content.size} bytes that are not a whole image")
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
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(image), image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise _unreadable(path, f"{len(content)} bytes, {problem}") from None


def header_size(path: Path) -> tuple[int, int]:
    """(height, width) from the file's header alone; of a PNG the end is looked at too, so truncation is noticed.

    Raises: MissingFile, UnreadableFile.
    """
    try:
        with open(path, "rb") as content:
            with Image.open(content) as image:
                (width, height), kind = image.size, image.format
            content.seek(-min(12, content.seek(0, io.SEEK_END)), io.SEEK_END)
            ending = content.read()
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise _unreadable(path, str(problem)) from None
    if kind == "PNG" and b"IEND" not in ending:
        raise _unreadable(path, "its end is missing")
    return height, width


def size_text(size: Sequence[int]) -> str:
    """(height, width) as people write it: width x height."""
    return f"{size[1]}x{size[0]}"


def _read_bytes(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as problem:
        raise _unreadable(path, problem.strerror) from None


def _missing(path: Path) -> MissingFile:
    return MissingFile(f"{path}: no such file: complete the data set or take it from the list; see `mlsl check-data`")


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    return UnreadableFile(f"{path}: cannot be read as an image ({reason}): download or write it again")
