"""The run directory: whole files, settings that must not change, outputs of other inputs."""

import json

import pytest

from mlsl_mx.errors import InputError
from mlsl_mx.runs import RunLog, begin_stage, environment, file_hash, keep_settings, read_json, whole_file, write_json


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
    path.write_text("")
    with pytest.raises(InputError, match="damaged"):
        keep_settings(path, {"a": 1}, results=True)


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


def test_log_is_one_json_object_a_line(tmp_path):
    log = RunLog(tmp_path / "run" / "log.jsonl", "evaluate")
    log.write("started", round=0)
    log.write("done", miou=12.5)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["event"]) for line in lines] == [("evaluate", "started"), ("evaluate", "done")]
    assert lines[1]["miou"] == 12.5


def test_environment_names_the_versions():
    assert {"mxnet", "numpy", "python", "revision"} <= set(environment())
