"""The three published weights files that a run can start from, and whether a file is what the run needs.

Only names and shapes are looked at, so that a wrong file is refused before anything starts; `load_original` looks at
the values. What counts is what a file holds, whatever its name, such as `...params?dl=0`. The name of a published one
says only where to get it, if it is missing or damaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.resnet38 import CHANNELS, LEVELS, scaled
from mlsl_mx.network.weights.original_weights import (
    LAST_LAYER,
    WEAK_LABEL_NAME,
    compare,
    is_classifier,
    load_original,
    read_shapes,
)
from mlsl_mx.system.errors import InputError

CLASSIFIER = "classifier"
SOURCE_MODEL = "source model"
ADAPTED_MODEL = "adapted model"  # with a weak-label head

# Tensors of the trunk whose first axis, at width 1, is each channel count that there is.
CHANNELS_OF = {
    "conv1a_weight": 64,
    "bn7_gamma": CHANNELS,
    **{f"res{level.number}a_branch1_weight": level.channels[-1] for level in LEVELS},
}


@dataclass(frozen=True)
class PublishedFile:
    """A file of the projects that the paper builds on."""

    name: str
    kind: str
    classes: int
    dataset: str  # whose labels trained it
    tensors: int  # learnable ones and running statistics
    project: str  # that published it
    experiment: str  # that starts from it

    def __str__(self) -> str:
        size = f"{self.classes} classes, {self.tensors} tensors"
        return f"the {self.dataset} {self.kind} ({size}) of the project {self.project}"


CBST = "CBST (Zou et al., ECCV 2018)"
RESNET38 = "ResNet-38 (Wu et al., 2016)"
PUBLISHED = (
    PublishedFile("gta_rna-a1_cls19_s8_ep-0000.params", SOURCE_MODEL, 19, "GTA-V", 195, CBST, "gta2city"),
    PublishedFile("synthia_rna-a1_cls16_s8_ep-0000.params", SOURCE_MODEL, 16, "SYNTHIA", 195, CBST, "synthia2city"),
    PublishedFile("ilsvrc-cls_rna-a1_cls1000_ep-0001.params", CLASSIFIER, 1000, "ImageNet", 193, RESNET38, "either"),
)


@dataclass(frozen=True)
class Contents:
    """What a weights file holds: name -> shape of its tensors, and what follows from that."""

    shapes: dict[str, tuple[int, ...]]
    kind: str
    classes: int
    channels: int  # of the last feature map

    @property
    def width(self) -> float:
        """The network's width. All that give these channel counts are as good; this is the middle of them."""
        counts = [(self.shapes[name][0], full) for name, full in CHANNELS_OF.items() if name in self.shapes]
        narrowest = max((count - 0.5) / full for count, full in counts)
        widest = min((count + 0.5) / full for count, full in counts)
        return (narrowest + widest) / 2

    def __str__(self) -> str:
        return f"{self.kind} of {self.classes} classes (width {self.width:.3g}, {len(self.shapes)} tensors)"


def describe(path: Path) -> Contents:
    """What a weights file in the release's naming holds.

    Raises: InputError if it is missing, damaged, or not of a ResNet-38 with its last layer.
    """
    shapes = read_shapes(Path(path))
    last = [match.group(1) for match in map(LAST_LAYER.fullmatch, shapes) if match]
    if "bn7_gamma" not in shapes or len(last) != 1:
        some = ", ".join(sorted(shapes)[:3])
        raise InputError(f"{path}: {len(shapes)} tensors ({some}, ...), not a whole ResNet-38: use another file")
    if is_classifier(shapes):
        kind = CLASSIFIER
    else:
        kind = ADAPTED_MODEL if any(map(WEAK_LABEL_NAME.fullmatch, shapes)) else SOURCE_MODEL
    return Contents(shapes, kind, int(last[0]), shapes["bn7_gamma"][0])


def describe_segmentation(path: Path) -> Contents:
    """`describe` of a source or adapted model.

    Raises: InputError as `describe`, or for an ImageNet classifier.
    """
    found = describe(path)
    if found.kind == CLASSIFIER:
        raise InputError(f"{path}: {found}, without a segmentation head: give a source or adapted model")
    return found


def has_weak_label_head(path: Path) -> bool:
    """Whether a weights file holds the weak-label head. Raises: InputError as `read_shapes`."""
    return any(map(WEAK_LABEL_NAME.fullmatch, read_shapes(Path(path))))


def load_segmentation(path: Path, found: Contents, ctx) -> MLSLNet:
    """The network, without weak-label head, of a weights file that `describe_segmentation` found to hold it.

    Raises: InputError as `load_original`.
    """
    net = MLSLNet(found.classes, found.width, weak_label_head=False)
    load_original(net, path, ctx=ctx)
    return net


def check_source_model(path: Path, classes: int, width: float) -> Contents:
    """See that a file fits an experiment as its source model (WEIGHTS). Adapted models do, too.

    Args:
        classes, width: of the experiment's network.

    Raises: InputError saying what was expected, what was found, and the remedy.
    """
    found = _described(Path(path))
    expected = f"{path}: expected a source model of {classes} classes, found {found}"
    if found.kind == CLASSIFIER:
        raise InputError(f"{expected}: give it as IMAGENET= (--imagenet), which trains the source model from it")
    if found.classes != classes:
        raise InputError(f"{expected}: {_remedy(classes, found.classes)}")
    _check_width(path, found, width)
    compare(MLSLNet(classes, width, weak_label_head=False), found.shapes, "all", Path(path))
    return found


def check_trunk(path: Path, width: float) -> Contents:
    """See that a file has the trunk from which an experiment trains its source model (IMAGENET).

    The trunk of any model will do, as the miniature starts from that of a model of other scenes.

    Raises: InputError as `check_source_model`.
    """
    found = _described(Path(path))
    _check_width(path, found, width)
    compare(MLSLNet(width=width, weak_label_head=False), found.shapes, "trunk", Path(path))
    return found


def _described(path: Path) -> Contents:
    """`describe`, whose error says what a file is that has the name of a published one."""
    by_name = {published.name: published for published in PUBLISHED}
    published = by_name.get(path.name.split("?")[0])  # some downloads append `?dl=0`
    if published is not None and not path.is_file():
        raise InputError(
            f"{path}: no such file: it is {published}: get it there (docs/WEIGHTS.md says where), and give its path"
        )
    try:
        return describe(path)
    except InputError as problem:
        raise InputError(f"{problem}; expected {published}" if published else str(problem)) from None


def _check_width(path: Path, found: Contents, width: float) -> None:
    if found.channels != scaled(CHANNELS, width):
        raise InputError(
            f"{path}: expected weights of width {width:g} (network.width), found {found}: use an experiment of that "
            f"width (the published files have 1, the miniature 0.125), or another file"
        )


def _remedy(wanted: int, found: int) -> str:
    """Which published file has the wanted number of classes, and which experiment has the found one."""
    by_classes = {published.classes: published for published in PUBLISHED if published.kind == SOURCE_MODEL}
    remedies = [f"use {by_classes[wanted].name}"] if wanted in by_classes else []
    remedies += [f"run {by_classes[found].experiment} with this one"] if found in by_classes else []
    return ", or ".join(remedies or ["use another file"])
