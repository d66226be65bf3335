"""Scripts that complete `mlsl` in a shell: commands, options, methods, experiments, files and folders."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from mlsl_mx.system.packaged_files import METHOD_FILES, existing, packaged

FOLDERS = ("FOLDER", "RUN")  # metavars of options that take a folder


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for bash, zsh or tcsh, to be sourced by it.

    Args:
        parser: of `mlsl`; its options get the attributes that shtab reads.
    """
    experiments = [f"experiments/{path}" for path in _below("*.yaml", "miniature/*.yaml", "released/*2city.yaml")]
    for action in _options(parser):
        if action.dest == "method":
            action.choices = sorted(path.stem for path in _below(*METHOD_FILES))
        elif action.dest == "experiment":
            action.complete = {"bash": "_mlsl_experiment_files", "zsh": "_mlsl_experiment_files", "tcsh": "f"}
        elif action.type in (Path, existing):
            action.complete = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE
    words = " ".join(experiments)
    # `_file` in the name has shtab's script for bash treat folders as such: no blank after one.
    offered = {
        "bash": f'_mlsl_experiment_files() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"_mlsl_experiment_files() {{ _alternative 'given:experiment:({words})' 'files:file:_files' }}",
    }
    return shtab.complete(parser, shell, preamble=offered)


def _below(*patterns: str) -> list[Path]:
    """Experiment files that come with the program, relative to experiments/."""
    folder = packaged("experiments")
    return [path.relative_to(folder) for pattern in patterns for path in sorted(folder.glob(pattern))]


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _options(command)
        else:
            yield action
