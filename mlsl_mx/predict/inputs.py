"""Which images and videos are asked for, and what the results of each are called."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.data.file_kinds import IMAGE_ENDINGS, VIDEO_ENDINGS, has_ending, is_video, warn_of_images
from mlsl_mx.data.folders import files_below
from mlsl_mx.data.image_files import header, size_text
from mlsl_mx.predict.videos import video_facts
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress

LOGGER = logging.getLogger(__name__)
JPEG_SIDE = 65500  # pixels that libjpeg allows


@dataclass(frozen=True)
class Input:
    """An image or a video, and the name of its results: a path below the output folder, without kind and ending."""

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """By the file's ending."""
        return has_ending(self.path, VIDEO_ENDINGS)


def find_inputs(given: Sequence[Path], out: Path) -> tuple[list[Input], int]:
    """The files that are given, and those in given folders and below, in the order of their names.

    A result is called as its file, without the ending, in the folder that the file has below the given one. Files whose
    endings alone differ keep them. `files_below` says which files of a folder count; none does in `out`, which may lie
    there.

    Returns: the inputs, and how many files of folders are no images or videos.
    Raises: InputError for a path that is not there, or nothing to do, or two files whose results would have one name.
    """
    found: list[tuple[Path, Path]] = []
    skipped = 0
    for path in given:
        if path.is_dir():
            if out.exists() and out.samefile(path):
                raise InputError(f"{path}: is --out, too: name another folder for the results")
            files = files_below(path, apart=out)
            found += [(file, file.relative_to(path)) for file in files if _is_wanted(file)]
            others = [file for file in files if not _is_wanted(file)]
            skipped += len(others)
            warn_of_images(others, path)
        elif path.exists():
            found.append((path, Path(path.name)))
        else:
            raise InputError(f"{path}: no such file or folder: give images, videos or folders of them")
    if not found:
        endings = f"{', '.join(IMAGE_ENDINGS)}; {', '.join(VIDEO_ENDINGS)}"
        raise InputError(f"{given[0]}: no image or video among {skipped} files: names must end in {endings}")
    return _named(found), skipped


class Unreadable:
    """What becomes of files that cannot be read: the first ends all, or with `keep_going` they are told and left out.

    Attributes: `faults`, what is wrong with those that were left out.
    """

    def __init__(self, keep_going: bool):
        self.keep_going = keep_going
        self.faults: list[str] = []

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """A block that reads a file. Raises: its InputError, unless it goes on."""
        try:
            yield
        except InputError as problem:
            if not self.keep_going:
                raise
            LOGGER.warning("left out: %s", problem)
            self.faults.append(str(problem))


def check_inputs(
    inputs: Sequence[Input], patch: int | None, kinds: Sequence[str], unreadable: Unreadable
) -> list[Input]:
    """See from their headers that all can be read, and are neither smaller than a `patch` nor larger than pictures of
    these kinds can be.

    Returns: those that are so. Raises: InputError for the first that is not, as `unreadable` says.
    """
    sound = []
    for one in progress(inputs, "check", "file"):
        with unreadable.left_out():
            _check_size(one, patch, kinds)
            sound.append(one)
    return sound


def _check_size(one: Input, patch: int | None, kinds: Sequence[str]) -> None:
    size = video_facts(one.path).size if one.is_video else header(one.path).upright_size
    if patch is not None and min(size) < patch:
        raise InputError(
            f"{one.path}: is {size_text(size)}, smaller than a patch of SISC, {patch} pixels: lower --patch, or "
            "use --inference single"
        )
    if "overlay" in kinds and not one.is_video and max(size) > JPEG_SIDE:
        raise InputError(
            f"{one.path}: is {size_text(size)}, but an overlay is a JPEG, of at most {JPEG_SIDE} pixels a side: leave "
            "overlay out of --write"
        )


def _is_wanted(file: Path) -> bool:
    return has_ending(file, IMAGE_ENDINGS) or is_video(file)


def _named(found: Sequence[tuple[Path, Path]]) -> list[Input]:
    """Inputs from (file, its path below what was given); a file that was given twice counts once."""
    found = list({(os.path.realpath(file), below): (file, below) for file, below in found}.values())
    stems = Counter(below.with_suffix("") for _, below in found)
    inputs: dict[str, Input] = {}
    for file, below in found:
        stem = below.with_suffix("")
        one = Input(file, (stem if stems[stem] == 1 else below).as_posix())
        other = inputs.setdefault(one.name, one)
        if other is not one:
            raise InputError(
                f"{other.path} and {file}: the results of both would be called {one.name}: run them one after the "
                "other, each with its own --out, or give the folder that holds both"
            )
    return list(inputs.values())
