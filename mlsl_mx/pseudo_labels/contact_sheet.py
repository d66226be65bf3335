"""A contact sheet: some images beside their pseudo-labels, to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mlsl_mx.runs import whole_file

SHEET_IMAGES = 12
SHEET_WIDTH = 320  # pixels of one picture in the contact sheet


def write_contact_sheet(out_dir: Path, dataset) -> None:
    """Write contact_sheet.png: up to 12 images, evenly spread, each beside its labels; two such pairs a row."""
    chosen = evenly_spread(len(dataset.names), SHEET_IMAGES)
    pairs = [_pair(dataset.image(i), out_dir / f"{dataset.names[i]}.png") for i in chosen]
    height = max(pair.height for pair in pairs)
    sheet = Image.new("RGB", (4 * SHEET_WIDTH, -(-len(pairs) // 2) * height))
    for place, pair in enumerate(pairs):
        sheet.paste(pair, (place % 2 * 2 * SHEET_WIDTH, place // 2 * height))
    with whole_file(out_dir / "contact_sheet.png") as temporary:
        sheet.save(temporary, format="PNG")


def _pair(image: np.ndarray, labels: Path) -> Image.Image:
    size = (SHEET_WIDTH, max(1, round(SHEET_WIDTH * image.shape[0] / image.shape[1])))
    pair = Image.new("RGB", (2 * SHEET_WIDTH, size[1]))
    pair.paste(Image.fromarray(image).resize(size, Image.BILINEAR), (0, 0))
    with Image.open(labels) as png:
        pair.paste(png.resize(size, Image.NEAREST).convert("RGB"), (SHEET_WIDTH, 0))
    return pair


def evenly_spread(count: int, most: int) -> list[int]:
    """Up to `most` of the indices 0..count-1, at equal distances from the first on."""
    return [i * count // min(most, count) for i in range(min(most, count))]
