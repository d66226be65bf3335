"""What MXNet finds when it is imported: the names that NumPy has removed, each as NumPy 1.23 had it."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from mlsl_mx.system.mxnet_import import put_names_back

MATRIX = np.array([[3, 1], [2, 5]])


@pytest.fixture
def put_back(monkeypatch):
    """Gives what a name means after NumPy was without it."""

    def meaning(name: str):
        monkeypatch.delattr(np, name, raising=False)
        put_names_back()
        return vars(np)[name]

    return meaning


@pytest.mark.parametrize("name, wanted", [("bool", bool), ("int", int), ("float", float)])
def test_types(put_back, name, wanted):
    assert put_back(name) is wanted and np.zeros(1, put_back(name)).dtype == np.dtype(wanted)


@pytest.mark.parametrize("name, wanted", [("Inf", math.inf), ("PINF", math.inf), ("NINF", -math.inf)])
def test_infinities(put_back, name, wanted):
    assert put_back(name) == wanted


@pytest.mark.parametrize("name", ["NaN", "NAN"])
def test_no_numbers(put_back, name):
    assert math.isnan(put_back(name))


@pytest.mark.parametrize("name, sign", [("PZERO", 1), ("NZERO", -1)])
def test_zeros(put_back, name, sign):
    assert put_back(name) == 0 and math.copysign(1, put_back(name)) == sign


@pytest.mark.parametrize(
    "name, arguments, wanted",
    [
        ("alltrue", ([[True, True], [True, False]], 1), [True, False]),
        ("sometrue", ([[False, False], [True, False]], 1), [False, True]),
        ("product", (MATRIX, 0), [6, 5]),
        ("round_", ([1.234, 5.678], 1), [1.2, 5.7]),
        ("msort", (MATRIX,), [[2, 1], [3, 5]]),
        ("in1d", (MATRIX, [1, 2]), [False, True, True, False]),
        ("trapz", ([1, 2, 4], [0, 1, 3]), 7.5),  # (1 + 2) / 2 + (2 + 4) / 2 * 2
    ],
)
def test_functions(put_back, name, arguments, wanted):
    assert np.asarray(put_back(name)(*arguments)).tolist() == wanted


def test_strings_of_python_2(put_back):
    assert put_back("compat").basestring is str


@pytest.mark.parametrize("name", ["mirr", "npv", "pmt", "ppmt", "pv", "rate"])
def test_what_numpy_had_in_name_only(put_back, name):
    with pytest.raises(RuntimeError, match="numpy-financial"):
        put_back(name)(0.1, [1, 2])


def test_what_numpy_has_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(np, "trapz", "NumPy's own", raising=False)
    put_names_back()
    assert np.trapz == "NumPy's own"


def run(code: str) -> str:
    """What a new Python prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_names_are_there_only_once_mxnet_is_asked_for():
    """It comes before whoever imports MXNet, and whichever NumPy there is."""
    code = (
        "import mlsl_mx, numpy; before = 'PZERO' in vars(numpy); import gluoncv; print(before, numpy.PZERO, numpy.int)"
    )
    assert run(code) in ("False 0.0 <class 'int'>\n", "True 0.0 <class 'int'>\n")


def test_the_finder_goes_when_it_is_done():
    code = "import sys, mlsl_mx; there = [type(f).__name__ for f in sys.meta_path]; import mxnet\n"
    code += "print('_BeforeMXNet' in there, '_BeforeMXNet' in [type(f).__name__ for f in sys.meta_path])"
    assert run(code) == "True False\n"
