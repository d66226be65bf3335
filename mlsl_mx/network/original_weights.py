"""Weights in the files of the original release: `arg:conv1a_weight`, `aux:bn7_moving_mean`, as MXNet saves them.

Three kinds of file exist: the ImageNet classifier (trunk and `linear1000`), source models (trunk and segmentation head)
and adapted models (with the weak-label head too). A file is checked whole before the network is touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import gluon, nd

from mlsl_mx.errors import InputError
from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.resnet38 import LEVELS
from mlsl_mx.runs import whole_file

SEGMENTATION_NAME = re.compile(r"(conv6a|linear\d+)_(weight|bias)")
WEAK_LABEL_NAME = re.compile(r"(conv61a|logistic\d+|bCls[01])_(weight|bias)")
LAST_LAYER = re.compile(r"linear(\d+)_weight")
CLASSIFIER_NAME = "linear1000_weight"

# Tensors of the trunk whose first axis, at width 1, is each channel count that there is.
CHANNELS_OF = {"conv1a_weight": 64, **{f"res{level.number}a_branch1_weight": level.channels[-1] for level in LEVELS}}


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
            lines.append(f"not used of the file: {', '.join(self.extra)}")
        return "; ".join(lines)


def load_original(net: MLSLNet, path, part: str = "all", ctx=None) -> LoadReport:
    """Load a file of the release, or of `save_original`, into `net`.

    The trunk and the segmentation head must be complete. The weak-label head may be absent from the file as a whole: it
    then keeps its initialisation, as the report says. Where the network has none, the file's is left out.

    Args:
        net: initialised or not; what is not yet initialised is put on `ctx`.
        path: the `.params` file.
        part: "all", or "trunk" to take the trunk alone, e.g. from the ImageNet classifier.
        ctx: device or devices of parameters not yet initialised; MXNet's current one by default.

    Raises:
        InputError: no such file, not an MXNet parameter file, a name missing or unknown, a wrong shape, a value that is
            not finite. The network is then unchanged.
        ValueError: an unknown `part`.
    """
    if part not in ("all", "trunk"):
        raise ValueError(f"part is {part!r}: use 'all' or 'trunk'")
    parameters = _named_parameters(net)
    saved = _read(Path(path))
    report = _compare(parameters, saved, part, Path(path))
    for name in report.matched:
        _check_values(saved[name], name, path)
    _fill(parameters, saved, report, ctx)
    return report


def save_original(net: MLSLNet, path) -> None:
    """Write all parameters of `net` in the release's naming, whole or not at all; an exact round trip.

    Raises: InputError if the file cannot be written.
    """
    named = {
        ("aux:" if parameter.grad_req == "null" else "arg:") + name: parameter.list_data()[0].as_in_context(mx.cpu())
        for name, parameter in _named_parameters(net).items()
    }
    with whole_file(Path(path)) as temporary:
        nd.save(str(temporary), named)


def architecture(path) -> tuple[int, float]:
    """Number of classes and width of the network that a file is for, from its tensors' names and shapes.

    Every width that gives these channel counts is as good; the middle of them is returned.

    Raises: InputError if it is not a parameter file, or one without a segmentation head.
    """
    saved = _read(Path(path))
    if CLASSIFIER_NAME in saved:
        raise InputError(f"{path}: an ImageNet classifier, without a segmentation head: give a source or adapted model")
    heads = [match for match in map(LAST_LAYER.fullmatch, saved) if match]
    absent = [name for name in CHANNELS_OF if name not in saved]
    if not heads or absent:
        what = absent[0] if absent else "linear19_weight or linear16_weight"
        raise InputError(
            f"{path}: not a segmentation network of this architecture, {what} is missing: use another file"
        )
    counts = [(len(saved[name]), at_full_width) for name, at_full_width in CHANNELS_OF.items()]
    narrowest = max((count - 0.5) / at_full_width for count, at_full_width in counts)
    widest = min((count + 0.5) / at_full_width for count, at_full_width in counts)
    return int(heads[0].group(1)), (narrowest + widest) / 2


def _named_parameters(net: MLSLNet) -> dict[str, gluon.Parameter]:
    return {name[len(net.prefix) :]: parameter for name, parameter in net.collect_params().items()}


def _read(path: Path) -> dict[str, nd.NDArray]:
    """Tensors by name without `arg:` or `aux:`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file: give the path of a .params file")
    try:
        saved = nd.load(str(path))
    except mx.MXNetError:
        raise InputError(
            f"{path}: not an MXNet parameter file, or cut short ({path.stat().st_size} bytes): download it again, and "
            "see that it is not a web page"
        ) from None
    names = list(saved) if isinstance(saved, dict) else []
    if not names or not all(name.startswith(("arg:", "aux:")) for name in names):
        raise InputError(
            f"{path}: its names do not begin with arg: or aux:, as in the original release: files of Gluon's "
            "save_parameters are not read; write them with save_original"
        )
    return {name[4:]: array for name, array in saved.items()}


def _compare(parameters, saved, part: str, path: Path) -> LoadReport:
    """Raises: InputError for what is missing, unknown or of a wrong shape and may not be."""
    present = set(saved)
    weak_label_head = {name for name in set(parameters) | present if WEAK_LABEL_NAME.fullmatch(name)}
    heads = weak_label_head | {name for name in set(parameters) | present if SEGMENTATION_NAME.fullmatch(name)}
    wanted = set(parameters) - (heads if part == "trunk" else set())
    # A head may be absent as a whole from the file, or from what is wanted; half of one is a damaged file.
    optional = heads if part == "trunk" else weak_label_head
    spare = wanted & weak_label_head if not present & weak_label_head else set()
    unused = present & optional if not wanted & optional else set()
    mis_shaped = [
        f"{name} {saved[name].shape} instead of {parameters[name].shape}"
        for name in sorted(wanted & present)
        if saved[name].shape != parameters[name].shape
    ]
    faults = {
        "missing": sorted(wanted - present - spare),
        "unknown": sorted(present - wanted - unused),
        "of a wrong shape": mis_shaped,
    }
    if any(faults.values()):
        raise InputError(f"{path}: does not fit the network: {_listed(faults)}: {_remedy(saved, faults)}")
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


def _remedy(saved, faults) -> str:
    if CLASSIFIER_NAME in saved:
        return "this is an ImageNet classifier: load its trunk alone (part='trunk')"
    other_classes = [match.group(1) for match in map(LAST_LAYER.fullmatch, faults["unknown"]) if match]
    if other_classes:
        return f"the file's segmentation head is for {other_classes[0]} classes: set num_classes to that"
    if faults["of a wrong shape"]:
        return "use the width that the file was made with"
    return "use another file"


def _check_values(array: nd.NDArray, name: str, path) -> None:
    finite = np.isfinite(array.asnumpy())
    if not finite.all():
        count = finite.size - finite.sum()
        raise InputError(f"{path}: {name} has {count} values that are not finite numbers: use a sound file")


def _fill(parameters, saved, report: LoadReport, ctx) -> None:
    for name, parameter in parameters.items():
        fresh = name in report.missing
        if not _is_initialised(parameter):
            parameter.initialize(init=None if fresh else mx.init.Zero(), ctx=ctx)
        if not fresh:
            parameter.set_data(saved[name])


def _is_initialised(parameter: gluon.Parameter) -> bool:
    try:
        parameter.list_ctx()
    except RuntimeError:
        return False
    return True
