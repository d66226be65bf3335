"""Images of the report: segmentations side by side, as in Figures 3 and 4, and contact sheets of pseudo-labels."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import Sequence

from PIL import Image

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.label_images import encoded, palette_png
from mlsl_mx.pseudo_labels.contact_sheet import evenly_spread, sheet_path
from mlsl_mx.reports.results import MethodResults
from mlsl_mx.system.runs import prior_path

PANEL_WIDTH = 420  # pixels, of the longer side
SHEET_WIDTH = 1200
DAMAGED = (OSError, SyntaxError)  # what Pillow raises for a file that is missing or no image


def panels_html(methods: Sequence[MethodResults], classes: ClassSet, dataset, count: int) -> str:
    """One row of pictures an image: image and truth (with a dataset), then each method's result.

    Without a dataset the names are those of the first method's predictions. Empty if there is nothing to show.
    """
    names = dataset.names if dataset is not None else _predicted_names(methods[0])
    rows = []
    for index in evenly_spread(len(names), count):
        figures = _photo_and_truth(dataset, index) if dataset is not None else []
        for method in methods:
            picture = _prediction(method, names[index])
            figures.append(_figure(picture, method.title, f"{method.title}: {names[index]}"))
        rows.append(f"<h4>{escape(names[index])}</h4><div class=panels>{''.join(figures)}</div>")
    return _legend(classes) + "\n".join(rows) if rows else ""


def contact_sheet_html(folder: Path) -> str:
    """The pseudo-labels' contact sheet of one round, or nothing where there is none."""
    return _sheet_html(sheet_path(folder / "pseudo_labels"), "pseudo-labels")


def prior_html(run: Path, methods: Sequence[MethodResults]) -> str:
    """The pictures of the spatial priors that the methods use, each once, or nothing where there is none."""
    pictures = {}
    for method in methods:
        selection = method.config.get("selection", {})
        if selection.get("spatial_prior"):
            key = selection.get("prior") or method.config.get("lists", {}).get("source")
            pictures[prior_path(run, key).with_suffix(".png")] = None
    return "".join(_sheet_html(picture, "spatial prior of each class") for picture in pictures)


def _sheet_html(path: Path, description: str) -> str:
    sheet = read_sheet(path)
    if sheet is None:
        return ""
    return f'<img class=sheet alt="{description}" src="{_address(encoded(sheet, "JPEG", quality=82), "jpeg")}">'


def read_sheet(path: Path) -> Image.Image | None:
    """A picture for the report, in RGB and not too wide; None if there is none, or it is damaged."""
    try:
        with Image.open(path) as image:
            sheet = image.convert("RGB")
    except DAMAGED:
        return None
    sheet.thumbnail((SHEET_WIDTH, 10 * SHEET_WIDTH))
    return sheet


def _predicted_names(method: MethodResults) -> list[str]:
    return sorted(path.stem for path in (method.result.folder / "predictions" / "palette").glob("*.png"))


def _photo_and_truth(dataset, index: int) -> list[str]:
    photo = Image.fromarray(dataset.image(index))
    photo.thumbnail((PANEL_WIDTH, PANEL_WIDTH))
    truth = Image.open(io.BytesIO(palette_png(dataset.label(index), dataset.classes)))
    name = dataset.names[index]
    return [
        _figure(_address(encoded(photo, "JPEG", quality=85), "jpeg"), "image", f"image: {name}"),
        _figure(_small_labels(truth), "truth", f"truth: {name}"),
    ]


def _prediction(method: MethodResults, name: str) -> str | None:
    try:
        with Image.open(method.result.folder / "predictions" / "palette" / f"{name}.png") as image:
            return _small_labels(image)
    except DAMAGED:
        return None


def _small_labels(image: Image.Image) -> str:
    scale = min(1.0, PANEL_WIDTH / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    # Nearest keeps the palette: no colour between two classes appears.
    return _address(encoded(image.resize(size, Image.NEAREST), "PNG", optimize=True), "png")


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _figure(address: str | None, caption: str, description: str) -> str:
    picture = f'<img alt="{escape(description)}" src="{address}">' if address else "<div class=nothing>-</div>"
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _legend(classes: ClassSet) -> str:
    keys = [
        f'<span><i style="background:rgb{c.colour}"></i>{escape(c.name)}</span>'.replace(", ", ",")
        for c in classes.classes
    ]
    ignore = '<span><i style="background:rgb(0,0,0)"></i>no label</span>'
    return f"<div class=legend>{''.join(keys)}{ignore}</div>"
