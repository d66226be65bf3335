"""Training crops: scale, place, mine, pad, flip; then the labels at the network's stride.

The window is chosen first and only its pixels are resized, so a crop costs little more than decoding its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:  # reading images asks for no settings
    from mlsl_mx.config.training_settings import Crops

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's images / 255, RGB
STD = (0.229, 0.224, 0.225)
MEAN_COLOUR = tuple(round(255 * mean) for mean in MEAN)
STRIDE = 8  # of the network
OFFSET = 4  # the label of a stride's cell is the one at its centre
MinedGroups = tuple[tuple[int, ...], ...]  # of train ids

NORMALISED = ((np.arange(256)[:, None] / 255 - MEAN) / STD).T.astype(np.float32).copy()  # (3, 256)


def normalise(image: np.ndarray) -> np.ndarray:
    """The network's input: RGB / 255, minus MEAN, over STD.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns: (3, H, W) float32.
    """
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel, values, plane in zip(cv2.split(image), NORMALISED, planes, strict=True):
        cv2.LUT(channel, values, dst=plane)
    return planes


def labels_at_stride(train_ids: np.ndarray) -> np.ndarray:
    """The labels that the network's output is compared with: those at the centre of each 8x8 cell.

    Args:
        train_ids: (H, W), H and W multiples of 8.

    Returns: (H/8, W/8) of the same type.
    """
    return np.ascontiguousarray(train_ids[OFFSET::STRIDE, OFFSET::STRIDE])


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image as stored -> at (height, width): bilinear, or area means where it shrinks. uint8 (H, W, 3)."""
    if pixels.shape[:2] == tuple(size):
        return pixels
    shrinks = size[0] <= pixels.shape[0] and size[1] <= pixels.shape[1]
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resized_labels(train_ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels as stored -> at (height, width): the nearest pixel's, with pixel centres as in `resized`. Same type."""
    if train_ids.shape == tuple(size):
        return train_ids
    return cv2.resize(train_ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def training_crop(
    image: np.ndarray,
    train_ids: np.ndarray,
    rng: np.random.Generator,
    crops: Crops,
    mined: MinedGroups = (),
    mining_probability: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """One crop of an image and its labels, a pure function of the arguments and the generator's state.

    The scale s is uniform in `crops.scale` (rounded so that the window is a whole number of pixels, size / s, wide).
    The window lies anywhere inside the image; if it is larger, the image lies anywhere inside the window, and the rest
    is mean colour and ignore. With `mining_probability` the window is centred, as far as the border allows, on a random
    pixel of a mined class that the image has (rare-class mining, CBST).

    Args:
        image: (H, W, 3) uint8.
        train_ids: (H, W) uint8 or uint16, whose largest value is ignore.
        rng: the only source of chance.
        crops: size, scale, flip.
        mined: groups of train ids; classes of a group are mined only in images with none of the groups before.
        mining_probability: of centring; without a mined class in the image the position is random.

    Returns: image (size, size, 3) uint8, train ids (size, size) of their type.
    Raises: ValueError if image and labels differ in size.
    """
    if image.shape[:2] != train_ids.shape:
        raise ValueError(f"image of {image.shape[:2]} with labels of {train_ids.shape}")
    side = max(1, round(crops.size / rng.uniform(*crops.scale)))
    centre = _mined_pixel(train_ids, rng, mined) if rng.random() < mining_probability else None
    corner = [_start(train_ids.shape[axis], side, rng, centre and centre[axis]) for axis in (0, 1)]
    image = _cut(image, corner, side, crops.size, MEAN_COLOUR, cv2.INTER_LINEAR)
    train_ids = _cut(train_ids, corner, side, crops.size, np.iinfo(train_ids.dtype).max, cv2.INTER_NEAREST_EXACT)
    if crops.flip and rng.random() < 0.5:
        image, train_ids = cv2.flip(image, 1), cv2.flip(train_ids, 1)
    return image, train_ids


def _mined_pixel(train_ids: np.ndarray, rng: np.random.Generator, mined) -> tuple[int, int] | None:
    """(row, column) of a random pixel of a random class, of those in the first group with a class that is there."""
    for train_id in (train_id for group in mined for train_id in rng.permutation(group)):
        pixels = np.flatnonzero(train_ids == train_id)
        if pixels.size:
            row, column = divmod(int(rng.choice(pixels)), train_ids.shape[1])
            return row, column
    return None


def _start(length: int, side: int, rng: np.random.Generator, centre: int | None) -> int:
    """First row (or column) of the window in the image; negative where the window is larger than the image."""
    low, high = sorted((0, length - side))
    if centre is None:
        return int(rng.integers(low, high, endpoint=True))
    return min(max(centre - side // 2, low), high)


def _cut(pixels: np.ndarray, corner, side: int, size: int, fill, interpolation: int) -> np.ndarray:
    """The window of `side` pixels at `corner`, resized to (size, size); `fill` where it reaches beyond the image."""
    inside, place = [], []
    for start, length in zip(corner, pixels.shape[:2], strict=True):
        first, last = max(start, 0), min(start + side, length)
        inside.append(slice(first, last))
        # Rounded outwards, so that a sliver of an image keeps at least one pixel.
        place.append(slice((first - start) * size // side, -(-(last - start) * size // side)))
    height, width = (s.stop - s.start for s in place)
    part = cv2.resize(pixels[tuple(inside)], (width, height), interpolation=interpolation)
    if (height, width) == (size, size):  # as a rule: filling takes longer than resizing
        return part
    crop = np.full((size, size, *pixels.shape[2:]), fill, pixels.dtype)
    crop[tuple(place)] = part
    return crop
