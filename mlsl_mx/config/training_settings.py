"""The settings of training: of the source model, of the weak-label head alone, and of the rounds."""

from __future__ import annotations

from dataclasses import dataclass

from mlsl_mx.config.setting import PIXELS, setting

SHARE = (0, 1)
EPOCHS = (1, 100_000)
BATCH = (1, 4096)
WEIGHT = (0, 1e6)

# Of `self_training.hard_examples` (released): pixels with a probability of their label up to this, or at least so many.
HARD_PROBABILITY, HARD_PIXELS = 0.6, 256

DECAYS = {"constant": "the same throughout", "poly": "power 0.9, to 0"}


@dataclass(frozen=True)
class Optimizer:
    """SGD; biases and BN betas learn twice as fast and do not decay."""

    learning_rate: float = setting(1.6e-3, "learning rate of the first step", between=(0, 10))
    momentum: float = setting(0.9, "momentum of SGD", between=SHARE)
    weight_decay: float = setting(5e-4, "L2 decay of all parameters but biases and BN betas", between=SHARE)


@dataclass(frozen=True)
class Crops:
    """How a training crop is drawn."""

    size: int = setting(504, "side of a crop", "pixels", between=PIXELS, multiple_of=8)
    scale: tuple[float, float] = setting(
        (0.7, 1.3), "factor of the image's size, drawn uniformly between the two", between=(0.05, 20), rising=True
    )
    flip: bool = setting(True, "mirror one crop in two, at random")


@dataclass(frozen=True)
class SourceTraining:
    """Training on the source images: Eq. 6 with the weak-label head, Eq. 1 without. A run's methods share it."""

    start: str = setting(
        "trunk",
        "what training starts from",
        choices={
            "trunk": "ImageNet weights, with frozen BN statistics (paper)",
            "scratch": "random weights, or IMAGENET= if given; BN statistics are estimated while training and frozen "
            "in later stages",
        },
    )
    epochs: int = setting(30, "passes over the source images", between=EPOCHS)
    batch: int = setting(16, "crops in one step", "crops", between=BATCH)
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer()
    decay: str = setting("constant", "how the learning rate falls; poly is for training from scratch", choices=DECAYS)
    weak_label_weight: float = setting(
        0.025,
        "lambda of Eq. 6 in source training. 0 leaves out the weak-label head (Eq. 1), for methods without weak "
        "labels; it saves a quarter of the arithmetic at width 1",
        between=WEIGHT,
    )
    mining_probability: float = setting(
        0.0,
        "probability that a crop is centred on a pixel of one of the rarest classes of the source labels (released: 0)",
        "probability",
        between=SHARE,
    )
    mining_rarest: int = setting(9, "number of classes that count as the rarest", "classes", between=(1, 1000))
    class_weights: str = setting(
        "equal",
        "weight of each class's pixels in the loss",
        choices={
            "equal": "the same (paper)",
            "rare": "larger for rarer classes: the square root of median share / class share, at most 10; for sources "
            "whose small objects are otherwise never learnt",
        },
    )


@dataclass(frozen=True)
class HeadTraining:
    """Eq. 5 on the source images for the weak-label head alone: if the source model, e.g. a published one, has none."""

    epochs: int = setting(1, "passes over the source images", between=EPOCHS)
    batch: int = setting(16, "crops in one step", "crops", between=BATCH)
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer()


@dataclass(frozen=True)
class SelfTraining:
    """The rounds (Eq. 3 and 7)."""

    rounds: int = setting(6, "rounds of labelling and training", between=(0, 998))
    epochs: int = setting(2, "passes over the images in a round", between=EPOCHS)
    batch: int | None = setting(
        None,
        "crops in one step, source and target in one random permutation; null: as the paper's 8 GB allow (Sec. 4.1.3), "
        "1 with the weak-label head and 2 without",
        "crops",
        between=BATCH,
    )
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)
    learning_rate_decay: float = setting(2**-0.5, "factor of the learning rate from round to round", between=SHARE)
    decay: str = setting("constant", "how the learning rate falls within a round", choices=DECAYS)
    source_portion: float = setting(0.03, "share of the source images that round 0 trains on", "share", between=SHARE)
    source_portion_step: float = setting(
        0.0025, "growth of `source_portion` from round to round", "share", between=SHARE
    )
    source_portion_max: float = setting(0.06, "largest `source_portion`", "share", between=SHARE)
    mining_probability: float = setting(
        0.8, "probability that a crop is centred on a pixel of a mined class", "probability", between=SHARE
    )
    hard_examples: bool = setting(False, "train only on the hardest pixels: OHEM as in the release's SISC script")
    normaliser: str = setting(
        "labelled",
        "what the sum over a batch's pixels is divided by (Eq. 1, 2)",
        choices={"labelled": "those with a label (released)", "pixels": "all"},
    )
    own_loss: str = setting(
        "", "function that gives more terms of the loss in the rounds, each with its weight; empty: none", own_code=True
    )
