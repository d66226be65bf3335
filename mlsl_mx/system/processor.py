"""What the processor is called, which instructions it has, and how many of its cores are ours."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cpu_model(cpuinfo: Path) -> str | None:
    """What Linux, or else Python, calls the processor; None if neither can tell."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    return found.group(1).strip() if found else platform.processor() or None


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the CPU multiplies bfloat16 numbers, as far as Linux tells."""
    return has_instructions("avx512_bf16", cpuinfo=cpuinfo)


def has_instructions(*names: str, cpuinfo: Path = CPUINFO) -> bool:
    """Whether the CPU has all of these, as far as Linux tells."""
    try:
        return set(names) <= set(cpuinfo.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return False


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int:
    """The cores that this process may use, at least 1: a batch system or `taskset` may grant it some of the machine's,
    and a container have a share of their time (`docker run --cpus 1.5`), which is rounded up."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([granted, *map(math.ceil, _shares(cgroups, own))]))


def _shares(cgroups: Path, own: Path) -> Iterator[float]:
    """Limits of the cores' time that hold for this process, in cores: of its control groups and those around them."""
    try:
        groups = [line.split(":", 2)[1:] for line in own.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):  # not Linux
        return
    for controllers, place in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups  # Linux's first and second form of control groups
        inner = root / place.lstrip("/")  # not there if the container shows its own group as the outermost
        for group in (inner, *inner.parents[: len(inner.parts) - len(root.parts)]):
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            try:
                quota, period = " ".join((group / name).read_text() for name in names).split()
                yield from [int(quota) / int(period)] * (int(quota) > 0)
            except (OSError, ValueError):  # no limit
                continue


def threads_beside(device_type: str) -> int:
    """Threads that read and write files beside a network: none where it needs the cores itself, on a "cpu"."""
    return 0 if device_type == "cpu" else min(8, usable_cores())
