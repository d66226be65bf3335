"""What the processor is called, and whether it has bfloat16."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cpu_model(cpuinfo: Path) -> str | None:
    """What Linux, or else Python, calls the processor; None if neither can tell."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    return found.group(1).strip() if found else platform.processor() or None


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the CPU multiplies bfloat16 numbers, as far as Linux tells."""
    try:
        return "avx512_bf16" in cpuinfo.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return False
