"""What the training stages feed to `train`: source images alone (Eq. 1, 5 or 6), or source and target (Eq. 3, 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from mlsl_mx.config.settings import WeakLabels
from mlsl_mx.config.training_settings import HeadTraining, SelfTraining, SourceTraining
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.sampling import Domain, TrainingCrops, classes_present, joint_order, source_subset
from mlsl_mx.data.transforms import MinedGroups
from mlsl_mx.engine import Losses
from mlsl_mx.pseudo_labels import weak_labels
from mlsl_mx.system.own_code import own_function
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.batches import load_batches, num_batches
from mlsl_mx.training.schedules import round_learning_rate, source_learning_rate, source_portion
from mlsl_mx.training.train import Epochs

# Offsets that give every epoch and stage its own random stream. Of crops: added to the number of the epoch.
AFTER_SOURCE_TRAINING = 10**6  # the rounds
HEAD_TRAINING = 2 * 10**6
# Of dropout: stream number STREAMS * seed + n, where n is 0 for source training, r + 1 for round r and STREAMS - 1 for
# the head, so runs of other seeds share none. The limit on rounds keeps r + 1 below the head's number.
STREAMS = 1000


def source_epochs(
    source: SceneDataset,
    settings: SourceTraining,
    *,
    mined: tuple[tuple[int, ...], ...],
    class_weights: tuple[float, ...] | None,
    seed: int,
    readers: int,
    losses: Losses,
    workers: Workers = ALONE,
) -> Epochs:
    """Source training: every source image once an epoch, in random order.

    Eq. 6 with the weak-label head, Eq. 1 without: which is the caller's choice, with `settings.weak_label_weight`.

    Args:
        mined: groups of rare classes (see `training_crop`).
        class_weights: as of `segmentation_loss`.
        losses: the engine's.
    """
    domain = Domain(source, _present(source), mined=mined, mining_probability=settings.mining_probability)
    loss = partial(losses.composite_loss, weight=settings.weak_label_weight, class_weights=class_weights)
    rate = partial(source_learning_rate, settings)
    return _epochs([domain], settings, loss, rate, first=0, stream=0, seed=seed, readers=readers, workers=workers)


def head_epochs(
    source: SceneDataset, settings: HeadTraining, *, seed: int, readers: int, losses: Losses, workers: Workers = ALONE
) -> Epochs:
    """Training of the weak-label head alone (Eq. 5): every source image once an epoch, at a constant rate."""
    domain, rate = Domain(source, _present(source)), settings.optimizer.learning_rate
    how = {"stream": STREAMS - 1, "seed": seed, "readers": readers, "workers": workers}
    return _epochs([domain], settings, losses.head_loss, lambda step, steps: rate, first=HEAD_TRAINING, **how)


def self_training_epochs(
    source: SceneDataset,
    target: SceneDataset,
    settings: SelfTraining,
    weak: WeakLabels,
    *,
    class_sizes: np.ndarray,
    mined: tuple[MinedGroups, MinedGroups],
    round_index: int,
    seed: int,
    readers: int,
    losses: Losses,
    workers: Workers = ALONE,
) -> Epochs:
    """One round: the round's subset of the source and all target images in one random permutation.

    Eq. 3 and 7 add a source and a target loss. Here crops of both come in one order and share batches, as in the
    release: each domain counts by its number of images, and a batch's loss is a mean over the crops that it has.

    Args:
        source: with ground truth.
        target: with the round's pseudo-labels.
        weak: eta, lambda, and what a weak label is of: the crop or, by `scope: image`, the whole image.
        class_sizes: h_s, (C,).
        mined: groups of rare classes, on whose pixels crops are centred (see `training_crop`), of source and target.
        round_index: r.
        seed: the run's.
        readers: threads that draw crops.
        losses: the engine's.
        workers: that share each batch.
    """
    subset = source_subset(len(source), source_portion(settings, round_index), seed)
    threshold = partial(weak_labels, h_s=class_sizes, eta=weak.eta, comparison=weak.comparison)
    source_rule = _present(source) if weak.source_rule == "present" else threshold
    domains = [
        Domain(source.subset(subset), source_rule, weak.scope, mined[0], settings.mining_probability),
        Domain(target, threshold, weak.scope, mined[1], settings.mining_probability),
    ]
    loss = partial(
        losses.composite_loss,
        weight=weak.weight,
        hard_examples=settings.hard_examples,
        normaliser=settings.normaliser,
        own_loss=own_function(settings.own_loss, "self_training.own_loss") if settings.own_loss else None,
    )
    rate = partial(round_learning_rate, settings, round_index)
    first = AFTER_SOURCE_TRAINING + round_index * settings.epochs
    how = {"stream": round_index + 1, "seed": seed, "readers": readers, "workers": workers}
    return _epochs(domains, settings, loss, rate, first=first, **how)


def _epochs(
    domains: Sequence[Domain],
    settings: SourceTraining | HeadTraining | SelfTraining,
    loss: Callable,
    learning_rate: Callable[[int, int], float],
    *,
    first: int,
    stream: int,
    seed: int,
    readers: int,
    workers: Workers,
) -> Epochs:
    """All images of the domains once an epoch, in one random permutation.

    Args:
        domains: the source, or source and target.
        learning_rate: of a step and the number of all steps.
        first: number of the first epoch among all of the run, for crops.
        stream: for dropout, below STREAMS.
    """

    def crops(epoch: int) -> TrainingCrops:
        order = joint_order([len(domain.dataset) for domain in domains], seed, first + epoch)
        return TrainingCrops(domains, order, settings.crops, seed, first + epoch)

    steps = num_batches(crops(0), settings.batch)
    return Epochs(
        count=settings.epochs,
        steps=steps,
        batches=lambda epoch, start: load_batches(crops(epoch), settings.batch, readers, start, workers),
        loss=loss,
        learning_rate=lambda step: learning_rate(step, settings.epochs * steps),
        optimizer=settings.optimizer,
        seed=STREAMS * seed + stream,
    )


def _present(source: SceneDataset):
    """Weak labels of the source: ground truth says which classes are there (Sec. 3.3.2)."""
    return partial(classes_present, num_classes=source.classes.num_classes)
