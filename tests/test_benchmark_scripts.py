"""The benchmarks are run by hand, hours apart: what they take from the package must still be there."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True)


def test_each_script_finds_what_it_imports():
    """But for those that import PyTorch, which is in other environments."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if "torch" not in path.read_text())
    done = run(f"from importlib import import_module\nfor name in {names}: import_module(name)")
    assert len(names) > 20 and done.returncode == 0, done.stderr


def test_an_evaluation_of_images_of_many_sizes():
    done = run("import image_sizes as m\nm.IMAGES = m.EVERY = 2\nprint(len(m.evaluated(2)['resident']))")
    assert done.stdout == "2\n", done.stderr


def test_no_room_and_no_module_is_in_a_circle_and_no_file_is_long():
    house = runpy.run_path(str(FOLDER / "structure.py"))["layout"]()
    assert house["circles of rooms"] == house["circles of modules"] == 0
    assert house["modules in the root"] == 3 and house["longest file, lines"] <= 350
