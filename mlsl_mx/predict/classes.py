"""Names and colours of the classes that a weights file separates: it holds their number alone."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.class_table import noted_classes
from mlsl_mx.errors import InputError
from mlsl_mx.labels import IGNORE, ClassSet, LabelClass, class_set

KNOWN = (19, 16, 13)


def class_table(weights: Path, count: int, given: ClassSet | None) -> ClassSet:
    """The table that is given, or the one that the run directory of the weights notes; without both, that of Cityscapes
    for 19 or 16 classes, a numbered one for others.

    Raises: InputError if the given one has another number of classes than the weights file.
    """
    if given is not None and given.num_classes != count:
        raise InputError(
            f"{weights}: is of {count} classes, but the class table has {given.num_classes}: give the experiment that "
            "these weights were trained with"
        )
    known = given or noted_classes(weights, count)
    return known or (class_set(count) if count in KNOWN else numbered_classes(count))


def numbered_classes(count: int) -> ClassSet:
    """Classes named `class 0`, `class 1`, ..., in the colours of PASCAL VOC, which differ from their neighbours'.

    Raises: InputError for more than 255 classes.
    """
    if count > IGNORE:
        raise InputError(f"{count} classes: train ids are bytes, so at most {IGNORE} can be told apart")
    return ClassSet(tuple(LabelClass(f"class {i}", _voc_colour(i + 1), i, i, i, False, False) for i in range(count)))


def _voc_colour(number: int) -> tuple[int, int, int]:
    """The bits of the number in turn for red, green and blue, the lowest first to the highest of each channel.

    >>> _voc_colour(1), _voc_colour(2), _voc_colour(8)
    ((128, 0, 0), (0, 128, 0), (64, 0, 0))
    """
    red, green, blue = (sum((number >> 3 * bit + channel & 1) << 7 - bit for bit in range(8)) for channel in range(3))
    return red, green, blue
