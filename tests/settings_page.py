"""docs/SETTINGS.md, written from the fields: `.venv/bin/python tests/settings_page.py > docs/SETTINGS.md`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

from mlsl_mx.config.setting import Setting, setting_of
from mlsl_mx.config.settings import Config
from mlsl_mx.config.values import shown

HEAD = """\
# Settings

Every setting of an experiment file, and of `--set KEY=VALUE` (`make ... SET="key=value"`), with its default: the
paper's GTA-V recipe, and where the paper is silent the published program's. This page is written from
`mlsl_mx/config/settings.py`, `training_settings.py` and `data_settings.py` by `tests/settings_page.py`.
"""


def page() -> str:
    """The whole page."""
    groups: dict[str, list[str]] = {}
    for group, row in rows(Config()):
        groups.setdefault(group, []).append(row)
    words = {name: type(getattr(Config(), name)).__doc__ for name in groups if name}
    parts = [HEAD]
    for name, lines in groups.items():
        parts.append(f"## {name}\n\n{words[name]}\n" if name else "## At the top\n")
        parts.append("\n".join(["| setting | default | meaning | may be |", "|---|---|---|---|", *lines, ""]))
    return "\n".join(parts)


def rows(group: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name of the top group, line of its table) of each setting."""
    kinds = get_type_hints(type(group))
    for one in dataclasses.fields(group):
        value, known, name = getattr(group, one.name), setting_of(group, one.name), f"{prefix}{one.name}"
        if known is None:
            yield from rows(value, f"{name}.")
        else:
            default = shown(list(value) if isinstance(value, tuple) else value)
            cells = (f"`{name}`", f"`{default}`", known.meaning, may_be(known, kinds[one.name]))
            yield name.rpartition(".")[0].partition(".")[0], f"| {' | '.join(cells)} |"


def may_be(known: Setting, kind: Any) -> str:
    """What a value must be, in words."""
    if known.choices:
        own = ["your own `package.module:name`"] if known.own_code else []
        return "; ".join([*(f"`{choice}`: {meaning}" for choice, meaning in known.choices.items()), *own])
    if known.own_code:
        return "your own `package.module:name`"
    if known.read is not None:
        return ""
    parts = [_kind_in_words(kind), known.unit]
    if known.between is not None:
        parts.append("{} to {:.7g}".format(*known.between))
    if known.multiple_of > 1:
        parts.append(f"a multiple of {known.multiple_of}")
    if known.endings:
        parts.append(f"a file ending in {' or '.join(known.endings)}")
    return ", ".join(filter(None, parts)) + (" or null" if type(None) in get_args(kind) else "")


def _kind_in_words(kind: Any) -> str:
    """Of a field's type, leaving out that it may be None. Raises: KeyError for a type that has no words yet."""
    known = {bool: "true or false", str: "text", int: "whole number", float: "number"}
    (own,) = [one for one in get_args(kind) if one is not type(None)] if type(None) in get_args(kind) else [kind]
    return "2 numbers" if get_origin(own) is tuple and len(get_args(own)) == 2 else known[own]


if __name__ == "__main__":
    print(page(), end="")
