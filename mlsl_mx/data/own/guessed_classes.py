"""Classes of a user's own data if no table is given: one for each value in the label files."""

from __future__ import annotations

from mlsl_mx.config.class_table import free_colour
from mlsl_mx.config.classes import FileValue, LabelClass
from mlsl_mx.data.own.given_classes import GivenClasses
from mlsl_mx.data.own.label_survey import Survey

VOID_IDS = (255, 65535)  # what most label files without a class there hold; black among colours
BLACK = (0, 0, 0)


def class_table(
    source: Survey, target: Survey | None, given: GivenClasses | None
) -> tuple[tuple[LabelClass, ...], dict[str, tuple[FileValue, ...]]]:
    """The classes, and what is ignored of each side: what files hold without belonging to a class of a given table."""
    classes = given.classes if given else _guessed(source, target)
    ignored = {}
    for side, labels in (("source", source), ("target", target)):
        present = set(labels.shares) if labels else set()
        named = set(given.ignored[side]) if given else set()
        taken = {value for one in classes for value in getattr(one, side)}
        ignored[side] = tuple(sorted((present | named) - taken))
    return classes, ignored


def _guessed(source: Survey, target: Survey | None) -> tuple[LabelClass, ...]:
    """A class for each id or colour of the source; the target's is the same id, or the one of the same colour."""
    values = [value for value in source.shares if not _void(value, source)]
    values = values if len(values) > 1 else list(source.shares)  # masks of 0 and 255, or of black and white
    classes, used = [], set()
    for index, value in enumerate(values):
        colour = _colour(value, source)
        if colour is None or colour in used or colour == BLACK:
            colour = free_colour(index, used)
        used.add(colour)
        theirs = _counterpart(value, source, target) if target else ()
        classes.append(LabelClass(f"class-{index}", colour, source=(value,), target=theirs))
    return tuple(classes)


def _void(value: FileValue, labels: Survey) -> bool:
    """Guessed by convention: 255 usually means no class, but is a class like any other if there are larger ids."""
    if labels.encoding == "colours":
        return value == BLACK
    return value in VOID_IDS and not any(value < other not in VOID_IDS for other in labels.shares)


def _colour(value: FileValue, labels: Survey) -> tuple[int, int, int] | None:
    return value if isinstance(value, tuple) else labels.palette.get(value)


def _counterpart(value: FileValue, source: Survey, target: Survey) -> tuple[FileValue, ...]:
    if isinstance(value, int) and target.encoding != "colours":
        return (value,) if value in target.shares else ()
    wanted = _colour(value, source)
    return tuple(other for other in target.shares if wanted is not None and _colour(other, target) == wanted)
