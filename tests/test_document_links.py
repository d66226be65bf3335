"""Links of the documents lead to files, and to headings, that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documented_commands import blocks, documents

ROOT = Path(__file__).parents[1]


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a document.

    >>> sorted(anchors("# On a GPU, with PyTorch\\n## `make`"))
    ['make', 'on-a-gpu-with-pytorch']
    """
    lines = text.splitlines()
    for block in blocks("", text):
        lines[block.line - 1 : block.line - 1 + len(block.lines)] = [""] * len(block.lines)
    titles = [line.lstrip("#").strip().lower() for line in lines if re.match("#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def dead(path: Path) -> list[str]:
    """Relative links of a document that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target.read_text("utf-8")))):
            found.append(link)
    return found


@pytest.mark.parametrize("document", [*documents(ROOT), "CHANGELOG.md"])
def test_links_lead_somewhere(document):
    assert dead(ROOT / document) == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# A b\n[1](#a-b) [2](a.md#a-b) [3](b.md) [4](#b)\n```\n# b\n```\n[5](https://x.y/z)\n"
    )
    assert dead(tmp_path / "a.md") == ["b.md", "#b"]
