"""The whole chain of stages in seconds: three scenes of noise, the smallest network, one round of one epoch.

world = write_world(tmp_path / "world")
for stage in STAGES:
    assert main(words(world, tmp_path / "run", *stage)) == 0
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from scene_files import write_cityscapes, write_gta5

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "miniature" / "gta2city.yaml"
STAGES = (
    ("train-source", "--checkpoint-seconds", "0"),
    ("evaluate", "--source"),
    ("pseudo-label", "--round", "0"),
    ("diagnose", "--round", "0"),
    ("self-train", "--round", "0", "--checkpoint-seconds", "0"),
    ("evaluate", "--round", "0"),
    ("report",),
)
SETTINGS = {
    "source.size": [32, 48],
    "target.size": [32, 64],
    "network.width": 0.02,
    "source_training.start": "scratch",
    "source_training.epochs": 1,
    "source_training.batch": 2,
    "source_training.crops.size": 16,
    "head_training.epochs": 1,
    "head_training.batch": 2,
    "head_training.crops.size": 16,
    "pseudo_labels.patches": 3,
    "pseudo_labels.patch": 16,
    "self_training.rounds": 1,
    "self_training.epochs": 1,
    "self_training.crops.size": 16,
    "self_training.source_portion": 0.7,
    "self_training.source_portion_max": 1,
    "evaluation.diagnosed_images": 1,
    "evaluation.panels": 1,
}
TIMED_FILES = ("environment.json", "model_card.json", ".inputs.json")  # which hold times, or hashes of files with times
TIMES = (
    "environment",
    "seconds",
    "network_seconds",
    "time",
    "command",
    "parts",
    "commands",
    "stages",
    "run",
)


def write_world(root: Path) -> Path:
    """root/data with gta5 and cityscapes, root/lists with their lists."""
    scenes = {"gta5": write_gta5(root / "data" / "gta5", seed=1)}
    cityscapes = root / "data" / "cityscapes"
    (root / "lists").mkdir()
    for split, labels in (("train", False), ("val", True)):
        scenes[f"cityscapes_{split}"] = write_cityscapes(cityscapes, split, 3 - labels, seed=2 + labels, labels=labels)
        entries = scenes[f"cityscapes_{split}"].images.read_text().replace("ulm_0", f"{split}_0").replace("/ulm/", "/")
        _rename(cityscapes, split)
        (root / "lists" / f"cityscapes_{split}.txt").write_text(entries)
    shutil.copy(scenes["gta5"].images, root / "lists" / "gta5.txt")
    return root


def _rename(cityscapes: Path, split: str) -> None:
    """From ulm/ulm_* to train_* and val_*: no image may be in both."""
    for path in [*cityscapes.glob(f"*/{split}/ulm/*")]:
        path.rename(path.parents[1] / path.name.replace("ulm_", f"{split}_", 1))


def words(world: Path, run: Path, *stage, experiment: Path = EXPERIMENT, **settings) -> list[str]:
    """What `main` is given for a stage."""
    lists = {"source.images": "gta5", "target.train": "cityscapes_train", "target.val": "cityscapes_val"}
    values = {key: world / "lists" / f"{name}.txt" for key, name in lists.items()}
    options = ["--experiment", experiment, "--data", world / "data"]
    for key, value in {**values, **SETTINGS, **settings}.items():
        options += ["--set", f"{key}={value}"]
    if stage[0] != "check-data":
        options += ["--run", run, *(["--method", "sisc-pwl"] if experiment == EXPERIMENT else [])]
    return [str(word) for word in (*stage, *options)]


def results(run: Path, leave_out: Collection[str] = ()) -> dict[str, object]:
    """What must be the same however often the run was interrupted: file -> its bytes, or its JSON without times."""
    found: dict[str, object] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if name in leave_out or not path.is_file():
            continue
        if path.suffix in (".params", ".png"):
            found[name] = path.read_bytes()
        elif path.suffix == ".json" and not path.name.endswith(TIMED_FILES):
            found[name] = _without_times(json.loads(path.read_text()))
    return found


def _without_times(content):
    if isinstance(content, dict):
        return {key: _without_times(value) for key, value in content.items() if key not in TIMES}
    return [_without_times(value) for value in content] if isinstance(content, list) else content
