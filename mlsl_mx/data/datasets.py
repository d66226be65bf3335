"""Data sets, the published three or one's own: lists of images with (or, for a target to adapt to, without) labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.classes import ClassSet
from mlsl_mx.config.published_data import PUBLISHED, PublishedData
from mlsl_mx.data.image_files import Header, header, read_image, size_text
from mlsl_mx.data.label_files import (
    LabelFormat,
    WrongLabels,
    check_header,
    pseudo_label_format,
    published_format,
    read_train_ids,
)
from mlsl_mx.data.lists import ImageList, image_name, read_list
from mlsl_mx.data.own.files import own_images, own_labels
from mlsl_mx.data.transforms import resized, resized_labels
from mlsl_mx.system.errors import InputError


@dataclass(frozen=True)
class LabelSource:
    """The label files of a data set's images, in the same order, and how one is read."""

    paths: tuple[Path, ...]
    form: LabelFormat
    resize: bool  # files of another size are resized with their image; pseudo-labels must fit
    orientation: str  # what they belong to: `upright` images, `stored` ones, or `unknown` where EXIF would turn them


class SceneDataset:
    """Street scenes by index. Files are opened when asked for; without a label source no label file is even looked for.

    Attributes: `images`, the list, whose `root`, `kind`, `entries` and `names` are here too; `classes`, whose train ids
        the labels hold; `size`, (height, width) or None.
    """

    def __init__(self, images: ImageList, classes: ClassSet, size: tuple[int, int] | None, labels: LabelSource | None):
        self.images = images
        self.root, self.kind, self.entries, self.names = images.root, images.kind, images.entries, images.names
        self.classes = classes
        self.size = size
        self._labels = labels

    @property
    def has_labels(self) -> bool:
        """Whether `label` may be called."""
        return self._labels is not None

    @property
    def label_format(self) -> LabelFormat:
        """What label files hold. Raises: RuntimeError if the data set was opened without labels."""
        return self._open_labels().form

    @property
    def label_orientation(self) -> str | None:
        """As of `LabelSource`; None without labels."""
        return None if self._labels is None else self._labels.orientation

    @property
    def upright(self) -> bool:
        """Whether images are turned as viewers show them."""
        return self.label_orientation != "stored"

    @property
    def fingerprint(self) -> str:
        """That of its list, classes, size and, of a user's own classes, labels: the key of cached statistics."""
        form = None if self._labels is None else self._labels.form
        return fingerprint(self.kind, self.entries, self.classes, self.size, form)

    def __len__(self) -> int:
        return len(self.entries)

    def image_path(self, index: int) -> Path:
        """The image's file."""
        return self.root / self.entries[index]

    def label_path(self, index: int) -> Path:
        """The label's file. Raises: RuntimeError if the data set was opened without labels."""
        return self._open_labels().paths[index]

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8, RGB, at `size` if that is given.

        Raises: InputError naming the file if it is missing or unreadable.
        """
        pixels = self.stored_image(index)
        return pixels if self.size is None else resized(pixels, self.size)

    def label(self, index: int) -> np.ndarray:
        """(H, W) train ids of the classes' `id_type`, `classes.ignore` without a class, at `size` if that is given.

        Raises: InputError naming the file if it is missing, unreadable or holds unknown ids, or, for a pseudo-label,
            is not of `size`; RuntimeError if the data set was opened without labels.
        """
        train_ids = self.stored_label(index)
        if self.size is None or train_ids.shape == tuple(self.size):
            return train_ids
        if self._open_labels().resize:
            return resized_labels(train_ids, self.size)
        raise WrongLabels(
            f"{self.label_path(index)}: is {size_text(train_ids.shape)}, but images are {size_text(self.size)}: "
            "remove the round's folder and make its pseudo-labels again"
        )

    def stored_image(self, index: int) -> np.ndarray:
        """The image at its file's own size. Raises: InputError as `image`."""
        return read_image(self.image_path(index), self.upright)

    def stored_label(self, index: int) -> np.ndarray:
        """The train ids at their file's own size. Raises: as `label`."""
        labels = self._open_labels()
        return read_train_ids(labels.paths[index], labels.form)

    def label_header(self, index: int) -> Header:
        """That of the label file. Raises: InputError as `label`, but for unknown ids."""
        labels = self._open_labels()
        found = header(labels.paths[index])
        check_header(labels.paths[index], found, labels.form)
        return found

    def subset(self, indices: Sequence[int]) -> SceneDataset:
        """Some of the images, in the order given."""
        images = replace(
            self.images,
            entries=tuple(self.entries[i] for i in indices),
            names=tuple(self.names[i] for i in indices),
        )
        labels = self._labels
        if labels is not None:
            labels = replace(labels, paths=tuple(labels.paths[i] for i in indices))
        return SceneDataset(images, self.classes, self.size, labels)

    def _open_labels(self) -> LabelSource:
        if self._labels is None:
            raise RuntimeError(f"{self.root}: opened without labels, so its label files must stay closed")
        return self._labels


def fingerprint(
    kind: str, entries: Sequence[str], classes: ClassSet, size: tuple[int, int] | None, form: LabelFormat | None
) -> str:
    """16 hex digits that change with the list, the classes, the size and, for one's own classes, what labels mean."""
    parts = [kind, *entries, *classes.names, str(size)]
    if form is not None and not classes.benchmark:
        parts.append(str((form.encodings, form.train_ids, form.ignored)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def open_dataset(
    kind: str,
    root: Path,
    images: Path,
    classes: ClassSet,
    size: tuple[int, int] | None,
    *,
    labels: bool,
    orientation: str = "unknown",
) -> SceneDataset:
    """The images that a list names, below `root`.

    Args:
        kind: a key of PUBLISHED.
        root: the data set's folder.
        images: the list, UTF-8, one path relative to `root` a line; label paths are derived from it.
        classes: whose train ids labels are given in.
        size: (height, width) to which files of another size are resized; None leaves each file its own.
        labels: whether labels may be read. If not, no label file is opened or even looked for.
        orientation: of `LabelSource`.

    Raises: InputError for a missing folder or a list that is missing, empty, not UTF-8, names an image twice or leads
        out of `root`, or (with labels) does not follow the data set's layout.
    """
    data, root = PUBLISHED[kind], Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder: put {data.title} there ({data.obtain})")
    entries = read_list(images)
    source = None
    if labels:
        paths = tuple(root / label for label in _label_entries(data, root, entries, images))
        source = LabelSource(paths, published_format(kind, classes), True, orientation)
    listed = ImageList(kind, root, entries, tuple(map(image_name, entries)))
    return SceneDataset(listed, classes, size, source)


def open_own(
    root: Path,
    images: str,
    labels: str,
    what: tuple[str, str],
    classes: ClassSet,
    *,
    size: tuple[int, int] | None,
    form: LabelFormat | None,
    orientation: str = "unknown",
) -> SceneDataset:
    """A user's own images, at a place as `data.own.files.place` takes it.

    Args:
        root: what the places are relative to.
        labels: the place of the labels.
        what: the keys of both in the experiment file.
        form: of the labels; None: no label file is opened or even looked for.
        orientation: of `LabelSource`.

    Raises: InputError as `own_images` and `own_labels`.
    """
    found = own_images(root, images, what[0])
    source = None
    if form is not None:
        source = LabelSource(own_labels(root, labels, found, what[1]), form, True, orientation)
    return SceneDataset(found, classes, size, source)


def no_images(classes: ClassSet) -> SceneDataset:
    """What stands for validation images where there are none."""
    labels = LabelSource((), pseudo_label_format(classes), False, "upright")
    return SceneDataset(ImageList(OWN, Path(), (), ()), classes, None, labels)


def with_pseudo_labels(dataset: SceneDataset, folder: Path) -> SceneDataset:
    """The same images with the labels `folder`/NAME.png, palette PNGs of train ids that must be of the images' size."""
    paths = tuple(Path(folder) / f"{name}.png" for name in dataset.names)
    source = LabelSource(paths, pseudo_label_format(dataset.classes), False, "upright")
    return SceneDataset(dataset.images, dataset.classes, dataset.size, source)


def remedy(kind: str) -> str:
    """What to do about a data set that is not complete or not the right one."""
    if kind == OWN:
        return "correct the files, or what the experiment file says of them: docs/YOUR_OWN_DATA.md"
    return f"obtain {PUBLISHED[kind].title} from {PUBLISHED[kind].obtain}"


def _label_entries(data: PublishedData, root: Path, entries: Sequence[str], images: Path) -> list[str]:
    there = (labels for labels in data.labels if (root / labels.partition(r"/\1")[0]).is_dir())
    template = next(there, data.labels[0])
    matches = [re.fullmatch(data.image, entry) for entry in entries]
    if None in matches:
        entry = entries[matches.index(None)]
        raise InputError(
            f"{images}: {entry!r} is not of the form {_example(data)} by which {data.title} finds its labels: "
            "follow that layout"
        )
    return [match.expand(template) for match in matches]


def _example(data: PublishedData) -> str:
    return data.image.replace("(.+)", "NAME").replace(r"\.\w+", ".png")
