"""The house in numbers: rooms, arrows, circles, and what a call runs through before the network is asked.

A room is a folder of the package with all below it, or a module that lies in its root, but for the package's own face
(`__init__.py`); an arrow is that a room imports from another one. Read from the code as text, so an import inside a
function is an arrow, too.

    .venv/bin/python benchmarks/structure.py          # prints; --write keeps benchmarks/results/structure.json and .md
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlsl_mx"
# Counts what runs of the package before a network's first call; in a process of its own, as imports count.
TRACED = """
import sys, threading
functions = set()
def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and "/mlsl_mx/" in code.co_filename and code.co_flags & 1:  # 0: the body of a module or class
        functions.add((code.co_filename, code.co_firstlineno))
        if code.co_name == "__call__" and code.co_filename.endswith("gluon/engine.py"):
            raise SystemExit(f"{len({file for file, _ in functions})} {len(functions)}")
sys.setprofile(note)
threading.setprofile(note)
from mlsl_mx.cli import main
main(sys.argv[1:])
"""


def main() -> None:
    """Measure, print and, if asked, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the numbers in benchmarks/results")
    options = parser.parse_args()
    numbers = {**layout(), **before_the_network()}
    text = "| | |\n|---|---:|\n" + "".join(f"| {name} | {value} |\n" for name, value in numbers.items())
    print(text)
    if options.write:
        results = ROOT / "benchmarks" / "results"
        (results / "structure.json").write_text(json.dumps(numbers, indent=1) + "\n")
        (results / "structure.md").write_text(text)


def layout() -> dict[str, int]:
    """What the folders and imports say."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = {module_name(path): path for path in files if path != PACKAGE / "__init__.py"}
    imports = {name: imported(path, names) for name, path in names.items()}
    arrows = {(room(a), room(b)) for a, found in imports.items() for b in found if room(a) != room(b)}
    rooms = {room(name) for name in names}
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in files}
    return {
        "files": len(files),
        "lines": sum(lines.values()),
        "modules in the root": sum(path.parent == PACKAGE for path in files),
        "rooms": len(rooms),
        "arrows between rooms": len(arrows),
        "circles of rooms": len(circles({r: {b for a, b in arrows if a == r} for r in rooms})),
        "circles of modules": len(circles(imports)),
        "longest file, lines": max(lines.values()),
        "lines of stages": sum(
            count for path, count in lines.items() if "stages" in path.relative_to(PACKAGE).parts[0]
        ),
    }


def module_name(path: Path) -> str:
    """`mlsl_mx.data.lists` of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """The folder or root module that a module lies in."""
    return ".".join(name.split(".")[:2])


def imported(path: Path, names: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in names else node.module for name in inside}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in names and name != module_name(path)}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of nodes that reach each other, of more than one (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for after in graph.get(node, ()):
            if after not in index:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], index[after])
        if low[node] == index[node]:
            group = set()
            while not group or node not in group:
                group.add(stack.pop())
            if len(group) > 1:
                found.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def before_the_network() -> dict[str, int]:
    """Modules entered and functions run by `mlsl pseudo-label` before the network is called first."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_run import words, write_world

    with tempfile.TemporaryDirectory() as folder:
        world, run = write_world(Path(folder) / "world"), Path(folder) / "run"
        subprocess.run([sys.executable, "-m", "mlsl_mx", *words(world, run, "train-source")], check=True, cwd=ROOT)
        command = [sys.executable, "-c", TRACED, *words(world, run, "pseudo-label", "--round", "0")]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr.split()
    return {"modules entered by pseudo-label": int(said[-2]), "functions run by it": int(said[-1])}


if __name__ == "__main__":
    main()
