"""The run directory: whole files, settings that must not change, outputs of other inputs."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from functools import partial
from importlib.metadata import version

import pytest

from mlsl_mx.system.environment import environment, revision
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog, read_log
from mlsl_mx.system.runs import begin_stage, check_settings, keep_settings, locked, remove_leftovers
from mlsl_mx.system.whole_files import TEMPORARY, check_lengths, file_hash, read_json, sha256, whole_file, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o002])
def test_the_umask_says_who_may_read_a_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_json(tmp_path / "file.json", 1)
        write_json(tmp_path / "file.json", 2)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.json").stat().st_mode) == 0o666 & ~mask


def test_names_as_long_as_a_disk_takes(tmp_path):
    longest = "街" * 83 + "a.json"  # 255 bytes
    write_json(tmp_path / longest, 1)
    assert [path.name for path in tmp_path.iterdir()] == [longest]
    check_lengths(tmp_path, [longest, f"below/{longest}"])
    with pytest.raises(InputError, match="a name of 256 bytes, at most 255 are possible there: shorten the image's"):
        check_lengths(tmp_path / "new", ["a", f"below/{longest}x"])
    with pytest.raises(InputError, match=r"File name too long\): shorten the image's or method's name"):
        write_json(tmp_path / f"{longest}x", 1)


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from mlsl_mx.system.whole_files import whole_file
with whole_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_processes_left_is_removed_but_nothing_that_is_being_written(tmp_path):
    path = tmp_path / "below" / "weights.params"
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)])
    assert killed.returncode == -signal.SIGKILL
    (left,) = path.parent.iterdir()
    assert TEMPORARY.fullmatch(left.name)
    (path.parent / ".hidden").touch()
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        remove_leftovers(tmp_path)
        assert not left.exists() and temporary.exists()
    assert path.read_text() == "whole"
    assert sorted(p.name for p in path.parent.iterdir()) == [".hidden", "weights.params"]


@pytest.mark.parametrize(
    "place, folder, result",
    [
        ("source", ".checkpoint", "weights.params"),
        ("sisc/round-0", ".checkpoint", "weights.params"),
        ("sisc/round-0/pseudo_labels", ".store", "selection.json"),
    ],
)
def test_what_a_stage_needs_goes_only_when_it_has_its_result(tmp_path, place, folder, result):
    needed = tmp_path / place / folder / "file"
    needed.parent.mkdir(parents=True)
    needed.touch()
    remove_leftovers(tmp_path)
    assert needed.exists()
    (tmp_path / place / result).touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / place).iterdir()] == [result]


def test_files_of_others_are_left_alone(tmp_path):
    """A run directory may be a folder that holds other things: nothing of it but ours may go."""
    others = [".env.template", ".bashrc.original", "other/.checkpoint/file", "other/weights.params"]
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert all((tmp_path / name).exists() for name in others)


def test_a_temporary_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    removed, lock = [], fcntl.flock

    def removing(handle, how):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        lock(handle, how)

    monkeypatch.setattr("mlsl_mx.system.runs.fcntl.flock", removing)
    write_json(tmp_path / "file.json", 1)
    assert removed and [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_failed_rewrite_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}


def test_unwritable_and_unreadable_files_are_named(tmp_path):
    (tmp_path / "file").write_text("{")
    with pytest.raises(InputError, match="choose another folder"):
        write_json(tmp_path / "file" / "below", 1)
    with pytest.raises(InputError, match="not a readable JSON"):
        read_json(tmp_path / "file")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "none")


def test_other_settings_are_refused_with_the_difference(tmp_path):
    path = tmp_path / "config.yaml"
    keep_settings(path, {"a": {"b": 7}}, results=False)
    keep_settings(path, {"a": {"b": 1, "c": [1, 2]}, "d": None}, results=False)  # nothing was made with the first
    keep_settings(path, {"a": {"b": 1, "c": [1, 2]}, "d": None}, results=True)
    with pytest.raises(InputError, match=r"a\.b: 1 -> 2\)"):
        keep_settings(path, {"a": {"b": 2, "c": [1, 2]}, "d": None}, results=True)
    with pytest.raises(InputError, match=r"; and 2 more\)"):
        keep_settings(path, {f"x{number}": number for number in range(10)}, results=True)
    path.write_text("")
    with pytest.raises(InputError, match="damaged"):
        keep_settings(path, {"a": 1}, results=True)
    path.unlink()
    with pytest.raises(InputError, match="no such file, so the settings of the results beside it are not known"):
        keep_settings(path, {"a": 1}, results=True)
    check_settings(path, {"a": 1}, results=False)
    assert not path.exists()


def test_a_changed_table_is_shown_by_what_differs_in_it(tmp_path):
    path = tmp_path / "config.yaml"
    table = [{"name": f"class {index}", "source": [index]} for index in range(300)]
    keep_settings(path, {"classes": table, "ignore": list(range(999))}, results=False)
    with pytest.raises(InputError) as problem:
        changed = [*table[:7], {"name": "floor", "source": [7]}, *table[8:]]
        keep_settings(path, {"classes": changed, "ignore": []}, results=True)
    assert "settings (classes[7].name: class 7 -> floor; ignore: [0, 1, " in str(problem.value)
    assert str(problem.value).endswith("... -> []): choose another RUN") and len(str(problem.value)) < 400


def test_outputs_of_other_inputs_are_removed(tmp_path):
    record, folder, file = tmp_path / "record.json", tmp_path / "folder", tmp_path / "file"
    begin_stage(record, {"weights": "a"}, [folder, file])
    folder.mkdir()
    file.write_text("made from a")
    begin_stage(record, {"weights": "a"}, [folder, file])
    assert folder.exists() and file.exists()
    begin_stage(record, {"weights": "b"}, [folder, file])
    assert not folder.exists() and not file.exists()
    assert read_json(record) == {"weights": "b"}


def test_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "abc") == "ba7816bf8f01cfea"  # SHA-256 of "abc", FIPS 180-2
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_log_is_one_json_object_a_line(tmp_path):
    log = RunLog(tmp_path / "run" / "log.jsonl", "evaluate")
    log.write("started", round=0)
    log.write("done", miou=12.5)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["event"]) for line in lines] == [("evaluate", "started"), ("evaluate", "done")]
    assert lines[1]["miou"] == 12.5


@pytest.mark.parametrize("outcome", ["worked", "no-op", "unfinished"])
def test_a_stage_notes_its_begin_and_its_end(tmp_path, outcome):
    log = RunLog(tmp_path / "log.jsonl", "self-train", method="sisc", round=2)
    if outcome == "unfinished":
        with pytest.raises(InputError), log.timed(ctx="cpu(0)"):
            raise InputError("x.png: no such file")
    else:
        with log.timed(ctx="cpu(0)") as block:
            if outcome == "worked":
                block.write("epoch", loss=1.5)
    events = read_log(tmp_path / "log.jsonl")
    assert [event["event"] for event in events] == ["begin", *(["epoch"] if outcome == "worked" else []), "end"]
    assert {(event["stage"], event["method"], event["round"]) for event in events} == {("self-train", "sisc", 2)}
    assert events[0]["ctx"] == "cpu(0)" and {"threads", "command"} <= set(events[0])
    assert events[-1]["outcome"] == outcome and events[-1]["seconds"] >= 0
    assert events[-1].get("reason") == ("InputError: x.png: no such file" if outcome == "unfinished" else None)


def test_a_torn_line_of_the_log_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    assert read_log(path) == []
    path.write_text('{"event": "begin"}\n{"event": "ep\n3\n{"event": "end"}\n')
    assert [event["event"] for event in read_log(path)] == ["begin", "end"]


def test_a_torn_line_takes_no_other_with_it(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"event": "begin"}\n{"event": "ep')
    RunLog(path, "evaluate").write("begin", round=1)
    assert path.read_bytes().count(b"\n") == 3
    assert [event.get("round") for event in read_log(path)] == [None, 1]


def test_a_log_on_a_full_disk_is_named(tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"log\.jsonl: cannot be written \(No space left on device\)"):
        RunLog(tmp_path / "log.jsonl", "evaluate").write("begin")


def test_environment_names_the_versions():
    found = environment()
    assert {"mxnet", "numpy", "python", "revision"} <= set(found)
    assert found["gluoncv"] == version("gluoncv")


def test_the_revision_is_of_this_project_and_never_of_a_repository_around_it(tmp_path, monkeypatch):
    """Installed in an environment below somebody's project, and as a hook of theirs would find it."""
    run = partial(subprocess.run, check=True, cwd=tmp_path, capture_output=True)
    run(["git", "init", "-q"])
    run(["git", "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "theirs"])
    theirs = run(["git", "rev-parse", "--short", "HEAD"], text=True).stdout.strip()
    before = revision()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert revision() == before and not before.startswith(theirs)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.setattr("mlsl_mx.__file__", str(tmp_path / ".venv/lib/mlsl_mx/__init__.py"))
    assert revision() == "unknown"
    monkeypatch.setattr("mlsl_mx.__file__", str(tmp_path / "mlsl_mx/__init__.py"))
    (tmp_path / "mlsl_mx").mkdir()
    assert revision().removesuffix("-dirty") == theirs  # a checkout, with the file beside it


def test_one_process_at_a_time(tmp_path):
    lock, out = tmp_path / ".locks" / "source-only", tmp_path / "out"
    code = f"""
from pathlib import Path
from mlsl_mx.system.runs import locked
with locked(Path({str(lock)!r})):
    Path({str(out)!r}).touch()
"""
    with locked(lock):
        other = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        assert "another process is at this stage" in other.stderr.readline()
        assert not out.exists()
    assert other.wait(timeout=60) == 0 and out.exists()


def test_a_crash_leaves_nothing_locked(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "lock"):
        raise RuntimeError
    with locked(tmp_path / "lock"):
        pass


def test_the_largest_table_can_be_read_again(tmp_path):
    """In letters that are long, with several colours a class on both sides."""

    def entry(index: int) -> dict:
        sides = {side: [[200, 210, blue] for blue in range(3)] for side in ("source", "target")}
        return {"name": f"\u8857\u9053\u4e0a\u7684\u7b2c{index}", **sides}

    table = [entry(index) for index in range(2048)]
    keep_settings(tmp_path / "config.yaml", {"classes": table}, results=False)
    check_settings(tmp_path / "config.yaml", {"classes": table}, results=True)
