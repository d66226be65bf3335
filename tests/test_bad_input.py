"""What is wrong is refused through the command line: one line, exit code 2, and nothing written by a refused start.

A few cases each, through every stage that must say it; all that can be wrong with a list, settings or weights is in
test_datasets.py, test_config.py, test_class_table.py and test_params_file.py.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import mxnet as mx
import numpy as np
import pytest
from scene_files import write_palette_png, write_png, write_synthia
from tiny_run import STAGES, results, words, write_world

from mlsl_mx.cli import main
from mlsl_mx.network import MLSLNet, save_original

IMAGE = "data/gta5/images/00002.png"
LABEL = "data/gta5/labels/00002.png"
TARGET = "data/cityscapes/leftImg8bit/train/train_000001_000019_leftImg8bit.png"
VALIDATION = "data/cityscapes/gtFine/val/val_000001_000019_gtFine_labelIds.png"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("original") / "world")


@pytest.fixture
def world(original, tmp_path):
    """A world of its own, to be spoilt."""
    return Path(shutil.copytree(original, tmp_path / "world"))


@pytest.fixture(scope="module")
def finished(original, tmp_path_factory):
    run = tmp_path_factory.mktemp("finished") / "run"
    for stage in STAGES:
        assert main(words(original, run, *stage)) == 0
    return run


@pytest.fixture
def refused(capsys, world, tmp_path):
    """Runs a stage that must be refused, and gives its line; nothing may be written."""

    def start(*stage, run: Path = tmp_path / "run", code: int = 2, **settings) -> str:
        before = everything(run)
        assert main(words(world, run, *stage, **settings)) == code
        assert everything(run) == before
        ours = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mlsl")]
        assert len(ours) == 1 and ours[0].startswith(f"mlsl {stage[0]}: ")
        return ours[0]

    return start


def everything(folder: Path) -> dict:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def page(path: Path) -> None:
    path.write_text("<html>404 Not Found</html>")


@pytest.mark.parametrize(("spoil", "said"), [(Path.unlink, "missing"), (cut, "unreadable"), (page, "unreadable")])
@pytest.mark.parametrize(
    ("file", "stage"),
    [
        (IMAGE, ("train-source",)),
        (LABEL, ("train-source",)),
        (TARGET, ("pseudo-label", "--round", "0")),
        (VALIDATION, ("evaluate", "--source")),
    ],
)
def test_files_of_the_data_sets(world, finished, tmp_path, refused, file, stage, spoil, said):
    run = tmp_path / "run"
    if stage[0] != "train-source":
        for name in ("weights.params", "config.yaml", "environment.json"):
            (run / "source").mkdir(parents=True, exist_ok=True)
            shutil.copy(finished / "source" / name, run / "source" / name)
    spoil(world / file)
    line = refused(*stage, run=run)
    assert f"{said} " in line and Path(file).name in line
    if "label" not in file:
        assert f"{said} " in refused("check-data")


def test_labels_in_colours_are_refused_before_training(world, refused):
    write_png(world / LABEL, np.zeros((32, 48, 3), np.uint8))
    assert "00002.png: is of mode RGB, but labels of GTA-V are ids of 8 bits x 1 channel" in refused("train-source")


@pytest.mark.parametrize("file", [LABEL, VALIDATION])
def test_labels_of_another_kind_are_found_before_anything_long_starts(world, refused, file):
    write_png(world / file, np.zeros((32, 48, 3), np.uint8))
    assert "8 bits x 3 channels" in refused("check-data")
    (write_palette_png if "gta5" in file else write_png)(world / file, np.full((32, 48), 77, np.uint8))
    assert "holds ids 77" in refused("check-data")


def test_target_images_smaller_than_a_patch_are_told(refused):
    line = refused("check-data", **{"source.size": "null", "target.size": "null", "pseudo_labels.patch": 40})
    assert ": target (" in line and "smaller than a patch: 3 of 3" in line  # source images are as small, and may be


def test_labels_of_another_size_than_their_image_are_resized_and_told(world, capsys):
    write_palette_png(world / LABEL, np.full((30, 40), 7, np.uint8))
    assert main(words(world, Path(), "check-data")) == 0
    assert "label of another size than its image: 1 (both resized when read): 00002" in capsys.readouterr().out


def test_synthia_labels_that_were_decoded_at_8_bits(world, refused):
    scenes = write_synthia(world / "data" / "synthia", count=2)
    for path in (world / "data" / "synthia" / "GT" / "LABELS").iterdir():
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), (pixels >> 8).astype(np.uint8))
    settings = {"source.dataset": "synthia", "source.images": scenes.images, "classes": 16}
    assert "but labels of SYNTHIA are ids in the red channel of 16 bits x 3 channels: copy the files" in refused(
        "check-data", **settings
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"../../lists/gta5.txt\n", "list.txt:1: '../../lists/gta5.txt' is not a path below"),
        (b"images/00001.txt/x\n", "is not of the form images/NAME.png"),
    ],
)
def test_lists(world, refused, content, said):
    (world / "list.txt").write_bytes(content)
    for stage in ("begin", "train-source", "check-data"):
        assert said in refused(stage, **{"source.images": world / "list.txt"})


def test_lists_of_other_systems_and_data_behind_links(world, tmp_path, capsys):
    (world / "data" / "gta5").rename(tmp_path / "elsewhere")
    (world / "data" / "gta5").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "images").rename(tmp_path / "disk 2")
    (tmp_path / "elsewhere" / "images").symlink_to(tmp_path / "disk 2")
    list_ = world / "lists" / "gta5.txt"
    list_.write_bytes(b"\xef\xbb\xbf" + list_.read_bytes().replace(b"\n", b"\r\n"))
    assert main(words(world, Path(), "check-data")) == 0
    assert "3 images with labels: ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pseudo_labels.patches", 0, "pseudo_labels.patches is 0: it must be between 1 and 10000"),
        ("pseudo_labels.patch", 40, "pseudo_labels.patch is 40, larger than a side of target.size [32, 64]: lower it"),
        ("pseudo_labels.pathces", 3, "did you mean pseudo_labels.patches?"),
        ("name", "!!python/object/apply:os.getcwd []", "has no YAML value"),
        ("name", "[&a x, *a]", "anchors and aliases"),
    ],
)
def test_settings(refused, key, value, said):
    for stage in ("begin", "train-source", "check-data"):
        assert said in refused(stage, **{key: value})


def test_experiment_files(tmp_path, refused):
    wrong = {"pseudo_labels: {pathces: 3}": "did you mean", "a: &a\n- *a": "anchors", "\0": "not a readable YAML"}
    for content, said in wrong.items():
        (tmp_path / "x.yaml").write_text(content)
        assert said in refused("begin", experiment=tmp_path / "x.yaml")
    assert "no such experiment file" in refused("begin", experiment=tmp_path / "none.yaml")


def weights_file(path: Path, classes: int = 19, **changes) -> Path:
    net = MLSLNet(classes, 0.02, weak_label_head=False)
    net.initialize()
    save_original(net, path)
    tensors = {**mx.nd.load(str(path)), **{name.replace("__", ":"): value for name, value in changes.items()}}
    mx.nd.save(str(path), {name: value for name, value in tensors.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("classes", "changes", "said"),
    [
        (16, {}, "expected a source model of 19 classes, found segmentation network of 16 classes"),
        (19, {"arg__conv1a_weight": None}, "1 missing (conv1a_weight)"),
        (19, {"arg__fc9_weight": mx.nd.ones(2)}, "1 unknown (fc9_weight)"),
        (19, {"arg__bn7_beta": mx.nd.ones(3)}, "1 of a wrong shape (bn7_beta (3,) instead of (82,))"),
        (19, {"arg__bn7_beta": mx.nd.full(82, np.nan)}, "bn7_beta has 82 values that are not finite"),
    ],
)
def test_weights(tmp_path, refused, classes, changes, said):
    path = weights_file(tmp_path / "x.params", classes, **changes)
    assert said in refused("import-weights", "--weights", path)
    if "finite" not in said:  # begin looks at names and shapes alone
        assert said in refused("begin", "--weights", path)
    if classes == 19:  # else its trunk is as good as any
        assert said in refused("train-source", "--imagenet", path)


def test_damaged_weights(tmp_path, refused):
    path = weights_file(tmp_path / "x.params")
    path.write_bytes(path.read_bytes()[:-1])
    for words_ in (("import-weights", "--weights"), ("begin", "--weights"), ("train-source", "--imagenet")):
        assert "x.params: not an MXNet parameter file, or cut short" in refused(*words_, path)


def test_devices(refused):
    assert "ctx 'tpu' is not a device" in refused("train-source", "--ctx", "tpu")
    assert "install mxnet-cu112" in refused("train-source", "--ctx", f"gpu({mx.context.num_gpus()})")


def test_a_batch_that_memory_cannot_hold(original, tmp_path):
    settings = {"source_training.batch": 16, "source_training.crops.size": 2048}
    code = f"""
import resource, sys
from pathlib import Path
import mlsl_mx.gluon.engine, mlsl_mx.stages.train_source
from mlsl_mx.cli import main
had = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (had + 300_000_000,) * 2)
sys.exit(main({words(original, tmp_path / "run", "train-source", **settings)!r}))
"""
    alone = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=120)
    assert alone.returncode == 2
    assert "not enough memory: lower source_training.batch" in alone.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "source" / "weights.params").exists()


def test_a_folder_that_cannot_be_written(tmp_path, refused):
    (tmp_path / "file").write_text("")
    for run in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/run")):  # where even root writes nothing
        assert "cannot be written" in refused("train-source", run=run)


MADE_LAST = {
    "train-source": "source/weights.params",
    "evaluate": "sisc-pwl/round-0/evaluation.json",
    "pseudo-label": "sisc-pwl/round-0/pseudo_labels/selection.json",
    "diagnose": "sisc-pwl/round-0/diagnosis.json",
    "self-train": "sisc-pwl/round-0/weights.params",
    "report": "report/report.json",
}


def test_a_disk_that_becomes_full_loses_nothing(original, finished, tmp_path, capsys):
    """Every stage fails while no file may grow beyond some bytes, and then ends as if nothing had been."""
    run, fell = tmp_path / "run", []
    for stage in STAGES:
        before = results(run)
        with largest_file(12_000 if stage[0] in ("train-source", "self-train") else 100):
            code = main(words(original, run, *stage))
        error = capsys.readouterr().err
        assert code in (0, 2)
        if code == 2:
            fell.append(stage[0])
            assert "cannot be written (File too large)" in error.splitlines()[-1]
            assert results(run).items() >= before.items() and MADE_LAST[stage[0]] not in results(run)
            assert not [path for path in run.rglob(".*") if path.is_file() and path.parent.name != ".locks"]
        assert main(words(original, run, *stage)) == 0
    assert {"train-source", "self-train", "evaluate", "pseudo-label", "diagnose", "report"} <= set(fell)
    assert results(run) == results(finished)


class largest_file:  # noqa: N801
    """A block in which no file grows beyond so many bytes: what a full disk is to a program."""

    def __init__(self, size: int):
        self.size = size

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
