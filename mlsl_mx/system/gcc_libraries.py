"""GCC's libraries that MXNet's wheel leaves to the system, from other packages where the system has none.

A bare Debian has neither. Wheels that bring them give each a name of its own, with a hash, by which the dynamic linker
does not know it as what MXNet asks for; so a copy in memory, of the plain name again, is loaded before MXNet is.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

# Library -> the package whose wheel brings it. libquadmath is for x86-64 alone, and so are the wheels' copies.
LIBRARIES = {"libgomp.so.1": "pykdtree", "libquadmath.so.0": "numpy"}


def load_system_libraries() -> None:
    """Load each of LIBRARIES: the system's if there is one. What is nowhere is left to MXNet's import to name."""
    if sys.platform != "linux":
        return
    for library, package in LIBRARIES.items():
        copy = None if _loads(library) else _bundled(library, package)
        if copy is not None:
            _loads(_renamed(copy, library))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _bundled(library: str, package: str) -> Path | None:
    """A package's copy, e.g. pykdtree.libs/libgomp-870cb1d0.so.1.0.0 of libgomp.so.1."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    stem, version = library.split(".so.")
    return next(Path(spec.origin).parents[1].glob(f"{package}.libs/{stem}-*.so.{version}.*"), None)


def _renamed(copy: Path, library: str) -> str:
    """The path of a file in memory: the copy, but that the name in it is the one that others ask for."""
    name = copy.name.encode() + b"\0"
    file = os.memfd_create(library)  # left open: the linker tells libraries apart by their paths
    os.write(file, copy.read_bytes().replace(name, library.encode().ljust(len(name), b"\0")))
    return f"/proc/self/fd/{file}"
