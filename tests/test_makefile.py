"""The Makefile's plan, without running it."""

import os
import subprocess
from pathlib import Path

import pytest

from mlsl_mx.config import load_config
from mlsl_mx.runs import write_json

ROOT = Path(__file__).parents[1]


def plan(*arguments: str) -> subprocess.CompletedProcess:
    # Not as a part of the `make test` that runs these tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", "-n", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def stages(output: str):
    """`pseudo-label 0`, `self-train 0`, ... in the order of the plan."""
    lines = [line.split("mlsl ", 1)[1].split() for line in output.splitlines() if line.startswith(".venv/bin/mlsl ")]
    return [" ".join([words[0], *(words[2:3] if words[1] == "--round" else [])]) for words in lines]


def test_plan_chains_the_rounds(tmp_path):
    run = plan("gta2city", "ROUNDS=2", f"RUN={tmp_path}/new", f"MINIATURE={tmp_path}/data")
    assert run.returncode == 0, run.stderr
    assert stages(run.stdout) == [
        "make-miniature",
        "begin",
        "train-source",
        "evaluate",
        "pseudo-label 0",
        "self-train 0",
        "evaluate 0",
        "diagnose 0",
        "pseudo-label 1",
        "self-train 1",
        "evaluate 1",
        "diagnose 1",
        "report",
    ]


@pytest.mark.parametrize("target", ["gta2city", "synthia2city"])
def test_rounds_are_those_of_the_experiment_files(target, tmp_path):
    run = plan(target, f"RUN={tmp_path}/new")
    assert "overriding" not in run.stderr
    lines = [line for line in run.stdout.splitlines() if "--experiment" in line]
    assert lines and all(f"/{target}.yaml" in line for line in lines)
    rounds = load_config(ROOT / "experiments" / "miniature" / f"{target}.yaml").self_training.rounds
    assert sum(stage.startswith("self-train") for stage in stages(run.stdout)) == rounds
    run = plan(target, f"DATA={tmp_path}", f"RUN={tmp_path}/full")
    rounds = load_config(ROOT / "experiments" / f"{target}.yaml").self_training.rounds
    assert sum(stage.startswith("self-train") for stage in stages(run.stdout)) == rounds


@pytest.mark.parametrize("asked", ["", "GROUND_TRUTH=yes", "GROUND_TRUTH="])
@pytest.mark.parametrize("real", [False, True])
def test_ground_truth_is_used_on_the_miniature_and_where_it_is_asked_for(asked, real, tmp_path):
    run = plan(
        "gta2city", "ROUNDS=1", f"RUN={tmp_path}/r", *([f"DATA={tmp_path}"] if real else []), *filter(None, [asked])
    )
    line = next(line for line in run.stdout.splitlines() if "mlsl diagnose" in line)
    assert ("--with-ground-truth" in line) == (asked == "GROUND_TRUTH=yes" or (not asked and not real))


def test_a_diagnosis_without_the_truth_is_made_again_when_it_is_asked_for(tmp_path):
    (tmp_path / "gta.params").touch()
    files = ["source/weights.params", "source/evaluation.json"]
    files += [f"sisc/round-0/{name}" for name in ("pseudo_labels/selection.json", "weights.params", "evaluation.json")]
    for name in (*files, "sisc/round-0/diagnosis.json", "report/sisc.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_json(tmp_path / name, {"ground_truth": None})
    words = ["gta2city", "ROUNDS=1", "METHOD=sisc", f"RUN={tmp_path}", f"DATA={tmp_path}"]
    assert stages(plan(*words).stdout) == ["begin"]
    assert stages(plan(*words, "GROUND_TRUTH=yes").stdout) == ["begin", "diagnose 0", "report"]
    write_json(tmp_path / "sisc/round-0/diagnosis.json", {"ground_truth": {"images": 8}})
    (tmp_path / "report/sisc.txt").touch()
    assert stages(plan(*words, "GROUND_TRUTH=yes").stdout) == ["begin"]


def test_another_value_of_ground_truth_is_an_error():
    run = plan("gta2city", "GROUND_TRUTH=no")
    assert run.returncode == 2 and "GROUND_TRUTH=no: it is yes, or empty" in run.stderr


def test_weights_replace_source_training(tmp_path):
    (tmp_path / "gta.params").touch()
    run = plan(
        "gta2city", f"DATA={tmp_path}", f"WEIGHTS={tmp_path}/gta.params", "METHOD=source-only", f"RUN={tmp_path}/r"
    )
    assert stages(run.stdout) == ["begin", "import-weights", "evaluate", "report"]


def test_the_published_classifier_is_known_by_its_name(tmp_path):
    weights = f"{tmp_path}/ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
    run = plan("gta2city", f"DATA={tmp_path}", f"WEIGHTS={weights}", "METHOD=source-only", f"RUN={tmp_path}/r")
    assert stages(run.stdout) == ["begin", "train-source", "evaluate", "report"]
    assert run.stdout.count(f'--imagenet "{weights}"') == 2 and "--weights" not in run.stdout


def test_what_was_released_has_experiments_and_runs_of_its_own(tmp_path):
    full = plan("gta2city", f"DATA={tmp_path}", "METHOD=released-sisc").stdout
    assert '--experiment experiments/released/gta2city.yaml --method released-sisc --run "runs/released/' in full
    miniature = plan("gta2city", "METHOD=released-sisc").stdout
    assert "--experiment experiments/miniature/gta2city.yaml --method released-sisc" in miniature


def test_tables_run_every_method_for_every_seed(tmp_path):
    lines = plan("table4", "SEEDS=0 7", f"MINIATURE={tmp_path}/data").stdout.splitlines()
    chains = [line for line in lines if "xargs" in line]
    assert "source-only" in chains[0] and chains[0].startswith("printf '%s\\n' 0 7 |")
    assert '"sisc-pwl 0" "sisc-pwl 7" "lambda-0.1 0"' in chains[1]
    assert "--compare runs/miniature/gta2city-seed0 runs/miniature/gta2city-seed7 --table table4" in lines[-1]


def test_a_wrong_path_is_an_error_and_never_the_miniature(tmp_path):
    run = plan("gta2city", f"DATA={tmp_path}/none")
    assert run.returncode == 2
    assert f"DATA={tmp_path}/none: no such file or folder" in run.stderr
    assert stages(run.stdout) == []


def test_one_run_directory_is_for_one_experiment(tmp_path):
    run = plan("gta2city", "synthia2city", f"RUN={tmp_path}/new")
    assert run.returncode == 2 and "one run directory" in run.stderr


def test_the_plan_says_what_it_is_about(tmp_path):
    assert "miniature: not comparable with the paper" in plan("gta2city").stdout.splitlines()[0]
    assert "full recipe" in plan("gta2city", f"DATA={tmp_path}").stdout.splitlines()[0]
