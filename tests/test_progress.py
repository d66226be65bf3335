"""What a bar and a log say, on a clock that only the test moves."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from mlsl_mx.gluon.engine import TimedNetwork
from mlsl_mx.system import progress_bar as module
from mlsl_mx.system.progress import progress
from mlsl_mx.system.progress_bar import rate_text


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    monkeypatch.setattr("mlsl_mx.gluon.engine.time", SimpleNamespace(monotonic=clock))
    return clock


def stderr(monkeypatch, terminal: bool) -> io.StringIO:
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(module.sys, "stderr", stream)
    return stream


@pytest.mark.parametrize(
    "rate, text",
    [
        (250.0, "250.00 image/s"),
        (0.21, "0.21 image/s"),
        (0.1, "0.10 image/s"),
        (0.008, "0.48 image/min"),
        (0.001, "3.60 image/h"),
        (1e-6, "0.00 image/h"),
    ],
)
def test_a_rate_is_per_second_minute_or_hour(rate, text):
    assert rate_text(rate, "image") == text


def test_a_log_has_a_line_every_few_seconds(monkeypatch, clock):
    log, network = stderr(monkeypatch, terminal=False), SimpleNamespace(seconds=50.0)
    for _ in progress(range(10), "evaluate", "image", network=network):
        clock.now += 5
        network.seconds += 4
    lines = log.getvalue().split("\n")
    assert lines[0] == "evaluate: 0/10 in 00:00, ? left, ? image/s"
    assert lines[1] == "evaluate: 3/10 in 00:15, 00:35 left, 0.20 image/s, network 80 %"
    assert [line.split(" in ")[0] for line in lines[1:-1]] == [f"evaluate: {n}/10" for n in (3, 6, 9, 10)]
    assert lines[-2] == "evaluate: 10/10 in 00:50, 00:00 left, 0.20 image/s, network 80 %"
    assert lines[-1] == "" and "\r" not in log.getvalue()


def test_what_was_done_before_the_start_is_in_no_rate(monkeypatch, clock):
    log = stderr(monkeypatch, terminal=False)
    with progress(None, "round 0", "step", total=100, done=90) as steps:
        clock.now += 100
        steps.set_postfix(loss="0.500", refresh=False)
        steps.update(5)
    lines = log.getvalue().splitlines()
    assert lines[1] == "round 0: 95/100 in 01:40, 01:40 left, 3.00 step/min, loss=0.500"


def test_a_terminal_has_one_bar_that_says_the_same(monkeypatch, clock):
    terminal, network = stderr(monkeypatch, terminal=True), SimpleNamespace(seconds=0.0)
    for _ in progress(range(4), "evaluate", "image", network=network):
        clock.now += 5
        network.seconds += 1
    states = terminal.getvalue().split("\r")
    assert "| 2/4 [00:10<00:10, 0.20 image/s, network 20 %]" in states[3]
    assert "| 4/4 [00:20<00:00, 0.20 image/s, network 20 %]" in states[-1]
    assert terminal.getvalue().count("\n") == 1


class Array:
    """Stands for an NDArray whose computation takes `takes` seconds of the clock."""

    def __init__(self, clock, takes):
        self.clock, self.takes = clock, takes

    def wait_to_read(self):
        self.clock.now += self.takes


def test_a_timed_network_counts_from_its_input_until_its_results_are_there(clock):
    answers = iter([Array(clock, 3), (Array(clock, 1), Array(clock, 2))])
    net = TimedNetwork(lambda images: next(answers))
    assert isinstance(net(Array(clock, 100)), Array)  # what the input takes is not the network's
    clock.now += 10
    assert len(net(Array(clock, 0))) == 2
    assert net.seconds == 6
