"""Weights in the files of the original release: `arg:conv1a_weight`, `aux:bn7_moving_mean`, as MXNet saves them.

Two kinds of file exist: the ImageNet classifier (trunk and `linear1000`), and segmentation networks (trunk and
segmentation head, with the weak-label head or without), source models and adapted ones alike. Other trunks than
ResNet-38 have names of their own in them, and their classifiers may be files that Gluon's `save_parameters` wrote. A
file is checked whole before the network is touched.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.network.trunk_facts import trunk_facts, trunk_in
from mlsl_mx.network.weights.params_file import read_index, read_params, write_params
from mlsl_mx.system.errors import InputError

SEGMENTATION_NAME = re.compile(r"(conv6a|linear\d+)_(weight|bias)")
WEAK_LABEL_NAME = re.compile(r"(conv61a|logistic\d+|bCls[01])_(weight|bias)")
STATISTIC_NAME = re.compile(r"[._](moving|running)_(mean|var)$")
LAST_LAYER = re.compile(r"linear(\d+)_weight")


@dataclass(frozen=True)
class LoadReport:
    """What came from the file and what did not; names without `arg:` and `aux:`, sorted."""

    matched: tuple[str, ...]  # taken from the file
    missing: tuple[str, ...]  # of the network, not taken from the file: a head that stays as initialised
    extra: tuple[str, ...]  # of the file, not used: a head that is not wanted

    def __str__(self) -> str:
        lines = [f"{len(self.matched)} tensors loaded"]
        if self.missing:
            lines.append(f"not loaded, so left as initialised at random: {', '.join(self.missing)}")
        if self.extra:
            lines.append(f"in the file but not used: {', '.join(self.extra)}")
        return "; ".join(lines)


def load_original(net: Any, path, part: str = "all", ctx=None) -> LoadReport:
    """Load a file of the release, or of `save_original`, into `net`.

    The trunk and the segmentation head must be complete. The weak-label head may be absent from the file as a whole: it
    then keeps its initialisation, as the report says. Where the network has none, the file's is left out.

    Args:
        net: initialised or not; what is not yet initialised is put on `ctx`.
        path: the `.params` file.
        part: "all", or "trunk" to take the trunk alone, e.g. from the ImageNet classifier.
        ctx: as of the network's `set_tensors`.

    Raises:
        InputError: no such file, not an MXNet parameter file, a name missing or unknown, a wrong shape, a value that is
            not finite, a negative variance. The network is then unchanged.
        ValueError: an unknown `part`.
    """
    if part not in ("all", "trunk"):
        raise ValueError(f"part is {part!r}: use 'all' or 'trunk'")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        saved = _original_names(read_params(Path(path)), path, net.trunk_name)
        saved = {name: values.astype(np.float32) for name, values in saved.items()}
    shapes = {name: array.shape for name, array in saved.items()}
    report = compare(net.tensor_shapes(), net.trunk_name, shapes, part, Path(path))
    for name in report.matched:
        _check_values(saved[name], name, path)
    net.set_tensors({name: saved[name] for name in report.matched}, ctx)
    return report


def save_original(net: Any, path) -> None:
    """Write all parameters of `net` in the release's naming, whole or not at all; an exact round trip.

    Raises: InputError if the file cannot be written.
    """
    named = {
        ("aux:" if STATISTIC_NAME.search(name) else "arg:") + name: values for name, values in net.tensors().items()
    }
    write_params(Path(path), named)


def read_shapes(path: Path, trunk: str | None = None) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors by name without `arg:` or `aux:`; no tensor is read.

    Args:
        trunk: whose own file it may be, besides one of TRUNKS.

    Raises: InputError for a file that is missing, damaged, or of names that are nobody's.
    """
    return {name: tensor.shape for name, tensor in _original_names(read_index(path), path, trunk).items()}


def _original_names(saved: dict[str, Any], path: Path, trunk: str | None) -> dict[str, Any]:
    """What a file holds, by names without `arg:` or `aux:`. Raises: InputError for a file of other names."""
    prefixed = [name for name in saved if name.startswith(("arg:", "aux:"))]
    if not prefixed and trunk_in(saved, trunk):
        return saved  # as `save_parameters` of a trunk, or of a classifier on it, wrote it
    if not saved or len(prefixed) < len(saved):
        raise InputError(
            f"{path}: its names do not begin with arg: or aux:, as in the original release: files of Gluon's "
            "save_parameters are not read; write them with save_original"
        )
    named = {name[4:]: value for name, value in saved.items()}
    if len(named) < len(saved):
        raise InputError(f"{path}: holds a name both as arg: and as aux:: use another file")
    return named


def compare(
    parameters: Mapping[str, tuple[int, ...]], trunk: str, shapes: Mapping[str, tuple[int, ...]], part: str, path: Path
) -> LoadReport:
    """How the tensors of the file `path` fit a network, by their names and shapes; `part` as in `load_original`.

    Args:
        parameters: shapes of the network's tensors.
        trunk: the network's.
        shapes: those of the file.

    Raises: InputError for what is missing, unknown or of a wrong shape and may not be.
    """
    present = set(shapes)
    weak_label_head = {name for name in set(parameters) | present if WEAK_LABEL_NAME.fullmatch(name)}
    heads = weak_label_head | {name for name in set(parameters) | present if SEGMENTATION_NAME.fullmatch(name)}
    heads |= present & set(trunk_facts(trunk).classifier)
    wanted = set(parameters) - (heads if part == "trunk" else set())
    # A head may be absent as a whole from the file, or from what is wanted; half of one is a damaged file.
    optional = heads if part == "trunk" else weak_label_head
    spare = wanted & weak_label_head if not present & weak_label_head else set()
    unused = present & optional if not wanted & optional else set()
    mis_shaped = [
        f"{name} {shapes[name]} instead of {parameters[name]}"
        for name in sorted(wanted & present)
        if shapes[name] != parameters[name]
    ]
    faults = {
        "missing": sorted(wanted - present - spare),
        "unknown": sorted(present - wanted - unused),
        "of a wrong shape": mis_shaped,
    }
    if any(faults.values()):
        raise InputError(f"{path}: does not fit the network: {_listed(faults)}: {_remedy(trunk, present, faults)}")
    return LoadReport(
        matched=tuple(sorted(wanted & present)),
        missing=tuple(sorted(set(parameters) - wanted | spare)),
        extra=tuple(sorted(unused)),
    )


def _listed(faults) -> str:
    """`2 missing (a, b), 5 unknown (c, d, e, ...)`."""
    return ", ".join(
        f"{len(names)} {fault} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for fault, names in faults.items()
        if names
    )


def is_classifier(names: Container[str], trunk: str) -> bool:
    """Whether tensors of these names are an ImageNet classifier's, not a network's for 1000 classes of one's own."""
    return any(name in names for name in trunk_facts(trunk).classifier) and "conv6a_weight" not in names


def _remedy(trunk: str, present, faults) -> str:
    found = trunk_in(present, trunk)
    if found not in (None, trunk):
        return f"the file's trunk is {found}, the network's {trunk} (network.trunk)"
    if is_classifier(present, trunk):
        return "this is an ImageNet classifier: load only its trunk (part='trunk')"
    other_classes = [match.group(1) for match in map(LAST_LAYER.fullmatch, faults["unknown"]) if match]
    if other_classes:
        return f"the file's head is for {other_classes[0]} classes: use the experiment that it was trained with"
    if faults["of a wrong shape"]:
        return "use the width that the file was made with"
    return "use another file"


def _check_values(array: np.ndarray, name: str, path) -> None:
    """Raises: InputError for a bad value, which might go unnoticed later: oneDNN's ReLU turns NaN into 0."""
    finite = np.isfinite(array)
    if not finite.all():
        count = finite.size - finite.sum()
        raise InputError(f"{path}: {name} has {count} values that are not finite numbers: use a sound file")
    if name.endswith(("moving_var", "running_var")) and array.min() < 0:
        raise InputError(f"{path}: {name} has negative variances, down to {array.min():g}: use a sound file")
