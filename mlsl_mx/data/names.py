"""Names in Unicode: one that looks the same may be stored composed (NFC) or, as macOS does, decomposed (NFD)."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def composed(name: str) -> str:
    """In the form in which names are compared, NFC."""
    return unicodedata.normalize("NFC", name)


def on_disk(path: Path) -> Path:
    """A file or folder that somebody named, as the disk names it; the path itself if there is none."""
    if str(path).isascii() or os.path.lexists(path) or path == path.parent:
        return path
    folder = on_disk(path.parent)
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if composed(name) == composed(path.name):
                return folder / name
    return path
