"""What trunks there are and what their files hold: known before one is built, of ResNet-38 without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mlsl_mx.network.architecture import CLASSIFIER, segmentation_head_shapes, trunk_shapes, weak_label_head_shapes
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import check_spec, imported

DEFAULT = "resnet38"

# Trunks by the name that `network.trunk` gives: classes, or where to import them from when they are asked for.
# GluonCV has weights of all but the default (`weights/gluoncv_store.py`).
TRUNKS: dict[str, Any] = {
    DEFAULT: "mlsl_mx.network.resnet38:ResNet38",
    "resnet50_v1s": "mlsl_mx.network.gluoncv_trunks:ResNet50v1s",
    "resnet101_v1s": "mlsl_mx.network.gluoncv_trunks:ResNet101v1s",
}

MOST_OF_HEADS = 12  # tensors of both heads
ENGINE = ("mxnet", "gluoncv")  # what trunks other than ResNet-38 need


@dataclass(frozen=True)
class TrunkFacts:
    """What there is to know of a trunk's files.

    Attributes:
        counts: the first axis of each tensor at width 1, by its name in weights files.
        classifier: names of the tensors that an ImageNet classifier's file has besides.
        scalable: whether there are other widths than 1.
    """

    counts: Mapping[str, int]
    classifier: tuple[str, ...]
    scalable: bool


RESNET38 = TrunkFacts({name: shape[0] for name, shape in trunk_shapes().items()}, CLASSIFIER, scalable=True)


def trunk_facts(name: str) -> TrunkFacts:
    """Of a key of TRUNKS, or of `package.module:Name`. Raises: InputError if there is none, or it is no trunk."""
    if name == DEFAULT:
        return RESNET38
    trunk = find_trunk(name)
    return TrunkFacts(_counts(trunk), trunk.classifier, trunk.scalable)


def find_trunk(name: str) -> Any:
    """The class of a key of TRUNKS, or that `package.module:Name` names: a `trunks.Trunk`.

    Raises: InputError if there is none, or it is no trunk.
    """
    if name not in TRUNKS:
        check_spec(name, "network.trunk", TRUNKS)
    found = TRUNKS.get(name, name)
    trunk = imported(found, "network.trunk") if isinstance(found, str) else found
    if not isinstance(trunk, type) or not hasattr(trunk, "shapes_at"):
        raise InputError(f"network.trunk is {name}, which is not a subclass of mlsl_mx.network.trunks.Trunk")
    return trunk


@cache
def _counts(trunk: Any) -> dict[str, int]:
    """The first axis of each tensor at width 1, by its name in weights files."""
    return {name: shape[0] for name, shape in trunk.shapes_at(1.0)[0].items()}


def check_width(name: str, width: float) -> None:
    """Raises: InputError for a trunk that has no such width; else as `trunk_facts`."""
    if width != 1 and not trunk_facts(name).scalable:
        raise InputError(f"network.width is {width:g}, but {name} (network.trunk) has one width: set network.width=1")


def trunk_in(names: Mapping[str, object], also: str | None = None) -> str | None:
    """Which trunk's tensors are among these names, complete or not; None if no trunk's are.

    Args:
        also: one besides those of TRUNKS.
    """
    best, most = None, 0
    for name in dict.fromkeys([*TRUNKS, *([also] if also else [])]):
        try:
            own = set(trunk_facts(name).counts)
        except InputError as problem:
            if getattr(problem.__cause__, "name", None) not in ENGINE:
                raise
            continue  # this environment has another engine, which has no such trunk
        present = len(own & set(names))
        if present == len(own) >= len(names) - MOST_OF_HEADS:
            return name  # the others need not be imported
        if 2 * present - len(own) > most:
            best, most = name, 2 * present - len(own)
    return best


def network_shapes(classes: int, width: float, weak_label_head: bool, trunk: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a network's tensors by their names in weights files.

    Raises: InputError as `check_width`.
    """
    check_width(trunk, width)
    if trunk == DEFAULT:
        shapes = trunk_shapes(width)
        channels = shapes["bn7_gamma"][0]
    else:
        shapes, channels = find_trunk(trunk).shapes_at(width)
    shapes = {**shapes, **segmentation_head_shapes(channels, classes, width)}
    return {**shapes, **weak_label_head_shapes(channels, classes, width)} if weak_label_head else shapes
