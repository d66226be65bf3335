"""Lists of images, text files with one path a line below the data set's folder; and the names of what they list."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.text_files import read_text


@dataclass(frozen=True)
class ImageList:
    """Some images of a data set, in order."""

    kind: str  # of the data set
    root: Path
    entries: tuple[str, ...]  # paths below root
    names: tuple[str, ...]  # under which results are filed
    keys: tuple[str, ...] = ()  # of a user's own images: by which labels are found


def read_list(path: Path) -> tuple[str, ...]:
    """The image paths of a list; blank lines do not count.

    Raises: InputError for a list that is missing, empty, not UTF-8, names an image twice or leads out of its folder.
    """
    lines = read_lines(path)
    check_names(path, lines, [image_name(entry) for entry in lines.values()])
    return tuple(lines.values())


def read_lines(path: Path, anywhere: bool = False) -> dict[int, str]:
    """The paths of a list by the number of their line.

    Args:
        anywhere: they may be absolute or lead out of the folder, as those of one's own data.

    Raises: InputError as `read_list`, but for names given twice.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such list of images: see data_lists/") from None
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: cannot be read ({problem}): name a text file of image paths") from None
    lines = {number: line.strip() for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    if not lines:
        start = "the list's" if anywhere else "the data set's"
        raise InputError(f"{path}: holds no image path: write one a line, relative to {start} folder")
    for number, entry in lines.items():
        pure = PurePosixPath(entry)
        if not entry.isprintable() or pure.name in ("", ".."):
            raise InputError(f"{path}:{number}: {entry!r} is not the path of an image: write a printable path")
        if not anywhere and (pure.is_absolute() or ".." in pure.parts):
            raise InputError(
                f"{path}:{number}: {entry!r} is not a path below the data set's folder: write it relative, without .."
            )
    return lines


def check_names(path: Path, lines: dict[int, str], names: Sequence[str]) -> None:
    """Raises: InputError if two lines of a list have one of the `names`, which are in the order of `lines`."""
    first_with: dict[str, int] = {}
    for (number, entry), name in zip(lines.items(), names, strict=True):
        first = first_with.setdefault(name, number)
        if first != number:
            raise InputError(
                f"{path}:{number}: {entry!r} has the name of line {first} ({lines[first]!r}): results are filed by "
                "name, so keep one of them or rename the image"
            )


def image_name(entry: str) -> str:
    """The image's name in results: the file's, without suffix and without Cityscapes' `_leftImg8bit`, in NFC."""
    stem, ending = composed(PurePosixPath(entry).stem), "_leftImg8bit"
    return stem[: -len(ending)] if stem.endswith(ending) and stem != ending else stem


def composed(name: str) -> str:
    """In the form in which names are compared, NFC; macOS stores them decomposed, NFD."""
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


def without_held_out(count: int, share: float) -> tuple[list[int], list[int]]:
    """Which of 0..count-1 are trained on, and which are held out: the middle of each of `share * count` stretches, none
    for a share of 0."""
    held = max(1, round(share * count)) if share else 0
    chosen = {(2 * k + 1) * count // (2 * held) for k in range(held)}
    return [index for index in range(count) if index not in chosen], sorted(chosen)


def evenly_spread(count: int, most: int) -> list[int]:
    """Up to `most` of the indices 0..count-1, at equal distances from the first on."""
    return [i * count // min(most, count) for i in range(min(most, count))]
