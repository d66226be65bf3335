"""Weights that anyone can make again: the rule by which the stored outputs of the original program were computed.

A tensor is drawn from a generator that its name alone seeds (CRC-32 of the name), in float64, and stored as float32.
Weights are normal with variance 2 / fan_in, biases, betas and moving means normal with deviation 0.1, gammas and moving
variances uniform in [0.5, 1.5). With frozen statistics nothing holds the residual stream back, so the later
convolutions of a block are halved, and the last layers of both heads quartered.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures" / "net"
LATER_CONVOLUTION = re.compile(r"res\w+_branch2b\d_weight")
LAST_LAYER = re.compile(r"(linear\d+|bCls1)_weight")


@dataclass(frozen=True)
class OriginalParameter:
    """One line of the original program's parameter list."""

    kind: str  # arg: learnable, aux: a running statistic
    name: str
    shape: tuple
    lr_mult: float
    wd_mult: float


def original_parameters(width: float, weak_label_head: bool = True) -> list[OriginalParameter]:
    """The original program's list for 19 classes at width 1 or 0.125."""
    lines = (FIXTURES / "parameters.txt").read_text().splitlines()[1:]
    parameters = []
    for kind, name, full, narrow, lr_mult, wd_mult in map(str.split, lines):
        shape = tuple(int(n) for n in {1.0: full, 0.125: narrow}[width].split("x"))
        multipliers = (1.0, 1.0) if kind == "aux" else (float(lr_mult), float(wd_mult))
        parameters.append(OriginalParameter(kind, name, shape, *multipliers))
    return [p for p in parameters if weak_label_head or not is_weak_label(p.name)]


def is_weak_label(name: str) -> bool:
    """Whether a tensor belongs to the weak-label head."""
    return name.startswith(("conv61a_", "logistic", "bCls"))


def values(name: str, shape: tuple) -> np.ndarray:
    """The tensor of that name, float32."""
    generator = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith(("_gamma", "_moving_var")):
        return generator.uniform(0.5, 1.5, shape).astype(np.float32)
    if not name.endswith("_weight"):
        return generator.normal(0, 0.1, shape).astype(np.float32)
    scale = 0.5 if LATER_CONVOLUTION.fullmatch(name) else 0.25 if LAST_LAYER.fullmatch(name) else 1.0
    deviation = np.sqrt(2 / np.prod(shape[1:], dtype=float))
    return (generator.normal(0, 1, shape) * deviation * scale).astype(np.float32)


def write_original(path: Path, weak_label_head: bool) -> Path:
    """A file of the narrow network in the release's format."""
    from mxnet import nd  # here: the values are made without it, too

    table = original_parameters(0.125, weak_label_head)
    nd.save(str(path), {f"{p.kind}:{p.name}": nd.array(values(p.name, p.shape)) for p in table})
    return path
