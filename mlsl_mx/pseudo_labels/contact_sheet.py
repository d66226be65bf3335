"""A contact sheet: some images beside their pseudo-labels, to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.experiment_data import SHEET
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.system.whole_files import whole_file

SHEET_IMAGES = 12
SIDE = 320  # pixels of the longer side of a picture in the contact sheet


def sheet_path(folder: Path) -> Path:
    """The contact sheet of a folder of pseudo-labels."""
    return folder / f"{SHEET}.png"


def write_contact_sheet(out_dir: Path, dataset) -> None:
    """Write contact_sheet.png: up to 12 images, evenly spread, each beside its labels; two such pairs a row."""
    chosen = evenly_spread(len(dataset.names), SHEET_IMAGES)
    pairs = [_pair(dataset.image(i), out_dir / f"{dataset.names[i]}.png", dataset.classes) for i in chosen]
    height = max(pair.height for pair in pairs)
    sheet = Image.new("RGB", (4 * SIDE, -(-len(pairs) // 2) * height))
    for place, pair in enumerate(pairs):
        sheet.paste(pair, (place % 2 * 2 * SIDE, place // 2 * height))
    with whole_file(sheet_path(out_dir)) as temporary:
        sheet.save(temporary, format="PNG")


def _pair(image: np.ndarray, labels: Path, classes: ClassSet) -> Image.Image:
    """An image and its labels, each in the middle of SIDE pixels, as high as the image needs."""
    scale = SIDE / max(image.shape[:2])
    width, height = (max(1, round(scale * side)) for side in image.shape[1::-1])
    pair, left = Image.new("RGB", (2 * SIDE, height)), (SIDE - width) // 2
    pair.paste(Image.fromarray(image).resize((width, height), Image.BILINEAR), (left, 0))
    with _in_colour(labels, classes) as png:
        pair.paste(png.resize((width, height), Image.NEAREST).convert("RGB"), (SIDE + left, 0))
    return pair


def _in_colour(labels: Path, classes: ClassSet) -> Image.Image:
    """A label file as an image in the classes' colours: palette files have them, 16-bit ones do not."""
    if classes.id_type == np.uint8:
        return Image.open(labels)
    return Image.fromarray(classes.palette[read_pseudo_label(labels, classes)])
