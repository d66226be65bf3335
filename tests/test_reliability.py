"""docs/RELIABILITY.md names tests and events that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "RELIABILITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", TEXT)))


def functions(path: str) -> set[str]:
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_that_is_named_exists(path, name):
    assert name.startswith("test_") and name in functions(path)


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@pytest.mark.parametrize("heading", ["Bad input", "Interruption"])
def test_every_fault_has_an_answer_and_a_test(heading):
    assert len(rows(heading)) > 10
    for fault, answer, tests in rows(heading):
        assert fault and answer and re.fullmatch(r"(`tests/\w+\.py::test_\w+`(, )?)+", tests)


def test_every_event_of_the_log_is_there():
    sources = "".join(path.read_text() for path in (ROOT / "mlsl_mx").rglob("*.py"))
    written = set(re.findall(r"(?:log|self)\.write\(\s*\"(\w+)\"", sources))
    assert written == {event for row in rows("The log") for event in re.findall(r"`(\w+)`", row[0])}
