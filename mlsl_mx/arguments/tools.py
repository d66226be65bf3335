"""Subcommands around the stages."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlsl_mx.arguments.common import RUN, add_command, add_roots
from mlsl_mx.workers import SHARED

DOCTOR_DETAILS = """\
Marks: ? there is something to know or to do, ! stages will fail. Data are looked for by name:
`mlsl check-data` opens them. Exit codes: 0 usable, 2 not."""

LAUNCH_DETAILS = """\
Labels and evaluations are the same for any number of workers; a batch of training is divided among them evenly. With
--ctx 'gpu(0),gpu(1)' each worker gets one of the GPUs.
Several machines: any launcher that sets MXNet's DMLC_* variables; see docs/SCALING.md."""


def add_tools(commands) -> None:
    """doctor and launch."""
    _add_doctor(commands)
    _add_launch(commands)


def _add_doctor(commands) -> None:
    text = "tell whether this installation, its MXNet, the GPUs and the data can be used, and what to do if not"
    command = add_command(commands, "doctor", text, "mlsl doctor --data runs/miniature/data --json", DOCTOR_DETAILS)
    command.add_argument(
        "--experiment",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="whose data are looked for; default: gta2city and synthia2city, the miniature's if its data are given",
    )
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of experiments")
    add_roots(command)
    command.add_argument("--json", action="store_true", help="the same as JSON: usable, findings with their facts")


def _add_launch(commands) -> None:
    command = add_command(
        commands,
        "launch",
        "share a stage among several processes on this machine",
        f"mlsl launch -n 2 -- pseudo-label --round 0 {RUN}",
        LAUNCH_DETAILS,
    )
    command.usage = "mlsl launch -n N [--threads T] -- STAGE ..."
    command.add_argument("-n", type=int, required=True, metavar="N", help="number of workers")
    command.add_argument("--threads", type=int, metavar="T", help="CPU threads of each; default: cores / N")
    command.add_argument("stage", nargs=argparse.REMAINDER, metavar="STAGE ...", help=f"one of {', '.join(SHARED)}")
