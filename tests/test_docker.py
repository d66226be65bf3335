"""The Dockerfile fits the repository. No image is built: that needs an engine and a network."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments) in order; comments left out, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage -> its instructions, after those of the stage it starts from."""
    found: dict[str, list[tuple[str, str]]] = {}
    for instruction, arguments in instructions():
        if instruction == "FROM":
            start, _, name = arguments.split()
            found[name] = list(found.get(start, []))
        found[name].append((instruction, arguments))
    return found


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a file of the repository through: the last pattern that fits it or a folder of it."""
    kept = True
    for pattern in (line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"):
        wanted, pattern = pattern.startswith("!"), pattern.lstrip("!")
        parents = [path, *map(str, Path(path).parents)][:-1]
        if any(
            fnmatch.fnmatchcase(p, pattern) or fnmatch.fnmatchcase(f"/{p}", pattern.replace("**", "*")) for p in parents
        ):
            kept = wanted
    return kept


@pytest.fixture(params=["cpu", "gpu"])
def stage(request):
    return stages()[request.param]


def test_the_default_image_is_for_cpus():
    assert list(stages()) == ["base", "gpu", "cpu"]


def test_everything_that_is_copied_is_there():
    copied = [arguments.split()[1:-1] for instruction, arguments in instructions() if instruction == "COPY"]
    for name in {name for names in copied for name in names}:
        assert (ROOT / name).exists() and (name == "." or in_context(name)), name


def test_the_context_is_what_a_run_needs():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a checkout")
    names = tracked.stdout.splitlines()
    folders = ("mlsl_mx/", "data_lists/", "experiments/")
    wanted = {name for name in names if name.startswith(folders) and not name.startswith("experiments/results/")}
    assert wanted and {name for name in names if in_context(name) and name.startswith(folders)} == wanted
    assert not any(in_context(name) for name in names if name.startswith(("tests/", "docs/", "benchmarks/", ".git")))


def test_the_environment_is_made_from_what_is_copied_before(stage):
    """By the Makefile's own rule, whose prerequisites and setup.py's files must be there."""
    made = next(i for i, (_, arguments) in enumerate(stage) if arguments.startswith("make setup"))
    copied = {
        name for instruction, arguments in stage[:made] if instruction == "COPY" for name in arguments.split()[1:-1]
    }
    rule = re.search(r"^\$\(INSTALLED\): (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    read = re.findall(r'HERE / "([^"]+)"(?: / "([^"]+)")?', (ROOT / "setup.py").read_text())
    assert copied >= {*rule.split(), "Makefile", *("/".join(filter(None, parts)) for parts in read)}


def test_the_program_is_found_and_runs_as_no_root(stage):
    kinds = [instruction for instruction, _ in stage]
    path = [re.search(r"PATH=/mlsl-mx/([^/]+)/bin", arguments) for kind, arguments in stage if kind == "ENV"]
    (folder,) = [match.group(1) for match in path if match]
    asked = next(arguments for _, arguments in stage if arguments.startswith("make setup"))
    assert folder == (".venv-gpu" if "gpu" in asked else ".venv")
    assert json.loads(dict(stage)["ENTRYPOINT"]) == ["mlsl"]
    assert dict(stage)["USER"] not in ("root", "0") and kinds.index("USER") < kinds.index("COPY")


def test_the_base_has_a_python_that_the_package_is_for():
    (base,) = [arguments.split()[0] for kind, arguments in instructions() if kind == "FROM" and ":" in arguments]
    name, tag = base.split(":")
    minor = int(re.match(r"3\.(\d+)-slim", tag).group(1))
    assert name == "python" and 10 <= minor <= 14


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint():
    run = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
