"""What is given to Make: the number of rounds is the experiment's, and no sign of a name is read as a command."""

import shutil
import subprocess

import pytest
from test_makefile import OWN, ROOT, outside_make, plan, stages

from mlsl_mx.config.experiment_files import METHOD_FILES, load_config

STRANGE = 'it\'s "my" (new) [d]ata* & `more`; #1, 50%\\'


def rounds_of(run: subprocess.CompletedProcess) -> int:
    assert run.returncode == 0, run.stderr
    return sum(stage.startswith("self-train") for stage in stages(run.stdout))


@pytest.mark.parametrize(
    ("parent", "text", "rounds"),
    [
        ("self_training: {rounds: 2}", "name: child", 2),
        ("self_training: {rounds: 2}", "self_training: {epochs: 1}", 2),
        ("self_training: {rounds: 2}", 'self_training: {"rounds": 4}', 4),
        ("self_training: {rounds: 2}", "self_training:\n  {epochs: 1,\n   rounds:\n     1}", 1),
        ("name: parent", "name: child  # rounds: 9", 1),  # of own/small.yaml
    ],
)
def test_the_rounds_are_those_that_the_experiment_has_read_whole(tmp_path, parent, text, rounds):
    (tmp_path / "parent.yaml").write_text(f"{OWN}{parent}\n")
    (tmp_path / "child.yaml").write_text(f"inherit: parent.yaml\n{text}\n")
    assert load_config(tmp_path / "child.yaml").self_training.rounds == rounds
    assert rounds_of(plan("adapt", f"EXPERIMENT={tmp_path}/child.yaml", f"RUN={tmp_path}/run")) == rounds


@pytest.mark.parametrize("word", ["Data=data", "WEIGHT=x.params", "SETS=a.b=3", "rounds=3"])
def test_a_variable_that_there_is_not_is_refused(word):
    run = plan("gta2city", word)
    assert run.returncode == 2 and f"{word}: there is no variable {word.partition('=')[0]}: make help" in run.stderr
    assert not stages(run.stdout)


def test_variables_for_programs_are_passed_on():
    assert plan("gta2city", "OMP_NUM_THREADS=1").returncode == 0


@pytest.mark.parametrize("setting", ["self_training.rounds=1", 'self_training={"rounds":1}'])
def test_rounds_of_a_setting_are_planned(tmp_path, setting):
    assert rounds_of(plan("gta2city", f"SET=weak_labels.eta=0.1 {setting}", f"RUN={tmp_path}/run")) == 1
    run = plan("gta2city", "SET=self_training.rounds=1", "ROUNDS=2")
    assert run.returncode == 2 and "the rounds are given twice: leave out one" in run.stderr


@pytest.mark.parametrize("experiment", ["gta2city", "miniature/gta2city", "released/gta2city"])
def test_the_rounds_that_make_knows_are_those_of_each_method(experiment):
    """Without .venv nobody could be asked."""
    known = 4 if experiment.startswith("miniature") else 6
    assert f"\n{'MINIATURE' if known == 4 else 'FULL'}_ROUNDS := {known}\n" in (ROOT / "Makefile").read_text()
    for method in (file.stem for pattern in METHOD_FILES for file in (ROOT / "experiments").glob(pattern)):
        rounds = load_config(ROOT / f"experiments/{experiment}.yaml", method).self_training.rounds
        assert rounds == (0 if method == "source-only" else known)


def test_an_experiment_that_cannot_be_read_is_told_before_anything_is_planned(tmp_path):
    (tmp_path / "wrong.yaml").write_text("inherit: own/small.yaml\nself_training: {rouns: 1}\n")
    run = plan("adapt", f"EXPERIMENT={tmp_path}/wrong.yaml")
    assert run.returncode == 2 and "did you mean self_training.rounds?" in run.stderr and not stages(run.stdout)


@pytest.fixture
def checkout(tmp_path):
    """A checkout without .venv, and a Python that "builds" one whose mlsl reads experiments and notes all else."""
    for name in ("Makefile", "setup.py", "requirements.lock", "requirements-gpu.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    mlsl = f'#!/bin/sh\n[ "$1" = rounds ] && echo 2 || echo "$@" >> {tmp_path}/calls\n'
    (tmp_path / "python.mlsl").write_text(mlsl)
    python = (
        '#!/bin/sh\n[ "$2" = venv ] || exit 0\nmkdir -p $3/bin\nln -s /bin/true $3/bin/pip\ncp "$0.mlsl" $3/bin/mlsl\n'
    )
    (tmp_path / "python").write_text(python)
    for name in ("python", "python.mlsl"):
        (tmp_path / name).chmod(0o755)

    def make(*words: str) -> subprocess.CompletedProcess:
        words = ("make", f"PYTHON={tmp_path}/python", *words)
        return subprocess.run(words, cwd=tmp_path, env=outside_make(), capture_output=True, text=True)

    return make


def test_a_plan_of_our_own_experiments_needs_no_environment(checkout):
    assert rounds_of(checkout("-n", "gta2city")) == 4


def test_the_environment_is_built_to_read_an_experiment_but_not_for_a_plan(checkout, tmp_path):
    run = checkout("-n", "adapt", "EXPERIMENT=mine.yaml")
    assert run.returncode == 2 and "make setup comes first" in run.stderr and not (tmp_path / ".venv").exists()
    assert checkout("evaluated-adapt", "EXPERIMENT=mine.yaml").returncode == 0
    trained = [call for call in (tmp_path / "calls").read_text().splitlines() if call.startswith("self-train")]
    assert [call.split()[2] for call in trained] == ["0", "1"]
    assert rounds_of(checkout("-n", "evaluated-adapt", "EXPERIMENT=mine.yaml", "CTX=gpu(0)", "RUN=new")) == 0
    assert "self-train --round 1" in checkout("-n", "adapt", "EXPERIMENT=mine.yaml", "CTX=gpu(0)", "RUN=new").stdout


def test_strange_signs_in_the_names_of_data_reach_the_stage_as_they_are(checkout, tmp_path):
    data = tmp_path / STRANGE
    data.mkdir()
    run = checkout("-s", "evaluated-gta2city", f"DATA={data}", f"WEIGHTS={data}/w.params", "ROUNDS=0", "SET=name='x;y'")
    assert run.returncode == 0, run.stderr
    assert f"full recipe on {data}\n" in run.stdout
    begun = (tmp_path / "calls").read_text().splitlines()[0]
    assert f"--data {data} " in begun and f"--weights {data}/w.params " in begun and "--set name='x;y' " in begun


@pytest.mark.parametrize("name", ["mine.yaml", "of mine.yaml"])
def test_strange_signs_in_the_folder_of_an_experiment_reach_the_stage_as_they_are(checkout, tmp_path, name):
    file = tmp_path / STRANGE / name
    file.parent.mkdir()
    file.write_text("name: mine\n")
    run = checkout("-s", "evaluated-adapt", f"EXPERIMENT={file}", "METHOD=source-only")
    assert run.returncode == 0, run.stderr
    stem = name[:-5].replace(" ", "-")
    for call in (tmp_path / "calls").read_text().splitlines():
        assert f"--experiment {file} --method source-only --run runs/own/{stem}-seed0 " in call
    assert checkout("-s", "check-data", f"EXPERIMENT={file}").returncode == 0
    assert (tmp_path / "calls").read_text().splitlines()[-1].strip() == f"check-data --experiment {file}"


@pytest.mark.parametrize(
    ("variable", "sign"),
    [("RUN", sign) for sign in "'\"`\\;&|<>*?[]{}:%#()"]
    + [(name, ";") for name in ("METHOD", "SEED", "CTX", "TRAIN_CTX", "ROUNDS", "RESULTS", "WORKERS")],
)
def test_signs_that_make_or_the_shell_reads_are_refused_in_names_of_runs_and_in_words(variable, sign):
    run = plan("gta2city", f"{variable}=a{sign}b")
    assert run.returncode == 2 and f"{variable}=a{sign}b: the sign {sign} cannot be in it: rename it" in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("RUN=my run", "RUN=my run: a blank cannot be in it"),
        ("EXPERIMENT=my/r&d.yaml", "RUN=runs/own/r&d-seed0: the sign & cannot be in it: rename it, or give another"),
        ("DATA=~/data", "DATA=~/data: a ~ that no shell has expanded cannot be in it"),
        ("DATA=/a$(touch made)b", "DATA=/a$(touch made)b: the sign $ cannot be in it"),
        ("DATA=/a\ntouch made", "a line's end cannot be in it"),
    ],
)
def test_what_no_name_can_have_is_refused_before_anything_runs(given, said):
    run = plan("gta2city", given)
    assert run.returncode == 2 and said in run.stderr and run.stdout == ""


def test_what_comes_from_the_environment_is_said(tmp_path):
    environment = {**outside_make(), "DATA": str(tmp_path), "SEED": "7"}
    run = subprocess.run(
        ["make", "-n", "gta2city", "ROUNDS=1"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.stdout.splitlines()[0] == f"taken from the environment: DATA={tmp_path} SEED=7"
    assert "environment" not in plan("gta2city", f"DATA={tmp_path}").stdout
