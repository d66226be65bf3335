"""The command lines and Python examples that stand in the documents.

commands(ROOT)    # those of all documents, each once
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/*.md")
SHELL_FENCES = ("", "sh", "bash", "console", "shell")
OPERATORS = re.compile(r"[();<>|&]+")
# Programs of which a mention in a sentence is a command, too: `make synthia2city`.
PROGRAMS = ("make", "mlsl", "pip", "python", "docker", "tensorboard", "git")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Block:
    """Lines of code of a document.

    Attributes:
        line: number of the first, from 1.
        kind: "indented", or the word after the fence's ```.
    """

    document: str
    line: int
    kind: str
    lines: tuple[str, ...]

    @property
    def is_shell(self) -> bool:
        return self.kind == "indented" or self.kind in SHELL_FENCES


@dataclass(frozen=True)
class Command:
    """One program that a document tells its readers to start.

    Attributes:
        variables: NAME=VALUE before the program.
        words: the program's name and its arguments.
        whole: it stands in a block, to be copied; else in a sentence, where it may be a part.
    """

    document: str
    line: int
    variables: tuple[str, ...]
    words: tuple[str, ...]
    whole: bool

    @property
    def text(self) -> str:
        """As it is shown in tests' names."""
        return " ".join((*self.variables, *self.words))


def commands(root: Path, not_commands: Collection[str]) -> list[Command]:
    """Of all documents, each text once; the first of those that stand in blocks is preferred.

    Args:
        not_commands: how a block or code in a sentence begins that looks like a command and is none.
    """
    found: dict[str, Command] = {}
    for document in documents(root):
        text = (root / document).read_text(encoding="utf-8")
        for block in blocks(document, text):
            if block.is_shell and not block.lines[0].startswith(tuple(not_commands)):
                for command in in_block(block):
                    found[command.text] = command
        for command in in_sentences(document, text):
            if not command.text.startswith(tuple(not_commands)):
                found.setdefault(command.text, command)
    return list(found.values())


def documents(root: Path) -> list[str]:
    """Paths relative to `root`."""
    return [str(path.relative_to(root)) for pattern in DOCUMENTS for path in sorted(root.glob(pattern))]


def write_files(path: Path, folder: Path) -> None:
    """Write the files that a document shows below a folder: blocks whose first line is `# NAME.yaml` or `# NAME.py`."""
    for block in blocks(path.name, path.read_text(encoding="utf-8")):
        if re.fullmatch(r"# [\w/]+\.(yaml|py)", block.lines[0]):
            file = folder / block.lines[0][2:]
            file.parent.mkdir(exist_ok=True)
            file.write_text("\n".join(block.lines) + "\n", encoding="utf-8")


def blocks(document: str, text: str) -> list[Block]:
    """Fenced blocks and those that are indented by four blanks after an empty line.

    >>> [(b.line, b.kind, b.lines) for b in blocks("x.md", "A\\n\\n    make a\\n    make b\\n\\n```sh\\nmake c\\n```")]
    [(3, 'indented', ('make a', 'make b')), (7, 'sh', ('make c',))]
    """
    found, lines, index = [], text.splitlines(), 0
    while index < len(lines):
        start = index
        if lines[index].startswith("```"):
            end = next(i for i in range(index + 1, len(lines)) if lines[i].startswith("```"))
            body = tuple(lines[index + 1 : end])
            found.append(Block(document, start + 2, lines[index][3:].strip(), body))
            index = end + 1
        elif lines[index].startswith("    ") and (index == 0 or not lines[index - 1].strip()):
            while index < len(lines) and lines[index].startswith("    "):
                index += 1
            found.append(Block(document, start + 1, "indented", tuple(line[4:] for line in lines[start:index])))
        else:
            index += 1
    return found


def in_block(block: Block) -> Iterator[Command]:
    """The commands of a block, line by line; `\\` joins lines, and shell operators part them.

    >>> block = Block("x.md", 1, "sh", ("A=1 mlsl report \\\\", "  --out r > log && cp r s  # both"))
    >>> [(c.variables, c.words) for c in in_block(block)]
    [(('A=1',), ('mlsl', 'report', '--out', 'r')), ((), ('cp', 'r', 's'))]
    """
    number, held = block.line, ""
    for offset, line in enumerate(block.lines):
        number = number if held else block.line + offset
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        for variables, words in parts(held):
            yield Command(block.document, number, variables, words, whole=True)
        held = ""


def in_sentences(document: str, text: str) -> Iterator[Command]:
    """Commands between backticks, outside of blocks.

    >>> [c.text for c in in_sentences("x.md", "Then `make all` or `x.py`; `make` alone is no command.")]
    ['make all']
    """
    lines = text.splitlines()
    for block in blocks(document, text):
        for index in range(block.line - 1, block.line - 1 + len(block.lines)):
            lines[index] = ""
    prose = "\n".join("" if line.startswith("```") else line for line in lines)
    for match in re.finditer(r"`([^`]+)`", prose):
        code = " ".join(match.group(1).split())
        if "\n\n" not in match.group(1) and code.split()[0] in PROGRAMS and " " in code:
            for variables, words in parts(code):
                yield Command(document, prose.count("\n", 0, match.start()) + 1, variables, words, whole=False)


def parts(line: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(variables, words) of each program that a line of shell starts; redirections are left out."""
    lexer = shlex.shlex(re.sub(r"^\$ ", "", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if words and words[-1] in ("<", ">", ">>"):
            words[-1:] = []
            continue
        if OPERATORS.fullmatch(token) and token not in ("<", ">", ">>"):
            first = next((i for i, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
            if words[first:]:
                yield tuple(words[:first]), tuple(words[first:])
            words = []
        else:
            words.append(token)
