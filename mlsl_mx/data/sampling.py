"""Which images an epoch shows, in which order, and the crops drawn from them.

Crop k of an epoch is a pure function of (seed, epoch, k): the number of workers or readers, their order and a resumed
epoch change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlsl_mx.config import settings as config
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.image_files import size_text
from mlsl_mx.data.label_counts import counts_of
from mlsl_mx.data.transforms import MinedGroups, labels_at_stride, normalise, training_crop
from mlsl_mx.system.errors import InputError

SOURCE, TARGET = 0, 1

# Last word of a seed that keeps each use's random numbers apart; crops use none, and NumPy reads a missing word as 0.
_SUBSET, _ORDER = 1, 2


def source_subset(count: int, portion: float, seed: int) -> np.ndarray:
    """The source images of a round: under one seed, a larger portion contains every smaller one.

    Args:
        count: of all source images.
        portion: of them to choose, 0..1; at least one image if it is above 0.
        seed: the run's.

    Returns: (n,) int64 indices, n as of `source_count`, in random order.
    """
    return np.random.default_rng((seed, 0, 0, _SUBSET)).permutation(count)[: source_count(count, portion)]


def source_count(count: int, portion: float) -> int:
    """How many source images a portion of them is: rounded, but one if it is above 0."""
    return min(count, max(int(portion * count + 0.5), int(portion > 0)))


def joint_order(sizes: Sequence[int], seed: int, epoch: int) -> np.ndarray:
    """One random permutation of the images of domains of these sizes: of the source alone, or of source and target.

    Returns: (sum of sizes, 2) int64, rows (SOURCE or TARGET, index within the domain).
    """
    pairs = [(domain, index) for domain, size in enumerate(sizes) for index in range(size)]
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    return np.random.default_rng((seed, epoch, 0, _ORDER)).permutation(pairs)


def classes_present(train_ids: np.ndarray, num_classes: int) -> np.ndarray:
    """(C,) float32 of 0 and 1: the weak label that ground truth gives."""
    return (counts_of(train_ids, num_classes) > 0).astype(np.float32)


@dataclass(frozen=True)
class Domain:
    """The images of one domain and how their crops are drawn and weakly labelled.

    The rounds give `scope` as `weak_labels.scope` has it; training on the source alone takes the crop's classes.
    """

    dataset: SceneDataset  # with ground truth (source) or pseudo-labels (target)
    weak_label_rule: Callable[[np.ndarray], np.ndarray]  # train ids (h, w) -> (C,) float32
    scope: str = "crop"  # what the rule sees: the crop | the whole image | the crop's cells, its labels at stride 8
    mined: MinedGroups = ()  # train ids that a crop may be centred on, see `training_crop`
    mining_probability: float = 0.0


class TrainingCrops:
    """The crops of one epoch, by position.

    Item k is (image (3, s, s) float32, normalised; train ids (s/8, s/8); weak labels (C,) float32; float32, 1 of the
    target and 0 of the source), NumPy all. Positions beyond the order start it over with fresh crops, which is how the
    last batch is filled up.

    Args:
        domains: SOURCE and TARGET; a single one for source training.
        order: (n, 2) rows (domain, index), as from `joint_order`.
        crops: size, scale, flip.
        seed: the run's.
        epoch: counted through the whole run (or any number of its own), so that no two epochs draw the same.
    """

    def __init__(self, domains: Sequence[Domain], order: np.ndarray, crops: config.Crops, seed: int, epoch: int):
        self.domains = tuple(domains)
        self.order = np.asarray(order)
        self.crops = crops
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order)

    def name(self, k: int) -> str:
        """The image of position k, for messages."""
        side, index = self._at(k)
        return self.domains[side].dataset.names[index]

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]:
        side, index = self._at(k)
        domain = self.domains[side]
        rng = np.random.default_rng((self.seed, self.epoch, k))
        image, train_ids = domain.dataset.image(index), domain.dataset.label(index)
        if image.shape[:2] != train_ids.shape:
            remedy = "it has changed since it was labelled, so choose another RUN"
            if side == SOURCE:
                remedy = "set source.size, to which both are then resized"
            raise InputError(
                f"{domain.dataset.label_path(index)}: is {size_text(train_ids.shape)}, "
                f"its image {size_text(image.shape)}: {remedy}"
            )
        image, crop_ids = training_crop(image, train_ids, rng, self.crops, domain.mined, domain.mining_probability)
        cell_ids = labels_at_stride(crop_ids)
        seen = {"crop": crop_ids, "image": train_ids, "cells": cell_ids}[domain.scope]
        return normalise(image), cell_ids, domain.weak_label_rule(seen), np.float32(side == TARGET)

    def _at(self, k: int) -> tuple[int, int]:
        """SOURCE or TARGET, and the index within the domain."""
        side, index = self.order[k % len(self.order)]
        return int(side), int(index)
