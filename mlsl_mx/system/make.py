"""`mlsl make`: the chains of stages without a checkout, by GNU make and the Makefile that comes with the program."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import packaged
from mlsl_mx.system.surroundings import PROGRAM


def make(words: Sequence[str], options: Sequence[str] = ()) -> None:
    """Become GNU make, in the current folder, with this installation's `mlsl`. Does not return.

    Args:
        words: goals and variables of the Makefile, e.g. "gta2city" and "METHOD=sisc", and options among them.
        options: of GNU make, e.g. "-n".

    Raises: InputError without GNU make.
    """
    if shutil.which("make") is None:
        raise InputError("no `make` on the PATH: install GNU make, or call the stages as `mlsl --help` shows")
    sys.stdout.flush()
    os.execvp("make", make_command(words, options))


def make_command(words: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """What `make` runs: without an environment to build, and with stages by the program that runs now."""
    stage = shlex.join(PROGRAM).replace("$", "$$")
    makefile = str(packaged("Makefile"))
    given = [f"MAKEFILE={makefile}", f"MLSL={stage}", "INSTALLED=", "VENV="]
    return ["make", "-f", makefile, *options, *given, *words]
