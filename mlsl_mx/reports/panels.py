"""Pictures of the report: segmentations in rows, as in Figures 3 and 4, sheets of pseudo-labels, spatial priors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.label_images import encoded, palette_png
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.pseudo_labels.contact_sheet import sheet_path
from mlsl_mx.reports.document import Picture, PictureRows
from mlsl_mx.reports.results import MethodResults
from mlsl_mx.system.runs import prior_path

PANEL_WIDTH = 420  # pixels, of the longer side
SHEET_WIDTH = 1200
PRIOR_CAPTION = "Factor of each class's probability by position: dark is 0, bright the class's largest."
NO_LABEL = ("no label", (0, 0, 0))


def panels(methods: Sequence[MethodResults], classes: ClassSet, dataset, count: int) -> PictureRows | None:
    """`count` images, a row each: image and truth (with a SceneDataset), then each method's result.

    Without a dataset the names are those of the first method's predictions. None if there is nothing to show.
    """
    names = dataset.names if dataset is not None else _predicted_names(methods[0])
    rows = []
    for number, index in enumerate(evenly_spread(len(names), count), start=1):
        row = _photo_and_truth(dataset, index, number) if dataset is not None else []
        row += [_segmentation(method, names[index], number) for method in methods]
        rows.append((names[index], row))
    legend = [*((one.name, tuple(one.colour)) for one in classes.classes), NO_LABEL]
    return PictureRows(rows, legend) if rows else None


def label_sheet(method: MethodResults, folder: Path) -> Picture | None:
    """The contact sheet of the pseudo-labels in a round's folder, if there is one."""
    return _sheet(sheet_path(folder / "pseudo_labels"), f"pseudo-labels-{method.method}.jpeg", "pseudo-labels")


def priors(run: Path, methods: Sequence[MethodResults]) -> list[Picture | None]:
    """The pictures of the spatial priors that the methods use, each once; None for one that is missing."""
    keys = {}
    for method in methods:
        selection = method.config.get("selection", {})
        if selection.get("spatial_prior"):
            keys[selection.get("prior") or method.config.get("lists", {}).get("source")] = None
    paths = [prior_path(run, key).with_suffix(".png") for key in keys]
    return [_sheet(path, f"{path.stem}.jpeg", "spatial prior of each class", PRIOR_CAPTION) for path in paths]


def read_picture(path: Path) -> Image.Image | None:
    """None if there is none, or it is damaged: a result must not fail for a picture of it."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError):  # what Pillow raises
        return None


def read_sheet(path: Path) -> Image.Image | None:
    """As `read_picture`, in RGB and not too wide."""
    sheet = read_picture(path)
    if sheet is not None:
        sheet = sheet.convert("RGB")
        sheet.thumbnail((SHEET_WIDTH, 10 * SHEET_WIDTH))
    return sheet


def read_segmentation(folder: Path, name: str) -> Image.Image | None:
    """As `read_picture`, the segmentation of an image in the folder of a round."""
    return read_picture(folder / "predictions" / "palette" / f"{name}.png")


def _sheet(path: Path, file: str, description: str, caption: str = "") -> Picture | None:
    sheet = read_sheet(path)
    return None if sheet is None else Picture(file, encoded(sheet, "JPEG", quality=82), description, caption)


def _predicted_names(method: MethodResults) -> list[str]:
    return sorted(path.stem for path in (method.result.folder / "predictions" / "palette").glob("*.png"))


def _photo_and_truth(dataset, index: int, number: int) -> list[Picture]:
    photo = Image.fromarray(dataset.image(index))
    photo.thumbnail((PANEL_WIDTH, PANEL_WIDTH))
    truth = Image.open(io.BytesIO(palette_png(dataset.label(index), dataset.classes)))
    name = dataset.names[index]
    return [
        Picture(f"image-{number}.jpeg", encoded(photo, "JPEG", quality=85), f"image: {name}", "image"),
        Picture(f"truth-{number}.png", _small_labels(truth), f"truth: {name}", "truth"),
    ]


def _segmentation(method: MethodResults, name: str, number: int) -> Picture:
    image = read_segmentation(method.result.folder, name)
    content = None if image is None else _small_labels(image)
    file = f"segmentation-{number}-{method.method}.png"
    return Picture(file, content, f"{method.title}: {name}", method.title)


def _small_labels(image: Image.Image) -> bytes:
    scale = min(1.0, PANEL_WIDTH / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    # Nearest keeps the palette: no colour between two classes appears.
    return encoded(image.resize(size, Image.NEAREST), "PNG", optimize=True)
