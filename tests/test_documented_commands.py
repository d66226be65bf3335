"""Every command of the documents is run, or checked as far as it can be here, for a reason that stands beside it.

Commands run in the order of the documents, each in the folder as those before have left it. One that KINDS does not
know fails. For a new subcommand or program add a line to KINDS; for a file that a command names, make it in `folder`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.util
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
import setuptools
from documented_commands import Command, blocks, commands, documents, parts, write_files
from packaging.requirements import Requirement
from run_directory import write_run
from scene_files import write_png
from test_makefile import outside_make

from mlsl_mx.cli import main
from mlsl_mx.commands import build_parser
from mlsl_mx.network import MLSLNet, save_original
from mlsl_mx.network.weights.gluoncv_store import GLUONCV

ROOT = Path(__file__).parents[1]

# What looks like a command: how it begins -> what it is.
NOT_COMMANDS = {"datasets -> network": "the diagram of README.md", "mlsl STAGE: ": "the form of an error"}
NOT_COMMANDS["runs/own/worlds/simulator/frames/"] = "files that make-worlds writes"
# What documents call things that readers have, -> what stands for it in the test's folder.
STANDS_FOR = (
    ("/path/to/cityscapes", "path/cityscapes"),
    ("/path", "path"),
    ("/shared/run", "RUN"),
    ("RUN/METHOD/round-R", "RUN/sisc-pwl/round-5"),
    ("WEIGHTS=...", "WEIGHTS=gta_rna-a1_cls19_s8_ep-0000.params"),
)
PUBLISHED = (
    "gta_rna-a1_cls19_s8_ep-0000.params",
    "synthia_rna-a1_cls16_s8_ep-0000.params",
    "ilsvrc-cls_rna-a1_cls1000_ep-0001.params",
)
STAGE_WORDS = {
    "--experiment": "experiments/miniature/gta2city.yaml",
    "--run": "RUN",
    "--weights": "gta_rna-a1_cls19_s8_ep-0000.params",
    "--out": "out",
    "--root": "out",
    "--round": "0",
}
SHIPPED = ("Makefile", "setup.py", "README.md", "constraints.txt", "experiments", "data_lists", "docs", "benchmarks")
OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
VIEWERS = ("tensorboard",)  # packages that no setup.py needs to name
VALIDATION = "runs/miniature/data/cityscapes/leftImg8bit/val/beta/beta_000000_000019_leftImg8bit.png"
# With PyTorch: tests/test_any_network.py and tests/test_pytorch.py run these examples.
ELSEWHERE = ("torch", "my_net", "mlsl_mx.pytorch.network")


@dataclass(frozen=True)
class Kind:
    """How commands are checked.

    Attributes:
        pattern: that a command's words match from the start; programs without their folder.
        check: called with the command and the folder; raises what is wrong.
        reason: why it is not run; empty if it is.
    """

    pattern: str
    check: Callable[[Command, Path], None]
    reason: str = ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout as far as commands look at it, with the files that documents name: a run RUN, weights, data, ..."""
    folder = tmp_path_factory.mktemp("reader")
    for name in (*SHIPPED, *(path.name for path in ROOT.glob("requirements*.lock"))):
        (folder / name).symlink_to(ROOT / name)
    for name in (".venv/bin/mlsl", ".venv/installed", ".venv/developer", ".torch/installed"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    # Make asks it how many rounds an experiment has; nothing else of a plan is run.
    (folder / ".venv/bin/mlsl").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m mlsl_mx "$@"\n')
    (folder / ".venv/bin/mlsl").chmod(0o755)
    (folder / ".venv-gpu").symlink_to(".venv")
    (folder / ".venv-torch").symlink_to(".venv")
    for name in ("gta5", "synthia", "cityscapes"):
        (folder / "path" / name).mkdir(parents=True)
    for seed, name in enumerate(("RUN", "RUN-1")):
        write_run(folder / name, {"source-only": [35.0], "sisc-pwl": [40.0, 42.0]}, seed=seed)
    mx.random.seed(0)
    net = MLSLNet(19, 0.02, weak_label_head=False)
    net.initialize()
    trained = (
        "RUN/source",
        "RUN/sisc-pwl/round-5",
        "runs/miniature/gta2city-seed0/sisc-pwl/round-3",
        "runs/own/idda2camvid-seed0/source",
        "runs/own/my-seed0/sisc-pwl/round-0",
    )
    for name in trained:
        (folder / name).mkdir(parents=True, exist_ok=True)
        save_original(net, folder / name / "weights.params")
    write_files(ROOT / "docs" / "EXTENDING.md", folder)
    (folder / VALIDATION).parent.mkdir(parents=True)
    write_png(folder / VALIDATION, np.full((256, 512, 3), 127, np.uint8))
    for name in PUBLISHED:
        shutil.copy(folder / "RUN/source/weights.params", folder / name)
    return folder


def check_make(command: Command, folder: Path) -> None:
    """The plan can be made, and each stage in it is a command line that `mlsl` understands."""
    words = [word for word in stood_for(command.words[1:], folder) if word != "..."]
    made = subprocess.run(
        ["make", "-n", *words], cwd=folder, env=outside_make(), capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip(), "nothing to do"
    for line in made.stdout.replace("\\\n", " ").splitlines():
        if line.startswith((".venv/bin/mlsl ", ".venv-gpu/bin/mlsl ", ".venv-torch/bin/mlsl ")):
            _, words = next(parts(line))
            parse(list(words[1:]), folder)


def check_goal(command: Command, folder: Path) -> None:
    """`make help` tells of it."""
    said = subprocess.run(["make", "help"], cwd=folder, env=outside_make(), capture_output=True, text=True).stdout
    assert f"make {command.words[1]} " in said


def run_make(command: Command, folder: Path) -> None:
    """It ends well and says something."""
    made = subprocess.run(command.words, cwd=folder, env=outside_make(), capture_output=True, text=True, timeout=60)
    assert made.returncode == 0 and made.stdout.strip(), made.stderr


def check_mlsl(command: Command, folder: Path) -> None:
    """`mlsl` understands it, and the files that it names are there."""
    words = list(stood_for(command.words[1:], folder))
    if command.whole or "..." in words:
        parse(completed(words), folder)
    else:
        check_names(words)


def run_mlsl(command: Command, folder: Path) -> None:
    """It ends well and says something."""
    words, said = completed(stood_for(command.words[1:], folder)), io.StringIO()
    words = [f"RUN-{words[:i].count('RUN')}" if "RUN" == word in words[:i] else word for i, word in enumerate(words)]
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said):
            code = main(words)
    except SystemExit as ended:  # of --help and --version
        code = ended.code or 0
    finally:
        os.chdir(before)
        sys.path[:] = path  # to which the folder is added for a user's own code
    assert code == 0 and said.getvalue().strip()


def run_mlsl_make(command: Command, folder: Path) -> None:
    """Its plan, with `make -n`, as of any other make."""
    if len(command.words) > 2:
        parse(list(command.words[1:]), folder)
    check_make(Command(command.document, command.line, (), ("make", *command.words[2:]), command.whole), folder)


def check_pip(command: Command, folder: Path) -> None:
    """The files that it names are there, and the packages and extras are those of setup.py."""
    given: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", given.update)
        runpy.run_path(str(ROOT / "setup.py"))
    extras = given["extras_require"]
    known = {Requirement(text).name for text in [*given["install_requires"], *sum(extras.values(), [])]}
    assert command.words[1] in ("install", "uninstall", "wheel", "check"), "no other command of pip"
    words = iter(command.words[2:])
    for word in words:
        if word in ("-r", "-c"):
            named = next(words)
            assert (folder / named).exists(), named
        elif word == "-w":
            next(words)
        elif word.startswith("."):
            path, _, names = word.rstrip("]").partition("[")
            assert (folder / path / "setup.py").exists() and set(filter(None, names.split(","))) <= set(extras)
        elif not word.startswith("-") and not word.endswith(".whl") and word != "setuptools":
            assert Requirement(word).name in {*known, *VIEWERS}, word


def check_python(command: Command, folder: Path) -> None:
    """The script is there, or the code compiles and imports what there is."""
    words = list(command.words[1:])
    if words[0] == "-c":
        check_code(words[1])
    elif words[0] == "-m":
        assert importlib.util.find_spec(words[1]), words[1]
    else:
        compile((folder / words[0]).read_text(), words[0], "exec")


def run_command(command: Command, folder: Path) -> None:
    """It ends well."""
    subprocess.run(stood_for(command.words, folder), cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL)


def check_installed(command: Command, folder: Path) -> None:
    """The program comes with the packages of the tests."""
    assert (Path(os.path.dirname(os.sys.executable)) / command.words[0]).exists()


def check_docker(command: Command, folder: Path) -> None:
    """There is a Dockerfile, which has the stage that is named."""
    text, words = (ROOT / "Dockerfile").read_text(encoding="utf-8"), command.words
    assert "--target" not in words or f" AS {words[words.index('--target') + 1]}\n" in text


def check_nothing(command: Command, folder: Path) -> None:
    """Of this project there is nothing in it."""


def check_export(command: Command, folder: Path) -> None:
    """What is set are variables of MXNet's parameter server, or those of torchrun."""
    assert all(word.startswith("DMLC_") or word.partition("=")[0] in OF_TORCHRUN for word in command.words[1:])


DATA, TIME = "needs the real data sets", "takes minutes to hours"
STAGES = (
    "begin train-source import-weights train-head spatial-prior pseudo-label diagnose self-train evaluate check-data"
)
KINDS = (
    Kind("make help", run_make),
    Kind("make adapt$", check_goal, "is mentioned, without its EXPERIMENT="),
    Kind("make ", check_make, f"{TIME}, or {DATA}, or changes the environment: its plan is made and read"),
    Kind("mlsl make( |$)", run_mlsl_make, f"{TIME}: its plan is made and read"),
    Kind(r"mlsl (--help|--version|completion \w+$)", run_mlsl),
    Kind("mlsl COMMAND --help", check_nothing, "stands for all, of which tests/test_cli.py tries each"),
    Kind("mlsl report --compare .*--out", run_mlsl),
    Kind("mlsl export-onnx --weights .*--out", run_mlsl),
    Kind("mlsl export-onnx", check_mlsl, "is mentioned, without its files"),
    Kind("mlsl check-data --experiment runs/own", run_mlsl),
    Kind(f"mlsl ({STAGES.replace(' ', '|')})( |$)", check_mlsl, f"{TIME}, or {DATA}: tests/test_stages.py runs them"),
    Kind("mlsl predict .*--out", run_mlsl),
    Kind("mlsl report", check_mlsl, "is mentioned, without its run"),
    Kind("mlsl predict", check_mlsl, "is mentioned, without its files"),
    Kind("mlsl doctor", check_mlsl, "its answer depends on the machine: tests/test_doctor.py runs it"),
    Kind("mlsl make-worlds .*--root", run_mlsl),
    Kind("mlsl init-experiment .*--out", run_mlsl),
    Kind("mlsl init-experiment", check_mlsl, "is mentioned, without its files"),
    Kind("mlsl mask-labels", check_mlsl, "needs two public repositories: tests/test_masked_labels.py runs it"),
    Kind("mlsl launch", check_mlsl, "tests/test_launch.py runs it"),
    Kind("pip ", check_pip, "needs the network"),
    Kind(
        "(apt-get|dnf|uv python) install ",
        check_nothing,
        "changes the machine: benchmarks/fresh_machine.py has made one",
    ),
    Kind("python ", check_python, TIME),
    Kind("export ", check_export, "of several machines"),
    Kind("csEvalPixelLevelSemanticLabeling", check_installed, "tests/test_evaluate.py compares with it"),
    Kind("docker ", check_docker, "needs an engine, the network and for its second stage a GPU"),
    Kind("tensorboard ", check_nothing, "another project's program, which serves until it is stopped"),
    Kind("cp ", run_command),
    Kind("git clone ", check_nothing, "fetches another project's files"),
    Kind("cat ", check_nothing, "prints what a chain of minutes has written"),
)


@pytest.mark.parametrize("command", commands(ROOT, NOT_COMMANDS), ids=lambda c: f"{c.document}:{c.line} {c.text}"[:100])
def test_a_command(command, folder):
    kind = kind_of(command)
    assert kind is not None, f"{command.document}:{command.line}: {command.text!r} is not classified: add it to KINDS"
    kind.check(command, folder)
    print(f"not run: {kind.reason}" if kind.reason else "run")  # pytest -rP lists it


def test_what_is_not_run_has_a_reason():
    run = {run_make, run_mlsl, run_command}
    assert all(bool(kind.reason) == (kind.check not in run) for kind in KINDS)


@pytest.mark.parametrize(
    "block",
    [b for d in documents(ROOT) for b in blocks(d, (ROOT / d).read_text(encoding="utf-8")) if b.kind == "python"],
    ids=lambda b: f"{b.document}:{b.line}",
)
def test_a_python_example(block):
    check_code("\n".join(block.lines))


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("make gta3city", "No rule to make target"),
        ("make gta2city DATA=/elsewhere", "no such file or folder"),
        ("mlsl export-onnx --weight RUN/none.params --out x.onnx", "RUN/none.params"),
        ("mlsl evaluate --round 0", "--experiment"),
        ("pip install -r requirements.txt", "requirements.txt"),
        ("pip install numpi", "numpi"),
        ("python benchmarks/none.py", "none.py"),
    ],
)
def test_a_wrong_command_is_found(text, wrong, folder):
    command = Command("x.md", 1, (), tuple(text.split()), whole=True)
    kind = kind_of(command)
    with pytest.raises((AssertionError, OSError), match=re.escape(wrong)):
        kind.check(command, folder)


def kind_of(command: Command) -> Kind | None:
    """The first that fits, wherever the program lies."""
    text = " ".join((command.words[0].rpartition("bin/")[2], *command.words[1:]))
    return next((kind for kind in KINDS if re.match(kind.pattern, text)), None)


def stood_for(words, folder: Path) -> list[str]:
    """The words with the folder's files for what only readers have."""
    replaced = []
    for word in words:
        for named, here in STANDS_FOR:
            if named in word:
                word = word.replace(named, str(folder / here) if named.startswith("/") else here)
                break
        replaced.append(word)
    return replaced


def completed(words: list[str]) -> list[str]:
    """Without `...`, in whose place stand the required options that are not given."""
    if "..." not in words:
        return list(words)
    given = [word for word in words if word != "..."]
    for action in subcommand(launched(given)[0])._actions:
        option = next((name for name in action.option_strings if name in STAGE_WORDS), None)
        if action.required and option and option not in given:
            given += [option, STAGE_WORDS[option]]
    return given


def parse(words: list[str], folder: Path) -> argparse.Namespace:
    """Raises: AssertionError with what the parser says, or for a file to read that is not there."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = build_parser().parse_args(words)
    except SystemExit:
        raise AssertionError(said.getvalue()) from None
    if options.command == "launch":
        return parse(options.stage[options.stage[:1] == ["--"] :], folder)
    for name in ("experiment", "imagenet", "weights"):
        given = getattr(options, name, None)
        for path in given if isinstance(given, list) else filter(None, [given]):
            fetched = name == "imagenet" and path == Path(GLUONCV)
            assert fetched or (folder / path).exists(), f"{path}: is named, but not there"
    return options


def subcommand(name: str) -> argparse.ArgumentParser:
    parser = build_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    assert name in commands.choices, f"mlsl has no subcommand {name}"
    return commands.choices[name]


def launched(words: list[str]) -> list[str]:
    """Those of the stage that `mlsl launch` starts."""
    return words[words.index("--") + 1 :] if words[0] == "launch" and "--" in words else words


def check_names(words: list[str]) -> None:
    """Of a part of a command line: the subcommand is there, and it has these options."""
    words = launched(words)
    known = {option for action in subcommand(words[0])._actions for option in action.option_strings}
    assert {word.split("=")[0] for word in words[1:] if word.startswith("-")} <= known


def check_code(code: str) -> None:
    """It compiles, and what it imports is there."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            assert all(name.name in ELSEWHERE or importlib.util.find_spec(name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module not in ELSEWHERE:
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
