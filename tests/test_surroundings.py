"""What shells, batch systems and the current folder bring along does not decide whether the program runs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import picture, write_model
from scene_files import write_png

import mlsl_mx
from mlsl_mx.data.jpeg_damage import DamageFinder
from mlsl_mx.doctor.facts import packages_in
from mlsl_mx.system import surroundings
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.surroundings import PROGRAM, check_variables, python, unfit_name

HOSTILE = "raise RuntimeError('of another program')\n"
SHADOWS = ("numpy", "cv2", "yaml", "mxnet", "PIL", "tqdm", "random", "json", "mlsl_mx")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
ROUNDS = ["rounds", "--experiment", "experiments/gta2city.yaml"]


def mlsl(*words: str, cwd: Path, how: str = "", start=PROGRAM, **variables: str) -> subprocess.CompletedProcess:
    """The program in a process, its channels as the shell's redirections `how` say."""
    shell = ["bash", "-c", f'exec "$@" {how}', "bash", *start, *words]
    return subprocess.run(shell, cwd=cwd, env={**PLAIN, **variables}, capture_output=True, text=True, timeout=120)


@pytest.fixture
def shadows(tmp_path):
    """A folder of modules that are called as ours and those that we need."""
    folder = tmp_path / "other"
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(HOSTILE)
    return folder


def test_a_prediction_among_all_that_others_may_have_set(tmp_path, shadows):
    """MXNet, OpenCV, tqdm and Python each end, or crash, at one of these when they are let."""
    weights = write_model(tmp_path / "weights.params")
    write_png(shadows / "a.png", picture(40, 48))
    variables = {"PYTHONPATH": str(shadows), "PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "2,1"}
    variables.update(MXNET_CPU_WORKER_NTHREADS="many", OPENCV_IO_MAX_IMAGE_PIXELS="x", TQDM_MININTERVAL="soon")
    variables.update(OPENCV_LOG_LEVEL="x", COLUMNS="wide", TERM="dumb", TMPDIR="/none", HOME="/none", LC_ALL="C")
    made = mlsl("predict", "--weights", str(weights), "a.png", cwd=shadows, how="<&-", **variables)
    assert made.returncode == 0 and "1 image in" in made.stdout, made.stderr
    assert "MXNET_CPU_WORKER_NTHREADS is 'many', which is not a number: it is ignored" in made.stderr
    assert '"threads": "2"' in (shadows / "predictions/log.jsonl").read_text()


def test_neither_the_current_folder_nor_pythonpath_takes_the_place_of_a_package(shadows):
    (shadows / "mlsl_mx.py").unlink()  # which `python -m mlsl_mx` would itself take
    for start in (PROGRAM, (sys.executable, "-m", "mlsl_mx")):
        for path in ("", str(shadows), "."):
            asked = mlsl(*ROUNDS, cwd=shadows, start=start, PYTHONPATH=path)
            assert (asked.returncode, asked.stdout, asked.stderr) == (0, "6\n", "")
    planned = mlsl("make", "-n", "gta2city", cwd=shadows)  # the program, again, by its path
    assert f"{' '.join(PROGRAM)} make-miniature" in planned.stdout, planned.stderr


def test_a_process_that_we_start_imports_from_where_we_do(shadows):
    code = python("import numpy, random, mlsl_mx; print(numpy.__file__, mlsl_mx.__file__)")
    found = subprocess.run(code, cwd=shadows, env={**PLAIN, "PYTHONPATH": str(shadows)}, capture_output=True, text=True)
    assert found.stdout.split() == [np.__file__, mlsl_mx.__file__]


def test_the_process_that_looks_for_damage_imports_no_file_of_the_current_folder(shadows, monkeypatch):
    monkeypatch.chdir(shadows)
    (shadows / "picture.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((24, 40, 3), np.uint8))[1].tobytes())
    with DamageFinder() as finder:
        assert finder.complaint(shadows / "picture.jpg") is None
        finder._process.kill()
        with pytest.raises(InputError, match="picture.jpg: the process that looks for damage has ended"):
            finder.complaint(shadows / "picture.jpg")


def test_the_doctor_names_what_pythonpath_has(shadows):
    assert list(packages_in(f"{shadows}:/none:")) == [
        str(shadows / f"{name}.py") for name in ("numpy", "cv2", "mxnet", "PIL", "yaml", "tqdm")
    ]
    assert list(packages_in("")) == list(packages_in(sysconfig.get_path("stdlib"))) == []


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 2, "mlsl: stdout cannot be written (No space left on device): send it elsewhere\n"),
        ("| head -c 1; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
@pytest.mark.parametrize("words", [ROUNDS, ["--help"]])
def test_channels_that_are_closed_full_or_have_no_reader(tmp_path, words, how, code, said):
    told = mlsl(*words, cwd=tmp_path, how=how)
    assert (told.returncode, told.stderr) == (code, said)


def test_messages_do_not_get_into_files_in_place_of_a_closed_channel(tmp_path):
    """The first file that is opened has the number of the channel, to which C libraries write."""
    program = (
        "from mlsl_mx.system.surroundings import prepare; prepare(); import os; f = open('f', 'w'); os.write(2, b'x')"
    )
    mlsl(cwd=tmp_path, how="2>&- >&-", start=python(program))
    assert (tmp_path / "f").read_text() == ""


def test_what_the_encoding_of_stdout_lacks_is_escaped(tmp_path):
    program = "from mlsl_mx.system.surroundings import prepare; prepare(); print('Straße')"
    told = mlsl(cwd=tmp_path, start=python(program), PYTHONIOENCODING="ascii")
    assert (told.stdout, told.stderr) == ("Stra\\xdfe\n", "")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_locale_that_is_not_utf_8_is_told_and_the_name_is_not_blamed(tmp_path, locale):
    variables = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = mlsl("rounds", "--experiment", "день.yaml", cwd=tmp_path, **variables)
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1
    assert ("is UTF-8, but the locale is not" in told.stderr) == (locale == "C")
    assert ("export LC_ALL=C.UTF-8" if locale == "C" else "no such experiment file") in told.stderr
    assert "rename it" in unfit_name("caf\udce9") and "rename it" in unfit_name("a\nb")


def test_python_without_docstrings_is_named(tmp_path):
    told = mlsl(*ROUNDS, cwd=tmp_path, PYTHONOPTIMIZE="2")
    assert told.returncode == 2 and "Python was started with -OO" in told.stderr
    assert mlsl(*ROUNDS, cwd=tmp_path, PYTHONOPTIMIZE="1").returncode == 0


@pytest.mark.parametrize(
    ("given", "threads", "told"),
    [
        ("3", "3", False),
        (" 3 ", "3", False),
        ("4,2", "4", False),
        ("", "7", False),  # as `export OMP_NUM_THREADS=$NOT_SET` makes it
        *((value, "7", True) for value in ("0", "-3", "abc", "99999999999", "100000", "2.5", ",2")),
    ],
)
def test_numbers_of_threads(monkeypatch, caplog, given, threads, told):
    monkeypatch.setattr(surroundings, "usable_cores", lambda: 7)
    environ = {"OMP_NUM_THREADS": given}
    with caplog.at_level(logging.WARNING, "mlsl_mx"):
        check_variables(environ)
    assert environ == {"OMP_NUM_THREADS": threads} and (repr(given) in caplog.text) == told


def test_variables_that_mxnet_would_end_at():
    kept = {"MXNET_CUDNN_AUTOTUNE_DEFAULT": "0", "MXNET_HOME": "/m", "MXNET_ENGINE_TYPE": "NaiveEngine"}
    kept.update(MXNET_SAFE_ACCUMULATION="true", NVIDIA_MXNET_VERSION="x", MXNET_GPU_MEM_POOL_RESERVE="5")
    environ = {**kept, "MXNET_OMP_MAX_THREADS": "all", "MXNET_CPU_WORKER_NTHREADS": "99999999999"}
    check_variables(environ)
    environ.pop("OMP_NUM_THREADS")
    assert environ == kept
    with pytest.raises(InputError, match="DMLC_ROLE is 'boss'"):
        check_variables({"DMLC_ROLE": "boss"})
