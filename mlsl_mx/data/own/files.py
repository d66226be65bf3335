"""A user's own images and labels: found by a folder, a pattern or a list, and matched by name.

A place is a folder (all images below it), a pattern (`FOLDER/PREFIX{name}SUFFIX` of files, `FOLDER/{name}/rgb` of
folders), or a text file with one path a line, relative to that file's folder. An image and its label have one key: the
path below their folder without ending and without what the pattern fixes, in one form of Unicode.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from mlsl_mx.config.class_table import OWN
from mlsl_mx.data.file_kinds import IMAGE_ENDINGS, has_ending, warn_of_images
from mlsl_mx.data.folders import files_below
from mlsl_mx.data.lists import ImageList, check_names, composed, on_disk, read_lines
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.surroundings import unfit_name

NAME = "{name}"


@dataclass(frozen=True)
class Place:
    """Where images or labels are: below `folder`, in files whose paths are like this; or in a list."""

    folder: Path
    pattern: str | None = None  # path below `folder` with {name} in it; None: any of IMAGE_ENDINGS
    listed: Path | None = None

    def key(self, entry: str) -> str | None:
        """That of a file by its path below `folder`; None for a file that does not belong."""
        path = PurePosixPath(composed(entry))
        if self.pattern is None:
            return str(path.with_suffix("")) if has_ending(path, IMAGE_ENDINGS) else None
        match = self._form.fullmatch(str(path))
        if match is None:
            return None
        names = list(match.groups())
        if self._of_folders and names[-1] is not None:
            if not has_ending(path, IMAGE_ENDINGS):
                return None
            names[-1] = str(PurePosixPath(names[-1]).with_suffix(""))
        return "/".join(name for name in names if name is not None)

    @property
    def _of_folders(self) -> bool:
        """Whether the pattern ends with a fixed name: that of a file, or of folders with images below them."""
        return NAME not in PurePosixPath(self.pattern).name

    @cached_property
    def _form(self) -> re.Pattern:
        """The pattern as a regular expression. Groups: folders above, each {name}, and what is below its folders."""
        fixed = map(re.escape, composed(self.pattern).split(NAME))
        return re.compile("(?:(.+?)/)??" + "([^/]+)".join(fixed) + ("(?:/(.+))?" if self._of_folders else ""))


def place(root: Path, text: str, what: str) -> Place:
    """A folder, pattern or list as an experiment file names it, relative to `root`.

    Args:
        what: the key in the experiment file, e.g. "source.images".

    Raises: InputError if there is no such folder or file.
    """
    path = root / text
    folders = [part for part in path.parents if NAME not in str(part)]
    if NAME in str(path):
        found = Place(on_disk(folders[0]), path.relative_to(folders[0]).as_posix())
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
        lines = read_lines(where.listed, anywhere=True)
        keys = [_listed_key(line) for line in lines.values()]
        entries = [_entry(where.folder, line) for line in lines.values()]
    else:
        files = _files(where)
        keys, entries = list(files), list(files.values())
    if not entries:
        kinds = where.pattern or ", ".join(IMAGE_ENDINGS)
        raise InputError(f"{what}: {where.folder}: holds no image ({kinds}): correct the path or the pattern")
    names = _names(keys)
    check_names(where.listed or where.folder, dict(enumerate(entries, start=1)), names)
    return ImageList(OWN, where.folder, tuple(entries), names, tuple(keys))


def own_labels(root: Path, text: str, images: ImageList, what: str) -> tuple[Path, ...]:
    """The label file of each image.

    Args:
        text: the place of the labels: the same path below it as the image's, or else the file of the same name, if no
            other image and no other label has it; a list has them in the order of the images.

    Raises: InputError with how many images have no label, and examples; of a list as `_check_order`.
    """
    where = place(root, text, what)
    if where.listed:
        lines = read_lines(where.listed, anywhere=True)
        _check_order(where.listed, lines, images.keys)
        return tuple(on_disk(where.folder / line) for line in lines.values())
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
    return str(file if os.path.isabs(line) else file.relative_to(folder))


def _listed_key(line: str) -> str:
    return composed(str(PurePosixPath(line).with_suffix("")))


def _check_order(listed: Path, lines: dict[int, str], images: Sequence[str]) -> None:
    """Labels of a list belong to the images line by line; so their names may not say otherwise.

    Args:
        listed, lines: the list of labels, its lines by their numbers.
        images: the images' keys.

    Raises: InputError for another number of labels than of images, or for a label that has the name of another image.
    """
    if len(lines) != len(images):
        raise InputError(
            f"{listed}: {len(lines)} labels, but there are {len(images)} images: list the label of each image, in the "
            "same order"
        )
    wanted, names = _telling(images), _telling([_listed_key(line) for line in lines.values()])
    image = dict(zip(wanted, images, strict=True))
    for (number, line), name, right in zip(lines.items(), names, wanted, strict=True):
        if name != right and name in image:
            raise InputError(
                f"{listed}:{number}: {line!r} would be the label of {image[right]!r}, but {image[name]!r} is an image "
                "too: list labels in the order of the images, or name their folder or a pattern, to match them by name"
            )


def _telling(keys: Sequence[str]) -> list[tuple[str | int, ...]]:
    """What tells these paths apart: their words and numbers without those that all of them have."""
    words = [tuple(int(word) if word.isdecimal() else word for word in re.findall(r"[^\W_]+", key)) for key in keys]
    shared = set.intersection(*map(set, words))
    return [tuple(word for word in some if word not in shared) for some in words]


def _alone(keys: Iterable[str]) -> dict[str, str]:
    """Name -> key of the files whose name no other has, in whatever folder."""
    names = Counter(PurePosixPath(key).name for key in keys)
    return {PurePosixPath(key).name: key for key in keys if names[PurePosixPath(key).name] == 1}


def _mismatch(where: Place, images: ImageList, keys: Sequence[str | None], files: dict[str, str], what: str) -> str:
    without = [entry for entry, key in zip(images.entries, keys, strict=True) if key is None]
    if gone := [entry for entry in without if not (images.root / entry).exists()]:
        remedy = "write / between folders" if "\\" in gone[0] else "correct the list, or the link"
        return f"{what}: the image {str(images.root / gone[0])!r} is not there: {remedy}"
    unused = [files[key] for key in files if key not in set(keys)]
    others = f"; {len(unused)} labels have no image, e.g. {unused[0]}" if unused else ""
    return (
        f"{what}: {len(without)} of {len(keys)} images of {images.root} have no label in {where.folder}, e.g. "
        f"{without[0]}{others}: name labels like their images, or write a pattern such as labels/{NAME}_seg.png"
    )


def _files(where: Place) -> dict[str, str]:
    """Key -> path below the folder, in the order of the paths."""
    found: dict[str, str] = {}
    others = []
    for file in files_below(where.folder):
        entry = file.relative_to(where.folder).as_posix()
        key = where.key(entry)
        if key is None:
            others.append(file)
            continue
        if not entry.isprintable():
            raise InputError(f"{where.folder}: {unfit_name(entry)}")
        if key in found:
            raise InputError(
                f"{where.folder}: {found[key]} and {entry} have one name: keep one, or write a pattern such as "
                f"images/{NAME}.png"
            )
        found[key] = entry
    if where.pattern is None:  # a pattern leaves out what it is to leave out
        warn_of_images(others, where.folder)
    return dict(sorted(found.items(), key=lambda item: composed(item[1])))


def _names(keys: Sequence[str]) -> tuple[str, ...]:
    """What results are filed under: the file's name, with its folders where several have it."""
    paths = [PurePosixPath(key) for key in keys]
    last = Counter(path.name for path in paths)
    return tuple(
        path.name if last[path.name] == 1 else "_".join(part for part in path.parts if part not in ("/", ".."))
        for path in paths
    )
