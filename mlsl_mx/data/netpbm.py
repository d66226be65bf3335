"""Netpbm's PBM, PGM and PPM, as text or binary: the numbers in the file and what stands for white.

OpenCV does not heed what stands for white and refuses a text without a newline at its end; Pillow scales to 0..255,
which makes other ids of a label's.
"""

from __future__ import annotations

import re

import numpy as np

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_SIZE = re.compile(rb"P([1-6])" + (_GAP + rb"(\d{1,9})") * 2)
_MOST = re.compile(_GAP + rb"(\d{1,9})")


def read_netpbm(content: bytes) -> tuple[np.ndarray, int]:
    """The first image of a file.

    Returns: (H, W) or (H, W, 3) RGB, uint8 or uint16, as the numbers stand in the file; the largest they may be. Of
        PBM that is 1, and 1 is black.
    Raises: ValueError for what is no whole image.
    """
    head = _SIZE.match(content)
    if head is None:
        raise ValueError("not PBM, PGM or PPM of integers")
    kind, width, height = map(int, head.groups())
    end, most = head.end(), 1
    if kind not in (1, 4):
        last = _MOST.match(content, end)
        if last is None:
            raise ValueError("no largest value in its header")
        end, most = last.end(), int(last.group(1))
    if not 1 <= most <= 65535:
        raise ValueError(f"{most} as its largest value, but 1 to 65535 is possible")
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    if kind < 4:
        values = _of_text(re.sub(rb"#[^\r\n]*", b" ", content[end:]), kind == 1, int(np.prod(shape)))
    else:
        values = _of_bytes(content[end + 1 :], kind == 4, shape, most)
    if values.max(initial=0) > most:
        raise ValueError(f"it holds {values.max()}, above its largest value {most}")
    return values.reshape(shape).astype(np.uint8 if most < 256 else np.uint16), most


def _of_text(text: bytes, bits: bool, count: int) -> np.ndarray:
    """(count,) numbers; bits need no blanks between them."""
    words = b"".join(text.split())[:count] if bits else text.split(None, count)[:count]
    if len(words) < count:
        raise ValueError(f"{count} numbers are announced, {len(words)} are there")
    return np.frombuffer(words, np.uint8) - ord("0") if bits else np.array([_number(word) for word in words])


def _number(word: bytes) -> int:
    if not re.fullmatch(rb"\d{1,9}", word):
        raise ValueError(f"{word[:20]!r} is no number")
    return int(word)


def _of_bytes(data: bytes, bits: bool, shape: tuple[int, ...], most: int) -> np.ndarray:
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    row = -(-shape[1] // 8) if bits else int(np.prod(shape[1:]))  # numbers, of bits bytes
    if len(data) < shape[0] * row * dtype.itemsize:
        raise ValueError(f"{shape[0] * row * dtype.itemsize} bytes of pixels are announced, {len(data)} are there")
    values = np.frombuffer(data, dtype, shape[0] * row)
    return np.unpackbits(values.reshape(shape[0], row), axis=1)[:, : shape[1]] if bits else values
