"""Where the patches of an image lie (Sec. 3.2): their corners as a pure function of sizes, count, seed and name."""

from __future__ import annotations

import hashlib
import math

import numpy as np

STEPS_COUNT = 0.25  # of a sliding grid: unequal steps down and across, beside another number of patches


def patch_positions(
    height: int, width: int, patch: int, count: int, seed: int, name: str, placement: str = "random"
) -> np.ndarray:
    """Top-left corners of the patches in which SISC segments one image (Sec. 3.2).

    The corners depend on nothing but the arguments, so labels are the same whatever the order, the batch size or the
    number of devices.

    An image of 10x4 in patches of 4x4, sliding over about 3 positions: the ends are fixed, the middle is between them.

    >>> patch_positions(4, 10, patch=4, count=3, seed=0, name="frankfurt_000000", placement="sliding").tolist()
    [[0, 0], [0, 3], [0, 6]]
    >>> patch_positions(4, 10, patch=4, count=3, seed=0, name="frankfurt_000000").tolist()
    [[0, 4], [0, 1], [0, 4]]

    Args:
        height, width: of the image, in pixels.
        patch: side of the square patch, in pixels.
        count: K of the paper; "sliding" uses the covering grid with about this many patches.
        seed, name: what the random corners depend on, the name being the image's; "sliding" ignores both.
        placement: "random" (the paper's word; here every corner that keeps the patch inside is equally likely, and
            drawn independently), "sliding" (not in the paper), or "released" (random, but no patch reaches the last
            row or column, unless it is as large as the image: the release's range is one short).

    Returns: (n, 2) int64, rows (top, left), 0 <= top <= height - patch, 0 <= left <= width - patch; n is `count`, or of
        "sliding" the grid's size.
    Raises: ValueError if the patch is larger than the image, a count below 1, or an unknown placement.
    """
    if not 0 < patch <= min(height, width):
        raise ValueError(f"a patch of {patch} does not fit into an image of {width}x{height}")
    if count < 1:
        raise ValueError(f"count is {count}: at least 1 patch is needed")
    if placement == "random":
        return _random_positions(height - patch, width - patch, count, seed, name)
    if placement == "released":
        return _random_positions(max(height - patch - 1, 0), max(width - patch - 1, 0), count, seed, name)
    if placement == "sliding":
        return _sliding_positions(height, width, patch, count)
    raise ValueError(f"placement {placement!r} is not one of random, sliding, released")


def _random_positions(last_top: int, last_left: int, count: int, seed: int, name: str) -> np.ndarray:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    # RandomState's stream is frozen for good, that of numpy's newer generators is not.
    random = np.random.RandomState(np.frombuffer(digest, "<u4"))
    tops = random.randint(0, last_top + 1, count)
    lefts = random.randint(0, last_left + 1, count)
    return np.stack([tops, lefts], axis=1).astype(np.int64)


def _sliding_positions(height: int, width: int, patch: int, count: int) -> np.ndarray:
    rows, columns = _grid(height, width, patch, count)
    tops, lefts = np.meshgrid(_spread(height - patch, rows), _spread(width - patch, columns), indexing="ij")
    return np.stack([tops.ravel(), lefts.ravel()], axis=1).astype(np.int64)


def _grid(height: int, width: int, patch: int, count: int) -> tuple[int, int]:
    """Rows and columns: enough to cover the image, equal steps both ways as nearly as can be, about `count` in all."""
    fewest_rows, fewest_columns = -(-height // patch), -(-width // patch)
    most_rows = max(fewest_rows, count) if height > patch else 1
    most_columns = max(fewest_columns, count) if width > patch else 1

    def misfit(grid):
        rows, columns = grid
        count_error = abs(rows * columns - count) / count
        if rows == 1 or columns == 1:
            return count_error
        step_ratio = (height - patch) * (columns - 1) / ((width - patch) * (rows - 1))
        return count_error + STEPS_COUNT * abs(math.log(step_ratio))

    grids = []
    for rows in range(fewest_rows, most_rows + 1):
        grids.append((rows, min(max(fewest_columns, round(count / rows)), most_columns)))
    return min(grids, key=misfit)


def _spread(last: int, count: int) -> np.ndarray:
    """`count` whole numbers from 0 to `last`, in steps that are equal but for rounding: none leaves a gap."""
    return np.arange(count) * last // max(count - 1, 1)
