"""Which Python `make` builds the environment with: the one asked for, or one that fits; or it says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FITS, STUB = f'exec "{sys.executable}" "$@"', "exit 127"
TOO_OLD = "exit 1"  # what the Makefile's question ends with


@pytest.fixture
def choice(tmp_path):
    """What is chosen where these programs, and no others, are on the path: (Python, or what make says)."""

    def chosen(programs: dict[str, str], *words: str) -> tuple[str | None, str]:
        folder = tmp_path / "my programs"
        folder.mkdir()
        for name, script in programs.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        command = [shutil.which("make"), "-s", "--eval", "shown: ; @$(FIND_PYTHON)", "shown", *words]
        run = subprocess.run(command, cwd=ROOT, env={"PATH": str(folder)}, capture_output=True, text=True)
        return (run.stdout.strip() or None) if run.returncode == 0 else None, run.stderr

    return chosen


def test_a_name_that_does_not_run_or_fit_is_passed_over(choice):
    assert choice({"python3": STUB, "python3.13": TOO_OLD, "python3.11": FITS})[0] == "python3.11"


def test_the_usual_one_comes_first(choice):
    assert choice({"python3": FITS, "python3.14": FITS})[0] == "python3"


def test_uv_has_one(choice, tmp_path):
    managed = tmp_path / "my programs" / "managed"
    uv = f'[ "$*" = "python find --managed-python >=3.10,<3.15" ] && echo "{managed}"'
    assert choice({"python3": TOO_OLD, "uv": uv, "managed": FITS})[0] == str(managed)


def test_where_there_is_none_it_is_said_how_to_get_one(choice):
    found, said = choice({"python3": TOO_OLD, "uv": STUB})
    assert found is None
    assert "no Python 3.10 to 3.14 with venv found: apt-get install python3-venv, or uv python install 3.12, or" in said


def test_one_that_is_asked_for_is_taken(choice, tmp_path):
    wanted = f"{tmp_path}/my programs/mine"
    assert choice({"python3": FITS, "mine": FITS}, f"PYTHON={wanted}")[0] == wanted


@pytest.mark.parametrize("wanted", ["old", "stub", "none"])
def test_one_that_is_asked_for_and_does_not_fit_is_an_error(choice, wanted):
    found, said = choice({"python3": FITS, "old": TOO_OLD, "stub": STUB}, f"PYTHON={wanted}")
    assert found is None and f"PYTHON={wanted}: runs no Python 3.10 to 3.14 with venv: give another, or none" in said


def test_the_question_tells_versions_apart():
    """What each Python is asked, asked of this one as if it were another."""
    question = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if "import ensurepip, sys, venv" in line
    )
    code = question.split("'")[1].replace("import ensurepip, sys, venv", "import sys; sys.version_info = {}")
    for version, fits in (((3, 9), False), ((3, 10), True), ((3, 14), True), ((3, 15), False), ((2, 7), False)):
        run = subprocess.run([sys.executable, "-c", code.format(version)])
        assert (run.returncode == 0) == fits, version


@pytest.mark.parametrize(
    "system, libc, fits",
    [
        ("Linux x86_64", "ldd (Debian GLIBC 2.41) 2.41", True),
        ("Linux aarch64", "ldd (GNU libc) 2.28", True),
        ("Darwin x86_64", "", True),
        ("Linux x86_64", "musl libc (x86_64)", False),
        ("Darwin arm64", "", False),
        ("Linux riscv64", "ldd (GNU libc) 2.41", False),
    ],
)
def test_a_machine_that_mxnet_has_no_wheel_for_is_told(tmp_path, monkeypatch, system, libc, fits):
    for name, said in (("uname", system), ("ldd", libc)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}' >&{2 if name == 'ldd' else 1}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command = ["make", "-s", "--eval", "shown: ; @$(HAS_WHEEL)", "shown"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = "" if fits else f"none for {system}"
    assert (run.returncode == 0) == fits and said in run.stderr
