"""What the structure of an image file says without its pixels: whether its end is there, how a camera was held."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION = 0x0112  # EXIF's tag
# What an image with each orientation needs to be seen upright.
TURNS = {
    1: "as it is stored",
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees clockwise",
    7: "mirrored and turned by 270 degrees",
    8: "turned by 90 degrees counter-clockwise",
}
ENDING_BYTES = 4096
# How a file ends without anything behind it. Motion photos and some cameras put more there.
USUAL_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_BITS, _COMPRESSION, _COLOURS, _SAMPLES, _FORMAT = 258, 259, 262, 277, 339  # TIFF's tags
_LOG_LUV = (32844, 32845)
_FORMATS = {1: "unsigned integers", 2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex floats"}
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)  # of JPEG, that ends coded pixels


def has_end(kind: str, content: bytes) -> bool:
    """Whether an image is whole to its end, by its parts; True for kinds other than JPEG and PNG.

    cv2 fills up what is missing at the end of those.
    """
    if kind not in USUAL_ENDS or content.endswith(USUAL_ENDS[kind]):
        return True
    return _png_has_end(content) if kind == "PNG" else _jpeg_has_end(content)


def _png_has_end(content: bytes) -> bool:
    position = 8
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        position += 12 + length
        if kind == b"IEND":
            return position <= len(content)
    return False


def _jpeg_has_end(content: bytes) -> bool:
    position = 2
    while True:
        marker = _MARKER.search(content, position)
        if marker is None:
            return False
        code = content[marker.start() + 1]
        if code == 0xD9:
            return True
        position = marker.end()
        if code not in (0x01, 0xD8):  # others have a length, and may hold a whole thumbnail
            if position + 2 > len(content):
                return False
            position += struct.unpack_from(">H", content, position)[0]


def orientation(image: Image.Image, ending: bytes) -> int:
    """EXIF's, 1 to 8; 1 for none. Of TIFF it is 1: there every reader, ours too, turns the pixels.

    Args:
        ending: the file's last bytes (ENDING_BYTES), where some programs put what they add to a PNG.
    """
    if image.format == "TIFF":
        return 1
    exif, block = Image.Exif(), image.info.get("exif")
    if image.format == "PNG" and block is None and b"eXIf" in ending:
        block = ending[ending.rindex(b"eXIf") + 4 :]
    try:
        exif.load(block)
    except Exception:  # Pillow raises many kinds for a damaged block, which viewers pass over
        return 1
    value = exif.get(ORIENTATION)
    return value if value in TURNS else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) as stored -> upright: (H, W, ...), or of orientation 5 to 8 (W, H, ...)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)  # (W, H, ...)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def grey_bits(image: Image.Image, content: bytes) -> tuple[int, bool]:
    """Bits of a grey value as stored, of which Pillow shows 1, 2 and 4 as 0..255; whether 0 is white, as TIFF may."""
    if image.format == "TIFF":
        return image.tag_v2.get(_BITS, (1,))[0], image.tag_v2.get(_COLOURS) == 0
    if image.format == "PNG":
        return content[24], False  # of IHDR, which comes first
    return 1 if image.mode == "1" else 8, False


def tiff_kind(content: BinaryIO) -> str | None:
    """What a TIFF holds, e.g. "TIFF of 32-bit floats, 3 samples a pixel"; None for a file that is no TIFF."""
    content.seek(0)
    head = content.read(8)
    if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    try:
        tags = ImageFileDirectory_v2(head + (content.read(8) if b"+" in head[:4] else b""))
        content.seek(tags.next)
        tags.load(content)
        bits, kind = tags.get(_BITS, (1,))[0], _FORMATS.get(tags.get(_FORMAT, (1,))[0], "unknown numbers")
        if tags.get(_COLOURS) in _LOG_LUV:  # which says 16 bits, and stands for floats
            bits, kind = 32, "floats as LogLuv"
        return f"TIFF of {bits}-bit {kind}, {tags.get(_SAMPLES, 1)} a pixel, compression {tags.get(_COMPRESSION, 1)}"
    except Exception:  # Pillow raises many kinds for a damaged file
        return "damaged TIFF"
