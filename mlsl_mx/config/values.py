"""From the values of an experiment file to the dataclasses of `settings.py`: keys and types, checked."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Iterable
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from mlsl_mx.config.setting import setting_of
from mlsl_mx.system.errors import InputError, shortened


def build(default, values: dict[str, Any], prefix: str, origin: str):
    """`default` (a dataclass instance) with `values` laid over it, group by group."""
    kinds = get_type_hints(type(default))
    changed = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key not in kinds:
            near = nearest(key, kinds)
            hint = f"did you mean {prefix}{near}?" if near else f"known here: {', '.join(kinds)}"
            raise InputError(f"{origin}: unknown key {name}: {hint}")
        known = setting_of(default, key)
        if known is not None and known.read is not None:
            changed[key] = known.read(value, f"{origin}: {name}" if prefix else origin)
        elif known is not None:
            changed[key] = _typed(value, kinds[key], name, origin)
        elif isinstance(value, dict):
            changed[key] = build(getattr(default, key), value, f"{name}.", origin)
        else:
            raise InputError(f"{origin}: {name} is {shown(value)}, but it is a group of settings: write them below it")
    return dataclasses.replace(default, **changed)


def shown(value) -> str:
    """A value in an error's line, as YAML has it, and not all of a long one."""
    return shortened("null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value))


def nearest(word: Any, known: Iterable[str]) -> str | None:
    """Which of the known words somebody is likely to have meant."""
    return next(iter(difflib.get_close_matches(str(word), known, n=1)), None)


_WRITTEN = {int: "write digits", float: "write a number", bool: "write true or false", str: "write it in quotes"}


def _typed(value, kind, name: str, origin: str):
    if get_origin(kind) is UnionType:  # with None
        return None if value is None else _typed(value, get_args(kind)[0], name, origin)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            raise InputError(f"{origin}: {name} is {shown(value)}, but must be a list of {len(kinds)} values")
        return tuple(_typed(v, k, name, origin) for v, k in zip(value, kinds, strict=True))
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{origin}: {name} is {shown(value)}, but must be of type {kind.__name__}: {_WRITTEN[kind]}")
    if kind is str and not value.isprintable():
        raise InputError(f"{origin}: {name} is {shown(value)}: remove the unprintable characters")
    if kind is float and not abs(value) <= sys.float_info.max:
        raise InputError(f"{origin}: {name} is not a finite number: give one")
    return float(value) if kind is float else value
