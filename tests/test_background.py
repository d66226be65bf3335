"""Order, overlap and errors of calls in a thread beside."""

from __future__ import annotations

import threading

import pytest

from mlsl_mx.system.background import Background


def test_calls_run_in_order_and_are_done_at_the_end():
    done = []
    with Background() as background:
        for value in range(20):
            background.run(done.append, value)
    assert done == list(range(20))


def test_the_caller_goes_on_while_a_call_runs_and_waits_before_it_starts_another():
    finish, begun = threading.Event(), []

    def call(name):
        begun.append(name)
        assert finish.wait(60)

    with Background() as background:
        background.run(call, "first")  # would fail after a minute if it waited for its own call
        threading.Timer(0.1, finish.set).start()
        background.run(call, "second")
        assert finish.is_set()  # the first was done before the second was taken
    assert begun == ["first", "second"]


def test_as_many_calls_run_at_a_time_as_there_are_threads():
    together = threading.Barrier(3)  # passed by three calls at once, and by fewer not at all
    with Background(3) as background:
        for _ in range(6):
            background.run(together.wait, 60)
    with pytest.raises(ZeroDivisionError):  # of any of them
        with Background(3) as background:
            background.run(lambda: 1 / 0)
            background.run(lambda: None)


def test_an_error_comes_out_at_the_next_call_or_at_the_end():
    with pytest.raises(ZeroDivisionError):
        with Background() as background:
            background.run(lambda: 1 / 0)
            background.run(pytest.fail, "a call after the error")
    with pytest.raises(ZeroDivisionError):
        with Background() as background:
            background.run(lambda: 1 / 0)


def test_the_callers_own_error_is_the_one_seen():
    done = []
    with pytest.raises(KeyError):
        with Background() as background:
            background.run(done.append, 1)
            raise KeyError
    assert done == [1]
