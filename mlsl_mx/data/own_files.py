"""A user's own images and labels: found by a folder, a pattern or a list, and matched by name.

A place is a folder (all images below it), a pattern of file names below a folder (`FOLDER/PREFIX{name}SUFFIX`), or a
text file with one path a line, relative to that file's folder. An image and its label have one key: the path below
their folder without ending, prefix and suffix, in one form of Unicode.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Iterable, Sequence

from mlsl_mx.class_table import OWN
from mlsl_mx.data.file_kinds import IMAGE_ENDINGS, has_ending, warn_of_images
from mlsl_mx.data.folders import files_below
from mlsl_mx.data.lists import ImageList, check_names, read_lines
from mlsl_mx.data.names import composed, on_disk
from mlsl_mx.errors import InputError

NAME = "{name}"


@dataclass(frozen=True)
class Place:
    """Where images or labels are: below `folder`, in files whose names begin and end like this; or in a list."""

    folder: Path
    prefix: str = ""
    suffix: str | None = None  # None: any of IMAGE_ENDINGS
    listed: Path | None = None

    def key(self, entry: str) -> str | None:
        """That of a file by its path below `folder`; None for a file that does not belong."""
        path = PurePosixPath(composed(entry))
        if self.suffix is None:
            return str(path.with_suffix("")) if has_ending(path, IMAGE_ENDINGS) else None
        prefix, suffix = composed(self.prefix), composed(self.suffix)
        inner = len(path.name) - len(prefix) - len(suffix)
        if inner <= 0 or not (path.name.startswith(prefix) and path.name.endswith(suffix)):
            return None
        return str(path.with_name(path.name[len(prefix) :][:inner]))


def place(root: Path, text: str, what: str) -> Place:
    """A folder, pattern or list as an experiment file names it, relative to `root`.

    Args:
        what: the key in the experiment file, e.g. "source.images".

    Raises: InputError if there is no such folder or file.
    """
    path = root / text
    if NAME in path.name:
        prefix, _, suffix = path.name.partition(NAME)
        found = Place(on_disk(path.parent), prefix, suffix)
    elif os.path.isfile(path := on_disk(path)):
        return Place(path.parent, listed=path)
    else:
        found = Place(path)
    if not os.path.isdir(found.folder):
        raise InputError(f"{what}: {found.folder}: no such folder or list: correct the path")
    return found


def own_images(root: Path, text: str, what: str) -> ImageList:
    """The images at a place, in the order of their paths, or of the list.

    Raises: InputError if there are none, or if two would be filed under one name.
    """
    where = place(root, text, what)
    if where.listed:
        lines = read_lines(where.listed)
        keys = [composed(str(PurePosixPath(line).with_suffix(""))) for line in lines.values()]
        entries = [_entry(where.folder, line) for line in lines.values()]
    else:
        files = _files(where)
        keys, entries = list(files), list(files.values())
    if not entries:
        kinds = ", ".join(IMAGE_ENDINGS) if where.suffix is None else f"{where.prefix}*{where.suffix}"
        raise InputError(f"{what}: {where.folder}: holds no image ({kinds}): correct the path or the pattern")
    names = _names(keys)
    check_names(where.listed or where.folder, dict(enumerate(entries, start=1)), names)
    return ImageList(OWN, where.folder, tuple(entries), names, tuple(keys))


def own_labels(root: Path, text: str, images: ImageList, what: str) -> tuple[Path, ...]:
    """The label file of each image.

    Args:
        text: the place of the labels: the same path below it as the image's, or else the file of the same name, if no
            other image and no other label has it; a list has them in the order of the list of images.

    Raises: InputError with how many images have no label, and examples.
    """
    where = place(root, text, what)
    if where.listed:
        lines = list(read_lines(where.listed).values())
        if len(lines) != len(images.entries):
            raise InputError(
                f"{where.listed}: {len(lines)} labels, but there are {len(images.entries)} images: list the label of "
                "each image, in the same order"
            )
        return tuple(on_disk(where.folder / line) for line in lines)
    files = _files(where)
    alone = _alone(images.keys).keys()
    by_name = {name: key for name, key in _alone(files).items() if name in alone}
    keys = [key if key in files else by_name.get(PurePosixPath(key).name) for key in images.keys]
    if None in keys:
        raise InputError(_mismatch(where, images, keys, files, what))
    return tuple(where.folder / files[key] for key in keys)


def _entry(folder: Path, line: str) -> str:
    """A line of a list, as the disk names the file."""
    file = on_disk(folder / line)
    return line if file == folder / line else os.path.relpath(file, folder)


def _alone(keys: Iterable[str]) -> dict[str, str]:
    """Name -> key of the files whose name no other has, in whatever folder."""
    names = Counter(PurePosixPath(key).name for key in keys)
    return {PurePosixPath(key).name: key for key in keys if names[PurePosixPath(key).name] == 1}


def _mismatch(where: Place, images: ImageList, keys: Sequence[str | None], files: dict[str, str], what: str) -> str:
    without = [entry for entry, key in zip(images.entries, keys) if key is None]
    unused = [files[key] for key in files if key not in set(keys)]
    others = f"; {len(unused)} labels have no image, e.g. {unused[0]}" if unused else ""
    return (
        f"{what}: {len(without)} of {len(keys)} images of {images.root} have no label in {where.folder}, e.g. "
        f"{without[0]}{others}: name labels like their images, or write a pattern such as labels/{NAME}_seg.png"
    )


def _files(where: Place) -> dict[str, str]:
    """Key -> path below the folder, in the order of the paths; hidden files and folders do not count."""
    found: dict[str, str] = {}
    others = []
    for file in files_below(where.folder):
        entry = file.relative_to(where.folder).as_posix()
        key = None if file.name.startswith(".") else where.key(entry)
        if key is None:
            others.append(file)
            continue
        if not entry.isprintable():
            raise InputError(f"{where.folder}: {entry!r} holds a character that cannot be printed: rename the file")
        if key in found:
            raise InputError(
                f"{where.folder}: {found[key]} and {entry} have one name: keep one, or write a pattern such as "
                f"images/{NAME}.png"
            )
        found[key] = entry
    if where.suffix is None:  # a pattern leaves out what it is to leave out
        warn_of_images(others, where.folder)
    return dict(sorted(found.items(), key=lambda item: composed(item[1])))


def _names(keys: Sequence[str]) -> tuple[str, ...]:
    """What results are filed under: the file's name, with its folders where several have it."""
    last = Counter(PurePosixPath(key).name for key in keys)
    return tuple(
        PurePosixPath(key).name if last[PurePosixPath(key).name] == 1 else key.replace("/", "_") for key in keys
    )
