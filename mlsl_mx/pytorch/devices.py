"""PyTorch's devices as CTX names them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import torch

from mlsl_mx.system.device_shares import each_once
from mlsl_mx.system.errors import InputError


@dataclass(frozen=True)
class Device:
    """A device of PyTorch.

    Attributes: `kind`, "cuda", "mps" or "cpu"; `index` of several.
    """

    kind: str
    index: int = 0

    @property
    def device_type(self) -> str:
        """ "cpu" or "gpu", as MXNet's contexts have it."""
        return "cpu" if self.kind == "cpu" else "gpu"

    @property
    def torch(self) -> torch.device:
        """As PyTorch has it."""
        return torch.device(f"cuda:{self.index}" if self.kind == "cuda" else self.kind)

    @property
    def layout(self) -> torch.memory_format:
        """Of what is trained: NVIDIA's fast one. On CPUs its gradients crash PyTorch 2.13 (dilated convolutions)."""
        return torch.channels_last if self.kind == "cuda" else torch.contiguous_format

    def __str__(self) -> str:
        return {"cuda": f"cuda:{self.index}", "mps": "mps", "cpu": "torch:cpu"}[self.kind]


def devices(names: str) -> tuple[Device, ...]:
    """`cuda:0`, `mps`, `torch:cpu` or several, `cuda:0,cuda:1`; in a process that torchrun started, its own of several.

    Raises: InputError for another name, one that is named twice, a device that PyTorch does not see, or a
        number of devices that differs from that of the processes on this machine.
    """
    found = each_once(names, _device)
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if len(found) == 1 or ranks == 1:
        return found
    if len(found) != ranks:
        raise InputError(f"ctx {names!r} names {len(found)} devices for {ranks} processes: name one, or one for each")
    own = found[int(os.environ["LOCAL_RANK"])]
    if own.kind == "cuda":
        torch.cuda.set_device(own.index)  # before NCCL's first call, which takes the current one
    return (own,)


def _device(name: str) -> Device:
    match = re.fullmatch(r"(cuda|mps|torch:cpu)(?::(\d+))?", name)
    if match is None or (match.group(2) and match.group(1) != "cuda"):
        raise InputError(
            f"ctx {name!r} is not a device of PyTorch: use cuda:0, or several: cuda:0,cuda:1; mps; torch:cpu"
        )
    kind = match.group(1).removeprefix("torch:")
    number = int(match.group(2) or 0)
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}[kind]
    if number >= there:
        raise InputError(
            f"ctx {name}: PyTorch {torch.__version__} sees {there} of these: use torch:cpu, or see `mlsl doctor`"
        )
    return Device(kind, number)


def model(device: Device) -> str | None:
    """Name and memory of a GPU, e.g. "NVIDIA H100 80GB HBM3, 85 GB"; None of a CPU."""
    if device.kind != "cuda":
        return None if device.kind == "cpu" else "Apple GPU"
    found = torch.cuda.get_device_properties(device.index)
    return f"{found.name}, {found.total_memory / 1e9:.0f} GB"
