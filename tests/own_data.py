"""Tiny data of a user's own, in no published layout: ids and colours of 4x4-pixel blocks, images of several sizes.

truth = write_own(tmp_path)  # sim/frames, sim/labels (colours, *_seg.png), cams/train (.jpg), cams/val, cams/val_labels
experiment = write_experiment(tmp_path)
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scene_files import write_palette_png, write_png

SIZES = ((24, 40), (32, 32), (40, 24))  # the last one portrait
COLOURS = ((200, 10, 10), (10, 200, 10), (10, 10, 200), (0, 0, 0))  # red, green, blue, void
EXPERIMENT = """
inherit: own/small.yaml
name: toy
classes:
  - {name: warm, colour: [200, 10, 10], source: [[200, 10, 10]], target: [1]}
  - {name: cold, colour: [10, 10, 200], source: ["#0ac80a", [10, 10, 200]], target: [2, 3]}
source: {images: sim/frames, labels: "sim/labels/{name}_seg.png", encoding: colours, ignore: [[0, 0, 0]]}
target: {train: cams/train, val: cams/val, val_labels: cams/val_labels, encoding: ids, ignore: [0]}
network: {width: 0.02}
source_training: {start: scratch, epochs: 1, batch: 2, crops: {size: 16}}
pseudo_labels: {patches: 3, patch: 16}
self_training: {rounds: 1, epochs: 1, crops: {size: 16}, source_portion: 0.7, source_portion_max: 1}
evaluation: {diagnosed_images: 1, panels: 1}
"""


def write_own(root: Path) -> dict:
    """Three images each. Returns: train ids of the source's and the validation labels, as EXPERIMENT means them."""
    rng = np.random.default_rng(0)
    found = {"source": [], "val": []}
    for index, size in enumerate(SIZES):
        blocks = _blocks(rng, size)
        write_png(root / f"sim/frames/f{index}.png", _noise(rng, size))
        write_png(root / f"sim/labels/f{index}_seg.png", np.array(COLOURS, np.uint8)[blocks])
        found["source"].append(np.array([0, 1, 1, 255], np.uint8)[blocks])
        _write_jpeg(root / f"cams/train/t{index}.jpg", _noise(rng, size))
        ids = (_blocks(rng, size) + 1) % 4  # 1, 2, 3, 0
        _write_jpeg(root / f"cams/val/v{index}.jpg", _noise(rng, size))
        write_palette_png(root / f"cams/val_labels/v{index}.png", ids)
        found["val"].append(np.array([255, 0, 1, 1], np.uint8)[ids])
    return found


def write_experiment(root: Path, text: str = EXPERIMENT) -> Path:
    """root/toy.yaml."""
    path = root / "toy.yaml"
    path.write_text(text)
    return path


def _blocks(rng, size) -> np.ndarray:
    """All four values in every image."""
    blocks = rng.integers(0, 4, (size[0] // 4, size[1] // 4)).astype(np.uint8)
    blocks[0, :4] = range(4)
    return blocks.repeat(4, 0).repeat(4, 1)


def _noise(rng, size) -> np.ndarray:
    return rng.integers(0, 256, (*size, 3)).astype(np.uint8)


def _write_jpeg(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1])
