"""What lies in the folders of a user's own data: images with their sizes, and what label files hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.data.image_files import Header, header, size_text
from mlsl_mx.data.lists import ImageList
from mlsl_mx.data.own.files import own_images, own_labels
from mlsl_mx.data.own.label_survey import Survey, survey
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress


@dataclass(frozen=True)
class Places:
    """Where the user says that images and labels are: each a folder, a pattern, or a list."""

    source_images: str
    source_labels: str
    target: str
    val: str = ""
    val_labels: str = ""
    encoding: str = ""  # of the source's labels and of those to validate on; empty: found out
    val_encoding: str = ""


@dataclass(frozen=True)
class Part:
    """What is there of the source, the target, or the images to validate on."""

    headers: list[Header]  # of all images
    labels: Survey | None

    @property
    def turned(self) -> int:
        """How many images have an EXIF orientation."""
        return sum(one.orientation != 1 for one in self.headers)

    def shorter_side(self, share: float) -> int:
        """The quantile `share` of the images' shorter sides, in pixels: 0 is the smallest, 0.5 the median."""
        return sorted(min(one.upright_size) for one in self.headers)[int(share * len(self.headers))]

    def size_range(self) -> str:
        """Width x height, as people write it."""
        sizes = [one.upright_size for one in self.headers]
        different = sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
        portrait = sum(height > width for height, width in sizes)
        text = size_text(different[0])
        if len(different) > 1:
            text = f"{len(different)} sizes, {text} to {size_text(different[-1])}"
        return f"{text}, {portrait} of them portrait" if portrait else text


@dataclass(frozen=True)
class Contents:
    """What is there."""

    source: Part
    target: Part
    val: Part | None


def look(places: Places) -> Contents:
    """Find all files and see what labels hold.

    Raises: InputError for files that are missing, damaged, without labels or no labels, or on both sides of adapting
        and validating.
    """
    here = Path()
    source = own_images(here, places.source_images, "--source-images")
    labels = own_labels(here, places.source_labels, source, "--source-labels")
    target, val = own_images(here, places.target, "--target"), None
    if places.val:
        images = own_images(here, places.val, "--val")
        paths = own_labels(here, places.val_labels, images, "--val-labels")
        _check_apart(target, [*(images.root / entry for entry in images.entries), *paths])
        val = _part("validation", images, paths, places.val_encoding)
    return Contents(_part("source", source, labels, places.encoding), _part("target", target), val)


def _check_apart(target: ImageList, validation: Sequence[Path]) -> None:
    """Raises: InputError if an image to adapt to is a validation image, or a label of one."""
    adapted = {os.path.realpath(target.root / entry) for entry in target.entries}
    for path in validation:
        if os.path.realpath(path) in adapted:
            raise InputError(f"--target: {path} is a file to validate on, not to adapt to: name a place without it")


def _part(title: str, images: ImageList, labels: Sequence[Path] | None = None, encoding: str = "") -> Part:
    paths = [images.root / entry for entry in images.entries]
    headers = [header(path) for path in progress(paths, f"{title} images", "image")]
    return Part(headers, None if labels is None else survey(labels, f"{title} labels", encoding))
