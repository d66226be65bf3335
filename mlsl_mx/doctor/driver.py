"""NVIDIA's driver and its GPUs, asked by way of its own libcuda.so.1, so that MXNet is not needed for it.

`python -m mlsl_mx.doctor.driver` prints them as JSON; a process of its own, as a broken driver may crash or hang.
"""

from __future__ import annotations

import ctypes
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LIBRARY = "libcuda.so.1"
KERNEL_MODULE = Path("/proc/driver/nvidia/version")
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """One card."""

    name: str
    capability: tuple[int, int]  # compute capability, (major, minor)
    total: int  # bytes of memory
    free: int | None  # None if the driver would not tell


@dataclass(frozen=True)
class Driver:
    """What the driver says of itself and of its cards."""

    error: str | None = None  # why nothing else is known
    cuda: tuple[int, int] | None = None  # newest CUDA that it supports
    version: str | None = None  # e.g. "550.54.15", if Linux tells it
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Driver:
        """What `asdict` and JSON made of one."""
        gpus = tuple(Gpu(**{**gpu, "capability": tuple(gpu["capability"])}) for gpu in values.get("gpus", ()))
        cuda = values.get("cuda")
        return cls(values.get("error"), tuple(cuda) if cuda else None, values.get("version"), gpus)


class _DriverError(Exception):
    """What libcuda answers instead of CUDA_SUCCESS."""


def read_driver() -> Driver:
    """Ask the driver. What is wrong with it is in `error`; nothing is raised."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return Driver(error=f"there is no {LIBRARY}")
    try:
        _check(library, library.cuInit(0))
        number = _ask(library, "cuDriverGetVersion")
        count = _ask(library, "cuDeviceGetCount")
        gpus = tuple(_gpu(library, index) for index in range(count))
        return Driver(None, (number // 1000, number % 1000 // 10), kernel_module(KERNEL_MODULE), gpus)
    except (_DriverError, AttributeError) as problem:  # AttributeError: a library without one of the functions
        return Driver(error=str(problem), version=kernel_module(KERNEL_MODULE))


def kernel_module(path: Path) -> str | None:
    """The version of the driver's kernel module as Linux shows it; None if it does not."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found.group(1) if found else None


def _gpu(library: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int(_ask(library, "cuDeviceGet", index))
    name = ctypes.create_string_buffer(NAME_BYTES)
    _check(library, library.cuDeviceGetName(name, NAME_BYTES, device))
    capability = tuple(_ask(library, "cuDeviceGetAttribute", attribute, device) for attribute in (MAJOR, MINOR))
    total = _ask(library, "cuDeviceTotalMem_v2", device, result=ctypes.c_size_t)
    return Gpu(name.value.decode(errors="replace"), capability, total, _free_memory(library, device))


def _free_memory(library: ctypes.CDLL, device: ctypes.c_int) -> int | None:
    """Bytes; None also for a full card: asking briefly takes some memory, which it does not have."""
    try:
        context = ctypes.c_void_p(_ask(library, "cuDevicePrimaryCtxRetain", device, result=ctypes.c_void_p))
        try:
            _check(library, library.cuCtxSetCurrent(context))
            total = ctypes.c_size_t()
            return _ask(library, "cuMemGetInfo_v2", ctypes.byref(total), result=ctypes.c_size_t)
        finally:
            library.cuDevicePrimaryCtxRelease_v2(device)
    except _DriverError:
        return None


def _ask(library: ctypes.CDLL, function: str, *arguments: Any, result: type = ctypes.c_int) -> int:
    """The number that a function of the driver writes to its first argument. Raises: _DriverError."""
    found = result()
    _check(library, getattr(library, function)(ctypes.byref(found), *arguments))
    return found.value


def _check(library: ctypes.CDLL, code: int) -> None:
    if code:
        text = ctypes.c_char_p()
        known = library.cuGetErrorString(code, ctypes.byref(text)) == 0 and text.value
        raise _DriverError(f"{text.value.decode(errors='replace')} (error {code})" if known else f"error {code}")


if __name__ == "__main__":
    print(json.dumps(asdict(read_driver())))
