"""`mlsl launch`: several workers of one stage on this machine, and what joins them.

MXNet's workers have a parameter server; PyTorch's find each other by the variables that torchrun sets, too.

Worker 0 writes to the terminal; what the others say is shown if one of them fails. When a worker fails, or the launcher
ends in whatever way, nothing that it started is left. A launcher that is asked to stop asks the workers first, so that
training leaves a checkpoint.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mlsl_mx.system.device_shares import check_count, divided, library_of
from mlsl_mx.system.processor import usable_cores
from mlsl_mx.system.stopping import SIGNALS, Stopped, end_with_parent, stops_when_asked
from mlsl_mx.system.surroundings import PROGRAM, python
from mlsl_mx.system.worker_role import check_shared

HOST = "127.0.0.1"  # the parameter server trusts whoever reaches it
POLL_SECONDS = 0.05
GRACE_SECONDS = 0.5  # for worker 0 to fail of the same cause, and to say so itself
STOPPING_SECONDS = 120  # for workers that are asked to stop: a step, and a checkpoint
LEAVING_SECONDS = 5  # for the others once one has left: all leave together, but who waits for one that is gone
SHOWN_LINES = 20
# As scheduler or server, the import does the work and exits.
PARAMETER_SERVER = python("import mlsl_mx, mxnet")


def launch(stage: Sequence[str], count: int, threads: int | None = None) -> int:
    """Run a stage in several workers.

    Args:
        stage: the words after `mlsl`: "evaluate", "--source", ... A `--ctx` of several devices is divided.
        count: of workers.
        threads: of each on the CPU; None divides the cores.

    Returns: 0, or the exit code of a worker that failed.
    Raises: InputError for a stage that has nothing to share, or devices that cannot be divided; Stopped by SIGINT,
        SIGTERM or SIGHUP, after the workers.
    """
    check_count("-n", count)
    if threads is not None:
        check_count("--threads", threads)
    check_shared(stage[0] if stage else "")
    words = divide_devices(stage, count)
    commands, threads = [[*PROGRAM, *own] for own in words], threads or max(1, usable_cores() // count)
    return run_workers(commands, threads, library_of(_device_named(words[0])))


def run_workers(commands: Sequence[Sequence[str]], threads: int, library: str = "mxnet") -> int:
    """Run one command in each worker, and for MXNet the parameter server that joins them.

    Args:
        threads: of each.
        library: of the engine: "mxnet" or "torch".

    Returns: 0, or the exit code of a worker that failed; the others are then ended.
    Raises: Stopped by a signal, which the workers get, too: they may end by themselves before they are ended.
    """
    servers, workers = (_of_mxnet if library == "mxnet" else _of_pytorch)(len(commands))
    with tempfile.TemporaryDirectory() as folder, stops_when_asked() as stop_here, _ended_with_us() as processes:
        for role, variables in servers.items():
            output, own = Path(folder, role), {**variables, "OMP_NUM_THREADS": "1"}
            processes[role] = _start(PARAMETER_SERVER, own, output, partial(_stay_with_parent, os.getpid()))
        for index, (command, variables) in enumerate(zip(commands, workers, strict=True)):
            output = Path(folder, f"worker {index}") if index else None
            own = {**variables, "OMP_NUM_THREADS": str(threads)}
            processes[f"worker {index}"] = _start(command, own, output, partial(end_with_parent, os.getpid()))
        failed = _wait(processes, stop_here)
        if failed is None:
            return 0
        if failed != "worker 0":
            _tell(failed, processes[failed].returncode, Path(folder, failed))
        return _exit_code(processes[failed].returncode)


def _of_mxnet(count: int) -> tuple[dict[str, dict[str, str]], list[dict[str, str]]]:
    """The variables of the parameter server's processes, by their roles, and of each worker."""
    root, *ports = _free_ports(1 + count)
    shared = {
        "DMLC_PS_ROOT_URI": HOST,
        "DMLC_PS_ROOT_PORT": str(root),
        "DMLC_NODE_HOST": HOST,
        "DMLC_NUM_WORKER": str(count),
        "DMLC_NUM_SERVER": "1",
    }
    servers = {role: {**shared, "DMLC_ROLE": role} for role in ("scheduler", "server")}
    # Ranks follow the ports: the first worker, whose output is shown, is rank 0.
    return servers, [{**shared, "DMLC_ROLE": "worker", "PORT": str(port)} for port in ports]


def _of_pytorch(count: int) -> tuple[dict[str, dict[str, str]], list[dict[str, str]]]:
    """No servers, and the variables of each worker, as torchrun sets them."""
    (port,) = _free_ports(1)
    sizes = {name: str(count) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")}
    shared = {"MASTER_ADDR": HOST, "MASTER_PORT": str(port), **sizes}
    return {}, [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def divide_devices(stage: Sequence[str], count: int) -> list[list[str]]:
    """The stage's words for each worker, with its part of the devices of `--ctx`; one CPU is for all.

    >>> divide_devices(["evaluate", "--ctx", "gpu(0),gpu(1)"], 2)
    [['evaluate', '--ctx', 'gpu(0)'], ['evaluate', '--ctx', 'gpu(1)']]
    """
    words = [part for word in stage for part in (word.split("=", 1) if word.startswith("--ctx=") else [word])]
    if "--ctx" not in words[:-1]:
        return [words] * count
    place = words.index("--ctx") + 1
    parts = divided(words[place].split(","), count, "--ctx")
    return [[*words[:place], ",".join(part), *words[place + 1 :]] for part in parts]


def _device_named(words: Sequence[str]) -> str:
    """The value of `--ctx`, or its default."""
    return words[words.index("--ctx") + 1] if "--ctx" in words[:-1] else "cpu"


@contextmanager
def _ended_with_us() -> Iterator[dict[str, subprocess.Popen]]:
    """Processes by name, all ended with their children when the block ends, the last that was started first."""
    processes: dict[str, subprocess.Popen] = {}
    try:
        yield processes
    finally:
        for process in reversed(list(processes.values())):
            _kill(process)
        for process in processes.values():
            process.wait()


def _start(
    command: Sequence[str], variables: dict[str, str], output: Path | None, prepare: Callable[[], None]
) -> subprocess.Popen:
    """A process in a group of its own; what it writes goes to a file, or to the terminal."""
    file = open(output, "wb") if output else None
    try:
        return subprocess.Popen(
            command,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=prepare,
        )
    finally:
        if file:
            file.close()


def _stay_with_parent(parent: int) -> None:
    """Of the parameter server: a batch system tells all processes to stop, and workers need it to agree on the step."""
    end_with_parent(parent)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _kill(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)  # readers of a worker that has ended, too
    except ProcessLookupError:
        pass


def _wait(processes: Mapping[str, subprocess.Popen], stop_here: Callable[[], None]) -> str | None:
    """Wait for the workers to end well, or for any process to fail. Returns: the name of that one."""
    workers = [process for name, process in processes.items() if name.startswith("worker")]
    while True:
        try:
            stop_here()
        except Stopped as stopped:
            _ask(workers, stopped.number)
            raise
        if all(process.poll() == 0 for process in workers):
            return None
        failed = _failed(processes)
        if failed:
            time.sleep(GRACE_SECONDS)
            return "worker 0" if processes["worker 0"].poll() else failed
        time.sleep(POLL_SECONDS)


def _ask(workers: Sequence[subprocess.Popen], number: int) -> None:
    """Send the workers a signal, and give them time to end."""
    for process in workers:
        process.send_signal(number)
    end = time.monotonic() + STOPPING_SECONDS
    while time.monotonic() < end and any(process.poll() is None for process in workers):
        if any(process.poll() is not None for process in workers):
            end = min(end, time.monotonic() + LEAVING_SECONDS)
        time.sleep(POLL_SECONDS)


def _failed(processes: Mapping[str, subprocess.Popen]) -> str | None:
    """A process that failed; workers first, for of them the parameter server may fail, too."""
    return next((name for name, process in reversed(list(processes.items())) if process.poll()), None)


def _tell(name: str, code: int, output: Path) -> None:
    """Show the end of what a process that failed has written."""
    how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    print(f"mlsl launch: {name}: {how}", file=sys.stderr)
    lines = output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    print("\n".join(f"{name}: {line}" for line in lines[-SHOWN_LINES:]), file=sys.stderr)


def _exit_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, in ascending order."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return sorted(one.getsockname()[1] for one in sockets)
    finally:
        for one in sockets:
            one.close()
