"""What a command answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """A command's result.

    Attributes:
        text: for people.
        content: for programs, JSON-able: `--json` prints it as `result`.
        fault: what is wrong with the user's data, where that is the result; the exit code is then 2.
    """

    text: str
    content: dict[str, Any] | None = None
    fault: str | None = None

    def __str__(self) -> str:
        return self.text
