"""A network with everything that turns an image into the probabilities that labels are selected from."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mlsl_mx.config.classes import id_type, ignore_id
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.transforms import resized
from mlsl_mx.engine import engine_of
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps, seen_size
from mlsl_mx.pseudo_labels.patches import patch_positions
from mlsl_mx.pseudo_labels.selection import most_probable, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError

Network = Callable  # (B, 3, H, W) -> logits (B, C, H/8, W/8), alone or first; with PyTorch at any stride


def patch_seed(seed: int, round_index: int) -> int:
    """The seed of a round's patch positions. Each round draws new ones, because pixels at an image's border are in few
    patches, and with placement "released" those of the last row and column in none."""
    return 1000 * seed + round_index


def whole_image_segmenter(net: Network, ctx: Any, flip: bool) -> Segmenter:
    """That of evaluation: the whole image, averaged with its mirror image if `flip`."""
    return Segmenter(net, ctx, PseudoLabels(inference="single", flip=flip), seed=0)


class Segmenter:
    """From images to probabilities by one network, one inference and one seed.

    Args:
        net: callable, (B, 3, H, W) -> logits, alone or first; at stride 8, with PyTorch at any.
        ctx: the device, of one of the engines.
        settings: single inference or SISC, and how.
        seed: of random patch positions (`patch_seed`).
        prior: factors of the probabilities, for CBST-SP.
        identity: of the network, as the hash of its weights; empty: its parameters tell.

    Attributes: `net`, the network with the `seconds` of its calls, and the other arguments.
    """

    def __init__(
        self,
        net: Network,
        ctx: Any,
        settings: PseudoLabels,
        seed: int,
        prior: SpatialPrior | None = None,
        *,
        identity: str = "",
    ):
        self.engine = engine_of(ctx)
        self.net = self.engine.timed(net)
        self.ctx = ctx
        self.settings = settings
        self.seed = seed
        self.prior = prior
        self.identity = identity
        self.batch = self.engine.patch_batch(settings.batch, ctx)

    @property
    def threads(self) -> int:
        """That may each read, compose and write an image at the same time; 0: only one thread does."""
        return self.engine.threads(self.ctx)

    @cached_property
    def parameters_checksum(self) -> int:
        """CRC-32 of the network's identity or, where it has none, of its parameters; 0 of a callable without either."""
        if self.identity:
            return zlib.crc32(self.identity.encode())
        digest = 0
        for values in self.engine.parameters(self.net.net):
            digest = zlib.crc32(values, digest)
        return digest

    def maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of an image (H, W, 3) uint8 RGB, in the precision in which it can be stored.

        On a GPU the result may still be being computed; what follows waits for it.

        Raises: InputError as `exact_maps`.
        """
        maps = self.exact_maps(image, name)
        return replace(maps, parts=tuple(map(self.engine.as_stored, maps.parts)))

    def exact_maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of an image (H, W, 3) uint8 RGB, in float32: for what is never stored, as predictions.

        Raises: InputError if the image is smaller than the patch.
        """
        return ImageMaps(image.shape[:2], tuple(self._inferred(image, name)), name)

    def _inferred(self, image: np.ndarray, name: str) -> Iterator[PatchMaps]:
        settings = self.settings
        if settings.inference == "single" or settings.start == "single":
            yield self._in_one_piece(image)
        if settings.inference == "sisc":
            corners = self._corners(image.shape[:2], name)
            how = settings.patch, settings.flip, self.batch
            yield self.engine.segment_patches(self.net, self.engine.image(image, self.ctx), corners, *how)

    def _in_one_piece(self, image: np.ndarray) -> PatchMaps:
        scale, flip = self.settings.single_scale, self.settings.flip
        if scale == 1:
            return self.engine.single_inference(self.net, self.engine.image(image, self.ctx), flip)
        smaller = resized(image, seen_size(image.shape[:2], scale))
        return replace(
            self.engine.single_inference(self.net, self.engine.image(smaller, self.ctx), flip), size=image.shape[:2]
        )

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

        Yields: (rows, columns) of the window in the image, and its probabilities (C, h, w) float32. Bicubic up-sampling
            gives values slightly below 0; they become 0, as neither can be a label.
        Raises: InputError if the network's output is not finite.
        """
        for window in self._windows(maps):
            place, volume = (window.rows, window.columns), self.engine.to_numpy(window.volume)
            if self.prior is not None:
                volume = self.prior.applied(volume, *place, maps.size)
            yield place, np.maximum(volume, 0)

    def _windows(self, maps: ImageMaps, votes: bool | None = None) -> Iterator[Any]:
        """Windows of the composite output, on the device; `votes`: instead of the settings'."""
        if not all(map(self.engine.is_finite, maps.parts)):
            raise InputError(f"{maps.name}: the network's output is not finite: check the network's weights")
        votes = self.settings.votes if votes is None else votes
        return self.engine.composite(maps, self.ctx, self.settings.upsampling, votes)

    def votes(self, maps: ImageMaps) -> Iterator[tuple[tuple[slice, slice], np.ndarray, np.ndarray]]:
        """The patches' votes, without the prior and the image in one piece, window by window.

        Yields: (rows, columns); the share of patches whose most probable class it is, (C, h, w) float32; and how many
            patches saw the pixel, (h, w) float32.
        """
        for window in self._windows(replace(maps, parts=maps.parts[-1:]), votes=True):
            shares, count = map(self.engine.to_numpy, (window.volume, window.count))
            yield (window.rows, window.columns), shares, count

    def labels(self, maps: ImageMaps, thresholds: Sequence[float], rule: str) -> np.ndarray:
        """(H, W) train ids of `select_pseudo_labels`."""
        labels = np.empty(maps.size, id_type(maps.num_classes))
        if self.prior is None:
            for window in self._windows(maps):
                labels[window.rows, window.columns] = self.engine.selected(window.volume, thresholds, rule)
        else:
            for place, probabilities in self.composed(maps):
                labels[place] = select_pseudo_labels(probabilities, thresholds, rule)
        return labels

    def confidences(self, maps: ImageMaps) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) train ids, the most probable class of each pixel, and (H, W) float32, its probability."""
        classes, confidences = np.empty(maps.size, id_type(maps.num_classes)), np.empty(maps.size, np.float32)
        if self.prior is None:
            for window in self._windows(maps):
                place = window.rows, window.columns
                classes[place], confidences[place] = self.engine.most_probable(window.volume)
        else:
            for place, probabilities in self.composed(maps):
                classes[place], confidences[place] = most_probable(probabilities)
        return classes, confidences

    def predicted(self, maps: ImageMaps) -> tuple[np.ndarray, np.ndarray]:
        """What evaluation scores and `mlsl predict` writes: `confidences`, with `ignore_id` where no patch was."""
        train_ids, confidences = self.confidences(maps)
        train_ids[confidences == 0] = ignore_id(maps.num_classes)
        return train_ids, confidences
