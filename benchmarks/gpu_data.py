"""What benchmarks/gpu.py measures on: sizes, and the scenes and crops that are made for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from full_size_scenes import SIZES

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import SceneDataset, open_dataset
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.miniature.datasets import WORLDS, make_miniature
from mlsl_mx.system.whole_files import write_bytes
from mlsl_mx.training.batches import Batch

LISTS = Path(__file__).parents[1] / "data_lists" / "miniature"
SEED = 0


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    width: float
    images: dict[str, tuple[int, int]]  # height, width by data set
    patch: int
    patches: int
    crop: int
    labelled: tuple[int, int]  # images of the two runs whose difference counts
    evaluated: tuple[int, int]
    steps: int  # of a training that are timed: more than readers work ahead
    product: int  # side of the matrices
    calls: int  # of a forward pass, in each time that is taken


FULL = Sizes(1.0, SIZES, 512, 50, 504, (16, 48), (8, 40), 96, 8192, 4)
SMALL = Sizes(0.03125, {kind: world.size for kind, world in WORLDS.items()}, 64, 3, 64, (2, 4), (2, 4), 2, 256, 1)


def miniature(root: Path, count: int) -> SceneDataset:
    """Scenes of the target that the miniature's source model knows, at their own size."""
    name = "cityscapes_val.txt"
    entries = read_list(LISTS / name)[:count]
    write_bytes(root / "lists" / name, "".join(f"{entry}\n" for entry in entries).encode())
    make_miniature(root, root / "lists", seed=7)
    size = WORLDS["cityscapes"].size
    return open_dataset("cityscapes", root / "cityscapes", root / "lists" / name, class_set(19), size, labels=True)


def again(dataset: SceneDataset, count: int) -> SceneDataset:
    """`count` images: the same again and again, for training, which writes nothing under their names."""
    return dataset.subset([index % len(dataset) for index in range(count)])


def random_batch(batch: int, crop: int) -> Batch:
    """Crops of noise, with labels of all classes and none."""
    rng = np.random.default_rng(SEED)
    return Batch(
        rng.normal(size=(batch, 3, crop, crop)).astype(np.float32),
        rng.choice([*range(19), 255], size=(batch, crop // 8, crop // 8)).astype(np.uint8),
        rng.integers(0, 2, (batch, 19)).astype(np.float32),
        np.ones(batch, np.float32),
        ("noise",) * batch,
    )
