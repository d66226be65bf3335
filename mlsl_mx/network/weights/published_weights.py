"""The three published weights files that a run can start from, and whether a file is what the run needs.

Only names and shapes are looked at, so that a wrong file is refused before anything starts; `load_original` looks at
the values. What counts is what a file holds, whatever its name, such as `...params?dl=0`. The name of a published one
says only where to get it, if it is missing or damaged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.config.class_table import settings_of_weights
from mlsl_mx.network.architecture import SEGMENTATION_HIDDEN, WEAK_LABEL_CHANNELS, scaled
from mlsl_mx.network.trunk_facts import DEFAULT, network_shapes, trunk_facts, trunk_in
from mlsl_mx.network.weights.original_weights import LAST_LAYER, WEAK_LABEL_NAME, compare, is_classifier, read_shapes
from mlsl_mx.system.errors import InputError

CLASSIFIER = "classifier"
SOURCE_MODEL = "source model"  # of a published file
SEGMENTATION = "segmentation network"  # a source model or an adapted one: the tensors do not tell
TRUNK = "trunk"  # nothing else

# Tensors of the heads: channels at width 1.
HEADS = {"conv6a_weight": SEGMENTATION_HIDDEN, "conv61a_weight": WEAK_LABEL_CHANNELS}


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
    classes: int  # 0 of a trunk alone
    trunk: str  # as `network.trunk` names it

    @property
    def width(self) -> float:
        """The network's width: the middle of the range of widths that round to these channel counts."""
        if not trunk_facts(self.trunk).scalable:
            return 1.0
        narrowest = max((count - 0.5) / full for full, count in self.channel_counts.items())
        widest = min((count + 0.5) / full for full, count in self.channel_counts.items())
        return (narrowest + widest) / 2

    @property
    def channel_counts(self) -> dict[int, int]:
        """Channel count at width 1 -> that of most such tensors in the file: a single wrong one has no effect."""
        found: dict[int, Counter] = {}
        for name, full in {**trunk_facts(self.trunk).counts, **HEADS}.items():
            if name in self.shapes:
                found.setdefault(full, Counter())[self.shapes[name][0]] += 1
        return {full: counts.most_common(1)[0][0] for full, counts in found.items()}

    @property
    def network(self) -> str:
        """Trunk and width, but for what goes without saying."""
        parts = [] if self.trunk == DEFAULT else [f"trunk {self.trunk}"]
        return ", ".join([*parts, *([f"width {self.width:.3g}"] if trunk_facts(self.trunk).scalable else [])])

    def __str__(self) -> str:
        classes = f" of {self.classes} classes" if self.classes else ""
        return f"{self.kind}{classes} ({self.network}, {len(self.shapes)} tensors)"


def describe(path: Path, trunk: str | None = None) -> Contents:
    """What a weights file holds.

    Args:
        trunk: which it may be of, besides those of TRUNKS; None: one of the user's own that its run directory notes.

    Raises: InputError if it is missing, damaged, or of a trunk that is not known.
    """
    trunk = trunk or _noted_trunk(path)
    shapes = read_shapes(Path(path), trunk)
    found = trunk_in(shapes, trunk)
    if found is None:
        some = ", ".join(sorted(shapes)[:3])
        raise InputError(
            f"{path}: {len(shapes)} tensors ({some}, ...), not a whole ResNet-38 or other trunk: use another file"
        )
    if is_classifier(shapes, found):
        return Contents(shapes, CLASSIFIER, shapes[trunk_facts(found).classifier[0]][0], found)
    last = [match.group(1) for match in map(LAST_LAYER.fullmatch, shapes) if match]
    if len(last) != 1:
        return Contents(shapes, TRUNK, 0, found)
    return Contents(shapes, SEGMENTATION, int(last[0]), found)


def _noted_trunk(path: Path) -> str | None:
    noted = settings_of_weights(path)[1].get("network")
    trunk = noted.get("trunk") if isinstance(noted, dict) else None
    return trunk if isinstance(trunk, str) else None


def describe_segmentation(path: Path) -> Contents:
    """`describe` of a source or adapted model.

    Raises: InputError as `describe`, or for an ImageNet classifier or a trunk alone.
    """
    found = describe(path)
    if found.kind in (CLASSIFIER, TRUNK):
        raise InputError(f"{path}: {found}, without a segmentation head: give a source or adapted model")
    return found


def has_weak_label_head(path: Path) -> bool:
    """Whether a weights file holds the weak-label head. Raises: InputError as `read_shapes`."""
    return any(map(WEAK_LABEL_NAME.fullmatch, read_shapes(Path(path))))


def check_source_model(path: Path, classes: int, width: float, trunk: str = DEFAULT) -> Contents:
    """See that a file fits an experiment as its source model (WEIGHTS). Adapted models do, too.

    Args:
        classes, width, trunk: of the experiment's network.

    Raises: InputError saying what was expected, what was found, and the remedy.
    """
    found = _described(Path(path), trunk)
    expected = f"{path}: expected a source model of {classes} classes, found {found}"
    if found.kind in (CLASSIFIER, TRUNK):
        raise InputError(f"{expected}: give it as IMAGENET= (--imagenet), which trains the source model from it")
    if found.classes != classes:
        raise InputError(f"{expected}: {_remedy(classes, found.classes)}")
    _check_trunk_and_width(path, found, width, trunk)
    compare(network_shapes(classes, width, False, trunk), trunk, found.shapes, "all", Path(path))
    return found


def check_trunk(path: Path, width: float, trunk: str = DEFAULT) -> Contents:
    """See that a file has the trunk from which an experiment trains its source model (IMAGENET).

    The trunk of any model will do, as the miniature starts from that of a model of other scenes.

    Raises: InputError as `check_source_model`.
    """
    found = _described(Path(path), trunk)
    _check_trunk_and_width(path, found, width, trunk)
    compare(network_shapes(19, width, False, trunk), trunk, found.shapes, "trunk", Path(path))
    return found


def _described(path: Path, trunk: str) -> Contents:
    """`describe`, whose error says what a file is that has the name of a published one."""
    by_name = {published.name: published for published in PUBLISHED}
    published = by_name.get(path.name.split("?")[0])  # some downloads append `?dl=0`
    if published is not None and not path.is_file():
        raise InputError(
            f"{path}: no such file: it is {published}: get it there (docs/WEIGHTS.md says where), and give its path"
        )
    try:
        return describe(path, trunk)
    except InputError as problem:
        raise InputError(f"{problem}; expected {published}" if published else str(problem)) from None


def _check_trunk_and_width(path: Path, found: Contents, width: float, trunk: str) -> None:
    if found.trunk != trunk:
        raise InputError(
            f"{path}: expected weights of the trunk {trunk} (network.trunk), found {found}, of the trunk "
            f"{found.trunk}: set network.trunk={found.trunk}, or use another file"
        )
    other = any(scaled(full, width) != count for full, count in found.channel_counts.items())
    if other and trunk_facts(trunk).scalable:
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
