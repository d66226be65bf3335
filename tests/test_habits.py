"""What the command line says, to whom: examples, results for programs, quiet and verbose, colours, completion."""

from __future__ import annotations

import argparse
import io
import json
import logging
import shlex
import subprocess

import pytest
from run_directory import write_run
from test_documented_commands import subcommand
from tiny_run import words as stage_words
from tiny_run import write_world

from mlsl_mx import cli
from mlsl_mx.commands import build_parser, results
from mlsl_mx.commands.completion import completion
from mlsl_mx.commands.tools import SHELLS
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.result import Result
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.terminal import RED, YELLOW, coloured
from mlsl_mx.system.whole_files import read_json

REPORT = ["report", "--experiment", "x.yaml", "--run", "r"]


def names() -> list[str]:
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return list(commands.choices)


@pytest.mark.parametrize("name", names())
def test_each_help_ends_with_an_example_that_is_understood(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    example = capsys.readouterr().out.split("\nExample:\n")[1].replace("\\\n", " ")
    words = shlex.split(example.split(" > ")[0])
    assert ended.value.code == 0 and words[:2] == ["mlsl", name]
    build_parser().parse_args(words[1:])


@pytest.mark.parametrize("name", names())
def test_each_command_that_answers_can_be_asked_how(name):
    options = {option for action in subcommand(name)._actions for option in action.option_strings}
    assert ({"--quiet", "--verbose", "--json"} <= options) == (name not in ("make", "completion"))


def said(monkeypatch, capsys, answer, *options: str) -> tuple:
    """(exit code, stdout, stderr) of a command that answers, or raises, this."""

    def stage(given):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(results, "_report", stage)
    return (cli.main([*REPORT, *options]), *capsys.readouterr())


@pytest.mark.parametrize(
    "answer, code, expected",
    [
        (Result("35.0", {"miou": 35.0}), 0, {"text": "35.0", "result": {"miou": 35.0}, "error": None}),
        ("done", 0, {"text": "done", "result": None, "error": None}),
        (InputError("x.png: bad"), 2, {"text": "", "result": None, "error": "x.png: bad"}),
        (MemoryError(), 2, {"text": "", "result": None}),
        (Result("1 bad", {"bad": 1}, "x: bad"), 2, {"text": "1 bad", "result": {"bad": 1}, "error": "x: bad"}),
    ],
)
def test_json_is_one_object_on_stdout_for_results_and_errors(monkeypatch, capsys, answer, code, expected):
    found, out, err = said(monkeypatch, capsys, answer, "--json")
    told = json.loads(out)
    assert len(out.splitlines()) == 1 and list(told) == ["command", "exit_code", "text", "result", "error"]
    assert found == code == told["exit_code"] and told["command"] == "report"
    assert {key: told[key] for key in expected} == expected
    assert err == ("" if told["error"] is None else f"mlsl report: {told['error']}\n")


def test_a_fault_follows_the_result(monkeypatch, capsys):
    assert said(monkeypatch, capsys, Result("1 bad", None, "x: bad")) == (2, "1 bad\n", "mlsl report: x: bad\n")


def test_json_of_a_report_and_of_data(tmp_path, capsys):
    world, run = write_world(tmp_path / "world"), tmp_path / "run"
    write_run(run, {"source-only": [35.0], "sisc": [40.0]})
    for seed in (1, 2):
        write_run(tmp_path / f"run-{seed}", {"source-only": [35.0 + seed]}, seed=seed)
    compare = ["report", "--compare", str(tmp_path / "run-1"), str(tmp_path / "run-2"), "--out", str(tmp_path / "out")]
    assert cli.main([*compare, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == read_json(tmp_path / "out" / "comparison.json")

    assert cli.main([*stage_words(world, run, "check-data"), "--json"]) == 0
    lists = json.loads(capsys.readouterr().out)["result"]["lists"]
    assert [one["labels_opened"] for one in lists] == [True, False, True] and all(one["usable"] for one in lists)
    missing = world / "data" / "gta5" / "images" / "00002.png"
    missing.unlink()
    assert cli.main([*stage_words(world, run, "check-data"), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    source = told["result"]["lists"][0]
    assert (source["usable"], source["findings"][0]["kind"]) == (False, "missing image")
    assert source["findings"][0]["name"] == "00002" and str(missing) in told["error"]


def talk(options) -> str:
    """A command that shows progress, logs, warns and answers."""
    assert list(progress(range(3), "walk", "step")) == [0, 1, 2]
    RunLog(None, "report").write("epoch", loss=0.5)
    logging.getLogger("mlsl_mx.any").warning("beware")
    logging.getLogger("mlsl_mx.any").info("by the way")
    return "the result"


@pytest.mark.parametrize(
    "options, heard",
    [
        ([], {"walk: 3/3", "beware", "by the way"}),
        (["--quiet"], set()),
        (["--verbose"], {"walk: 3/3", "beware", "by the way", '"event": "epoch", "loss": 0.5'}),
    ],
)
def test_how_much_is_said(monkeypatch, capsys, options, heard):
    monkeypatch.setattr(results, "_report", talk)
    assert cli.main([*REPORT, *options]) == 0
    out, err = capsys.readouterr()
    assert out == "the result\n"
    assert {w for w in ("walk: 3/3", "beware", "by the way", '"event": "epoch", "loss": 0.5') if w in err} == heard
    assert bool(err) == bool(heard)
    assert not logging.getLogger("mlsl_mx").handlers


def test_an_error_is_said_however_quiet_and_verbose_tells_where_it_came_from(monkeypatch, capsys):
    assert said(monkeypatch, capsys, InputError("x: bad"), "--quiet") == (2, "", "mlsl report: x: bad\n")
    _, _, err = said(monkeypatch, capsys, InputError("x: bad"), "--verbose")
    assert "Traceback" in err and err.endswith("mlsl report: x: bad\n")


def test_in_python_progress_shows_unless_errors_alone_are_wanted(capsys):
    list(progress(range(2), "walk", "step"))
    assert "walk: 2/2" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    "stream, variables, shown",
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),  # no-color.org: present and not empty
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours(monkeypatch, stream, variables, shown):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert coloured("x", RED, stream) == ("\x1b[1;31mx\x1b[0m" if shown else "x")


def test_errors_are_red_and_warnings_yellow_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(cli.sys, "stderr", terminal)

    def stage(options):
        logging.getLogger("mlsl_mx.any").warning("beware")
        raise InputError("x: bad")

    monkeypatch.setattr(results, "_report", stage)
    assert cli.main(REPORT) == 2
    assert f"{YELLOW}beware\x1b[0m\n" in terminal.getvalue()
    assert terminal.getvalue().endswith(f"{RED}mlsl report:\x1b[0m x: bad\n")


def test_a_launched_stage_is_told_how_to_speak(monkeypatch):
    started = []
    monkeypatch.setattr("mlsl_mx.system.launch.launch", lambda stage, *_: started.append(stage) or 0)
    assert cli.main(["launch", "-n", "2", "--quiet", "--json", "--", "evaluate", "--source"]) == 0
    assert started == [["evaluate", "--source", "--quiet", "--json"]]


def completed(script: str, line: str, cwd) -> set:
    """What bash offers at the end of a line."""
    program = f"""{script}
COMP_WORDS=({line}); [[ "{line}" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}
_shtab_mlsl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", program], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_completion_in_bash(tmp_path):
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "folder").mkdir()
    script = completion(build_parser(), "bash")
    assert completed(script, "mlsl self", tmp_path) == {"self-train"}
    assert completed(script, "mlsl evaluate --pre", tmp_path) == {"--predictions"}
    assert completed(script, "mlsl evaluate --method sisc", tmp_path) == {"sisc", "sisc-pwl"}
    assert completed(script, "mlsl evaluate --run ", tmp_path) == {"folder"}
    assert completed(script, "mlsl export-onnx --weights ", tmp_path) == {"folder", "mine.yaml"}
    assert completed(script, "mlsl begin --experiment experiments/mini", tmp_path) >= {
        f"experiments/miniature/{name}.yaml" for name in ("gta2city", "synthia2city")
    }
    assert "mine.yaml" in completed(script, "mlsl begin --experiment m", tmp_path)
    told = 'compopt() { echo "$2"; }\n' + script  # bash then ends a folder with / instead of a blank
    assert completed(told, "mlsl begin --experiment fol", tmp_path) == {"filenames", "folder"}
    assert completed(script, "mlsl completion ", tmp_path) >= set(SHELLS)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in names()) and "cbst-sp" in out


def test_the_reader_of_a_pipe_may_go(tmp_path):
    line = f"{shlex.quote(cli.sys.executable)} -m mlsl_mx completion bash | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.startswith("#")
