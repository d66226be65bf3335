"""A user's own code, named in an experiment file, or on the command line, as `package.module:name`."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlsl_mx.system.errors import InputError, first_line, meaning
from mlsl_mx.system.whole_files import file_hash

SPEC = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def imported(spec: str, key: str) -> Any:
    """What `package.module:name` names: of an installed package, or of a file below the current folder or PYTHONPATH.

    Args:
        key: of the setting that names it, for errors.

    Raises: InputError for a spec of another form, a module that cannot be imported, a name that is not in it, or what
        cannot be called.
    """
    check_spec(spec, key)
    module_name, _, name = spec.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # last: no file there takes the place of a package
    try:
        module = importlib.import_module(module_name)
    except Exception as problem:  # anything can go wrong in another's code
        raise InputError(
            f"{key} is {spec}: importing {module_name} failed with {type(problem).__name__} ({first_line(problem)}): "
            f"see that `{os.path.basename(sys.executable)} -c 'import {module_name}'` works in this folder"
        ) from problem
    try:
        found = getattr(module, name)
    except AttributeError:
        raise InputError(f"{key} is {spec}: {module.__file__} has no {name}: correct one of them") from None
    if not callable(found):
        raise InputError(f"{key} is {spec}: {name} is of type {type(found).__name__}: name a function or a class")
    return found


def own_function(spec: str, key: str) -> Callable:
    """As `imported`, of a function that is called as `called_for` has it."""
    function = imported(spec, key)

    def called(*arguments):
        with called_for(f"{key} is {spec}"):
            return function(*arguments)

    return called


@contextmanager
def called_for(what: str, when: str = "", command: str = "") -> Iterator[None]:
    """A block that calls a user's own code, in which anything can go wrong: that is no bug of ours.

    Args:
        what, when: the line's beginning, and what comes after the problem.
        command: as of `meaning`.

    Raises: InputError for every exception, but for one that is the machine's by its `meaning`.
    """
    try:
        yield
    except Exception as problem:
        if isinstance(problem, InputError) or meaning(problem, command):
            raise
        text = f"{what}: {type(problem).__name__} ({first_line(problem)}){when}; -v shows where"
        raise InputError(text) from problem


def code_files(spec: str, key: str) -> tuple[Path, ...]:
    """The file that `package.module:name` names and, where that has it from another, the one that defines it.

    For a partial function or an instance the latter is its class's file; the user may change only the former.

    Raises: InputError as `imported`.
    """
    defined = getattr(imported(spec, key), "__module__", None)
    modules = (sys.modules.get(name) for name in dict.fromkeys((spec.partition(":")[0], defined)))
    return tuple(Path(module.__file__) for module in modules if getattr(module, "__file__", None))


def code_hashes(specs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What to note of the (key, `package.module:name`) that settings name: the hash of each one's files; {} for none.

    Raises: InputError as `imported`.
    """
    hashes = {key: file_hash(*code_files(spec, key)) for key, spec in specs}
    return {"own_code": hashes} if hashes else {}


def check_spec(spec: str, key: str, names: Iterable[str] = ()) -> None:
    """Raises: InputError if a setting, which is none of `names`, is not of the form `package.module:name`."""
    if not SPEC.fullmatch(spec):
        known = f"use one of {', '.join(names)}, or" if names else "write"
        raise InputError(f"{key} is {spec!r}: {known} package.module:name of your own code, e.g. my_code.parts:MyPart")
