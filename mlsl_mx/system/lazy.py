"""Names of a room that need MXNet, and so are imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(room: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        room: the package's `__name__`.
        modules: name -> module that has it.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return get
