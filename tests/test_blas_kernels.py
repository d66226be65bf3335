"""MXNet's OpenBLAS takes kernels that fit the CPU, also one that is newer than it; NumPy's is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlsl_mx.system.processor import has_instructions

pytestmark = pytest.mark.skipif(not has_instructions("avx2", "fma"), reason="no CPU with AVX2, or not Linux")
CODE = """
import ctypes, os
import mlsl_mx, mxnet
library = ctypes.CDLL(os.path.join(os.path.dirname(mxnet.__file__), "libmxnet.so"))
library.openblas_get_corename.restype = ctypes.c_char_p
print(library.openblas_get_corename().decode(), os.environ.get("OPENBLAS_CORETYPE"))
"""


@pytest.mark.parametrize(
    ("chosen", "said"), [(None, "Haswell None"), ("Prescott", "Prescott Prescott")], ids=["ours", "the user's"]
)
def test_the_kernels_are_of_this_cpu_or_those_that_the_user_chose(chosen, said):
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment |= {"OPENBLAS_CORETYPE": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
