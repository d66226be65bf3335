"""What every benchmark shares: times of calls taken in turn, the machine's own rates, peak memory, and result files.

Import it before MXNet: it sets the number of threads, which MXNet reads once.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import numpy as np

from mlsl_mx.system.environment import environment
from mlsl_mx.system.whole_files import write_bytes, write_json

RESULTS = Path(__file__).parent / "results"
THREADS = int(os.environ["OMP_NUM_THREADS"])


def option_parser(text: str | None, *, repeats: int | None = None, results: bool = False) -> argparse.ArgumentParser:
    """Of a script whose docstring is `text`; with `--repeats`, of which so many are the default, and `--results`."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    if repeats is not None:
        parser.add_argument("--repeats", type=int, default=repeats)
    if results:
        parser.add_argument("--results", type=Path, default=RESULTS, help="folder; default benchmarks/results")
    return parser


def wait_for_mxnet() -> None:
    """Until it has done all that it was given; some scripts run where there is none."""
    import mxnet as mx

    mx.nd.waitall()


def seconds_in_turn(
    calls: Mapping[str, Callable[[], Any]],
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[], None] = wait_for_mxnet,
) -> dict[str, float]:
    """Median seconds of each call; all are called once before, then in turn, so that what disturbs one disturbs all.

    Args:
        clock: `time.process_time` gives the processor time of all threads, which other processes hardly influence.
        wait: comes after each call, and returns once its work is done.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            started = clock()
            call()
            wait()
            if repeat:
                times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def large_convolution() -> tuple[Callable[[], Any], int]:
    """A 3x3 convolution of 512 channels to 512 on 64x64, and its floating-point operations: the floor of arithmetic."""
    import mxnet as mx

    channels, side = 512, 64
    image = mx.nd.random.uniform(shape=(1, channels, side, side))
    weight = mx.nd.random.uniform(shape=(channels, channels, 3, 3))

    def call():
        mx.nd.Convolution(image, weight, no_bias=True, kernel=(3, 3), pad=(1, 1), num_filter=channels).wait_to_read()

    return call, 2 * 9 * channels * channels * side * side


def large_copy(volume_bytes: int = 4 * 19 * 1024 * 2048) -> tuple[Callable[[], Any], int]:
    """A copy of a probability volume by all threads, and the bytes it reads and writes: the floor of memory."""
    source, target = np.ones(volume_bytes, np.uint8), np.zeros(volume_bytes, np.uint8)
    parts = list(zip(np.array_split(source, THREADS), np.array_split(target, THREADS), strict=True))
    pool = ThreadPoolExecutor(THREADS)

    def call():
        list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))

    return call, 2 * volume_bytes


def peak_extra_bytes(call: Callable[[], Any]) -> int:
    """By how much the process's resident memory rose while `call` ran, at its highest (Linux)."""
    wait_for_mxnet()  # which is not to be imported below
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before would be used again, and not be seen
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew from here
    before = resident_bytes()
    call()
    wait_for_mxnet()
    return max(0, _resident("VmHWM") - before)


def resident_bytes() -> int:
    """The process's resident memory now (Linux)."""
    return _resident("VmRSS")


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Collection[int] | None = None) -> str:
    """A Markdown table. Columns of `numbers` are set to the right; by default all but the first."""
    right = range(1, len(header)) if numbers is None else numbers
    lines = [f"| {' | '.join(header)} |", "|" + "".join("---:|" if i in right else "---|" for i in range(len(header)))]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows]) + "\n"


def write_results(name: str, content: dict[str, Any], text: str, results: Path = RESULTS) -> None:
    """Print the tables; write `results`/NAME.json, with the environment, and NAME.md."""
    write_json(results / f"{name}.json", {**content, "environment": environment()})
    write_bytes(results / f"{name}.md", text.encode())
    print(text)
