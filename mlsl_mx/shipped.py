"""Files that come with the program: experiments/, data_lists/ and the Makefile."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
FOLDER = "share"  # of the package, into which setup.py puts them


def shipped(name: str) -> Path:
    """A file or folder by its path in the project, whether the package is installed or lies in a checkout."""
    share = PACKAGE / FOLDER
    return (share if share.is_dir() else PACKAGE.parent) / name


def found(path: str) -> Path:
    """A path as the user or an experiment file gives it: in the current folder, or else of what comes with the program.

    >>> found("experiments/gta2city.yaml").name
    'gta2city.yaml'
    """
    here, there = Path(path), shipped(path)
    return there if there.exists() and not here.exists() else here
