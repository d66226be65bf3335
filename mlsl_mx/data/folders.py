"""Which files are in a user's folder and below, on any disk in the same order."""

from __future__ import annotations

import os
from pathlib import Path

from mlsl_mx.errors import InputError


def files_below(folder: Path, apart: Path | None = None) -> list[Path]:
    """All files in a folder and below, also behind links, for data sets are linked; but none in hidden folders.

    Args:
        apart: a folder that is left out, wherever it lies.

    Raises: InputError for a folder that cannot be read.
    """
    files: list[Path] = []
    entered = {os.path.realpath(apart)} if apart else set()
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        here = os.path.realpath(place)
        if here in entered:  # a link may lead back
            folders.clear()
            continue
        entered.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(place, name) for name in sorted(names)]
    return files


def _unreadable(problem: OSError) -> None:
    raise InputError(f"{problem.filename}: cannot be read ({problem.strerror}): check its permissions") from None
