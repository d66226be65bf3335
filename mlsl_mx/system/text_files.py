"""Text and YAML that a person wrote or a crash damaged: read up to a size limit, and without YAML's aliases.

Numbers, true, false and null are those of YAML 1.2: to the YAML 1.1 of PyYAML 010 is 8, 1:30 is 90, `no` is false, 1e5
is text and 2026-01-01 a date.
"""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 64 << 20  # of a list or a JSON file; that of 25,000 images has 1.5 MB
MOST_YAML_BYTES = 512 << 10  # a table of a few thousand classes
DEEPEST = 20  # groups within groups; ours are 3 deep


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, its lines ended by a newline alone.

    Raises: OSError if it cannot be read; ValueError if it is no file, is larger than `most` bytes, or is not UTF-8.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe or a device may never end
        raise ValueError("not a file")
    with open(path, "rb") as content:
        text = content.read(most + 1)
    if len(text) > most:
        raise ValueError(f"larger than {most} bytes")
    try:
        return io.TextIOWrapper(io.BytesIO(text), encoding="utf-8-sig").read()
    except UnicodeDecodeError as problem:
        raise ValueError(f"not UTF-8 text (byte {problem.start}): save it as UTF-8") from None


def parse_yaml(text: str, most: int = MOST_YAML_BYTES) -> Any:
    """Plain values of a YAML text: no tags, no anchors, which let a few lines stand for gigabytes, no number that
    readers take for different ones.

    Raises: ValueError with the reason in one line.
    """
    if len(text) > most:
        raise ValueError(f"larger than {most} bytes")
    try:
        return yaml.load(text, _PlainLoader)
    except Exception as problem:  # PyYAML's constructors raise whatever int(), float() and datetime do
        raise ValueError(" ".join(str(problem).split()) or type(problem).__name__) from None


def dump_yaml(values: Any) -> str:
    """YAML that `parse_yaml` reads as these values."""
    return yaml.dump(values, Dumper=_PlainDumper, sort_keys=False)


class _PlainDumper(yaml.SafeDumper):
    """SafeDumper that quotes what `_PlainLoader` would not read as text, too."""


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases, keys that are given twice, and groups too deep for Python's stack."""

    yaml_implicit_resolvers: dict = {}  # as below

    def __init__(self, text: str):
        super().__init__(text)
        self.place: list[Any] = []  # keys and indices down to where it reads

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"anchors and aliases (line {event.start_mark.line + 1}) are not read: write them out")
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"the tag {event.tag} (line {event.start_mark.line + 1}) is not read: leave it out")
        if len(self.place) == DEEPEST:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: groups more than {DEEPEST} deep")
        self.place.append(index)
        node = super().compose_node(parent, index)
        if node.tag == UNCLEAR:
            raise yaml.YAMLError(
                f"line {node.start_mark.line + 1}: {self._key()}is {node.value}, which YAML readers take for "
                "different numbers: leave out leading zeros and colons, or put text in quotes"
            )
        self.place.pop()
        return node

    def _key(self) -> str:
        """The key of what is read, e.g. "classes[0].source "; empty if it has none."""
        parts = [f"[{part}]" if isinstance(part, int) else f".{part.value}" for part in self.place if part is not None]
        return f"{''.join(parts)} ".lstrip(". ")

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {twice[0]!r} is given twice: keep one")
        return super().construct_mapping(node, deep)


UNCLEAR = "!unclear"  # with leading zeros or colons
# Tag, what is of it if no quotes are around it, and how that can begin.
SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    (UNCLEAR, r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?)", list("-+0123456789")),
)
for _tag, _form, _first in SCALARS:
    for _reader in (_PlainLoader, _PlainDumper):
        _reader.add_implicit_resolver(_tag, re.compile(f"^(?:{_form})$"), _first)
