"""The class table: names and colours. The ids that each data set uses for them are in `published_data.py`.

Train ids are the Cityscapes ones, 0..18, in the order of the paper's Table 1. The 16 classes that SYNTHIA shares with
Cityscapes are renumbered 0..15 in the same order (Table 2); mIoU* is over 13 of them. An experiment may bring a table
of its own (`class_table.py`), whose train ids are in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.system.errors import InputError

IGNORE = 255  # of up to 255 classes; see `ignore_id`
MOST_TRAIN_IDS = (
    65534  # in 16 bits; of the other two ids one is ignore, one marks pixels of a file that are of no class
)
MOST_CLASSES = 2048  # whose pairs are counted: 34 MB a count, and 25 MB of evaluation.json

FileValue = int | tuple[int, int, int]  # what a pixel of a label file holds: an id, or a colour


def id_type(num_classes: int) -> type[np.unsignedinteger]:
    """What holds train ids of `num_classes` classes: np.uint8, or np.uint16 where there are more than 255.

    Raises: ValueError for fewer than 1 or more than MOST_TRAIN_IDS.
    """
    if not 1 <= num_classes <= MOST_TRAIN_IDS:
        raise ValueError(f"num_classes is {num_classes}: it must be between 1 and {MOST_TRAIN_IDS}")
    return np.uint8 if num_classes <= IGNORE else np.uint16


def ignore_id(num_classes: int) -> int:
    """The train id of pixels without a label: 255, or 65535 where there are more than 255 classes.

    Raises: ValueError for fewer than 1 or more than MOST_TRAIN_IDS.
    """
    return int(np.iinfo(id_type(num_classes)).max)


@dataclass(frozen=True)
class LabelClass:
    """A class; `source` and `target` are what stands for it in label files of one's own."""

    name: str
    colour: tuple[int, int, int]  # RGB
    in16: bool = False
    in13: bool = False
    source: tuple[FileValue, ...] = ()  # of a user's own table
    target: tuple[FileValue, ...] = ()

    def file_values(self, dataset: str) -> tuple[FileValue, ...]:
        """What stands for it in labels of a key of PUBLISHED, or of one's own "source" or "target"."""
        if dataset in ("source", "target"):
            return getattr(self, dataset)
        ids = PUBLISHED[dataset].ids
        return (ids[self.name],) if self.name in ids else ()


CLASSES = (
    LabelClass("road", (128, 64, 128), True, True),
    LabelClass("sidewalk", (244, 35, 232), True, True),
    LabelClass("building", (70, 70, 70), True, True),
    LabelClass("wall", (102, 102, 156), True, False),
    LabelClass("fence", (190, 153, 153), True, False),
    LabelClass("pole", (153, 153, 153), True, False),
    LabelClass("traffic light", (250, 170, 30), True, True),
    LabelClass("traffic sign", (220, 220, 0), True, True),
    LabelClass("vegetation", (107, 142, 35), True, True),
    LabelClass("terrain", (152, 251, 152), False, False),
    LabelClass("sky", (70, 130, 180), True, True),
    LabelClass("person", (220, 20, 60), True, True),
    LabelClass("rider", (255, 0, 0), True, True),
    LabelClass("car", (0, 0, 142), True, True),
    LabelClass("truck", (0, 0, 70), False, False),
    LabelClass("bus", (0, 60, 100), True, True),
    LabelClass("train", (0, 80, 100), False, False),
    LabelClass("motorcycle", (0, 0, 230), True, True),
    LabelClass("bicycle", (119, 11, 32), True, True),
)


def listed(names: Sequence[str]) -> str:
    """Names of classes as a message has them: no more than Cityscapes has, and how many others there are.

    >>> listed(["road", "wall"])
    'road, wall'
    """
    shown, others = names[: len(CLASSES)], len(names) - len(CLASSES)
    return ", ".join(shown) + (f" and {others} others" if others > 0 else "")


@dataclass(frozen=True)
class ClassSet:
    """The classes that one network separates; its train ids are positions in `classes`."""

    classes: tuple[LabelClass, ...]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.classes)

    @property
    def benchmark(self) -> bool:
        """Whether these are classes of Cityscapes, the paper's, and no table of the user's own."""
        return set(self.classes) <= set(CLASSES)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by train id."""
        return tuple(c.name for c in self.classes)

    @property
    def id_type(self) -> type[np.unsignedinteger]:
        """The type of maps of train ids: np.uint8, or np.uint16 where there are more than 255 classes."""
        return id_type(self.num_classes)

    @property
    def ignore(self) -> int:
        """The train id of pixels without a label: 255, or 65535 where there are more than 255 classes."""
        return ignore_id(self.num_classes)

    @property
    def palette(self) -> np.ndarray:
        """(256 or 65536, 3) uint8 RGB: the colour of each train id, black for ids without a class, `ignore` too."""
        palette = np.zeros((self.ignore + 1, 3), np.uint8)
        palette[: self.num_classes] = [c.colour for c in self.classes]
        return palette

    def file_values(self, dataset: str) -> dict[FileValue, int]:
        """What stands in label files of `dataset` (see `LabelClass.file_values`) -> train id."""
        return {value: index for index, one in enumerate(self.classes) for value in one.file_values(dataset)}

    def train_id_lookup(self, dataset: str) -> np.ndarray:
        """(256,) uint8: from the ids in label files of `dataset` (a key of PUBLISHED) to train ids, 255 = ignore."""
        lookup = np.full(256, IGNORE, np.uint8)
        for file_id, train_id in self.file_values(dataset).items():
            lookup[file_id] = train_id
        return lookup

    @property
    def label_id_lookup(self) -> np.ndarray:
        """(256,) uint8: from train ids to the Cityscapes label ids that the official script reads; 0 = unlabelled.

        A table of the user's own has no other ids: there each train id, and `ignore`, is its own; (65536,) uint16 of
        more than 255 classes.
        """
        if not self.benchmark:
            return np.arange(self.ignore + 1, dtype=self.id_type)
        lookup = np.zeros(256, np.uint8)
        lookup[: self.num_classes] = [PUBLISHED["cityscapes"].ids[c.name] for c in self.classes]
        return lookup

    def common(self, count: int) -> tuple[int, ...]:
        """Train ids of the `count` classes (19, 16 or 13; of a user's own table: all) that a mean is over.

        Raises: ValueError if this set does not hold all of them.
        """
        if count == self.num_classes:
            return tuple(range(count))
        names = [c.name for c in class_set(count).classes]
        if not (self.benchmark and set(names) <= set(self.names)):
            raise ValueError(f"a mean over {count} classes needs a network of at least those, not {self.num_classes}")
        return tuple(self.names.index(name) for name in names)

    @property
    def published_means(self) -> tuple[int, ...]:
        """The class counts that means are over: the paper's that this set has, 19 / 16 / 13; of one's own all."""
        if not self.benchmark:
            return (self.num_classes,)
        return tuple(count for count in (19, 16, 13) if count <= self.num_classes)


_BY_COUNT = {
    19: ClassSet(CLASSES),
    16: ClassSet(tuple(c for c in CLASSES if c.in16)),
    13: ClassSet(tuple(c for c in CLASSES if c.in13)),
}


def class_set(classes: int | Sequence[LabelClass]) -> ClassSet:
    """The 19 classes of Cityscapes, the 16 shared with SYNTHIA, the 13 of mIoU*, or those of a table.

    Raises: InputError for any other count.
    """
    if not isinstance(classes, int):
        return ClassSet(tuple(classes))
    if classes not in _BY_COUNT:
        raise InputError(
            f"classes: {classes} is not a known class set: use 19 (GTA-V) or 16 (SYNTHIA), or write a table of your own"
        )
    return _BY_COUNT[classes]
