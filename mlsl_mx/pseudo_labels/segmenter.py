"""A network with everything that turns an image into the probabilities that labels are selected from."""

from __future__ import annotations

from typing import Iterator, Sequence

import mxnet as mx
import numpy as np

from mlsl_mx.config import PseudoLabels
from mlsl_mx.data.transforms import normalise
from mlsl_mx.errors import InputError
from mlsl_mx.labels import id_type
from mlsl_mx.network_time import TimedNetwork
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.half import to_half
from mlsl_mx.pseudo_labels.inference import ImageMaps, Network, PatchMaps, segment_patches, single_inference
from mlsl_mx.pseudo_labels.selection import most_probable, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.store import as_stored
from mlsl_mx.pseudo_labels.windows import patch_positions


def patch_seed(seed: int, round_index: int) -> int:
    """The seed of a round's patch positions: each round draws its own, so no pixel is left out in all of them."""
    return 1000 * seed + round_index


class Segmenter:
    """From images to probabilities by one network, one inference and one seed.

    Args:
        net: callable, (B, 3, H, W) -> logits or (logits, weak_logits) at stride 8.
        settings: single inference or SISC, and how.
        seed: of random patch positions (`patch_seed`).
        prior: factors of the probabilities, for CBST-SP.

    Attributes: `net`, the network with the `seconds` of its calls, and the other arguments.
    """

    def __init__(
        self, net: Network, ctx: mx.Context, settings: PseudoLabels, seed: int, prior: SpatialPrior | None = None
    ):
        self.net = TimedNetwork(net)
        self.ctx = ctx
        self.settings = settings
        self.seed = seed
        self.prior = prior
        self.batch = PatchBatch(settings.batch, ctx)

    def maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of an image (H, W, 3) uint8 RGB, in the precision in which it can be stored.

        Raises: InputError if the image is smaller than the patch, or the output is not finite.
        """
        parts = tuple(as_stored(part) for part in self._inferred(image, name))
        if not all(np.isfinite(part.probabilities).all() for part in parts):
            raise InputError(f"target image {name}: probabilities are not finite: check the network's weights")
        return ImageMaps(image.shape[:2], parts)

    def _inferred(self, image: np.ndarray, name: str) -> Iterator[PatchMaps]:
        settings, on_device = self.settings, mx.nd.array(normalise(image), ctx=self.ctx)
        if settings.inference == "single" or settings.start == "single":
            yield single_inference(self.net, on_device, settings.flip)
        if settings.inference == "sisc":
            corners = self._corners(image.shape[:2], name)
            yield segment_patches(self.net, on_device, corners, settings.patch, settings.flip, self.batch)

    def _corners(self, size: tuple[int, int], name: str) -> np.ndarray:
        settings = self.settings
        if min(size) < settings.patch:
            raise InputError(
                f"target image {name} is {size[1]}x{size[0]}, smaller than pseudo_labels.patch={settings.patch}: "
                f"lower pseudo_labels.patch or remove the image from the list of target images"
            )
        return patch_positions(*size, settings.patch, settings.patches, self.seed, name, settings.placement)

    def windows(self, maps: ImageMaps) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """What labels are selected from: the composite output, times the prior, window by window.

        Yields: (rows, columns) of the window in the image, and its probabilities (C, h, w) float16, which is the
            precision of everything after this point: thresholds are exact in it. Values below 0 (bicubic) become 0, as
            neither can be a label.
        """
        for window in composite(maps, self.ctx, self.settings.upsampling, self.settings.votes):
            volume, place = window.volume, (window.rows, window.columns)
            if self.prior is not None:
                volume = self.prior.applied(volume, *place, maps.size)
            yield place, to_half(np.maximum(volume.asnumpy(), 0))

    def labels(self, maps: ImageMaps, thresholds: Sequence[float], rule: str) -> np.ndarray:
        """(H, W) train ids of `select_pseudo_labels`."""
        labels = np.empty(maps.size, id_type(maps.num_classes))
        for place, probabilities in self.windows(maps):
            labels[place] = select_pseudo_labels(probabilities, thresholds, rule)
        return labels

    def confidences(self, maps: ImageMaps) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) train ids, the most probable class of each pixel, and (H, W) float16, its probability."""
        classes, confidences = np.empty(maps.size, id_type(maps.num_classes)), np.empty(maps.size, np.float16)
        for place, probabilities in self.windows(maps):
            classes[place], confidences[place] = most_probable(probabilities)
        return classes, confidences
