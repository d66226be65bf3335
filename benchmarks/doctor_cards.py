"""What `mlsl doctor` says on cards that are not here: the driver is a stub that pretends them, all else is real.

.venv/bin/python benchmarks/doctor_cards.py        # needs a C compiler; writes docs/doctor/cpu/
    .venv-gpu/bin/python benchmarks/doctor_cards.py    # docs/doctor/cu112/
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlsl_mx.system.cuda_libraries import has_cuda_build
from mlsl_mx.system.whole_files import write_bytes

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "doctor"
DRIVER = Path(__file__).with_name("stub_driver.c")
GIB = 2**30


class Card(NamedTuple):
    """A pretended card; memory in GiB."""

    name: str
    major: int
    minor: int
    total: float
    free: float

    def __str__(self) -> str:
        return f"{self.name}|{self.major}|{self.minor}|{int(self.total * GIB)}|{int(self.free * GIB)}"


# File -> card. Memory free is of a card that shows a desktop, or nothing.
CARDS = {
    "gtx1080": Card("NVIDIA GeForce GTX 1080", 6, 1, 8, 7.2),
    "a100": Card("NVIDIA A100-SXM4-40GB", 8, 0, 40, 39.4),
    "rtx4090": Card("NVIDIA GeForce RTX 4090", 8, 9, 24, 23.1),
    "h100": Card("NVIDIA H100 80GB HBM3", 9, 0, 80, 79.1),
}


def compile_driver(folder: Path) -> None:
    """Make the stub `folder`/libcuda.so.1. Raises: FileNotFoundError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("no C compiler: install gcc")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(DRIVER)]
    subprocess.run(command, check=True)


def environment(folder: Path, cards: Sequence[Card], cuda: int = 12040, error: int = 0) -> dict[str, str]:
    """Variables with which a program finds the stub in `folder`, and these cards."""
    pretended = {"STUB_CARDS": ";".join(map(str, cards)), "STUB_CUDA": str(cuda), "STUB_ERROR": str(error)}
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH"))))
    return {**os.environ, "LD_LIBRARY_PATH": paths, **pretended}


def doctor(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess:
    """Run `mlsl doctor` as a user would, in the checkout."""
    command = [sys.executable, "-m", "mlsl_mx", "doctor", *words]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True)


def main() -> None:
    """Write what is said without a card, and with each."""
    build, environment_name = ("cu112", ".venv-gpu") if has_cuda_build() else ("cpu", ".venv")
    with tempfile.TemporaryDirectory() as folder:
        compile_driver(Path(folder))
        runs = {"no-card": dict(os.environ)}
        runs.update({name: environment(Path(folder), [card]) for name, card in CARDS.items()})
        for name, variables in runs.items():
            run = doctor(variables)
            text = f"$ mlsl doctor\n{run.stdout}exit code {run.returncode}\n"
            text = text.replace(sys.prefix, environment_name)  # which it is in a checkout that make has set up
            write_bytes(OUT / build / f"{name}.txt", text.encode())
            print(f"{name}\n{text}")


if __name__ == "__main__":
    main()
