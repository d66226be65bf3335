"""Versions, code revision and machine of a run."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlsl_mx
from mlsl_mx.system.processor import CPUINFO, cpu_model, usable_cores

ENGINES = ("mxnet", "mxnet-cu112", "gluoncv", "torch")  # packages of which some are installed


def environment() -> dict[str, Any]:
    """Versions, code revision and machine: what one needs to know to compare two runs."""
    import cv2
    import numpy

    return {
        "mlsl_mx": mlsl_mx.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        **_installed(ENGINES),
        "machine": platform.machine(),
        "cpu": cpu_model(CPUINFO),
        "cpus": usable_cores(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "command": shlex.join(sys.argv[1:]),
    }


def _installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those that are installed, as the installation says: GluonCV 0.10.5.post0 calls itself 0.11.0."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def revision() -> str:
    """The code's revision by git, "-dirty" if files differ from it; "unknown" outside a checkout of this project."""
    folder = Path(mlsl_mx.__file__).parents[1]
    if not (folder / ".git").exists():  # git would look further up, and find somebody else's repository
        return "unknown"
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # as in a hook of another
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
        return subprocess.run(command, env=own, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
