"""The composite probabilities of an image, made window by window from the maps of its patches (Sec. 3.2).

A volume of 19x1024x2048 is 159 MB, and 50 patches of 512x512 would move some 4 GB through memory. A window of it stays
in a processor's cache from its patches to its labels, and no more than a window need ever be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import mxnet as mx

from mlsl_mx.pseudo_labels.maps import ImageMaps, Window
from mlsl_mx.pseudo_labels.sisc import SISCAccumulator
from mlsl_mx.pseudo_labels.windows import WINDOW, window_places


def composite(
    image: ImageMaps,
    ctx: mx.Context,
    upsampling: str = "bilinear",
    votes: bool = False,
    window: tuple[int, int] = WINDOW,
) -> Iterator[Window]:
    """The composite output of an image, row by row of windows.

    Args:
        image: what the network says of it.
        ctx: the device to make it on.
        upsampling: "bilinear" (paper, Sec. 4.1.2) or "bicubic" (release).
        votes: count each patch's most probable class instead of its probabilities (relative frequency, Sec. 4.3).
        window: (height, width); sums differ in the last bit for another one.
    """
    following = None
    for place in window_places(image.size, window):  # a window is handed out once MXNet has the next to compute
        before, following = following, _composed(image, ctx, upsampling, votes, *place)
        if before is not None:
            yield before
    yield following


def _composed(image: ImageMaps, ctx: mx.Context, upsampling: str, votes: bool, rows: slice, columns: slice) -> Window:
    """One window of `composite`; MXNet computes it when it is asked for its values, or before."""
    num_classes, size = image.num_classes, (rows.stop - rows.start, columns.stop - columns.start)
    accumulator = SISCAccumulator(num_classes, *size, ctx)
    add = partial(_add_votes, accumulator) if votes else accumulator.add_maps
    for part in image.parts:
        near, corners = part.reaching(rows, columns)
        add([part.probabilities[n] for n in near], *corners.T.tolist(), part.size, upsampling)
    return Window(rows, columns, *accumulator.normalized())


def _add_votes(accumulator: SISCAccumulator, maps, tops, lefts, size: tuple[int, int], upsampling: str) -> None:
    """As `SISCAccumulator.add_maps`, but with 1 for the most probable class of a patch's pixel and 0 for the others."""
    num_classes, height, width = accumulator.shape
    for patch_map, top, left in zip(maps, tops, lefts, strict=True):
        patch = SISCAccumulator(num_classes, height, width, accumulator.ctx)
        patch.add_maps([patch_map], [top], [left], size, upsampling)
        first_row, first_column = max(top, 0), max(left, 0)
        inside = patch.sum[:, first_row : top + size[0], first_column : left + size[1]]  # (C, h, w)
        winner = mx.nd.argmax(inside, axis=0)  # (h, w)
        votes = mx.nd.one_hot(winner, num_classes).transpose((2, 0, 1)).expand_dims(0)  # (1, C, h, w)
        accumulator.add(votes, [first_row], [first_column])
