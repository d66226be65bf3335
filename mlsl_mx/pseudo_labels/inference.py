"""By MXNet, from one image to class probabilities at the network's stride: in one piece, or in patches (Sec. 3.2)."""

from __future__ import annotations

import mxnet as mx
import numpy as np

from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.maps import PatchMaps, seen_size
from mlsl_mx.pseudo_labels.segmenter import Network
from mlsl_mx.system.errors import InputError


def single_inference(net: Network, image: mx.nd.NDArray, flip: bool) -> PatchMaps:
    """The image in one piece, as a patch of its own.

    Here as in `segment_patches` softmax comes before up-sampling, which the paper leaves open, and the average with the
    mirrored image is CBST's, not the paper's.

    Args:
        image: (3, H, W) float32, normalised; padded to a multiple of 8 with zeros, the mean colour.
        flip: average with the mirrored image.
    """
    size = seen_size(image.shape[1:], 1)
    below, right = np.subtract(size, image.shape[1:]).tolist()
    padded = mx.nd.pad(image.expand_dims(0), mode="constant", pad_width=(0, 0, 0, 0, 0, below, 0, right))
    inputs = [padded, padded.flip(axis=3)] if flip else [padded]  # (1, 3, H + below, W + right)
    maps = [_softmax(net, one).asnumpy() for one in inputs]
    probabilities = _means_of_mirrored(np.concatenate(maps), flip)
    return PatchMaps(np.zeros((1, 2), np.int64), size, probabilities)


def segment_patches(
    net: Network, image: mx.nd.NDArray, corners: np.ndarray, patch: int, flip: bool, batch: PatchBatch
) -> PatchMaps:
    """Square patches, each on its own (Sec. 3.2).

    Args:
        image: (3, H, W) float32, normalised, on the network's device.
        corners: (N, 2), rows (top, left).
        patch: side in pixels, a multiple of 8.
        flip: average each with its mirrored input.
        batch: how many inputs, patches and mirrored ones, a network call takes; on CPUs no result depends on it.
    """
    image = image.expand_dims(0)  # (1, 3, H, W)
    sources = [image, image.flip(axis=3)] if flip else [image]
    last_left = image.shape[3] - patch
    inputs = [
        (source, int(top), int(last_left - left if mirrored else left))
        for top, left in corners
        for mirrored, source in enumerate(sources)
    ]
    maps = batch.run(lambda some: _softmax(net, _cut(some, patch)), inputs)  # (N * sources, h, w, C)
    return PatchMaps(np.asarray(corners, np.int64), (patch, patch), _means_of_mirrored(maps, flip))


def _means_of_mirrored(maps: np.ndarray, flip: bool) -> np.ndarray:
    """(N, h, C, w) from (N, h, w, C), or from (2 N, h, w, C) if every second map is that of a mirrored input."""
    if flip:
        maps = (maps[::2] + maps[1::2, :, ::-1]) / 2
    return np.ascontiguousarray(maps.transpose(0, 1, 3, 2))


def _softmax(net: Network, images: mx.nd.NDArray) -> mx.nd.NDArray:
    """(B, h, w, C): with the classes last softmax is 4 times faster on a CPU."""
    output = net(images)
    logits = output[0] if isinstance(output, (tuple, list)) else output
    shape, expected = getattr(logits, "shape", ()), tuple(side // STRIDE for side in images.shape[2:])
    if len(shape) != 4 or (shape[0], *shape[2:]) != (len(images), *expected):
        given = f"of shape {shape}" if shape else f"of type {type(logits).__name__}"
        raise InputError(
            f"the network's output is {given}, its input {images.shape}: by MXNet it must give logits (B, C, h, w) at "
            f"stride {STRIDE}, here h, w = {expected}, alone or first"
        )
    return mx.nd.softmax(logits.astype("float32", copy=False).transpose((0, 2, 3, 1)), axis=3)


def _cut(inputs, patch: int) -> mx.nd.NDArray:
    """(B, 3, patch, patch) from (image (1, 3, H, W), top, left) each."""
    patches = [
        mx.nd.slice(image, begin=(0, 0, top, left), end=(1, 3, top + patch, left + patch))
        for image, top, left in inputs
    ]
    return patches[0] if len(patches) == 1 else mx.nd.concat(*patches, dim=0)
