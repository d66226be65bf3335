"""Commands that are printed for the user to go on with: quoted for a shell, and right where they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from mlsl_mx.system.packaged_files import packaged

# What `make` does not take in the name of a run directory (a test holds it against the Makefile's).
SIGNS = set("'\"`\\;&|<>*?[]{}:%#()")


def program() -> str:
    """This installation's `mlsl`: by name if that is the one on the PATH, else by its path."""
    script, on_path = Path(sys.executable).with_name("mlsl"), shutil.which("mlsl")
    if on_path is not None and script.exists() and os.path.samefile(on_path, script):
        return "mlsl"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m mlsl_mx"
    relative = os.path.relpath(script)
    return shlex.quote(str(script) if relative.startswith("..") else relative)


def check_data(experiment: Path) -> str:
    """The command that looks at an experiment's data."""
    return f"{program()} check-data --experiment {shlex.quote(str(experiment))}"


def adapt(experiment: Path, imagenet: str) -> str:
    """The command that runs an experiment; in another folder than the checkout Make is called by `mlsl`."""
    words = [f"EXPERIMENT={experiment}", f"IMAGENET={imagenet}"]
    name = re.sub(r"\s", "-", experiment.stem)
    if SIGNS & set(name):
        words.append(f"RUN=runs/own/{''.join('-' if sign in SIGNS else sign for sign in name)}-seed0")
    here = Path("Makefile").exists() and os.path.samefile("Makefile", packaged("Makefile"))
    return f"{'make' if here else f'{program()} make'} adapt {shlex.join(words)}"
