"""The windows, without overlap, in which an image's composite output is made; they have nothing to do with patches."""

from __future__ import annotations

WINDOW = (64, 256)  # height, width; measured: (32, 512) to (128, 256) are as fast, larger ones leave the cache


def window_places(size: tuple[int, int], window: tuple[int, int] = WINDOW) -> list[tuple[slice, slice]]:
    """(rows, columns) of the windows that an image of (height, width) is composed in, row by row."""
    height, width = size
    return [
        (slice(top, min(top + window[0], height)), slice(left, min(left + window[1], width)))
        for top in range(0, height, window[0])
        for left in range(0, width, window[1])
    ]
