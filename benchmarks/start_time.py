"""How much processor time `mlsl` takes before it does anything: what one waits for at each tab key and each `--help`.

User and system time of whole processes, taken in turn: other processes hardly influence it, as they do wall-clock time.
make-miniature is given a seed that it refuses after its imports, so what is left is where it would begin to render.

    .venv/bin/python benchmarks/start_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import measure

GOAL = 0.3  # seconds
REPEATS = 15
FLOORS = {"python -c pass": ("-c", "pass"), "python -c 'import numpy, cv2'": ("-c", "import numpy, cv2")}
COMMANDS = {
    "mlsl --version": ("--version",),
    "mlsl --help": ("--help",),
    "mlsl completion bash": ("completion", "bash"),
    "mlsl make-miniature, up to its first picture": ("make-miniature", "--root", "none", "--seed", "-1"),
}


def main() -> None:
    """Measure all in turn, print and write the table."""
    calls = {**FLOORS, **{name: ("-m", "mlsl_mx", *words) for name, words in COMMANDS.items()}}
    times = {name: [] for name in calls}
    for repeat in range(REPEATS + 1):
        for name, words in calls.items():
            seconds = processor_seconds(words)
            if repeat:  # the first one compiles, and brings files into memory
                times[name].append(seconds)
    medians = {name: round(statistics.median(values), 3) for name, values in times.items()}
    measure.write_results("start_time", {"goal": GOAL, "seconds": medians}, text(medians))


def processor_seconds(words: tuple[str, ...]) -> float:
    """User and system time of a Python with these arguments."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usage = os.wait4(process.pid, 0)[2]
    return usage.ru_utime + usage.ru_stime


def text(medians: dict[str, float]) -> str:
    """The table, each row beside the floors."""
    floors = [medians[name] for name in FLOORS]
    rows = [[f"`{name}`", f"{s:.3f}", *(f"{s / floor:.1f}" for floor in floors)] for name, s in medians.items()]
    header = ["command", "processor time, s", "times `pass`", "times NumPy and OpenCV"]
    return f"Median of {REPEATS}; the goal is below {GOAL} s:\n\n{measure.table(header, rows)}"


if __name__ == "__main__":
    main()
