"""A user's own class table, as `classes:` of an experiment file holds it: names, colours, and what stands for them.

    classes:
      - {name: floor, colour: [128, 64, 128], source: [1, 2], target: [3]}

`source` and `target` are the ids in label files of each side, or their colours ([255, 0, 0] or "#ff0000").
"""

from __future__ import annotations

import colorsys
import itertools
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mlsl_mx.config.classes import MOST_CLASSES, ClassSet, FileValue, LabelClass, class_set
from mlsl_mx.config.values import nearest, shown
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import read_settings

KEYS = ("name", "colour", "source", "target")
LARGEST_ID = 65535
BENCHMARK = (19, 16, 13)  # classes of Cityscapes and its parts
OWN = "own"  # as `dataset` of a side: described by the experiment file itself
REST = "rest"  # as `ignore`: whatever belongs to no class

# What tables call pixels without a class, without regard to case and signs. `background` is a class to some.
VOID_NAMES = ("ignore", "ignored", "ignorelabel", "void", "unlabelled", "unlabeled", "unannotated", "dontcare")

Classes = int | tuple[LabelClass, ...]
Ignored = str | tuple[FileValue, ...]  # REST, or ids or colours


def read_classes(value: Any, origin: str) -> Classes:
    """`classes:` of an experiment file: a number of the benchmark's classes, or a table.

    Raises: InputError for a table that is not of the form above, has fewer than 2 classes or too many, or gives a name,
        a colour, an id or a file's colour to two classes, or has a class of one of VOID_NAMES.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value not in (19, 16):
            raise InputError(f"{origin}: classes is {value}: use 19, 16, or a list of classes")
        return value
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{origin}: classes is {shown(value)}: use 19, 16, or a list of classes")
    if not 2 <= len(value) <= MOST_CLASSES:
        raise InputError(f"{origin}: classes holds {len(value)}: it must be between 2 and {MOST_CLASSES}")
    entries = {f"{origin}: classes[{index}]": one for index, one in enumerate(value)}
    given = [_given_colour(one, name) for name, one in entries.items()]
    classes, used = [], set(given)
    for index, (name, one) in enumerate(entries.items()):
        colour = given[index] or free_colour(index, used)
        used.add(colour)
        classes.append(_entry(one, colour, name))
    for void in (one.name for one in classes if is_void_name(one.name)):
        raise InputError(
            f"{origin}: {void!r} is no class, and would be learnt as one: put what it stands for into source.ignore "
            "and target.ignore, or give it another name"
        )
    _all_different([(c.name, c.name) for c in classes], "name", origin)
    _all_different([(c.colour, c.name) for c in classes], "colour", origin)
    for side in ("source", "target"):
        _all_different([(v, c.name) for c in classes for v in getattr(c, side)], side, origin)
    return tuple(classes)


def is_void_name(name: str) -> bool:
    """Whether this is one of VOID_NAMES.

    >>> is_void_name("Un-labelled"), is_void_name("background")
    (True, False)
    """
    return re.sub(r"[\W_]", "", name).casefold() in VOID_NAMES


def classes_of_weights(weights: Path, count: int) -> ClassSet:
    """The classes of a network of `count`: those that the run directory of its weights notes, or else the benchmark's
    19, 16 or 13, or else numbered ones."""
    path, settings = settings_of_weights(weights)
    if settings:
        classes = class_set(read_classes(settings["classes"], str(path)))
        if classes.num_classes == count:
            return classes
    return class_set(count) if count in BENCHMARK else numbered_classes(count)


def check_class_order(weights: Path, classes: ClassSet) -> None:
    """See that a network's classes are those of a table, where the run directory of its weights notes any.

    Raises: InputError naming the first that differs: else classes in another order would be mistaken for each other.
    """
    path, settings = settings_of_weights(weights)
    known = class_set(read_classes(settings["classes"], str(path))).names if settings else classes.names
    for index, (name, wanted) in enumerate(zip(known, classes.names, strict=False)):
        if name != wanted:
            raise InputError(
                f"{weights}: its class {index} is {name!r} by {path}, but the experiment's is {wanted!r}: list and "
                "name the classes as that file has them, or give weights of these classes"
            )


def settings_of_weights(weights: Path) -> tuple[Path, dict[str, Any]]:
    """The settings file in the run directory of a weights file, and what it notes; nothing if there is none of ours.

    Raises: InputError as `read_settings`, for a file of ours.
    """
    for folder in Path(weights).resolve().parents[:2]:  # RUN/source/, or RUN/METHOD/round-R/
        path = folder / "config.yaml"
        try:
            settings = read_settings(path) if path.is_file() else {}
        except InputError:
            if (folder / "environment.json").exists():
                raise
            continue  # another program's file of that name may be anything
        groups = ("lists", "network", "source")
        if "classes" in settings and all(isinstance(settings.get(group), dict) for group in groups):
            return path, settings
    return Path(), {}


def numbered_classes(count: int) -> ClassSet:
    """Classes named `class 0`, `class 1`, ..., in the colours of PASCAL VOC, which differ from their neighbours'."""
    return ClassSet(tuple(LabelClass(f"class {i}", _voc_colour(i + 1)) for i in range(count)))


def _voc_colour(number: int) -> tuple[int, int, int]:
    """The bits of the number in turn for red, green and blue, the lowest first to the highest of each channel.

    >>> _voc_colour(1), _voc_colour(2), _voc_colour(8)
    ((128, 0, 0), (0, 128, 0), (64, 0, 0))
    """
    red, green, blue = (sum((number >> 3 * bit + channel & 1) << 7 - bit for bit in range(8)) for channel in range(3))
    return red, green, blue


def read_values(value: Any, name: str) -> tuple[FileValue, ...]:
    """Ids or colours, one or a list of them.

    Raises: InputError naming `name` for what is neither.
    """
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_file_value(one, name) for one in values)


def read_ignore(value: Any, name: str) -> Ignored:
    """`ignore:` of a side: the word "rest", or ids or colours. Raises: InputError for anything else."""
    if value == REST:
        return value
    if isinstance(value, str) and value.isalpha():
        raise InputError(
            f"{name} is {shown(value)}: give ids or colours, or the word {REST}, for whatever belongs to no class"
        )
    return read_values(value, name)


def as_settings(classes: Classes) -> int | list[dict[str, Any]]:
    """`classes` as an experiment file gives them."""
    if isinstance(classes, int):
        return classes
    return [
        {"name": c.name, "colour": list(c.colour), "source": plain(c.source), "target": plain(c.target)}
        for c in classes
    ]


def plain(values: Sequence[FileValue]) -> list:
    """Ids or colours as plain lists, for YAML."""
    return [list(value) if isinstance(value, tuple) else value for value in values]


def default_colour(index: int) -> tuple[int, int, int]:
    """A colour for the class of this index where none is given: hues a golden angle apart, never black."""
    saturation, value = 0.9 - 0.25 * (index // 12 % 3), 0.95 - 0.2 * (index // 36 % 3)
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def free_colour(index: int, used: Collection[tuple[int, int, int]]) -> tuple[int, int, int]:
    """The first `default_colour` from this index on that is not used."""
    return next(colour for colour in map(default_colour, itertools.count(index)) if colour not in used)


def _given_colour(value: Any, name: str) -> tuple[int, int, int] | None:
    """That of an entry of the table; None where it has none."""
    if not isinstance(value, dict) or "colour" not in value:
        return None
    colour = _file_value(value["colour"], f"{name}.colour")
    if isinstance(colour, int):
        raise InputError(f"{name}.colour is {colour}: write [red, green, blue], each 0..255")
    return colour


def _entry(value: Any, colour: tuple[int, int, int], name: str) -> LabelClass:
    if not isinstance(value, dict):
        raise InputError(
            f"{name} is {shown(value)}: write {{name: ..., colour: [r, g, b], source: [..], target: [..]}}"
        )
    for key in value:
        if key not in KEYS:
            near = nearest(key, KEYS)
            hint = f"did you mean {near}?" if near else f"use {', '.join(KEYS)}"
            raise InputError(f"{name}: unknown key {key}: {hint}")
    title = value.get("name")
    if not isinstance(title, str) or not title.strip() or not title.isprintable():
        raise InputError(f"{name}: name is {title!r}: write a printable name in quotes")
    sides = {side: read_values(value.get(side, ()), f"{name}.{side}") for side in ("source", "target")}
    return LabelClass(title.strip(), colour, **sides)


def _file_value(value: Any, name: str) -> FileValue:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID:
        return value
    if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value):
        return tuple(int(value[i : i + 2], 16) for i in (1, 3, 5))
    if isinstance(value, (list, tuple)) and len(value) == 3:
        if all(isinstance(part, int) and not isinstance(part, bool) and 0 <= part <= 255 for part in value):
            return tuple(value)
    raise InputError(
        f"{name}: {shown(value)} is neither an id (0..{LARGEST_ID}, no leading zeros) nor a colour ([red, green, "
        'blue], or "#rrggbb" in quotes)'
    )


def _all_different(given: Sequence[tuple[Any, str]], what: str, origin: str) -> None:
    """Raises: InputError if one value is given twice; `given` has each with the name of its class."""
    first: dict[Any, str] = {}
    for value, name in given:
        if value in first:
            raise InputError(
                f"{origin}: classes {first[value]!r} and {name!r} both have the {what} {value!r}: give it to one"
            )
        first[value] = name
