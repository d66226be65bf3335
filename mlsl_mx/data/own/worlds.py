"""Two small worlds to try one's own data with: a simulator and some cameras, in no published layout.

The scenes are the miniature's (`scene.py`). The simulator labels every kind of thing in a colour of its own,
and its labels end in `_seg`; the cameras' labels are palette PNGs of 7 ids. Images are of several sizes, some portrait,
and the cameras' are JPEG. `classes.csv` says what makes up the 6 classes that both have.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mlsl_mx.config.classes import CLASSES
from mlsl_mx.data.miniature import style as miniature_style
from mlsl_mx.data.miniature.datasets import STAMP, Job, encoded_pixels, generator, indexed_png, write_all
from mlsl_mx.data.miniature.render import render
from mlsl_mx.data.miniature.scene import build_scene
from mlsl_mx.data.miniature.style import Style
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import read_json, write_bytes, write_new

# Class -> what belongs to it; what is in none is ignored.
GROUPS = {
    "ground": ("road", "sidewalk", "terrain"),
    "building": ("building", "wall", "fence"),
    "plant": ("vegetation",),
    "sky": ("sky",),
    "person": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
COLOURS = {
    "ground": (110, 80, 120),
    "building": (200, 120, 60),
    "plant": (60, 150, 60),
    "sky": (90, 160, 230),
    "person": (230, 50, 80),
    "vehicle": (40, 60, 160),
}
THINGS = {c.name: index for index, c in enumerate(CLASSES)}  # what is drawn -> its index
VOID_ID = 0  # of the cameras' labels; their classes are 1..6 in the order of GROUPS


@dataclass(frozen=True)
class OwnWorld:
    """One side: how it looks, and of which sizes its images are."""

    style: Style
    sizes: tuple[tuple[int, int], ...]  # height, width


WORLDS = {
    "simulator": OwnWorld(miniature_style.SYNTHIA, ((192, 320), (240, 320), (288, 216))),
    "cameras": OwnWorld(miniature_style.CITYSCAPES, ((208, 384), (256, 320), (320, 224))),
}


def make_worlds(root: Path, seed: int, counts: tuple[int, int, int]) -> None:
    """Render both worlds; a set that is complete for this seed and these counts is left as it is.

    Args:
        root: gets simulator/frames, simulator/labels, cameras/train, cameras/val, cameras/val_labels and classes.csv.
        seed: 0 or more.
        counts: of simulator frames, training and validation images of the cameras.

    Raises: InputError for a negative seed, a count below 1, or a folder that cannot be written, or that holds files of
        these names which are not of this program, or worlds of another seed or other counts.
    """
    root = Path(root)
    if seed < 0 or min(counts) < 1:
        raise InputError(f"seed is {seed}, counts are {counts}: the seed must be 0 or more, each count 1 or more")
    stamp = {"worlds": 1, "seed": seed, "counts": list(counts)}
    if (root / STAMP).is_file() and read_json(root / STAMP) != stamp:
        raise InputError(f"{root}: holds worlds of another seed or other counts: delete it, or name another --root")
    foreign = "was not written by this program and would be overwritten: name another --root"
    write_new(root / "classes.csv", class_file().encode(), foreign)
    write_all(root, stamp, list(_jobs(root, counts)), partial(_write, seed=seed), "two worlds")


def class_file() -> str:
    """The table of classes as `mlsl init-experiment --classes` takes it."""
    lines = ["name,colour,source,target"]
    for index, (name, things) in enumerate(GROUPS.items(), start=1):
        lines.append(f"{name},{_hex(COLOURS[name])},{' '.join(_hex(_simulated(THINGS[t])) for t in things)},{index}")
    rest = [index for name, index in THINGS.items() if not any(name in things for things in GROUPS.values())]
    lines.append(f"ignore,,{' '.join(_hex(_simulated(index)) for index in rest)},{VOID_ID}")
    return "\n".join(lines) + "\n"


def _jobs(root: Path, counts: tuple[int, int, int]) -> Iterator[Job]:
    frames, train, val = counts
    for index in range(frames):
        labels = root / "simulator/labels" / f"frame-{index:04d}_seg.png"
        yield "simulator", f"frame-{index:04d}", root / "simulator/frames" / f"frame-{index:04d}.png", labels
    for index in range(train):
        yield "cameras", f"day-{index:04d}", root / "cameras/train" / f"day-{index:04d}.jpg", None
    for index in range(val):
        image = root / "cameras/val" / f"check-{index:04d}.jpg"
        yield "cameras", f"check-{index:04d}", image, root / "cameras/val_labels" / f"check-{index:04d}.png"


def _write(job: Job, seed: int) -> None:
    kind, entry, image_path, label_path = job
    world, rng = WORLDS[kind], generator(seed, kind, entry)
    size = world.sizes[rng.integers(len(world.sizes))]
    scene = build_scene(world.style, rng, size, frozenset(THINGS))
    image, things, _ = render(scene, world.style, THINGS, rng)
    write_bytes(image_path, encoded_pixels(image[..., ::-1], image_path.suffix))
    if label_path is not None:
        write_bytes(label_path, _simulator_label(things) if kind == "simulator" else _camera_label(things))


def _simulator_label(things: np.ndarray) -> bytes:
    table = np.array([_simulated(index) for index in range(len(THINGS))], np.uint8)
    return encoded_pixels(table[things][..., ::-1])


def _camera_label(things: np.ndarray) -> bytes:
    table = np.full(len(THINGS), VOID_ID, np.uint8)
    for index, group in enumerate(GROUPS.values(), start=1):
        table[[THINGS[name] for name in group]] = index
    colours = {index: COLOURS[name] for index, name in enumerate(GROUPS, start=1)}
    return indexed_png(table[things], colours)


def _simulated(index: int) -> tuple[int, int, int]:
    """The simulator's colour of a kind of thing: hues in equal steps, none of them black."""
    red, green, blue = colorsys.hsv_to_rgb(index / len(THINGS), 1.0 if index % 2 else 0.6, 1.0 if index % 3 else 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
