"""A setting in one place: a dataclass field that says what it means and which values it may have.

    patches: int = setting(50, "K, patches of an image", between=(1, 10_000))

The type is the field's annotation; `values.py` reads by it. What several settings must be together is `limits.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import check_spec

PIXELS = (8, 16384)  # limits of a side


@dataclass(frozen=True)
class Setting:
    """What a setting means and may be; of a list of numbers, each of them.

    Attributes:
        between: the smallest and largest allowed value; the largest is far above what anybody uses, but low enough for
            a machine to hold.
        multiple_of: of what a number of pixels must be a multiple.
        rising: whether the first of two numbers must not exceed the second.
        choices: each value that it may have, and what that means.
        own_code: whether it may name a user's own code, as `package.module:name`: docs/EXTENDING.md.
        endings: of the file that it names, if it is not empty.
        read: from a YAML value and the name for errors to what the field holds; None: by the field's type.
    """

    meaning: str
    unit: str = ""
    between: tuple[float, float] | None = None
    multiple_of: int = 1
    rising: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    own_code: bool = False
    endings: tuple[str, ...] = ()
    read: Callable[[Any, str], Any] | None = None

    def check(self, name: str, value: Any) -> None:
        """Raises: InputError if the setting of this name must not have this value, naming both and the limit."""
        if self.is_own_code(value):
            check_spec(value, name, self.choices)
        elif self.choices and value not in self.choices:
            raise InputError(f"{name} is {value!r}: use one of {', '.join(self.choices)}")
        for number in value if isinstance(value, tuple) else [value]:
            self._check_number(name, number)
        if self.rising and value[0] > value[1]:
            raise InputError(f"{name} is {value}: the first must not exceed the second")
        if self.endings and value and not value.endswith(self.endings):
            raise InputError(f"{name} is {value!r}: it must be a {' or an '.join(self.endings)} file")
        if isinstance(value, str) and value.startswith("~/"):
            raise InputError(f"{name} is {value}: only a shell expands ~: write the full path")

    def is_own_code(self, value: Any) -> bool:
        """Whether a value is a user's own code, or was meant to be, and none of the choices."""
        return self.own_code and bool(value) and value not in self.choices

    def _check_number(self, name: str, number: Any) -> None:
        if self.between is not None and number is not None and not self.between[0] <= number <= self.between[1]:
            raise InputError(f"{name} is {number}: it must be between {self.between[0]} and {self.between[1]}")
        if self.multiple_of > 1 and number % self.multiple_of:
            raise InputError(f"{name} is {number}: it must be a multiple of {self.multiple_of}, the network's stride")


def setting(default: Any, meaning: str, unit: str = "", **limits: Any) -> Any:
    """A dataclass field that is a setting; `limits` as the attributes of `Setting`."""
    return field(default=default, metadata={"setting": Setting(meaning, unit, **limits)})


def setting_of(group: Any, name: str) -> Setting | None:
    """Of a field of a dataclass or an instance of one; None for a field that is a group of settings itself."""
    return group.__dataclass_fields__[name].metadata.get("setting")


def check_each(group: Any, prefix: str = "") -> None:
    """See that each setting of a dataclass instance and of the groups in it has a value that it may have.

    Args:
        prefix: of the names in errors, e.g. "pseudo_labels.".

    Raises: InputError as `Setting.check`.
    """
    for name, known, value in _settings_in(group, prefix):
        known.check(name, value)


def own_code_in(group: Any) -> Iterator[tuple[str, str]]:
    """Yields: name and value of each setting, of a dataclass instance and its groups, that names a user's own code."""
    return ((name, value) for name, known, value in _settings_in(group) if known.is_own_code(value))


def _settings_in(group: Any, prefix: str = "") -> Iterator[tuple[str, Setting, Any]]:
    """Name, setting and value of each field of a dataclass instance and of the groups in it."""
    for one in dataclasses.fields(group):
        name, value, known = f"{prefix}{one.name}", getattr(group, one.name), setting_of(group, one.name)
        if known is None:
            yield from _settings_in(value, f"{name}.")
        else:
            yield name, known, value
