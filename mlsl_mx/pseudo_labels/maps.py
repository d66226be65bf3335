"""What a network says of an image: class probabilities at its stride, of the whole or of patches (SISC, Sec. 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.system.errors import InputError


@dataclass(frozen=True)
class PatchMaps:
    """What the network says of N rectangles of an image, all of one size.

    Attributes:
        corners: (N, 2) int64, rows (top, left), in pixels.
        size: (height, width) of each in pixels; where an image was padded they reach beyond it.
        probabilities: (N, h, C, w) float32, of NumPy or on the engine's device: softmax, averaged with the mirrored
            input's; h and w are an eighth of `size`, fewer if the image was shrunk first (`single_scale`); of a user's
            own network by PyTorch up to a quarter.
        ready: an event of the engine's, after which they are computed; None: they are, or the engine knows by itself.
    """

    corners: np.ndarray
    size: tuple[int, int]
    probabilities: np.ndarray
    ready: Any = None

    def reaching(self, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """The patches that reach into a window of the image.

        Returns: (n,) their numbers; (n, 2) their corners (top, left) as seen from the window.
        """
        corners = self.corners - (rows.start, columns.start)
        window = rows.stop - rows.start, columns.stop - columns.start
        near = np.flatnonzero(((corners > -np.array(self.size)) & (corners < window)).all(axis=1))
        return near, corners[near]


@dataclass(frozen=True)
class ImageMaps:
    """All that the network says of an image, which has `size` (height, width) pixels and was segmented in `parts`.

    `name`: of the image, for messages.
    """

    size: tuple[int, int]
    parts: tuple[PatchMaps, ...]
    name: str = ""

    @property
    def num_classes(self) -> int:
        """C."""
        return self.parts[0].probabilities.shape[2]

    def check_classes(self, expected: int) -> None:
        """Raises: InputError if the network has another number of classes."""
        if self.num_classes != expected:
            raise InputError(
                f"the network's output has {self.num_classes} classes, the data set {expected}: take another network, "
                "or another class table (classes)"
            )


@dataclass(frozen=True)
class Window:
    """A part of an image's composite output.

    Attributes:
        rows, columns: where it lies in the image.
        volume: (C, h, w) float32 on the engine's device, mean probabilities, 0 where no patch was.
        count: (h, w) float32 on the engine's device, patches that saw the pixel.
    """

    rows: slice
    columns: slice
    volume: Any
    count: Any


def seen_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """What the network sees of an image of (height, width) in one piece, both multiples of 8.

    The image itself, padded; or, at a scale below 1, resized to the nearest multiples, which need no padding.

    >>> seen_size((1052, 1914), 1), seen_size((1024, 2048), 1850 / 2048)
    ((1056, 1920), (928, 1848))
    """
    if scale == 1:
        return tuple(side + -side % STRIDE for side in size)
    return tuple(STRIDE * max(1, round(scale * side / STRIDE)) for side in size)
