"""What the command line understands: one subcommand a stage.

A new subcommand is an `add_command` or `add_stage` in one of this package's files, with its call beside it. A call
imports what it needs itself: MXNet is loaded only when a stage runs.
"""

from __future__ import annotations

import argparse

from mlsl_mx import __version__
from mlsl_mx.commands.data import add_data_commands
from mlsl_mx.commands.predict import add_predict
from mlsl_mx.commands.results import add_result_commands
from mlsl_mx.commands.tools import add_completion, add_tools
from mlsl_mx.commands.training import add_training_commands

EPILOG = """\
The stages in order, as make calls them (`make -n gta2city` prints its own):
  mlsl begin        --experiment my.yaml --run runs/a ...
  mlsl train-source ... , or with a source model that exists: mlsl import-weights ...
  mlsl evaluate --source ...
  mlsl pseudo-label --round 0 ... ; mlsl self-train --round 0 ... ; mlsl evaluate --round 0 ... ; and so each round
  mlsl report ...
A trained network segments images of your own with `mlsl predict --weights RUN/METHOD/round-R/weights.params FOLDER`.
An adapted network leaves MXNet with `mlsl export-onnx --weights RUN/METHOD/round-R/weights.params --out FILE.onnx`.
Every stage can be started again: a finished one is a no-op, an interrupted one goes on.
Exit codes: 0 done, 1 a bug of ours (with a traceback: please report it), 2 wrong input (one line says what and the
remedy), 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by a closed terminal.
`mlsl COMMAND --help` shows a command's options, and an example."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="mlsl",
        description="Self-training with SISC pseudo-labels and pseudo weak-labels, from game frames to real streets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlsl-mx {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_data_commands(commands)
    add_training_commands(commands)
    add_result_commands(commands)
    add_predict(commands)
    add_tools(commands)
    add_completion(commands, parser)
    return parser
