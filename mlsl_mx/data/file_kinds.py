"""Kinds of image and video files: by their endings in folders, by their first bytes where a name says too little."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

LOGGER = logging.getLogger(__name__)

# What data sets come in. Pillow knows many more kinds, some of which start other programs.
KINDS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
# By which files in folders are known. A file that is named itself may have any ending.
IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".tif", ".tiff", ".webp"),
)
VIDEO_ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".qt", ".avi", ".divx", ".mkv", ".webm", ".ogv", ".flv", ".wmv", ".asf", ".3gp", ".3g2"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".mjpg", ".mjpeg", ".mxf"),
)

# First bytes, from an offset, of images that are read, and of those that are not.
_READ = {
    "PNG": ((0, b"\x89PNG"),),
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "TIFF": ((0, b"II*\0"), (0, b"MM\0*")),
    "WEBP": ((8, b"WEBP"),),
}
_OTHERS = {
    "GIF": ((0, b"GIF8"),),
    "JPEG 2000": ((4, b"jP  "), (0, b"\xff\x4f\xff\x51")),
    "JPEG XL": ((4, b"JXL "), (0, b"\xff\x0a")),
    "AVIF": ((4, b"ftypavif"),),
    "HEIC": ((4, b"ftyphei"), (4, b"ftypmif1")),
    "OpenEXR": ((0, b"v/1\x01"),),
    "Photoshop": ((0, b"8BPS"),),
    "a web page": ((0, b"<!DOCTYPE"), (0, b"<!doctype"), (0, b"<html")),
    "a video": ((4, b"ftyp"), (4, b"moov"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI ")),
}
_FIRST = 16  # bytes in which they stand
_SYNC = b"G"  # begins each packet of an MPEG transport stream, from a camera after four bytes of time


def has_ending(path: Path, endings: Iterable[str]) -> bool:
    """In whatever case."""
    return path.suffix.lower() in endings


def is_video(file: Path) -> bool:
    """Whether a file in a folder is a video; what programmers call .ts and .mts, too, must be one by its content."""
    if not has_ending(file, VIDEO_ENDINGS):
        return False
    return not has_ending(file, (".ts", ".mts")) or _SYNC in (_first_bytes(file)[:1], _first_bytes(file)[4:5])


def other_kind(content: bytes) -> str | None:
    """A kind of images or videos that is not read as an image, by a file's first bytes; None for any other content."""
    return _kind(content, _OTHERS)


def warn_of_images(files: Sequence[Path], where: Path) -> None:
    """Say which of the files that are left out of a folder's images are images, or videos, in spite of their endings.

    One file of each ending is opened: a folder may hold a text beside each image.
    """
    counts = Counter(file.suffix for file in files)
    for file in {file.suffix: file for file in reversed(files)}.values():
        kind = _kind(_first_bytes(file), {**_READ, **_OTHERS})
        if kind not in (None, "a web page"):
            LOGGER.warning(
                "%s: files ending in %r are left out (%d), but %s holds %s: rename or convert them if they belong to "
                "the data",
                *(where, file.suffix, counts[file.suffix], file.name, kind),
            )


def _first_bytes(file: Path) -> bytes:
    try:
        if not file.is_file():  # a pipe would be waited for
            return b""
        with open(file, "rb") as content:
            return content.read(_FIRST)
    except OSError:
        return b""


def _kind(content: bytes, kinds: dict[str, tuple]) -> str | None:
    """The first of `kinds` that a file beginning like this is of."""
    for name, starts in kinds.items():
        if any(content[offset:].startswith(start) for offset, start in starts):
            return name
    return None
