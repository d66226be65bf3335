"""What this machine and this installation are, as far as it can be found out without MXNet in this process."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from mlsl_mx.doctor.driver import Driver
from mlsl_mx.system.processor import CPUINFO, cpu_model, has_bfloat16, usable_cores
from mlsl_mx.system.surroundings import python

PACKAGES = ("numpy", "cv2", "mxnet", "gluoncv", "PIL", "yaml", "scipy", "tqdm", "matplotlib")
SECONDS = 180  # that an import may take, from a slow network disk, before it counts as hanging
MEMINFO = Path("/proc/meminfo")
LIMIT, USED, PARTS = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current", "stat"))


@dataclass(frozen=True)
class Imports:
    """What `doctor.imports` answered."""

    versions: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # of modules that do not import
    features: tuple[str, ...] = ()  # of MXNet
    gpus: int = 0  # that MXNet sees
    gpus_error: str | None = None
    faults: tuple[str | None, ...] = ()  # of each GPU; None: it computes
    ended: str | None = None  # how the process ended, if not well


@dataclass(frozen=True)
class Facts:
    """Everything that `findings` judges but the data; bytes, where memory and disk are meant."""

    python: str
    environment: str  # folder of the virtual environment, or of Python
    wheels: tuple[str, ...]  # of MXNet, as pip calls them
    imports: Imports
    driver: Driver
    cpu: str | None
    cores: int
    bfloat16: bool
    memory: int | None
    free_memory: int | None
    free_disk: int
    folder: str
    elsewhere: tuple[str, ...] = ()  # packages of ours that PYTHONPATH has, too: their files


def gather() -> Facts:
    """Look at this machine; takes the seconds that importing MXNet and gluoncv takes."""
    total, free = memory()
    folder = Path.cwd()
    return Facts(
        python=platform.python_version(),
        environment=_shown(Path(sys.prefix)),
        wheels=tuple(sorted({d.metadata["Name"] for d in distributions() if _is_mxnet(d.metadata["Name"])})),
        imports=imports(*answered("mlsl_mx.doctor.imports")),
        driver=driver(*answered("mlsl_mx.doctor.driver")),
        cpu=cpu_model(CPUINFO),
        cores=usable_cores(),
        bfloat16=has_bfloat16(CPUINFO),
        memory=total,
        free_memory=free,
        free_disk=shutil.disk_usage(folder).free,
        folder=_shown(folder),
        elsewhere=tuple(packages_in(os.environ.get("PYTHONPATH", ""))),
    )


def answered(module: str, seconds: float = SECONDS) -> tuple[list[dict[str, Any]], str | None]:
    """The lines of JSON that `python -m MODULE` prints, and how it ended if not well."""
    command = python(f"import runpy; runpy.run_module({module!r}, run_name='__main__')")
    try:
        run = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
        output, code = run.stdout, run.returncode
        ended = None if code == 0 else f"was ended by signal {-code}" if code < 0 else _last_line(run.stderr)
    except subprocess.TimeoutExpired as expired:
        output, ended = expired.stdout or b"", f"did not answer for {seconds:.0f} seconds"
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"{")], ended


def imports(answers: list[dict[str, Any]], ended: str | None) -> Imports:
    """The answers of `doctor.imports` in order."""
    modules = [answer for answer in answers if "module" in answer]
    gpus = next((answer for answer in answers if "gpus" in answer), {})
    return Imports(
        versions={answer["module"]: answer["version"] for answer in modules if "version" in answer},
        errors={answer["module"]: answer["error"] for answer in modules if "error" in answer},
        features=tuple(name for answer in answers for name in answer.get("features", ())),
        gpus=gpus.get("gpus", 0),
        gpus_error=gpus.get("error"),
        faults=tuple(answer["error"] for answer in answers if "gpu" in answer),
        ended=ended,
    )


def driver(answers: list[dict[str, Any]], ended: str | None) -> Driver:
    """The answer of `doctor.driver`."""
    return Driver.from_json(answers[0]) if answers else Driver(error=f"asking the driver {ended}")


def packages_in(path: str) -> Iterator[str]:
    """The files of packages that stages import, where folders of a PYTHONPATH hold another one."""
    folders = [folder for folder in path.split(os.pathsep) if folder]
    for package in PACKAGES:
        found = PathFinder.find_spec(package, folders)
        if found is not None:
            yield found.origin or package


def memory(
    meminfo: Path = MEMINFO, limit: Path = LIMIT, used: Path = USED, parts: Path = PARTS
) -> tuple[int | None, int | None]:
    """Bytes of memory and of free memory, of the container if it has a limit; None where the system does not tell.

    What a container keeps of files only in case they are read again counts as used there, and is free.
    """
    try:
        kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.MULTILINE))
        total, free = (1024 * int(kilobytes[name]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError):
        return None, None
    try:
        most = int(limit.read_text())
        kept = re.search(r"^inactive_file (\d+)$", parts.read_text() if parts.exists() else "", re.MULTILINE)
        return min(total, most), min(free, most - int(used.read_text()) + (int(kept[1]) if kept else 0))
    except (OSError, ValueError):  # ValueError: "max", which is no limit
        return total, free


def _is_mxnet(name: str | None) -> bool:
    return name is not None and re.fullmatch(r"mxnet(-cu\d+)?", name.lower().replace("_", "-")) is not None


def _shown(path: Path) -> str:
    """A path as seen from the current folder, if it is below."""
    return str(path.relative_to(Path.cwd())) if Path.cwd() in (path, *path.parents) else str(path)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return f"failed: {lines[-1]}" if lines else "failed"
