"""Scenes of the original sizes, file formats and file sizes, for benchmarks that read them.

Miniature scenes, enlarged. Noise makes the images as hard to compress as photographs: decoding time follows file size.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.config.classes import IGNORE, class_set
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.datasets import SceneDataset, open_dataset, with_pseudo_labels
from mlsl_mx.data.label_images import palette_png
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.system.whole_files import write_bytes

SIZES = {name: data.size for name, data in PUBLISHED.items()}  # height, width
# Standard deviation that gives the originals' bytes per pixel: about 2.2, 1.3 and 2.3 MB an image.
NOISE = {"gta5": 0.8, "synthia": 1.4, "cityscapes": 0.9}
CLASSES = {"gta5": 19, "synthia": 16, "cityscapes": 19}
_ENTRIES = {
    "gta5": "images/{:05d}.png",
    "synthia": "RGB/{:07d}.png",
    "cityscapes": "leftImg8bit/val/kleinburg/kleinburg_{:06d}_000019_leftImg8bit.png",
}
_LISTS = {"gta5": "gta5.txt", "synthia": "synthia.txt", "cityscapes": "cityscapes_val.txt"}


def make_scenes(root: Path, count: int, sizes: Mapping[str, tuple[int, int]] = SIZES) -> dict[str, SceneDataset]:
    """`count` labelled images of each data set below `root`, of (height, width) `sizes`."""
    lists = root / "lists"
    lists.mkdir(parents=True)
    for kind, entry in _ENTRIES.items():
        (lists / _LISTS[kind]).write_text("".join(f"{entry.format(i + 1)}\n" for i in range(count)))
    make_miniature(root, lists, seed=0)
    for kind, entry in _ENTRIES.items():
        for i in range(count):
            image = entry.format(i + 1)
            label = re.fullmatch(PUBLISHED[kind].image, image).expand(PUBLISHED[kind].labels[0])
            _enlarge_image(root / kind / image, sizes[kind], NOISE[kind], seed=i)
            _enlarge_labels(root / kind / label, sizes[kind])
    return {
        kind: open_dataset(kind, root / kind, lists / _LISTS[kind], class_set(CLASSES[kind]), sizes[kind], labels=True)
        for kind in sizes
    }


def with_copies(dataset: SceneDataset, count: int) -> SceneDataset:
    """`count` images of a data set of `make_scenes`: its own, and copies of their files under other names."""
    kind, root = dataset.kind, dataset.root
    entries = [_ENTRIES[kind].format(i + 1) for i in range(count)]
    for i, entry in enumerate(entries[len(dataset) :]):
        label = re.fullmatch(PUBLISHED[kind].image, entry).expand(PUBLISHED[kind].labels[0])
        shutil.copy(dataset.image_path(i % len(dataset)), root / entry)
        shutil.copy(dataset.label_path(i % len(dataset)), root / label)
    images = root.parent / "lists" / f"{kind}_{count}.txt"
    images.write_text("".join(f"{entry}\n" for entry in entries))
    return open_dataset(kind, root, images, dataset.classes, dataset.size, labels=True)


def with_selected_labels(dataset: SceneDataset, folder: Path, portion: float = 0.3) -> SceneDataset:
    """The images with pseudo-labels: the truth in ragged patches that fill `portion` of each image, 255 elsewhere."""
    for index, name in enumerate(dataset.names):
        labels = dataset.label(index)
        rng = np.random.default_rng(index)
        field = cv2.GaussianBlur(rng.normal(size=labels.shape).astype(np.float32), (0, 0), 12)
        field += 0.2 * field.std() * rng.normal(size=labels.shape)
        selected = field > np.quantile(field, 1 - portion)
        write_bytes(folder / f"{name}.png", palette_png(np.where(selected, labels, IGNORE), dataset.classes))
    return with_pseudo_labels(dataset, folder)


def mean_megabytes(dataset: SceneDataset) -> dict[str, float]:
    """Mean file sizes: `image`, `label`."""
    paths = {"image": dataset.image_path, "label": dataset.label_path}
    return {
        kind: round(sum(path(i).stat().st_size for i in range(len(dataset))) / len(dataset) / 1e6, 3)
        for kind, path in paths.items()
    }


def _enlarge_image(path: Path, size: tuple[int, int], noise: float, seed: int) -> None:
    pixels = cv2.resize(cv2.imread(str(path)), size[::-1], interpolation=cv2.INTER_CUBIC)
    noisy = pixels + np.random.default_rng(seed).normal(scale=noise, size=pixels.shape)
    # Pillow chooses the filter of each row and deflates at level 6, as the originals' encoders do; cv2 does neither.
    Image.fromarray(np.clip(noisy.round(), 0, 255).astype(np.uint8)[..., ::-1]).save(path)


def _enlarge_labels(path: Path, size: tuple[int, int]) -> None:
    with Image.open(path) as image:
        image.load()
    if image.mode == "P":
        image.resize(size[::-1], Image.Resampling.NEAREST).save(path)
    else:  # Pillow would read SYNTHIA's 16 bits as 8
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST))
