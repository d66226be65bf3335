"""Subcommands around the stages."""

from __future__ import annotations

import argparse

from mlsl_mx.arguments.common import RUN, add_command
from mlsl_mx.workers import SHARED

LAUNCH_DETAILS = """\
Labels and evaluations are the same for any number of workers; a batch of training is divided among them evenly. With
--ctx 'gpu(0),gpu(1)' each worker gets one of the GPUs.
Several machines: any launcher that sets MXNet's DMLC_* variables; see docs/SCALING.md."""


def add_tools(commands) -> None:
    """launch."""
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
