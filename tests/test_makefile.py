"""The Makefile's plan, without running it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from browser import NAMES as BROWSERS
from browser import driver_runs

from mlsl_mx.config import load_config
from mlsl_mx.network.weights.params_file import write_params
from mlsl_mx.reports.compare import PAPER_TABLES
from mlsl_mx.system.whole_files import write_json

ROOT = Path(__file__).parents[1]


def plan(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", "-n", *arguments], cwd=ROOT, env=outside_make(), capture_output=True, text=True)


def outside_make() -> dict:
    """The environment, but not as a part of the `make test` that runs these tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


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
        "import-weights",
        "evaluate",
        "pseudo-label 0",
        "self-train 0",
        "evaluate 0",
        "diagnose 0",
        "report",
        "pseudo-label 1",
        "self-train 1",
        "evaluate 1",
        "diagnose 1",
        "report",
    ]


TRAINED = f"IMAGENET={ROOT}/experiments/miniature/pretrained.params"


@pytest.mark.parametrize(
    "words",
    [("gta2city", TRAINED), ("gta2city", "SET=source_training.epochs=2"), ("gta2city", "METHOD=released-sisc")]
    + [("synthia2city", TRAINED)],
)
def test_the_miniatures_source_model_is_trained_where_that_is_asked(words, tmp_path):
    assert "train-source" in stages(plan(*words, f"RUN={tmp_path}/new").stdout)


@pytest.mark.parametrize(("target", "name"), [("gta2city", "pretrained"), ("synthia2city", "pretrained_synthia")])
def test_the_miniatures_source_model_is_imported(target, name, tmp_path):
    run = plan(target, f"RUN={tmp_path}/new").stdout
    assert "train-source" not in stages(run)
    assert f"import-weights --weights 'experiments/miniature/{name}.params'" in run


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


def test_a_source_model_from_elsewhere_gets_its_weak_label_head_before_round_0(tmp_path):
    (tmp_path / "gta.params").touch()
    words = ["gta2city", f"DATA={tmp_path}", f"WEIGHTS={tmp_path}/gta.params", "ROUNDS=2", f"RUN={tmp_path}/r"]
    assert [stage for stage in stages(plan(*words).stdout) if "train" in stage or "label" in stage] == [
        *("pseudo-label 0", "train-head", "self-train 0", "pseudo-label 1", "self-train 1")
    ]


@pytest.mark.parametrize(
    ("name", "tensors", "stage"),
    [
        ("it's mine.params", ("bn7_gamma", "linear1000_weight"), "train-source"),
        ("ilsvrc-cls_rna-a1_cls1000_ep-0001.params", ("conv6a_weight", "linear19_weight"), "import-weights"),
        ("of 1000 classes.params", ("conv6a_weight", "linear1000_weight"), "import-weights"),
    ],
)
def test_a_classifier_is_known_by_its_tensors_whatever_its_name(tmp_path, name, tensors, stage):
    weights = tmp_path / name
    write_params(weights, {f"arg:{tensor}": np.zeros(2, np.float32) for tensor in tensors})
    run = plan("gta2city", f"DATA={tmp_path}", f"WEIGHTS={weights}", "METHOD=source-only", f"RUN={tmp_path}/r")
    assert stages(run.stdout) == ["begin", stage, "evaluate", "report"]
    given, other = ("--imagenet", "--weights") if stage == "train-source" else ("--weights", "--imagenet")
    assert run.stdout.count(given) == 2 and other not in run.stdout


def test_what_was_released_has_experiments_and_runs_of_its_own(tmp_path):
    full = plan("gta2city", f"DATA={tmp_path}", "METHOD=released-sisc").stdout
    assert '--experiment experiments/released/gta2city.yaml --method released-sisc --run "runs/released/' in full
    miniature = plan("gta2city", "METHOD=released-sisc").stdout
    given = '--experiment experiments/miniature/gta2city.yaml --method released-sisc --run "runs/miniature-released/'
    assert given in miniature


ROUND_FILES = ("pseudo_labels/selection.json", "weights.params", "evaluation.json", "diagnosis.json")


@pytest.fixture
def stub(tmp_path):
    """A checkout whose `mlsl` notes its arguments and does nothing else. Returns: a function from make's to mlsl's."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("setup.py", "requirements.lock", "requirements-gpu.lock", ".venv/bin/mlsl", ".venv/installed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".venv/bin/mlsl").write_text('#!/bin/sh\necho "$@" >> calls\n')
    (tmp_path / ".venv/bin/mlsl").chmod(0o755)

    def calls(*arguments):
        run = subprocess.run(["make", *arguments], cwd=tmp_path, env=outside_make(), capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return (tmp_path / "calls").read_text().splitlines()

    return calls


def test_tables_run_every_method_for_every_seed(stub):
    given = ("SEEDS=0 7", "ROUNDS=1", "SET=a=1 b=2", "CHAINS=1", "RUN=out")
    *calls, compared = stub("table4", *given)
    trained = [call for call in calls if call.startswith("self-train")]
    folders = [f"--method {m} --run out/gta2city-seed{s}" for m in PAPER_TABLES["table4"].methods for s in (0, 7)]
    assert all(sum(folder + " " in call for call in trained) == ("source-only" not in folder) for folder in folders)
    assert all(call.endswith("--ctx cpu --rounds 1 --set a=1 --set b=2 --checkpoint-seconds 300") for call in trained)
    assert not [call for call in calls if call.startswith("diagnose")]
    assert compared == "report --compare out/gta2city-seed0 out/gta2city-seed7 --table table4 --out out/table4"


def test_table_2_is_about_synthia_and_diagnoses(stub):
    calls = stub("table2", "SEEDS=3", "ROUNDS=1", "CHAINS=1", "GROUND_TRUTH=")
    diagnosed = [call for call in calls if call.startswith("diagnose")]
    assert len(diagnosed) == len(PAPER_TABLES["table2"].methods) - 1
    assert all("miniature/synthia2city.yaml" in call and "with-ground-truth" not in call for call in diagnosed)
    assert "runs/miniature/synthia2city-seed3 --table table2 --out runs/miniature/table2" in calls[-1]


def test_both_builds_are_made_by_one_rule(stub, tmp_path):
    """And the one for GPUs is there when a stage names a GPU."""

    def lines(*words):
        run = subprocess.run(["make", "-n", *words], cwd=tmp_path, env=outside_make(), capture_output=True, text=True)
        return [line for line in run.stdout.splitlines() if not line.startswith("make")]

    made = lines("setup", "CTX=gpu(0)")
    assert any(".venv-gpu/bin/pip" in line and "requirements-gpu.lock" in line for line in made)
    assert not any(".venv/" in line for line in made) and set(made) <= set(lines("setup-gpu"))
    assert set(made) <= set(lines("evaluated-gta2city", "CTX=gpu(0)"))
    assert not lines("setup")  # which the stub has


def test_the_doctor_looks_at_the_data_that_are_given(stub, tmp_path):
    assert stub("doctor") == ["doctor"]
    assert stub("doctor", f"DATA={tmp_path}")[1:] == [f"doctor --data {tmp_path}"]


SHARED_IN_ROUND_0 = ("pseudo-label --round 0", "evaluate --round 0")


def test_workers_share_labels_and_evaluation(stub):
    calls = stub("diagnosed-gta2city", "METHOD=sisc", "ROUNDS=1", "WORKERS=3", "RUN=out")
    launched = [call.split(" --experiment")[0] for call in calls if call.startswith("launch")]
    assert launched == [f"launch -n 3 -- {stage}" for stage in ("evaluate --source", *SHARED_IN_ROUND_0)]
    assert not [call for call in calls if "train" in call.split(" --")[0] and call.startswith("launch")]
    assert all("--ctx cpu " in call for call in calls if "--ctx" in call)


def test_several_devices_are_a_worker_each_and_train_together(stub):
    calls = stub("diagnosed-gta2city", "METHOD=sisc", "ROUNDS=1", "CTX=cpu(0),cpu(1)", "RUN=out", TRAINED)
    devices = {call.split(" --experiment")[0]: call.split("--ctx ")[1].split()[0] for call in calls if "--ctx" in call}
    for stage in ("evaluate --source", *SHARED_IN_ROUND_0):
        assert devices[f"launch -n 2 -- {stage}"] == "cpu(0),cpu(1)"
    for stage in (f"begin --imagenet {ROOT}/experiments/miniature/pretrained.params", "self-train --round 0"):
        assert devices[stage] == "cpu(0),cpu(1)"
    assert devices["diagnose --round 0 --with-ground-truth"] == "cpu(0)"


def test_training_has_devices_and_workers_of_its_own(stub):
    given = ("CTX=cpu(0),cpu(1)", "TRAIN_CTX=cpu(1)", "TRAIN_WORKERS=2", TRAINED)
    calls = stub("diagnosed-gta2city", "METHOD=sisc", "ROUNDS=1", "RUN=out", *given)
    trained = [call for call in calls if "self-train" in call or "train-source" in call]
    assert len(trained) == 2 and all(call.startswith("launch -n 2 -- ") for call in trained)
    assert all("--ctx cpu(1) " in call for call in trained)


@pytest.mark.parametrize(
    "given, said",
    [
        ("TRAIN_WORKERS=2", "self_training.batch is 1: it cannot be split over 2 workers"),
        ("TRAIN_CTX=cpu(0),cpu(1)", "self_training.batch is 1: it cannot be split over 1 workers with 2 devices"),
        ("WORKERS=300", "--workers is 300: it must be from 1 to 256"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_starts(stub, tmp_path, given, said):
    (tmp_path / ".venv/bin/mlsl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlsl_mx "$@"\n')
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    (tmp_path / "runs/miniature/data").mkdir(parents=True)
    (tmp_path / "runs/miniature/data/miniature.json").touch()
    environment = {**outside_make(), "PYTHONPATH": str(ROOT)}
    command = ["make", "gta2city", "SET=self_training.batch=1", "RUN=out", given]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 2 and "mlsl begin: " in run.stderr and said in run.stderr
    assert run.stdout.count("bin/mlsl ") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("made", ["source/weights.params", "sisc/round-0/weights.params"])
def test_a_make_that_is_stopped_keeps_what_a_stage_has_written(stub, tmp_path, made):
    """Training is through, its weights are there, the process is about to end: Ctrl-C must not cost hours."""
    folder, name = tmp_path / "out", "train-source" if made.startswith("source") else "self-train"
    files = ("source/weights.params", "source/evaluation.json", "sisc/round-0/pseudo_labels/selection.json", made)
    for file in files[: files.index(made)]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    (folder / made).parent.mkdir(parents=True, exist_ok=True)
    stage = f'#!/bin/sh\n[ "$1" = {name} ] || exit 0\necho weights > {folder / made}\nexec sleep 60\n'
    (tmp_path / ".venv/bin/mlsl").write_text(stage)
    command = ["make", "evaluated-gta2city", "METHOD=sisc", "ROUNDS=1", "RUN=out", TRAINED]
    process = subprocess.Popen(command, cwd=tmp_path, env=outside_make(), start_new_session=True)
    end = time.monotonic() + 30
    while not (folder / made).exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) and (folder / made).read_text() == "weights\n"


def test_the_miniature_is_looked_at_again_where_its_generator_is_newer(tmp_path):
    (tmp_path / "miniature.json").touch()
    os.utime(tmp_path / "miniature.json", (0, 0))
    known = ("gta2city", f"RUN={tmp_path}/new", f"MINIATURE={tmp_path}")
    assert stages(plan(*known).stdout)[0] == "make-miniature"
    (tmp_path / "miniature.json").touch()
    assert stages(plan(*known).stdout)[0] == "begin"


@pytest.mark.parametrize("asked", ["METHOD=source-only", "ROUNDS=0"])
def test_no_round_is_planned_where_there_are_none(tmp_path, asked):
    """With BSD's seq, too, which counts down from 0 to -1."""
    (tmp_path / "seq").write_text('#!/bin/sh\n[ "$2" -lt "$1" ] && echo 0 -1 || exec /usr/bin/seq "$@"\n')
    (tmp_path / "seq").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["make", "-n", "gta2city", asked, f"RUN={tmp_path}/new"]
    done = subprocess.run(command, cwd=ROOT, env={**outside_make(), "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0 and not any(stage[-1].isdigit() for stage in stages(done.stdout)), done.stderr


def test_a_report_follows_each_round_and_nothing_follows_a_report(stub, tmp_path):
    """Files as a run with two finished rounds has them, whose second was made anew; then with all of them."""
    rounds = [f"sisc/round-{r}/{name}" for r in (0, 1) for name in ROUND_FILES]
    made = ["runs/miniature/data/miniature.json", "out/source/weights.params", "out/source/evaluation.json"]
    made += [f"out/{name}" for name in rounds if name != "sisc/round-1/evaluation.json"]
    for order, name in enumerate(made):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (order, order))
    command = ["make", "-n", "gta2city", "METHOD=sisc", "ROUNDS=2", "RUN=out"]

    def planned() -> list:
        done = subprocess.run(command, cwd=tmp_path, env=outside_make(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return stages(done.stdout)

    assert planned() == ["begin", "report", "evaluate 1", "report"]
    for order, name in enumerate(["sisc/round-0/reported", "sisc/round-1/evaluation.json", "report/sisc.txt"]):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).touch()
        os.utime(tmp_path / "out" / name, (100 + order, 100 + order))
    assert planned() == ["begin"]
    os.utime(tmp_path / "out/sisc/round-0/reported", (10**9, 10**9))
    assert planned() == ["begin"]
    (tmp_path / "out/report/sisc.txt").write_text("SISC is not finished: round 1 of 0..2 stands for the result.")
    os.utime(tmp_path / "out/report/sisc.txt", (200, 200))
    assert planned() == ["begin", "report"]  # it was made of three rounds


@pytest.mark.parametrize("made", [{0}, {0, 1, 2}])
def test_a_round_that_is_not_there_is_made_though_a_report_is_newer(stub, tmp_path, made):
    """The report of a run that was stopped after its first round, or has more ROUNDS than before."""
    names = ["runs/miniature/data/miniature.json", "out/source/weights.params", "out/source/evaluation.json"]
    names += [f"out/sisc/round-{r}/{name}" for r in sorted(made) for name in (*ROUND_FILES, "reported")]
    for order, name in enumerate([*names, "out/report/sisc.txt"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (order, order))
    command = ["make", "-n", "gta2city", "METHOD=sisc", "ROUNDS=4", "RUN=out"]
    done = subprocess.run(command, cwd=tmp_path, env=outside_make(), capture_output=True, text=True)
    missing = sorted(set(range(4)) - made)
    assert [s for s in stages(done.stdout) if s[-1].isdigit()] == [
        f"{stage} {r}" for r in missing for stage in ("pseudo-label", "self-train", "evaluate", "diagnose")
    ]


def test_tables_report_no_rounds(stub):
    calls = stub("diagnosed-gta2city", "METHOD=sisc", "ROUNDS=3", "RUN=out")
    assert not [call for call in calls if call.startswith("report")]


def test_the_browsers_of_make_are_those_of_the_test():
    assert f"BROWSERS := {' '.join(BROWSERS)}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.skipif(not driver_runs(), reason="no libatomic, which the browser's driver is linked to")
@pytest.mark.parametrize("stub_answers, said", [("exit 0", ""), ("exit 1", "no browser")])
def test_a_browser_counts_only_if_it_runs(tmp_path, stub_answers, said):
    for name, answer in (*((name, stub_answers) for name in BROWSERS), ("id", "echo 1000")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    env = {**outside_make(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run(["make", "-s", "browser"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == ""
    assert run.stdout.startswith(said) and len(run.stdout.splitlines()) == bool(said)


def test_tables_take_no_method():
    run = plan("table1", "METHOD=st")
    assert run.returncode == 2 and "METHOD=st: make table1 runs all of its methods" in run.stderr


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


OWN = """\
inherit: own/small.yaml
source: {images: a, labels: b}
target: {train: c}
classes: [{name: a, source: 0}, {name: b, source: 1}]
# rounds: 9
"""


def own_experiment(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(f"{OWN}{text}\n")
    return f"EXPERIMENT={path}"


@pytest.mark.parametrize(
    ("text", "more", "rounds"),
    [
        ("self_training:\n  epochs: 1\n  rounds: 2", (), 2),
        ("self_training: {epochs: 1, rounds: 1}", (), 1),
        ("self_training: {rounds: 4}", ("ROUNDS=1",), 1),
        ("name: mine", (), 1),  # as own/small.yaml has it
        ("self_training: {rounds: 4}", ("METHOD=source-only",), 0),
    ],
)
def test_adapt_chains_the_rounds_of_the_experiment(tmp_path, text, more, rounds):
    run = plan("adapt", own_experiment(tmp_path, text), f"RUN={tmp_path}/run", *more)
    assert run.returncode == 0, run.stderr
    chain = [f"{stage} {r}" for r in range(rounds) for stage in ("pseudo-label", "self-train", "evaluate", "diagnose")]
    chain[1:1] = ["train-head"] * bool(rounds)  # the file may say source_training.weak_label_weight: 0
    made = stages(run.stdout)
    assert [one for one in made if one != "report"] == ["begin", "train-source", "evaluate", *chain]
    assert made[-1] == "report"
    lines = [line for line in run.stdout.splitlines() if "--experiment" in line]
    assert all(f"--experiment '{tmp_path}/mine.yaml' " in line and "--data" not in line for line in lines)
    assert all((f"--rounds {rounds}" in line) == bool(more and rounds) for line in lines)


def test_adapt_writes_to_a_run_of_the_experiments_name(tmp_path):
    run = plan("adapt", own_experiment(tmp_path, ""), "SEED=3", "GROUND_TRUTH=yes")
    assert '--run "runs/own/mine-seed3"' in run.stdout and "--with-ground-truth" in run.stdout
    assert "miniature" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("adapt",), "needs EXPERIMENT=my.yaml"),
        (("adapt", "EXPERIMENT=nowhere.yaml"), "EXPERIMENT=nowhere.yaml: no such file"),
        (("gta2city", "EXPERIMENT=setup.py"), "EXPERIMENT= is for make adapt, check-data and doctor"),
        (("adapt", "EXPERIMENT=setup.py README.md"), "EXPERIMENT=setup.py README.md: no such file"),
    ],
)
def test_adapt_without_an_experiment_that_can_be_used(arguments, said):
    run = plan(*arguments)
    assert run.returncode == 2 and said in run.stderr


@pytest.mark.parametrize("goal", ["doctor", "check-data"])
def test_settings_reach_what_looks_before_a_run(goal):
    lines = [line for line in plan(goal, "SET=pseudo_labels.patch=64").stdout.splitlines() if f"mlsl {goal} " in line]
    assert lines and all("--set 'pseudo_labels.patch=64'" in line for line in lines)


def test_doctor_of_an_experiment(tmp_path):
    assert f"mlsl doctor --experiment '{tmp_path}/mine.yaml' " in plan("doctor", own_experiment(tmp_path, "")).stdout


def test_check_data_of_an_experiment(tmp_path):
    run = plan("check-data", own_experiment(tmp_path, ""))
    assert [line.split() for line in run.stdout.splitlines() if " check-data " in line] == [
        [".venv/bin/mlsl", "check-data", "--experiment", f"'{tmp_path}/mine.yaml'", "||", "failed=$?;", "\\"]
    ]


def test_check_data_looks_at_both_directions_and_fails_where_one_does():
    recipe = plan("check-data").stdout.replace(".venv/bin/mlsl", "mlsl")
    recipe = recipe[recipe.index("mlsl check-data") :]
    for faulty, code in (("miniature/gta2city", 2), ("miniature/synthia2city", 2), ("none", 0)):
        stub = f"mlsl() {{ echo $3; [ $3 != experiments/{faulty}.yaml ] || return 2; }}"
        run = subprocess.run(["bash", "-c", f"{stub}\n{recipe}"], capture_output=True, text=True)
        assert run.returncode == code and run.stdout.count(".yaml") == 2
