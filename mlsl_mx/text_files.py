"""Text and YAML that a person wrote or a crash damaged: read up to a limit, without what makes much of little."""

from __future__ import annotations

import io
import os
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


def parse_yaml(text: str) -> Any:
    """Plain values of a YAML text: no tags of Python, no anchors, which let a few lines stand for gigabytes.

    Raises: ValueError with the reason in one line.
    """
    if len(text) > MOST_YAML_BYTES:
        raise ValueError(f"larger than {MOST_YAML_BYTES} bytes")
    try:
        return yaml.load(text, _PlainLoader)
    except Exception as problem:  # PyYAML's constructors raise whatever int(), float() and datetime do
        raise ValueError(" ".join(str(problem).split()) or type(problem).__name__) from None


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases, keys that are given twice, and groups too deep for Python's stack."""

    depth = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"anchors and aliases (line {event.start_mark.line + 1}) are not read: write them out")
        if self.depth == DEEPEST:
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: groups more than {DEEPEST} deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {twice[0]!r} is given twice: keep one")
        return super().construct_mapping(node, deep)
