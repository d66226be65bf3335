"""The settings of an experiment, each with default, meaning, unit, limits and choices; docs/SETTINGS.md lists them.

The defaults are the paper's GTA-V recipe; where the paper is silent they are the published program's. "(released)"
marks what that program does otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlsl_mx.config.class_table import Classes, read_classes
from mlsl_mx.config.classes import ClassSet, class_set
from mlsl_mx.config.data_settings import SourceData, TargetData
from mlsl_mx.config.setting import PIXELS, setting
from mlsl_mx.config.training_settings import SHARE, WEIGHT, HeadTraining, SelfTraining, SourceTraining


@dataclass(frozen=True)
class Network:
    """A trunk with its heads (Sec. 4.1.2)."""

    trunk: str = setting(
        "resnet38",
        "backbone network that both heads share",
        choices={
            "resnet38": "ResNet-38 (paper)",
            "resnet50_v1s": "GluonCV's ResNet of 50 layers, dilated",
            "resnet101_v1s": "GluonCV's ResNet of 101 layers, dilated",
        },
        own_code=True,
    )
    width: float = setting(1.0, "factor on every channel count, for trunks that allow it: resnet38", between=(0.02, 4))
    head_relu: str = setting(
        "every_layer",
        "where the weak-label head has a ReLU",
        choices={"every_layer": "after each layer but the last (paper)", "released": "only after the 1x1"},
    )
    dropout: tuple[float, float] = setting(
        (0.3, 0.5),
        "dropout before the last convolution of ResNet-38's levels 6 and 7",
        "probability",
        between=(0, 0.99),
    )
    precision: str = setting(
        "float32",
        "number format of labelling and evaluation, never of training",
        choices={
            "float32": "everywhere",
            "bfloat16": "CPUs with avx512_bf16; with PyTorch also GPUs",
            "float16": "GPUs",
            "tf32": "NVIDIA's GPUs, with PyTorch",
        },
    )
    training_precision: str = setting(
        "float32",
        "number format of convolutions in training; weights, sums and losses are float32 always",
        choices={"float32": "everywhere", "bfloat16": "with PyTorch"},
    )
    deterministic: bool = setting(
        False, "with PyTorch on GPUs: use only bit-reproducible algorithms, which are slower; CPUs always do"
    )


@dataclass(frozen=True)
class PseudoLabels:
    """From network to normalised probability volume (Sec. 3.2)."""

    inference: str = setting(
        "sisc", "what the network sees", choices={"sisc": "patches, averaged", "single": "the whole image"}
    )
    patches: int = setting(50, "K, patches of an image", "patches", between=(1, 10_000))
    patch: int = setting(512, "side of a patch", "pixels", between=PIXELS, multiple_of=8)
    placement: str = setting(
        "random",
        "where the patches lie",
        choices={
            "random": "anywhere (paper)",
            "sliding": "no pixel is left out",
            "released": "random, but never the last row and column",
        },
    )
    flip: bool = setting(True, "average each inference with that of the mirrored input")
    single_scale: float = setting(
        1.0,
        "scale at which the single inference sees an image (released CBST: 0.9033, 1850 of 2048 pixels)",
        between=(0.05, 1),
    )
    upsampling: str = setting(
        "bilinear",
        "how probabilities are up-sampled to the image's size",
        choices={"bilinear": "paper", "bicubic": "released"},
    )
    start: str = setting(
        "empty",
        "what the accumulator holds before the first patch",
        choices={"empty": "nothing (paper)", "single": "the single inference (released)"},
    )
    votes: bool = setting(False, "count argmax votes instead of probabilities (relative frequency, Sec. 4.3)")
    batch: int = setting(
        0,
        "patches in one network call, mirrored ones too; 0: 1 on a CPU, 16 on a GPU, halved until they fit",
        "patches",
        between=(0, 1024),
    )


@dataclass(frozen=True)
class Selection:
    """From probabilities to labels: class-balanced selection with growing portions."""

    policy: str = setting(
        "class_balanced",
        "how many thresholds there are",
        choices={"class_balanced": "one for each class (CBST)", "global": "one for all classes (ST)"},
    )
    rule: str = setting(
        "reweighted",
        "which class a pixel gets",
        choices={"reweighted": "argmax_c p_c / t_c (CBST)", "argmax": "argmax_c p_c (the paper's wording)"},
        own_code=True,
    )
    portion: float = setting(
        0.15,
        "share of the pixels predicted as each class (ST: of all pixels) that get a label in round 0",
        "share",
        between=SHARE,
    )
    portion_step: float = setting(0.05, "growth of `portion` from round to round", "share", between=SHARE)
    portion_max: float = setting(0.5, "largest `portion`", "share", between=SHARE)
    stride: int = setting(
        1,
        "every stride-th pixel of a class in an image counts for the thresholds (released: 4)",
        "pixels",
        between=(1, 1_000_000),
    )
    extra_zero: bool = setting(False, "add one 0 to the confidences of each class (released)")
    mining_share: float = setting(
        0.001,
        "classes below this share of all predictions are mined, in images that have any of them",
        "share",
        between=SHARE,
    )
    mining_rarest: int = setting(
        3,
        "how many of the rarest classes are mined in images without a class below `mining_share`",
        "classes",
        between=(0, 1000),
    )
    mining_least: float = setting(
        0.0,
        "a class is mined in target images only if it has at least this share of all pseudo-labels (released: 0)",
        "share",
        between=SHARE,
    )
    spatial_prior: bool = setting(False, "multiply by the source's class frequency at each position (CBST-SP)")
    prior_file: str = setting(
        "",
        "file of the spatial prior, .mat of the original or .npz; empty: computed from the source labels",
        endings=(".mat", ".npz"),
    )


@dataclass(frozen=True)
class WeakLabels:
    """Pseudo weak-labels (Sec. 3.3)."""

    enabled: bool = setting(True, "whether the weak-label head and Eq. 5 take part")
    eta: float = setting(
        0.05,
        "eta: a class is present if it covers more than this share of its mean size h_s (Sec. 3.3.1)",
        "share",
        between=SHARE,
    )
    weight: float = setting(0.025, "lambda of Eq. 6 in the rounds", between=WEIGHT)
    start: str = setting(
        "source",
        "the weak-label head before round 0",
        choices={"source": "trained on the source", "random": "as initialised"},
    )
    scope: str = setting(
        "image",
        "where classes are looked for in the rounds; source training always takes the crop",
        choices={
            "crop": "what the network sees",
            "image": "all of it (the paper)",
            "cells": "the crop at stride 8 (released)",
        },
    )
    sizes: str = setting(
        "source",
        "h_s, the mean size of each class",
        choices={"source": "Eq. 4 over the source labels", "released": "the release's constants, 19 classes"},
    )
    comparison: str = setting(
        "greater",
        "when a class of a target image counts as present",
        choices={"greater": "h_t > eta h_s (text)", "at_least": "h_t >= eta h_s (Figure 2, released)"},
    )
    source_rule: str = setting(
        "present",
        "when a class of a source image counts as present",
        choices={"present": "one pixel is enough (paper)", "threshold": "as in target images (released)"},
    )

    @property
    def wants_trained_head(self) -> bool:
        """Whether round 0 starts from a weak-label head that knows the source."""
        return self.enabled and self.start == "source"


@dataclass(frozen=True)
class Evaluation:
    """On the validation images."""

    flip: bool = setting(True, "average with the mirrored image")
    diagnosed_images: int = setting(
        8,
        "number of target images whose patches are compared, of source images to measure a network on if none are held "
        "out, and of validation images if the truth is asked for",
        "images",
        between=(0, 1_000_000),
    )
    panels: int = setting(4, "validation images shown in the report", "images", between=(0, 1000))


@dataclass(frozen=True)
class Config:
    """Everything that decides a result but the data and the seed."""

    name: str = setting("gta2city", "name of the experiment in reports")
    method: str = setting(
        "sisc-pwl", "which file of experiments/methods, released or ablations is laid over the experiment"
    )
    miniature: bool = setting(
        False, "the data are the synthetic miniature; results are marked as not comparable with the paper"
    )
    classes: Classes = setting(
        19, "19 or 16 classes of Cityscapes, or your own table: docs/YOUR_OWN_DATA.md", read=read_classes
    )
    source: SourceData = SourceData()
    target: TargetData = TargetData()
    network: Network = Network()
    source_training: SourceTraining = SourceTraining()
    head_training: HeadTraining = HeadTraining()
    pseudo_labels: PseudoLabels = PseudoLabels()
    selection: Selection = Selection()
    weak_labels: WeakLabels = WeakLabels()
    self_training: SelfTraining = SelfTraining()
    evaluation: Evaluation = Evaluation()

    @property
    def class_set(self) -> ClassSet:
        """The classes with everything that follows from them."""
        return class_set(self.classes)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.class_set.num_classes
