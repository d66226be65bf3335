"""Stages as processes that are ended from outside, and what becomes of the processes that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Broken(Exception):
    """A stage that did not end as it should: its chain cannot go on."""


class Started(subprocess.Popen):
    """A stage as a process; what it says goes to a file, which no child that outlives it can keep us from reading."""

    def __init__(self, words: tuple[str, ...]):
        self.said = tempfile.TemporaryFile()
        command = [sys.executable, "-m", "mlsl_mx", *words]
        super().__init__(command, cwd=ROOT, stdout=self.said, stderr=subprocess.STDOUT)

    def __exit__(self, *problem) -> None:
        self.kill()
        self.said.close()
        super().__exit__(*problem)

    def ended_within(self, seconds: float) -> bool:
        """Wait for so long at most."""
        try:
            self.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def must_have_ended(self, name: str, *codes: int) -> None:
        """Raises: Broken with what the process said if its exit code is none of these."""
        if self.returncode not in codes:
            self.said.seek(0)
            said = self.said.read().decode(errors="replace")
            raise Broken(f"{name}: exit code {self.returncode}: {said[-2000:]}")


def finish(words: tuple[str, ...], name: str) -> None:
    """Run a stage to its end. Raises: Broken if it does not end well."""
    with Started(words) as process:
        process.wait()
        process.must_have_ended(name, 0)


def descendants(pid: int) -> dict[int, str]:
    """The processes below one: their command lines by (id), from /proc."""
    parents, found = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    for child in parents:
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and child != pid:
            found[child] = command_line(child)
    return found


def command_line(pid: int) -> str:
    """Empty for a process that is not there, or not any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def outlived(family: dict[int, str], patience: float = 5) -> list[str]:
    """Which of the processes are there still, after some seconds in which they may end; these are ended now."""
    end = time.monotonic() + patience
    while True:
        alive = {pid: line for pid, line in family.items() if line and command_line(pid) == line}
        if not alive or time.monotonic() > end:
            break
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return [f"{pid} {line[:100]}" for pid, line in alive.items()]
