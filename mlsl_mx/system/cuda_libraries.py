"""The CUDA libraries that mxnet-cu112 links to, from PyPI's nvidia-* packages: no CUDA toolkit is needed.

The dynamic linker knows nothing of those packages' folders, but takes a library that is loaded already: they are loaded
right before MXNet is imported (`mxnet_import.py`). What is left to NVIDIA's driver is its own libcuda.so.1.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

CUDA_BUILD = "mxnet_cu112"  # as its .dist-info folder spells it

# Folder below nvidia/ and library; each after those that it needs itself.
LIBRARIES = (
    ("cuda_runtime", "libcudart.so.11.0"),
    ("cuda_nvrtc", "libnvrtc.so.11.2"),
    ("nvtx", "libnvToolsExt.so.1"),
    ("cublas", "libcublasLt.so.11"),
    ("cublas", "libcublas.so.11"),
    ("cufft", "libcufft.so.10"),
    ("curand", "libcurand.so.10"),
    ("cusparse", "libcusparse.so.11"),
    ("cusolver", "libcusolver.so.11"),
    ("nccl", "libnccl.so.2"),
    ("cudnn", "libcudnn.so.8"),
)


def load_cuda_libraries() -> None:
    """Load what is installed of LIBRARIES if the MXNet that is installed links to them; else do nothing.

    What is not there is left out: a CUDA toolkit may provide it, or MXNet's import then names what it misses.
    """
    if not has_cuda_build():
        return
    folders = list(package_folders("nvidia"))
    for folder, library in LIBRARIES:
        path = next((p for p in (parent / folder / "lib" / library for parent in folders) if p.exists()), None)
        if path is not None:
            with suppress(OSError):
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def has_cuda_build() -> bool:
    """Whether the MXNet that is installed is mxnet-cu112."""
    # Not importlib.metadata, whose import takes longer than all of this.
    return any(next(folder.parent.glob(f"{CUDA_BUILD}-*.dist-info"), None) for folder in package_folders("mxnet"))


def package_folders(package: str) -> Iterator[Path]:
    """Where a package is, without importing it."""
    spec = find_spec(package)
    return map(Path, (spec and spec.submodule_search_locations) or ())
