"""From the values of an experiment file to the dataclasses of `config.py`: keys and types, checked."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from typing import Any, Callable, Union, get_type_hints

from mlsl_mx.config.class_table import read_classes, read_ignore
from mlsl_mx.system.errors import InputError

LONGEST_SHOWN = 100  # characters of a wrong value in an error


def build(default, values: dict[str, Any], prefix: str, origin: str):
    """`default` (a dataclass instance) with `values` laid over it, group by group."""
    types = get_type_hints(type(default))
    changed = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key not in types:
            near = difflib.get_close_matches(str(key), types, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known here: {', '.join(types)}"
            raise InputError(f"{origin}: unknown key {name}: {hint}")
        if name in _READ:
            changed[key] = _READ[name](value, f"{origin}: {name}" if prefix else origin)
        elif not dataclasses.is_dataclass(types[key]):
            changed[key] = _typed(value, types[key], name, origin)
        elif isinstance(value, dict):
            changed[key] = build(getattr(default, key), value, f"{name}.", origin)
        else:
            raise InputError(f"{origin}: {name} is {shown(value)}, but it is a group of settings: write them below it")
    return dataclasses.replace(default, **changed)


# What is no single value, list of values or group.
_READ: dict[str, Callable[[Any, str], Any]] = {
    "classes": read_classes,
    "source.ignore": read_ignore,
    "target.ignore": read_ignore,
}


def shown(value) -> str:
    """A value in an error's line, which it must not fill."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


_WRITTEN = {int: "write digits", float: "write a number", bool: "write true or false", str: "write it in quotes"}


def _typed(value, kind, name: str, origin: str):
    if getattr(kind, "__origin__", None) is Union:  # Optional
        return None if value is None else _typed(value, kind.__args__[0], name, origin)
    if getattr(kind, "__origin__", None) is tuple:
        kinds = kind.__args__
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            raise InputError(f"{origin}: {name} is {shown(value)}, but must be a list of {len(kinds)} values")
        return tuple(_typed(v, k, name, origin) for v, k in zip(value, kinds))
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{origin}: {name} is {shown(value)}, but must be of type {kind.__name__}: {_WRITTEN[kind]}")
    if kind is str and not value.isprintable():
        raise InputError(f"{origin}: {name} is {shown(value)}: leave out what cannot be printed")
    if kind is float and not abs(value) <= sys.float_info.max:
        raise InputError(f"{origin}: {name} is not a finite number: give one")
    return float(value) if kind is float else value
