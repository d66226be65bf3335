"""A whole chain as processes: offline, killed again and again, twice at once. It always leaves the same bytes."""

import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest
from scene_files import write_lists
from small_chain import LISTS, MAKE_MINIATURE, ROOT, stages, start

from mlsl_mx.system.run_log import read_log

# Runs stages in one process, and ends it at the first attempt to reach another machine.
OFFLINE = """
import os, sys

def forbid(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(forbid)
for line in sys.stdin.read().splitlines():
    if line == "connect":
        import socket
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    from mlsl_mx.cli import main
    code = main(line.split())
    if code:
        sys.exit(code)
"""


def offline(folder, *lines: str):
    """Run stages without a network; where Linux lets us, in a name space that has none, for MXNet's C++ too.

    Returns: the process, which has ended, and what it said on stderr.
    """
    unshare = ["unshare", "--map-root-user", "--net"]
    possible = shutil.which("unshare") and not subprocess.run([*unshare, "true"], capture_output=True).returncode
    process = start(folder, lines, OFFLINE, unshare if possible else [])
    return process, process.communicate()[1]


@pytest.fixture
def soak(monkeypatch):
    """benchmarks/soak.py: how it compares, and what it looks for."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import soak

    return soak


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with lists, data, and the run `whole`, which nothing disturbed and no network helped."""
    folder = tmp_path_factory.mktemp("world")
    write_lists(folder / "lists", LISTS)
    process, said = offline(folder, MAKE_MINIATURE, *stages("whole/run"))
    assert process.returncode == 0, said[-2000:]
    return folder


def through(process) -> None:
    """Wait for a process, which must end well."""
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said[-2000:]


def test_nothing_is_downloaded_at_run_time(world):
    assert (world / "whole" / "run" / "report" / "sisc-pwl.txt").exists()


def test_a_download_would_be_noticed(tmp_path):
    process, said = offline(tmp_path, "connect")
    assert process.returncode == 99 and "192.0.2.1" in said


def test_a_killed_chain_goes_on_to_the_same_bytes(world, soak):
    """Killed in the middle of each long stage; in the last one asked to stop."""
    run, chain = world / "cut" / "run", stages("cut/run")
    moments = [  # which stages are started, and what the signal waits for
        (chain[:2], "source/.checkpoint/position.json", signal.SIGKILL),
        (chain[1:4], "sisc-pwl/round-0/pseudo_labels/.store/*.map", signal.SIGKILL),
        (chain[3:5], "sisc-pwl/round-0/.checkpoint/position.json", signal.SIGTERM),
    ]
    for started, pattern, number in moments:
        process = start(world, started)
        end = time.monotonic() + 60
        while not list(run.glob(pattern)) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == (143 if number == signal.SIGTERM else -number)
    through(start(world, chain[4:]))
    assert list(soak.differences(soak.results(world / "whole"), soak.results(world / "cut"))) == []
    assert list(soak.leftovers(world / "cut")) == []
    assert [e["event"] for e in read_log(run / "log.jsonl")].count("resumed") == 2


def test_the_same_chain_twice_at_once_does_everything_once(world, soak):
    for process in [start(world, stages("twice/run")) for _ in range(2)]:
        through(process)
    assert list(soak.differences(soak.results(world / "whole"), soak.results(world / "twice"))) == []
    assert list(soak.leftovers(world / "twice")) == []
    ends = [event for event in read_log(world / "twice" / "run" / "log.jsonl") if event["event"] == "end"]
    outcomes = Counter((event["stage"], event["round"], event["outcome"]) for event in ends)
    assert set(outcomes.values()) == {1} and {key[2] for key in outcomes} == {"worked", "no-op"}
