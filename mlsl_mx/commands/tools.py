"""Subcommands around the stages."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from mlsl_mx.commands.common import RUN, add_command, add_roots, roots, whole
from mlsl_mx.system.result import Result
from mlsl_mx.system.worker_role import SHARED

SHELLS = ("bash", "zsh", "tcsh")

DOCTOR_DETAILS = """\
Marks: ? there is something to know or to do, ! stages will fail. Data are looked for by name:
`mlsl check-data` opens them. Exit codes: 0 usable, 2 not."""

LAUNCH_DETAILS = """\
Labels and evaluations are the same for any number of workers; a batch of training is divided among them evenly. With
--ctx 'gpu(0),gpu(1)' each worker gets one of the GPUs.
Several machines: any launcher that sets MXNet's DMLC_* variables, or PyTorch's; see docs/SCALING.md."""


MAKE_DETAILS = """\
Runs the project's Makefile with this installation's mlsl; everything is written below the current folder. Goals and
variables are those of `make` in a checkout; `mlsl make help` lists them."""

COMPLETION_DETAILS = """\
  bash  mlsl completion bash > ~/.local/share/bash-completion/completions/mlsl
  zsh   mlsl completion zsh > FOLDER/_mlsl, a FOLDER of $fpath
  tcsh  mlsl completion tcsh > ~/.mlsl.tcsh, and `source ~/.mlsl.tcsh` in ~/.tcshrc"""


def add_tools(commands) -> None:
    """doctor, launch and make."""
    text = "tell whether this installation, its engine, the GPUs and the data can be used, and what to do if not"
    example = "mlsl doctor --data runs/miniature/data --json"
    command = add_command(commands, "doctor", _doctor, text, example, details=DOCTOR_DETAILS)
    command.add_argument(
        "--experiment",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="its data are looked for; default: gta2city and synthia2city, the miniature's if its data are given",
    )
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of experiments")
    add_roots(command)

    text = "share a stage among several processes on this machine"
    example = f"mlsl launch -n 2 -- pseudo-label --round 0 {RUN}"
    command = add_command(commands, "launch", _launch, text, example, details=LAUNCH_DETAILS)
    command.usage = "mlsl launch -n N [--threads T] -- STAGE ..."
    command.add_argument("-n", type=whole, required=True, metavar="N", help="number of workers")
    command.add_argument("--threads", type=whole, metavar="T", help="CPU threads of each; default: cores / N")
    command.add_argument("stage", nargs=argparse.REMAINDER, metavar="STAGE ...", help=f"one of {', '.join(SHARED)}")

    text, example = "run a chain of stages, or one of the paper's tables, by GNU make", "mlsl make gta2city METHOD=sisc"
    command = add_command(commands, "make", _make, text, example, details=MAKE_DETAILS, speaks=False)
    command.usage = "mlsl make [-n] [-s] [-j N] GOAL|NAME=VALUE ..."
    command.add_argument("-n", "--dry-run", action="store_true", help="only print the plan")
    command.add_argument("-s", "--silent", action="store_true", help="do not print the stages' command lines")
    command.add_argument("-j", type=whole, metavar="N", help="independent stages to run at a time; default 1")
    # What follows the first goal is for GNU make to understand, where options may stand between goals and variables.
    metavar, meaning = "GOAL|NAME=VALUE ...", "e.g. gta2city METHOD=sisc; none: help"
    command.add_argument("words", nargs=argparse.REMAINDER, metavar=metavar, help=meaning)


def _doctor(options):
    from mlsl_mx.doctor import examine

    diagnosis = examine(options.experiment, options.set, roots(options))
    fault = None if diagnosis.usable else f"{diagnosis.summary()}: see above"
    return Result(diagnosis.text(), diagnosis.content(), fault)


def _launch(options):
    from mlsl_mx.system.launch import launch

    words = options.stage[options.stage[:1] == ["--"] :]
    words += [f"--{name}" for name in ("quiet", "verbose", "json") if words and getattr(options, name)]
    code = launch(words, options.n, options.threads)
    if code:
        raise SystemExit(code)


def _make(options):
    from mlsl_mx.system.make import make

    flags = ["-n"] * options.dry_run + ["-s"] * options.silent + ([f"-j{options.j}"] if options.j else [])
    make(options.words, flags)


def add_completion(commands, parser: argparse.ArgumentParser) -> None:
    """completion, of the whole program's parser."""
    text, example = "print a shell's completion script", "mlsl completion bash > mlsl.bash"
    call = partial(_completion, parser)
    command = add_command(commands, "completion", call, text, example, details=COMPLETION_DETAILS, speaks=False)
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or tcsh")


def _completion(parser, options):
    from mlsl_mx.commands.completion import completion

    return completion(parser, options.shell)
