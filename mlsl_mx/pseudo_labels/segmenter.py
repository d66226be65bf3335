"""A network with everything that turns an image into the probabilities that labels are selected from."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import mxnet as mx
import numpy as np

from mlsl_mx.config.classes import id_type, ignore_id
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.transforms import normalise, resized
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import Network, segment_patches, single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps, seen_size
from mlsl_mx.pseudo_labels.selection import most_probable, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.store import as_stored
from mlsl_mx.pseudo_labels.windows import patch_positions
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.network_time import TimedNetwork


def patch_seed(seed: int, round_index: int) -> int:
    """The seed of a round's patch positions: each round draws its own, so no pixel is left out in all of them."""
    return 1000 * seed + round_index


def whole_image_segmenter(net: Network, ctx: mx.Context, flip: bool) -> Segmenter:
    """That of evaluation: the whole image, averaged with its mirror image if `flip`."""
    return Segmenter(net, ctx, PseudoLabels(inference="single", flip=flip), seed=0)


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

    @cached_property
    def parameters_checksum(self) -> int:
        """CRC-32 of a Gluon network's parameters; 0 for any other callable."""
        net, digest = self.net.net, 0
        parameters = net.collect_params() if hasattr(net, "collect_params") else {}
        for parameter in parameters.values():  # not the names: Gluon numbers them anew for each instance
            digest = zlib.crc32(parameter.list_data()[0].asnumpy(), digest)
        return digest

    def maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of an image (H, W, 3) uint8 RGB, in the precision in which it can be stored.

        Raises: InputError as `exact_maps`.
        """
        maps = self.exact_maps(image, name)
        return replace(maps, parts=tuple(map(as_stored, maps.parts)))

    def exact_maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of an image (H, W, 3) uint8 RGB, in float32: for what is never stored, as predictions.

        Raises: InputError if the image is smaller than the patch, or the output is not finite.
        """
        parts = tuple(self._inferred(image, name))
        if not all(np.isfinite(part.probabilities).all() for part in parts):
            raise InputError(f"{name}: the network's output is not finite: check the network's weights")
        return ImageMaps(image.shape[:2], parts)

    def _inferred(self, image: np.ndarray, name: str) -> Iterator[PatchMaps]:
        settings = self.settings
        if settings.inference == "single" or settings.start == "single":
            yield self._in_one_piece(image)
        if settings.inference == "sisc":
            corners = self._corners(image.shape[:2], name)
            yield segment_patches(self.net, self._input(image), corners, settings.patch, settings.flip, self.batch)

    def _input(self, image: np.ndarray) -> mx.nd.NDArray:
        """(3, H, W) float32 on the device."""
        return mx.nd.array(normalise(image), ctx=self.ctx)

    def _in_one_piece(self, image: np.ndarray) -> PatchMaps:
        scale, flip = self.settings.single_scale, self.settings.flip
        if scale == 1:
            return single_inference(self.net, self._input(image), flip)
        smaller = resized(image, seen_size(image.shape[:2], scale))
        return replace(single_inference(self.net, self._input(smaller), flip), size=image.shape[:2])

    def _corners(self, size: tuple[int, int], name: str) -> np.ndarray:
        settings = self.settings
        if min(size) < settings.patch:
            raise InputError(
                f"image {name or 'without a name'} is {size[1]}x{size[0]}, smaller than pseudo_labels.patch="
                f"{settings.patch}: lower that, or leave the image out"
            )
        return patch_positions(*size, settings.patch, settings.patches, self.seed, name, settings.placement)

    def composed(self, maps: ImageMaps) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """The composite output, times the prior, window by window: what labels are selected from.

        Yields: (rows, columns) of the window in the image, and its probabilities (C, h, w) float32. Values below 0
            (bicubic) become 0, as neither can be a label.
        """
        for window in composite(maps, self.ctx, self.settings.upsampling, self.settings.votes):
            volume, place = window.volume.asnumpy(), (window.rows, window.columns)
            if self.prior is not None:
                volume = self.prior.applied(volume, *place, maps.size)
            yield place, np.maximum(volume, 0)

    def votes(self, maps: ImageMaps) -> Iterator[tuple[tuple[slice, slice], np.ndarray, np.ndarray]]:
        """The patches' votes, without the prior and the image in one piece, window by window.

        Yields: (rows, columns); the share of patches whose most probable class it is, (C, h, w) float32; and how many
            patches saw the pixel, (h, w) float32.
        """
        patches = ImageMaps(maps.size, maps.parts[-1:])
        for window in composite(patches, self.ctx, self.settings.upsampling, votes=True):
            yield (window.rows, window.columns), window.volume.asnumpy(), window.count.asnumpy()

    def labels(self, maps: ImageMaps, thresholds: Sequence[float], rule: str) -> np.ndarray:
        """(H, W) train ids of `select_pseudo_labels`."""
        labels = np.empty(maps.size, id_type(maps.num_classes))
        for place, probabilities in self.composed(maps):
            labels[place] = select_pseudo_labels(probabilities, thresholds, rule)
        return labels

    def confidences(self, maps: ImageMaps) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) train ids, the most probable class of each pixel, and (H, W) float32, its probability."""
        classes, confidences = np.empty(maps.size, id_type(maps.num_classes)), np.empty(maps.size, np.float32)
        for place, probabilities in self.composed(maps):
            classes[place], confidences[place] = most_probable(probabilities)
        return classes, confidences

    def predicted(self, maps: ImageMaps) -> tuple[np.ndarray, np.ndarray]:
        """What evaluation scores and `mlsl predict` writes: `confidences`, with `ignore_id` where no patch was."""
        train_ids, confidences = self.confidences(maps)
        train_ids[confidences == 0] = ignore_id(maps.num_classes)
        return train_ids, confidences
