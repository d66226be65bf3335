"""Which files a run watches for a user's own code."""

from __future__ import annotations

import sys

import pytest

from mlsl_mx.system.errors import InputError, first_line
from mlsl_mx.system.own_code import code_files, own_function

OTHER = """
def made(): pass


class Made:
    def __call__(self): pass
"""


@pytest.mark.parametrize(
    ("content", "files"),
    [
        ("def made(): pass", ["named_code.py"]),
        ("from other_code import made", ["named_code.py", "other_code.py"]),
        ("import functools, other_code\nmade = functools.partial(other_code.made)", ["named_code.py", "functools.py"]),
        ("import other_code\nmade = other_code.Made()", ["named_code.py", "other_code.py"]),
        ("made = dict", ["named_code.py"]),
    ],
)
def test_the_file_that_is_named_and_the_one_it_takes_it_from(tmp_path, monkeypatch, content, files):
    for name, code in (("named_code", content), ("other_code", OTHER)):
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    found = code_files("named_code:made", "selection.rule")
    assert [path.name for path in found] == files and found[0] == tmp_path / "named_code.py"


def test_what_cannot_be_called_is_refused(tmp_path, monkeypatch):
    (tmp_path / "number_code.py").write_text("made = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="^selection.rule is number_code:made: made is of type int: name a function"):
        code_files("number_code:made", "selection.rule")


def test_of_mxnets_errors_the_end_is_shown():
    problem = RuntimeError("Traceback (most recent call last):\n  File x\nMXNetError: Shapes differ.\n")
    assert first_line(problem) == "MXNetError: Shapes differ."


def test_what_a_users_function_raises_is_said_in_a_line(tmp_path, monkeypatch):
    (tmp_path / "raising_code.py").write_text("def made(error): raise error\n")
    monkeypatch.syspath_prepend(tmp_path)
    made = own_function("raising_code:made", "selection.rule")
    with pytest.raises(InputError, match=r"^selection.rule is raising_code:made: ValueError \(bad\); -v shows where$"):
        made(ValueError("bad\nand more"))
    with pytest.raises(MemoryError):  # the machine's: what to do about it is known
        made(MemoryError())
