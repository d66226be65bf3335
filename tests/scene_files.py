"""Tiny GTA-V, SYNTHIA and Cityscapes trees in the data sets' exact file formats.

scenes = write_gta5(tmp_path / "gta5", count=3)
open_dataset("gta5", scenes.root, scenes.images, class_set(19), size=None, labels=True)
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image


class Scenes(NamedTuple):
    """What was written."""

    root: Path
    images: Path  # the list
    pixels: list  # (H, W, 3) uint8 RGB of each image
    ids: list  # (H, W) uint8 of each label, as in its file


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_png(width: int, height: int, bits: int, colour: int, content: bytes, palette: bytes = b"") -> bytes:
    """Whole as a file, whatever its header says of the `content`: rows of pixels, each after the byte of its filter."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    pixels = (png_chunk(b"PLTE", palette) if palette else b"") + png_chunk(b"IDAT", zlib.compress(content))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


def write_lists(folder: Path, lists: Mapping[str, Sequence[str]]) -> Path:
    """folder/NAME.txt with the entries of each list by its name. Returns: the folder."""
    folder.mkdir(exist_ok=True)
    for name, entries in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(entries) + "\n")
    return folder


def write_gta5(root: Path, count: int = 3, size: tuple = (32, 48), seed: int = 0) -> Scenes:
    """images/00001.png .. and palette PNGs labels/00001.png .. whose indices are Cityscapes ids."""
    scenes = _draw(root, [f"images/{i + 1:05d}.png" for i in range(count)], size, range(35), seed)
    for i, ids in enumerate(scenes.ids):
        write_palette_png(root / f"labels/{i + 1:05d}.png", ids)
    return scenes


def write_synthia(root: Path, count: int = 3, size: tuple = (32, 48), seed: int = 0) -> Scenes:
    """RGB/0000000.png .. and 16-bit GT/LABELS/0000000.png .. of (class, instance, 0) in the file's channel order."""
    scenes = _draw(root, [f"RGB/{i:07d}.png" for i in range(count)], size, range(23), seed)
    for i, ids in enumerate(scenes.ids):
        write_synthia_label(root / f"GT/LABELS/{i:07d}.png", ids)
    return scenes


def write_cityscapes(
    root: Path, split: str = "val", count: int = 3, size: tuple = (32, 64), seed: int = 0, labels: bool = True
) -> Scenes:
    """leftImg8bit/SPLIT/ulm/ulm_00000i_000019_leftImg8bit.png and 8-bit gtFine/.../*_gtFine_labelIds.png."""
    names = [f"ulm_{i:06d}_000019" for i in range(count)]
    scenes = _draw(root, [f"leftImg8bit/{split}/ulm/{name}_leftImg8bit.png" for name in names], size, range(34), seed)
    for name, ids in zip(names, scenes.ids, strict=True):
        if labels:
            write_png(root / f"gtFine/{split}/ulm/{name}_gtFine_labelIds.png", ids)
    return scenes


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Grey, or three channels in RGB order, of 8 or 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1]))


def write_palette_png(path: Path, indices: np.ndarray) -> None:
    """A palette PNG, whose colours differ from its indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices)
    image.putpalette([(37 * value + 11) % 256 for value in range(768)])
    image.save(path)


def write_synthia_label(path: Path, ids: np.ndarray) -> None:
    """16-bit RGB: class, instance (976 as in real files, which 8 bits cannot hold), 0."""
    write_png(
        path, np.stack([ids.astype(np.uint16), np.full(ids.shape, 976, np.uint16), np.zeros_like(ids, np.uint16)], 2)
    )


def _draw(root: Path, entries: list, size: tuple, ids: range, seed: int) -> Scenes:
    """Blocks of 8x8 pixels of one random id each, under an image of noise."""
    rng = np.random.default_rng(seed)
    pixels = [rng.integers(0, 256, (*size, 3), np.uint8) for _ in entries]
    blocks = [rng.choice(ids, (-(-size[0] // 8), -(-size[1] // 8))).astype(np.uint8) for _ in entries]
    labels = [b.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].copy() for b in blocks]
    for entry, image in zip(entries, pixels, strict=True):
        write_png(root / entry, image)
    images = root / "list.txt"
    images.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    return Scenes(root, images, pixels, labels)
