"""Files that come with the program: experiments/, data_lists/ and the Makefile."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Of experiments/: the paper's tables, the published program's scripts, the ablations.
METHOD_FILES = ("methods/*.yaml", "released/released-*.yaml", "ablations/*.yaml")
FOLDER = "share"  # of the package, into which setup.py puts them


def packaged(name: str) -> Path:
    """A file or folder by its path in the project, whether the package is installed or lies in a checkout."""
    share = PACKAGE / FOLDER
    return (share if share.is_dir() else PACKAGE.parent) / name


def existing(path: str) -> Path:
    """A path as the user or an experiment file gives it: in the current folder, or else of what comes with the program.

    >>> existing("experiments/gta2city.yaml").name
    'gta2city.yaml'
    """
    here, there = Path(path), packaged(path)
    return there if there.exists() and not here.exists() else here
