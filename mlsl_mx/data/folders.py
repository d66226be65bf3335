"""Which files are in a user's folder and below, on any disk in the same order: one rule, wherever a folder is given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mlsl_mx.system.errors import InputError

# Folders in which systems keep thumbnails, copies and what was deleted, in lower case. Others of theirs are hidden.
SYSTEM_FOLDERS = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "@thumb"),  # QNAP
        *("$recycle.bin", "recycler", "recycled", "system volume information", "found.000"),  # Windows
        *("__macosx", "network trash folder", "temporary items"),  # macOS, in zip files and on servers
        *("lost+found", "~snapshot"),  # ext4, NetApp
    )
)


def files_below(folder: Path, apart: Path | None = None) -> list[Path]:
    """All files in a folder and below, by their paths, links to files too.

    Linked folders are entered, for data sets are linked, but no folder twice: one that lies below `folder` itself is
    there under its own name, whatever links lead to it. Neither hidden files nor what is in hidden folders or in
    SYSTEM_FOLDERS counts; `folder` itself may be such a one.

    Args:
        apart: a folder that is left out, wherever it lies.

    Raises: InputError for a folder that cannot be read.
    """
    files: list[Path] = []
    entered = {os.path.realpath(apart)} if apart else set()
    waiting = [str(folder)]
    while waiting:
        links: list[str] = []
        for start in waiting:
            for place, folders, names in os.walk(start, onerror=_unreadable):
                here = os.path.realpath(place)
                if here in entered:  # a link may lead back
                    folders.clear()
                    continue
                entered.add(here)
                folders[:] = _data_folders(folders)
                links += [path for path in (os.path.join(place, name) for name in folders) if os.path.islink(path)]
                files += [Path(place, name) for name in names if not name.startswith(".")]
        waiting = links  # only now: what is below `folder` without them keeps its own name
    return sorted(files)


def _data_folders(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in SYSTEM_FOLDERS)


def _unreadable(problem: OSError) -> None:
    raise InputError(
        f"{problem.filename}: cannot be read ({problem.strerror}): check the path and its permissions"
    ) from None
