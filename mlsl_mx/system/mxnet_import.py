"""What MXNet 1.9.1, of 2022, needs to be imported by a Python of today.

`import mlsl_mx` loads nothing of it, and must come before `import mxnet`: at that moment the names that NumPy has
removed since are put back, and libraries are loaded that MXNet links to. What else is gone, Python's distutils, comes
with setuptools. Nothing else of this package knows which NumPy there is.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from mlsl_mx.system.blas_kernels import load_blas
from mlsl_mx.system.cuda_libraries import load_cuda_libraries
from mlsl_mx.system.gcc_libraries import load_system_libraries


def prepare_for_mxnet() -> None:
    """Arrange that the first `import mxnet`, whoever's it is, finds what it needs."""
    if "mxnet" not in sys.modules:
        sys.meta_path.insert(0, _BeforeMXNet())


class _BeforeMXNet:
    """A finder that finds nothing: asked for MXNet, it makes ready and leaves the finding to the others."""

    def find_spec(self, fullname, path, target=None):
        if fullname == "mxnet":
            sys.meta_path.remove(self)
            put_names_back()
            load_system_libraries()
            load_blas()
            load_cuda_libraries()
        return None


def put_names_back() -> None:
    """Give NumPy the names that MXNet and GluonCV use and this version lacks."""
    import numpy

    for name, meaning in _removed_names(numpy).items():
        vars(numpy).setdefault(name, meaning)  # hasattr would warn


def _removed_names(numpy) -> dict[str, Any]:
    """Name -> what it meant in NumPy 1.23, the last one that had them all."""
    return {
        # NumPy 1.24: Python's own types. NumPy 2.0 has a `bool` again, its own.
        **{"bool": bool, "int": int, "float": float},
        # NumPy 2.0: numbers of several names.
        **dict.fromkeys(("Inf", "PINF"), numpy.inf),
        **dict.fromkeys(("NaN", "NAN"), numpy.nan),
        **{"NINF": -numpy.inf, "PZERO": 0.0, "NZERO": -0.0},
        # NumPy 2.0: second names of functions; of Python 2's strings in `compat`; and a sort of the first axis.
        **{"alltrue": numpy.all, "sometrue": numpy.any, "product": numpy.prod, "round_": numpy.round},
        "compat": SimpleNamespace(basestring=str),
        "msort": lambda a: numpy.sort(a, axis=0),
        # NumPy 2.4: older names of `isin` and `trapezoid`.
        "in1d": lambda ar1, ar2, **options: numpy.isin(ar1, ar2, **options).ravel(),
        "trapz": lambda *arguments, **options: numpy.trapezoid(*arguments, **options),
        # NumPy 2.0: MXNet lists them, but from NumPy 1.20 on they only said that they are gone.
        **dict.fromkeys(("mirr", "npv", "pmt", "ppmt", "pv", "rate"), _financial),
    }


def _financial(*arguments, **options):
    raise RuntimeError("NumPy has no financial functions any more: the package numpy-financial has them")
