"""The composite output of SISC (Sec. 3.2): patch probabilities summed where they lie, then divided by the counts."""

from __future__ import annotations

from typing import Sequence

import mxnet as mx
import numpy as np

from mlsl_mx.pseudo_labels.upsampling import times_transposed, window_weights, window_weights_on


class SISCAccumulator:
    """Sums and counts of patch probabilities on one device, for an image or a window of one.

    Attributes:
        sum: (C, H, W) float32 NDArray.
        count: (H, W) float32 NDArray, patches seen by each pixel.
    """

    def __init__(self, num_classes: int, height: int, width: int, ctx: mx.Context):
        self.sum = mx.nd.zeros((num_classes, height, width), ctx=ctx)
        self.count = mx.nd.zeros((height, width), ctx=ctx)

    def add(self, probabilities: mx.nd.NDArray, tops: Sequence[int], lefts: Sequence[int]) -> None:
        """Add N patches at their corners; nothing leaves the device, and nothing is waited for.

        Args:
            probabilities: (N, C, h, w) float32 on the accumulator's device.
            tops, lefts: N corners each.

        Raises: ValueError if classes or the number of corners differ, or a patch leaves the image.
        """
        num_classes, height, width = self.sum.shape
        patches, patch_classes, patch_height, patch_width = probabilities.shape
        if patch_classes != num_classes or not patches == len(tops) == len(lefts):
            raise ValueError(
                f"{probabilities.shape} patches with {len(tops)} tops and {len(lefts)} lefts do not fit "
                f"a volume of {self.sum.shape}"
            )
        ones = mx.nd.ones((patch_height, patch_width), ctx=self.count.context)
        for index, (top, left) in enumerate(zip(map(int, tops), map(int, lefts))):
            bottom, right = top + patch_height, left + patch_width
            if top < 0 or left < 0 or bottom > height or right > width:
                raise ValueError(f"a {patch_height}x{patch_width} patch at ({top}, {left}) leaves {height}x{width}")
            _add_window(self.sum, probabilities[index], (0, top, left), (num_classes, bottom, right))
            _add_window(self.count, ones, (top, left), (bottom, right))

    def add_maps(
        self,
        maps: Sequence[mx.nd.NDArray],
        tops: Sequence[int],
        lefts: Sequence[int],
        size: tuple[int, int],
        upsampling: str,
    ) -> None:
        """Add patches known at the network's stride, up-sampled on the way; what lies outside the window is left out.

        Up-sampling is linear along each axis: a patch adds R M Q^T to each class, with the map M and the weights R of
        the window's rows and Q of its columns. So the patches of a window are summed inside one matrix product, of all
        R side by side with all M Q^T one upon the other, and no patch is ever written at full size.

        Args:
            maps: N NDArrays (h, C, w) float32 on the accumulator's device.
            tops, lefts: N corners each, as seen from the window: below 0 where a patch begins before it.
            size: (height, width) of each patch in pixels.
            upsampling: "bilinear" or "bicubic".
        """
        num_classes, height, width = self.sum.shape
        ctx, counts = self.count.context, np.zeros((height, width), np.float32)
        rows, wide = [], []
        for patch_map, top, left in zip(maps, map(int, tops), map(int, lefts)):
            inside = _overlap(top, size[0], height), _overlap(left, size[1], width)
            if None in inside:
                continue
            counts[inside] += 1
            weights = window_weights(patch_map.shape[0], size[0], upsampling, -top, height)  # (H, h)
            used = np.flatnonzero(weights.any(axis=0))
            used = slice(int(used[0]), int(used[-1]) + 1)  # the rows of the map that the window needs
            columns = window_weights_on(patch_map.shape[2], size[1], upsampling, -left, width, ctx)  # (W, w)
            rows.append(weights[:, used])
            wide.append(times_transposed(patch_map[used], columns))  # (used, C, W)
        if rows:
            stacked = mx.nd.concat(*wide, dim=0).reshape((0, -1))  # (M, C * W)
            weights = mx.nd.array(np.concatenate(rows, axis=1), ctx=ctx)  # (H, M)
            added = mx.nd.linalg.gemm2(weights, stacked).reshape((height, num_classes, width))
            self.sum += added.swapaxes(0, 1)  # (C, H, W)
            self.count += mx.nd.array(counts, ctx=ctx)

    def normalized(self) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
        """Mean probabilities (C, H, W), 0 where no patch was, and a copy of the counts (H, W)."""
        divisor = mx.nd.maximum(self.count, 1).expand_dims(0)  # (1, H, W)
        return mx.nd.broadcast_div(self.sum, divisor), self.count.copy()


def _overlap(first: int, length: int, window: int) -> slice | None:
    """The part of a window of pixels 0, 1, ... that a patch from `first` on covers; None if there is none."""
    begin, end = max(first, 0), min(first + length, window)
    return slice(begin, end) if begin < end else None


def _add_window(volume: mx.nd.NDArray, values: mx.nd.NDArray, begin: tuple[int, ...], end: tuple[int, ...]) -> None:
    """volume[begin:end] += values, in place."""
    # One temporary of the window's size; `volume[...] += values` makes two (measured: 15 against 12 ms a patch).
    window = mx.nd.slice(volume, begin=begin, end=end)
    mx.nd.elemwise_add(window, values, out=window)
    mx.nd._internal._slice_assign(volume, window, begin=begin, end=end, out=volume)
