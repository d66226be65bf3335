"""`mlsl launch`: stages shared by real workers, what they leave, and that nothing is left of them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from event_records import read_events, scalar_points
from processes import is_running, wait_for
from scene_files import write_lists

from mlsl_mx.cli import main
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.network import MLSLNet, save_original
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.launch import divide_devices, launch, run_workers
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.stopping import Stopped
from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]
LISTS = {
    "gta5": [f"images/0000{i}.png" for i in range(1, 5)],
    "cityscapes_train": [f"leftImg8bit/train/alpha/alpha_00000{i}_000019_leftImg8bit.png" for i in range(5)],
    "cityscapes_val": [f"leftImg8bit/val/beta/beta_00000{i}_000019_leftImg8bit.png" for i in range(3)],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folder with data, lists and the weights of a trunk."""
    folder = tmp_path_factory.mktemp("world")
    write_lists(folder / "lists", LISTS)
    make_miniature(folder / "data", folder / "lists", seed=1)
    mx.random.seed(0)
    net = MLSLNet(19, 0.03, weak_label_head=False)
    net.initialize()
    save_original(net, folder / "trunk.params")
    return folder


def words(world: Path, run: Path, *stage: str, **settings) -> list:
    """The words of a stage after `mlsl`."""
    settings = {
        "source.images": world / "lists" / "gta5.txt",
        "target.train": world / "lists" / "cityscapes_train.txt",
        "target.val": world / "lists" / "cityscapes_val.txt",
        "network.width": 0.03,
        "network.dropout": "[0,0]",
        "source_training.epochs": 2,
        "source_training.batch": 4,
        **settings,
    }
    experiment = ROOT / "experiments" / "miniature" / "gta2city.yaml"
    options = [*stage, "--experiment", experiment, "--method", "sisc", "--run", run, "--data", world / "data"]
    return [str(word) for word in (*options, *(w for k, v in settings.items() for w in ("--set", f"{k}={v}")))]


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory):
    """A run whose source model one process has trained."""
    run = tmp_path_factory.mktemp("alone") / "run"
    assert main(words(world, run, "train-source", "--imagenet", str(world / "trunk.params"))) == 0
    return run


@pytest.fixture(scope="module")
def shared(world, tmp_path_factory):
    """A run whose source model two processes have trained, as the command line does it; and what that printed."""
    run = tmp_path_factory.mktemp("shared") / "run"
    stage = words(world, run, "train-source", "--imagenet", str(world / "trunk.params"))
    command = [sys.executable, "-m", "mlsl_mx", "launch", "-n", "2", "--", *stage]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return run, done.stdout


def test_training_by_two_is_training_by_one(alone, shared):
    one, two = (mx.nd.load(str(run / "source" / "weights.params")) for run in (alone, shared[0]))
    assert one.keys() == two.keys()
    for name, weights in one.items():
        np.testing.assert_allclose(two[name].asnumpy(), weights.asnumpy(), atol=1e-5, err_msg=name)
    losses = [[e["loss"] for e in read_log(run / "log.jsonl") if e["event"] == "epoch"] for run in (alone, shared[0])]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_the_first_worker_alone_writes_the_log_and_the_terminal(shared):
    run, printed = shared
    events = read_log(run / "log.jsonl")
    kinds = [event["event"] for event in events]
    assert [kind for kind in kinds if kind != "loss"] == ["begin", "imagenet", "epoch", "epoch", "source_iou", "end"]
    shown = scalar_points(read_events(run / "tensorboard" / "source" / "training"))["loss/total"]
    assert [step for step, _ in shown] == list(range(1, kinds.count("loss") + 1)) and shown
    assert events[0]["workers"] == 2 and events[-1]["outcome"] == "worked"
    assert printed.count("source model: ") == 1
    made = ["config.yaml", "environment.json", "source_iou.json", "weights.params"]
    assert sorted(p.name for p in (run / "source").iterdir()) == made


def made_by(world: Path, run: Path, weights: Path, workers: int, stage: list, summary: str) -> tuple:
    """What a stage makes from given weights: its summary without times, and the files beside it."""
    (run / "source").mkdir(parents=True)
    shutil.copy(weights, run / "source")
    arguments = words(world, run, *stage, **{"pseudo_labels.patches": 4})
    assert (main(arguments) if workers == 1 else launch(arguments, workers)) == 0
    path = run / summary
    numbers = {k: v for k, v in read_json(path).items() if "seconds" not in k and "per_second" not in k}
    return numbers, {p.name: p.read_bytes() for p in path.parent.rglob("*.png")}


@pytest.mark.parametrize(
    "stage, summary, images, counts",
    [
        (["pseudo-label", "--round", "0"], "sisc/round-0/pseudo_labels/selection.json", 5, (2, 4)),
        (["evaluate", "--source"], "source/evaluation.json", 3, (4,)),
    ],
)
def test_any_number_of_workers_makes_the_same(world, alone, tmp_path, stage, summary, images, counts):
    weights = alone / "source" / "weights.params"
    one = made_by(world, tmp_path / "1", weights, 1, stage, summary)
    assert one[0]["images"] == images <= len(one[1])
    for count in counts:
        assert made_by(world, tmp_path / str(count), weights, count, stage, summary) == one
        assert not list((tmp_path / str(count)).rglob(".store"))


def test_wrong_input_that_one_worker_finds_ends_all(world, shared):
    """The first alone looks at the settings; the other waits for it."""
    training = ("train-source", "--imagenet", str(world / "trunk.params"))
    stage = words(world, shared[0], *training, **{"source_training.batch": 2})
    command = [sys.executable, "-m", "mlsl_mx", "launch", "-n", "2", "--", *stage]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("mlsl train-source: ") and "choose another RUN" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_devices_cannot_share_is_known_at_the_beginning(world, tmp_path, capsys):
    several = words(world, tmp_path / "run", "begin", "--ctx", "cpu(0),cpu(1)", **{"self_training.batch": 1})
    assert main(several) == 2
    assert "self_training.batch is 1: it cannot be split over 1 workers with 2 devices" in capsys.readouterr().err
    several = words(world, tmp_path / "run", "begin", "--ctx", "cpu(0),cpu(1)", **{"source_training.batch": 3})
    assert main(several) == 2
    assert "source_training.batch is 3" in capsys.readouterr().err
    several = words(world, tmp_path / "run", "begin", "--ctx", "cpu(0),cpu(1)", **{"source_training.start": "scratch"})
    assert main(several) == 2
    assert "source_training.start is scratch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, settings, said",
    [
        (
            "--train-workers 2",
            {"self_training.batch": 1},
            "self_training.batch is 1: it cannot be split over 2 workers",
        ),
        ("--train-workers 2", {"source_training.batch": 3}, "source_training.batch is 3: it cannot be split over 2"),
        ("--train-workers 2", {"source_training.start": "scratch"}, "source_training.start is scratch"),
        (
            "--train-workers 2",
            {"weak_labels.enabled": "true", "source_training.weak_label_weight": 0, "head_training.batch": 3},
            "head_training.batch is 3: it cannot be split over 2",
        ),
        ("--train-workers 2 --train-ctx cpu(0),cpu(1)", {"self_training.batch": 3}, "split over 2 workers with 1 dev"),
        ("--train-workers 2 --train-ctx cpu(0),cpu(1),cpu(2)", {}, "--train-ctx names 3 devices, which cannot be"),
        ("--train-ctx gpu(9)", {}, "ctx gpu(9): this MXNet sees"),
        ("--train-workers 0", {}, "--train-workers is 0: it must be from 1 to 256"),
        ("--workers 0", {}, "--workers is 0: it must be from 1 to 256"),
        ("--workers 2 --ctx cpu(0),cpu(1),cpu(2)", {}, "--ctx names 3 devices, which cannot be divided among 2"),
        ("--workers 1 --ctx cpu(0),cpu(1)", {}, "label and evaluate with as many workers (make WORKERS=2)"),
    ],
)
def test_what_workers_cannot_share_is_known_at_the_beginning(world, tmp_path, capsys, options, settings, said):
    settings = {"self_training.batch": 4, **settings}
    assert main(words(world, tmp_path / "run", "begin", *options.split(), **settings)) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_what_workers_can_share_is_accepted_at_the_beginning(world, tmp_path):
    options = ("--workers", "3", "--train-ctx", "cpu(0),cpu(1)", "--train-workers", "2")
    options += ("--imagenet", str(world / "trunk.params"))
    assert main(words(world, tmp_path / "run", "begin", *options, **{"self_training.batch": 2})) == 0
    options = ("--weights", str(world / "trunk.params"), "--train-workers", "2")  # then no source model is trained
    settings = {"self_training.batch": 2, "source_training.batch": 1}
    assert main(words(world, tmp_path / "run", "begin", *options, **settings)) == 0
    settings = {"weak_labels.enabled": "true", "head_training.batch": 1}  # nothing is trained at all
    assert main([*words(world, tmp_path / "run", "begin", *options, **settings), "--method", "source-only"]) == 0


def test_one_process_evaluates_on_one_device(world, alone, capsys):
    assert main(words(world, alone, "evaluate", "--source", "--ctx", "cpu(0),cpu(1)")) == 2
    assert "mlsl launch -n 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "threads", "named"), [(0, None, "-n is 0"), (2, 0, "--threads is 0"), (2, -1, "is -1")]
)
def test_numbers_of_workers_and_threads_are_checked(count, threads, named):
    with pytest.raises(InputError, match=named):
        launch(["evaluate"], count, threads)


@pytest.mark.parametrize("stage", [[], ["report"], ["begin", "--ctx", "cpu"]])
def test_only_what_is_shared_is_launched(stage):
    with pytest.raises(InputError, match="are shared by workers"):
        launch(stage, 2)


def test_devices_are_divided():
    stage = ["evaluate", "--ctx", "gpu(0),gpu(1),gpu(2),gpu(3)", "--source"]
    assert divide_devices(stage, 2) == [
        ["evaluate", "--ctx", d, "--source"] for d in ("gpu(0),gpu(1)", "gpu(2),gpu(3)")
    ]
    assert divide_devices(["evaluate", "--ctx=gpu(1),gpu(0)"], 2)[1] == ["evaluate", "--ctx", "gpu(0)"]
    assert divide_devices(["evaluate", "--ctx", "cpu"], 2) == [["evaluate", "--ctx", "cpu"]] * 2
    assert divide_devices(["evaluate"], 2) == [["evaluate"]] * 2
    with pytest.raises(InputError, match="--ctx names 1 devices, which cannot be divided among 2 workers"):
        divide_devices(["evaluate", "--ctx", "gpu(0)"], 2)


# A worker that waits for ever, or worker 1 that fails; each has started a process of its own.
STUCK = """
import os, pathlib, subprocess, sys, time
folder, how, index = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
child = subprocess.Popen(["sleep", "600"])
(folder / "new").mkdir(exist_ok=True)
(folder / "new" / index).write_text(f"{os.getpid()} {child.pid}")
(folder / "new" / index).rename(folder / f"pids-{index}")
while how == "waits" or index == "0" or not (folder / "pids-0").exists():
    time.sleep(0.05)
sys.exit("out of luck")
"""
LAUNCHER = """
import sys
from mlsl_mx.system.launch import run_workers
from mlsl_mx.system.stopping import Stopped
try:
    sys.exit(run_workers([[sys.executable, *sys.argv[1:], index] for index in "01"], threads=1))
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""


def start_stuck(folder: Path, how: str) -> tuple:
    """A launcher of two stuck workers, and the ids of the workers and of their children."""
    (folder / "stuck.py").write_text(STUCK)
    command = [sys.executable, "-c", LAUNCHER, str(folder / "stuck.py"), str(folder), how]
    launcher = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    files = [folder / f"pids-{rank}" for rank in (0, 1)]
    wait_for(lambda: all(file.exists() for file in files))
    workers, children = zip(*(map(int, file.read_text().split()) for file in files), strict=True)
    return launcher, [*workers, *children]


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@on_linux
def test_a_worker_that_fails_ends_all_and_is_named(tmp_path):
    launcher, pids = start_stuck(tmp_path, "fails")
    said = launcher.communicate(timeout=30)[1]
    assert launcher.returncode == 1
    assert "mlsl launch: worker 1: exit code 1" in said and "worker 1: out of luck" in said
    assert not any(map(is_running, pids))


@on_linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_that_is_stopped_ends_all(tmp_path, number):
    launcher, pids = start_stuck(tmp_path, "waits")
    assert all(map(is_running, pids))
    launcher.send_signal(number)
    launcher.communicate(timeout=30)
    assert launcher.returncode == 128 + number
    assert not any(map(is_running, pids))


@on_linux
def test_a_killed_launcher_takes_all_along(tmp_path, family_of):
    launcher, pids = start_stuck(tmp_path, "waits")
    family = family_of(launcher.pid)
    assert sum("import mlsl_mx, mxnet" in line for line in family.values()) == 2  # scheduler and server
    assert len(family) == 6 and set(pids) <= family.keys()
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not any(map(is_running, family.keys() - set(pids[2:]))))
    for pid in pids[2:]:  # children of workers: nobody is left to end them
        os.kill(pid, signal.SIGKILL)
    launcher.stderr.close()


# A worker that is asked to stop says so in a file, and then leaves or does not.
ASKED = """
import pathlib, signal, sys, time
folder, how, index = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def asked(number, frame):
    (folder / f"asked-{index}").write_text(str(number))
    if how == "leaves" or how == "first leaves" and index == "0":
        time.sleep(0.5)
        (folder / f"left-{index}").touch()
        sys.exit(128 + number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, asked)
(folder / f"there-{index}").touch()
while True:
    time.sleep(0.05)
"""


@on_linux
@pytest.mark.parametrize("how, number", [("leaves", 2), ("leaves", 1), ("first leaves", 15), ("stays", 15)])
def test_workers_are_asked_to_stop_and_have_time_to_end(tmp_path, monkeypatch, how, number):
    monkeypatch.setattr("mlsl_mx.system.launch.LEAVING_SECONDS", 0.3)
    monkeypatch.setattr("mlsl_mx.system.launch.STOPPING_SECONDS", 1.5 if how == "stays" else 60)
    commands = [[sys.executable, "-c", ASKED, str(tmp_path), how, index] for index in "01"]

    def ask():
        wait_for(lambda: all((tmp_path / f"there-{index}").exists() for index in "01"))
        os.kill(os.getpid(), number)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Stopped) as stopped:
        run_workers(commands, threads=1)
    asking.join()
    assert stopped.value.exit_code == 128 + number
    assert [(tmp_path / f"asked-{index}").read_text() for index in "01"] == [str(number)] * 2
    left = [(tmp_path / f"left-{index}").exists() for index in "01"]
    assert left == {"leaves": [True, True], "first leaves": [True, False], "stays": [False, False]}[how]


@pytest.fixture
def family_of(monkeypatch):
    """The processes below one."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from stage_processes import descendants

    return descendants


def epochs_done(run: Path) -> int:
    return sum(event["event"] == "epoch" for event in read_log(run / "log.jsonl"))


@on_linux
def test_a_launched_training_that_is_asked_to_stop_goes_on_from_there(world, tmp_path, family_of):
    """First the launcher alone is told, as by a user; then every process at once, as by a batch system."""

    def start(run: Path) -> subprocess.Popen:
        training = ("train-source", "--imagenet", str(world / "trunk.params"))
        stage = words(world, run, *training, **{"source_training.epochs": 24, "source_training.crops.size": 32})
        command = [sys.executable, "-m", "mlsl_mx", "launch", "-n", "2", "--", *stage]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    whole, run = tmp_path / "whole", tmp_path / "run"
    launcher = start(whole)
    assert launcher.communicate(timeout=120) and launcher.returncode == 0
    for number in (signal.SIGINT, signal.SIGTERM):
        done, launcher = epochs_done(run), start(run)
        # Two: the first may be of a step before the stop, when the other worker has not started yet.
        wait_for(lambda done=done: epochs_done(run) > done + 1, seconds=60)
        family = family_of(launcher.pid)
        assert len(family) == 4  # scheduler, server and two workers
        for pid in [launcher.pid] if number == signal.SIGINT else [*family, launcher.pid]:
            os.kill(pid, number)
        said = launcher.communicate(timeout=60)[1]
        assert launcher.returncode == 128 + number, said
        assert f"mlsl launch: stopped by {number.name}; run the same command again to go on" in said
        assert "Traceback" not in said and not any(map(is_running, family))
        assert (run / "source" / ".checkpoint" / "position.json").exists()
    launcher = start(run)
    assert launcher.communicate(timeout=120) and launcher.returncode == 0
    assert (run / "source" / "weights.params").read_bytes() == (whole / "source" / "weights.params").read_bytes()
    events = [event["event"] for event in read_log(run / "log.jsonl")]
    assert events.count("resumed") == 2 and events.count("epoch") == 24
