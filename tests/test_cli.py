"""The command line: exit codes and messages."""

import errno
import os
import re
import signal

import pytest

from mlsl_mx import cli
from mlsl_mx.commands import build_parser, results
from mlsl_mx.commands.common import roots
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.system.errors import LESS_MEMORY, InputError, meaning
from mlsl_mx.system.runs import flat


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("x.png: 3 is no id: remove it"), 2, "mlsl report: x.png: 3 is no id: remove it"),
        (OSError(errno.ENOSPC, "No space left on device", "r/x"), 2, "r/x: No space left on device: see that"),
        (OSError(errno.EROFS, "Read-only file system", "r/x"), 2, "r/x: Read-only file system: see that"),
    ],
)
def test_problems_are_one_line_with_an_exit_code(monkeypatch, capsys, raised, code, said):
    def stage(options):
        raise raised

    monkeypatch.setattr(results, "_report", stage)
    assert cli.main(["report", "--experiment", "x.yaml", "--run", "r"]) == code
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("Check failed: cudaMalloc: out of memory"),
        RuntimeError("MXNetError: Failed to allocate CPU Memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Traceback ... MXNetError: std: :bad_alloc"),
        RuntimeError("OpenCV(4.11.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
        RuntimeError("can't start new thread"),
        RuntimeError("MXNetError: Check failed: ret == 0 (12 vs. 0) : AlignedMallocPitch failed"),
        RuntimeError("MXNetError: Resource temporarily unavailable"),
        ImportError("libmxnet.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),  # of fork
        MemoryError("Unable to allocate 9 EiB"),  # of NumPy
    ],
)
def test_too_little_memory_is_known_and_what_lowers_it_is_of_the_command(raised):
    assert "free some" in meaning(raised)
    options = {"predict": "--inference sisc", "self-train": "self_training.batch", "evaluate": "target.size"}
    for command, option in options.items():
        assert option in meaning(raised, command)


def test_advice_for_less_memory_names_settings_and_options_that_there_are():
    parser, settings = build_parser(), dict(flat(to_dict(Config())))
    commands = next(action.choices for action in parser._actions if action.dest == "command")
    for command, advice in LESS_MEMORY.items():
        named = re.findall(r"--?[a-z][\w-]+|\w+\.[\w.]+\w", advice.replace("e.g.", ""))
        assert named and set(named) <= {*settings, *commands[command]._option_string_actions}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stage_that_is_asked_to_stop_says_so_and_has_an_exit_code_of_its_own(monkeypatch, capsys, number):
    monkeypatch.setattr(results, "_report", lambda options: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    assert cli.main(["report", "--experiment", "x.yaml", "--run", "r"]) == 128 + number
    assert capsys.readouterr().err == f"mlsl report: stopped by {number.name}; run the same command again to go on\n"
    assert signal.getsignal(number) == before


def test_our_own_bugs_keep_their_traceback(monkeypatch):
    def stage(options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(results, "_report", stage)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["report", "--experiment", "x.yaml", "--run", "r"])
    assert meaning(RuntimeError("a bug")) is None


@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines", "nul\0"])
def test_names_that_no_report_could_hold_are_refused(name, capsys):
    assert cli.main(["report", "--experiment", "x.yaml", "--run", name]) == 2
    error = capsys.readouterr().err
    assert "is not UTF-8, or holds a control character" in error and len(error.splitlines()) == 1


def test_a_tilde_that_no_shell_has_expanded_is_no_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["--run", "~/runs"], ["--run=~/runs"], ["--run", "r", "--data=~someone/data"]):
        assert cli.main(["report", "--experiment", "x.yaml", *words]) == 2
        assert "the shell has not expanded the ~: write /" in capsys.readouterr().err
    assert cli.main(["mask-labels", "--labels", "~/x/{name}.png", "--out", "y", "--value", "1", "--below", "0"]) == 2
    assert "~/x/{name}.png: the shell has not expanded the ~" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--experiment", "x", "--run", "r", "--out", "o"], "--out and --table need --compare RUN RUN ..."),
        (["--experiment", "x", "--run", "r", "--table", "table1"], "--out and --table need --compare RUN RUN ..."),
        (["--compare", "a", "--out", "o", "--run", "r"], "leave out --experiment and --run"),
        (["--compare", "a"], "--compare needs --out FOLDER"),
        ([], "give --experiment FILE and --run FOLDER"),
    ],
)
def test_no_option_of_report_is_without_effect(words, said, capsys):
    assert cli.main(["report", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_seconds_between_checkpoints(seconds, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["train-source", "--experiment", "x", "--run", "r", "--checkpoint-seconds", seconds])
    assert ended.value.code == 2 and "--checkpoint-seconds" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["010", "1_000", "1.0", "+1", "0x1", "", "٣"])
def test_numbers_are_digits_as_they_are_written(number, capsys):
    for option in ("--seed", "--rounds"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["report", "--experiment", "x", "--run", "r", option, number])
        assert ended.value.code == 2 and f"argument {option}: {number!r} is no whole number" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["pseudo-label", "--help"]])
def test_help_teaches(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 0
    assert "--round" in capsys.readouterr().out


def test_folders_of_data_sets_can_be_given_one_by_one(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(results, "_report", lambda options: seen.append(roots(options)))
    words = ["report", "--experiment", "x", "--run", "r", "--data", str(tmp_path), "--gta5", "/elsewhere"]
    assert cli.main(words) == 0
    assert str(seen[0]["gta5"]) == "/elsewhere"
    assert seen[0]["cityscapes"] == tmp_path / "cityscapes"
