"""Being asked to stop, also at moments when Python drops exceptions."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import is_running, wait_for

from mlsl_mx.system.stopping import Stopped, stops_at_once, stops_when_asked


class StoppedWhenDeleted:
    """Asks this process to stop in its `__del__`, as it may happen in that of any NDArray."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def test_it_comes_out_of_a_pools_process_as_it_was():
    copy = pickle.loads(pickle.dumps(Stopped(signal.SIGTERM)))
    assert (copy.number, copy.exit_code, str(copy)) == (signal.SIGTERM, 143, "stopped by SIGTERM")


def test_a_signal_during_a_del_is_not_lost():
    hook = sys.unraisablehook
    with pytest.raises(Stopped) as stopped, stops_at_once():
        thing = StoppedWhenDeleted()
        del thing
        time.sleep(10)
        pytest.fail("nothing was raised")
    assert stopped.value.exit_code == 143 and sys.unraisablehook is hook


def test_other_exceptions_in_a_del_go_where_they_went(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("broken")

    found = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: found.append(str(dropped.exc_value)))
    with stops_at_once():
        thing = Broken()
        del thing
    assert found == ["broken"]


def ask(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def test_who_waits_is_told_where_it_asks_and_a_later_signal_does_not_wait(monkeypatch):
    with stops_when_asked() as stop_here:
        stop_here()
        ask()
        ask()  # at once: as Make passes on what a batch system tells all
        with pytest.raises(Stopped):
            stop_here()
        monkeypatch.setattr("mlsl_mx.system.stopping.SAME_SECONDS", 0)
        with pytest.raises(Stopped):
            ask()


def test_of_processes_that_stop_together_none_leaves_the_others(monkeypatch):
    monkeypatch.setattr("mlsl_mx.system.stopping.SAME_SECONDS", 0)
    told = []
    with stops_when_asked(lambda asked: told.append(asked) or len(told) == 3) as stop_here:
        stop_here()
        ask()
        ask()
        stop_here()
        with pytest.raises(Stopped) as stopped:  # not before all have agreed
            stop_here()
    assert told == [False, True, True] and stopped.value.exit_code == 143
    with stops_when_asked(lambda asked: True) as stop_here, pytest.raises(Stopped):
        stop_here()  # another one was asked


def test_a_terminal_that_is_closed_stops_but_not_under_nohup():
    before = signal.getsignal(signal.SIGHUP)
    try:
        with stops_when_asked() as stop_here:
            ask(signal.SIGHUP)
            with pytest.raises(Stopped) as stopped:
                stop_here()
        assert stopped.value.exit_code == 129
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with stops_at_once():
            ask(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


POOL = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from mlsl_mx.system.stopping import end_with_parent, forks_processes
forks_processes()
with ProcessPoolExecutor(2, initializer=end_with_parent, initargs=(os.getpid(),)) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone ends them")
def test_the_processes_of_a_killed_pool_end():
    root = Path(__file__).parents[1]
    parent = subprocess.Popen([sys.executable, "-c", POOL], cwd=root, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not is_running(child), seconds=10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone ends them")
def test_a_process_whose_parent_was_killed_before_it_could_tell_ends():
    code = "from mlsl_mx.system.stopping import end_with_parent; end_with_parent({}); print('ours')"
    parents = (os.getpid(), 2**30)  # no process has that number
    ended = [subprocess.run([sys.executable, "-c", code.format(one)], capture_output=True) for one in parents]
    assert [(one.returncode, one.stdout) for one in ended] == [(0, b"ours\n"), (-signal.SIGKILL, b"")]


INTERRUPTED = """
import mlsl_mx.cli, mlsl_mx.__main__
def interrupted():
    raise KeyboardInterrupt
mlsl_mx.cli.main = interrupted
mlsl_mx.__main__.main()
"""


def test_ctrl_c_while_the_program_is_imported_is_no_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
