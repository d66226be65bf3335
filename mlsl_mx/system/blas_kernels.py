"""The matrix products of MXNet's wheel, by kernels that fit this CPU.

The wheel brings OpenBLAS 0.3.13, of 2020, which chooses its kernels by the CPU models that it knows. For any newer one,
Intel's of 2023 among them, it takes those of 2004 (Prescott), with which composing patches takes nearly twice the time
(benchmarks/README.md). So it is loaded right before MXNet is (`mxnet_import.py`), and told which kernels to take.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from mlsl_mx.system.cuda_libraries import package_folders
from mlsl_mx.system.processor import has_instructions

VARIABLE = "OPENBLAS_CORETYPE"
KERNELS = "Haswell"  # for AVX2 and FMA; that library has none for AVX-512
LIBRARY = "libopenblas.so.0"


def load_blas() -> None:
    """Load MXNet's OpenBLAS with KERNELS, if the CPU has what they need and the user has chosen none by VARIABLE.

    NumPy has an OpenBLAS of its own, which knows newer CPUs: so VARIABLE is set for this moment only.
    """
    library = next((folder / LIBRARY for folder in package_folders("mxnet") if (folder / LIBRARY).exists()), None)
    if library is None or VARIABLE in os.environ or not has_instructions("avx2", "fma"):
        return
    os.environ[VARIABLE] = KERNELS
    with suppress(OSError):  # MXNet's import names what is missing
        ctypes.CDLL(str(library))
    del os.environ[VARIABLE]
