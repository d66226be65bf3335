"""From one image to its probability volume: in one piece, or from patches (SISC, Sec. 3.2)."""

from __future__ import annotations

from typing import Callable

import mxnet as mx
import numpy as np

from mlsl_mx.config import PseudoLabels
from mlsl_mx.data.transforms import STRIDE, normalise
from mlsl_mx.errors import InputError
from mlsl_mx.pseudo_labels.sisc import SISCAccumulator
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.upsampling import upsample
from mlsl_mx.pseudo_labels.windows import patch_positions

Network = Callable  # (B, 3, H, W) -> logits (B, C, H/8, W/8), or (logits, weak_logits)


def stride8_probabilities(net: Network, images: mx.nd.NDArray, flip: bool) -> mx.nd.NDArray:
    """Softmax of the network's logits, (B, C, H/8, W/8), averaged with that of the mirrored images if `flip`."""
    probabilities = _softmax(net, images)
    if flip:
        mirrored = _softmax(net, images.flip(axis=3)).flip(axis=3)
        probabilities = (probabilities + mirrored) / 2
    return probabilities


def single_inference(net: Network, image: mx.nd.NDArray, flip: bool, upsampling: str) -> mx.nd.NDArray:
    """Probabilities of the image in one piece.

    Args:
        image: (3, H, W) float32, normalised; padded to a multiple of 8 with zeros, the mean colour, and cropped back.
        flip: average with the mirrored image.
        upsampling: "bilinear" or "bicubic".

    Returns: (C, H, W) float32 on the image's device.
    """
    height, width = image.shape[1:]
    below, right = -height % STRIDE, -width % STRIDE
    padded = mx.nd.pad(image.expand_dims(0), mode="constant", pad_width=(0, 0, 0, 0, 0, below, 0, right))
    low = stride8_probabilities(net, padded, flip)  # (1, C, (H + below) / 8, (W + right) / 8)
    volume = upsample(low, height + below, width + right, upsampling)[0]  # (C, H + below, W + right)
    return volume[:, :height, :width] if below or right else volume


def sisc_inference(
    net: Network, image: mx.nd.NDArray, settings: PseudoLabels, seed: int, name: str
) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
    """Normalised probabilities from patches (Sec. 3.2).

    Args:
        image: (3, H, W) float32, normalised, on the network's device.
        seed, name: what random patch positions depend on.

    Returns: volume (C, H, W), 0 where no patch was, and counts (H, W), both float32 NDArray on the image's device.
    Raises: ValueError if the patch is larger than the image.
    """
    height, width = image.shape[1:]
    positions = patch_positions(height, width, settings.patch, settings.patches, seed, name, settings.placement)
    return segment_patches(net, image, positions, settings)


def segment_patches(
    net: Network, image: mx.nd.NDArray, positions: np.ndarray, settings: PseudoLabels
) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
    """`sisc_inference` with given corners (count, 2), rows (top, left)."""
    accumulator = None
    if settings.start == "single":
        whole = single_inference(net, image, settings.flip, settings.upsampling)  # (C, H, W)
        whole = whole.reshape((1, *whole.shape))  # (1, C, H, W), not a copy as of expand_dims
        accumulator = SISCAccumulator(whole.shape[1], *image.shape[1:], ctx=image.context)
        accumulator.add(_votes(whole) if settings.votes else whole, [0], [0])
        del whole  # a volume is 159 MB at 19x1024x2048
    batch = min(settings.batch, len(positions))
    high = None
    for start in range(0, len(positions), batch):
        corners = positions[start : start + batch]
        patches = _cut(image, np.resize(corners, (batch, 2)), settings.patch)  # the last batch is filled up
        low = stride8_probabilities(net, patches, settings.flip)  # (batch, C, patch / 8, patch / 8)
        if high is None:
            high = mx.nd.empty((*low.shape[:2], settings.patch, settings.patch), ctx=low.context)
        upsample(low, settings.patch, settings.patch, settings.upsampling, out=high)
        if accumulator is None:
            accumulator = SISCAccumulator(low.shape[1], *image.shape[1:], ctx=image.context)
        used = high[: len(corners)]
        accumulator.add(_votes(used) if settings.votes else used, corners[:, 0], corners[:, 1])
    return accumulator.normalized()


def probability_volume(
    net: Network,
    image: np.ndarray,
    ctx: mx.Context,
    settings: PseudoLabels,
    seed: int,
    name: str,
    prior: SpatialPrior | None = None,
) -> np.ndarray:
    """The volume that labels are selected from: (C, H, W) float16, for one (H, W, 3) uint8 RGB image.

    float16 is the precision of everything after this point: thresholds are exact in it, and stores half as large.
    """
    normalised = mx.nd.array(normalise(image), ctx=ctx)
    if settings.inference == "single":
        volume = single_inference(net, normalised, settings.flip, settings.upsampling)
    else:
        volume, _ = sisc_inference(net, normalised, settings, seed, name)
    if prior is not None:
        prior.apply(volume)
    return volume.astype("float16").asnumpy()


def patch_seed(seed: int, round_index: int) -> int:
    """The seed of a round's patch positions: each round draws its own, so no pixel is left out in all of them."""
    return 1000 * seed + round_index


def scene_volume(
    net: Network, dataset, index: int, ctx: mx.Context, settings: PseudoLabels, seed: int, prior: SpatialPrior | None
) -> np.ndarray:
    """`probability_volume` of one image of a SceneDataset.

    Raises: InputError if the image is smaller than the patch.
    """
    name, image = dataset.names[index], dataset.image(index)
    height, width = image.shape[:2]
    patch = settings.patch
    if settings.inference == "sisc" and min(height, width) < patch:
        raise InputError(
            f"target image {name} is {width}x{height}, smaller than pseudo_labels.patch={patch}: "
            f"lower pseudo_labels.patch or remove the image from the list of target images"
        )
    return probability_volume(net, image, ctx, settings, seed, name, prior)


def _softmax(net: Network, images: mx.nd.NDArray) -> mx.nd.NDArray:
    output = net(images)
    logits = output[0] if isinstance(output, (tuple, list)) else output
    expected = (images.shape[2] // STRIDE, images.shape[3] // STRIDE)
    if logits.shape[2:] != expected:
        raise ValueError(f"the network's output is {logits.shape}, not at stride {STRIDE} of its input {images.shape}")
    return mx.nd.softmax(logits.astype("float32", copy=False), axis=1)


def _cut(image: mx.nd.NDArray, corners: np.ndarray, patch: int) -> mx.nd.NDArray:
    """(N, 3, patch, patch) from (3, H, W)."""
    return mx.nd.stack(*[image[:, top : top + patch, left : left + patch] for top, left in corners.tolist()])


def _votes(probabilities: mx.nd.NDArray) -> mx.nd.NDArray:
    """1 for the most probable class of each pixel, 0 for the others (relative frequency, Sec. 4.3)."""
    winner = mx.nd.argmax(probabilities, axis=1, keepdims=True)  # (N, 1, h, w)
    classes = mx.nd.arange(probabilities.shape[1], ctx=probabilities.context).reshape((1, -1, 1, 1))
    return mx.nd.broadcast_equal(winner, classes)
