"""Up-sampling by MXNet, as matrix products."""

from __future__ import annotations

import mxnet as mx

from mlsl_mx.network.interpolation import interpolation_matrix


def upsample(maps: mx.nd.NDArray, height: int, width: int, method: str) -> mx.nd.NDArray:
    """Interpolate (N, C, h, w) to (N, C, height, width), height >= h and width >= w."""
    rows = mx.nd.array(interpolation_matrix(maps.shape[2], height, method), ctx=maps.context)  # (height, h)
    columns = mx.nd.array(interpolation_matrix(maps.shape[3], width, method), ctx=maps.context)  # (width, w)
    tall = _times_transposed(maps.swapaxes(2, 3), rows)  # (N, C, w, height)
    return _times_transposed(tall.swapaxes(2, 3), columns)  # (N, C, height, width)


def _times_transposed(left: mx.nd.NDArray, matrix: mx.nd.NDArray) -> mx.nd.NDArray:
    """(..., n) times the transpose of (m, n): (..., m). FullyConnected is MXNet's fastest matrix product on CPUs."""
    return mx.nd.FullyConnected(left, matrix, no_bias=True, num_hidden=matrix.shape[0], flatten=False)
