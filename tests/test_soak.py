"""benchmarks/soak.py sees what a chain should not leave behind."""

import fcntl
import subprocess
import sys

import pytest
from processes import wait_for
from small_chain import ROOT

from mlsl_mx.system.whole_files import write_bytes, write_json


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import soak

    return soak


def write_results(place, miou: float, weights: bytes, seconds: float) -> None:
    write_json(place / "run" / "source" / "evaluation.json", {"miou": miou, "seconds": seconds})
    write_bytes(place / "run" / "source" / "weights.params", weights)


def test_differences_are_seen_but_times_are_none(soak, tmp_path):
    write_results(tmp_path / "a", 12.5, b"weights", 1.0)
    write_results(tmp_path / "b", 12.5, b"weights", 2.0)
    expected = soak.results(tmp_path / "a")
    assert len(expected) == 2 and list(soak.differences(expected, soak.results(tmp_path / "b"))) == []
    write_results(tmp_path / "c", 12.6, b"weighty", 1.0)
    (tmp_path / "c" / "run" / "more.png").touch()
    differences = soak.differences(expected, soak.results(tmp_path / "c"))
    assert [line.split("/")[-1] for line in differences] == [
        "more.png: not expected",
        "evaluation.json: differs",
        "weights.params: differs",
    ]
    assert list(soak.differences(expected, {}))[0] == "run/source/evaluation.json: missing"


def test_what_is_left_over_is_seen(soak, tmp_path):
    run = tmp_path / "run"
    (run / ".locks").mkdir(parents=True)
    (run / "source" / ".checkpoint").mkdir(parents=True)
    (run / "source" / ".mlsl-0123456789abcdef.params").touch()
    with open(run / ".locks" / "source-only", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sorted(soak.leftovers(tmp_path)) == [
            "run/.locks/source-only: still locked",
            "run/source/.checkpoint: left over",
            "run/source/.mlsl-0123456789abcdef.params: left over",
        ]
    assert len(list(soak.temporaries(tmp_path))) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_processes_that_outlive_their_parent_are_seen(soak):
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); print('started', flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    parent.stdout.readline()
    wait_for(lambda: list(soak.descendants(parent.pid).values()) == ["sleep 60"])  # just started, it has no name yet
    family = soak.descendants(parent.pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    (orphan,) = soak.outlived(family, patience=0.2)
    assert orphan.endswith("sleep 60")
    assert soak.outlived(family, patience=5) == []
