"""What a round has to show, for TensorBoard: IoU, thresholds, coverage, and pictures, with the round as the step."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Dict

from PIL import Image

from mlsl_mx.data.label_images import encoded
from mlsl_mx.errors import InputError
from mlsl_mx.evaluation.panels import DAMAGED, PANEL_WIDTH, read_sheet
from mlsl_mx.evaluation.results import Round, read_round
from mlsl_mx.event_file import EventFile, event_files, new_path
from mlsl_mx.pseudo_labels.contact_sheet import evenly_spread
from mlsl_mx.runs import file_hash, whole_file

Scalars = Dict[str, float]
MADE_FROM = ("pseudo_labels/selection.json", "diagnosis.json", "evaluation.json")
OF_LABELS = ("portion", "coverage")
OF_DIAGNOSIS = ("agreement", "kept", "patch_disagreement")


def write_round_events(folder: Path, round_folder: Path, index: int, validation, panels: int) -> None:
    """Write one event file with all that is known of a round, in place of the one that knew less.

    Nothing is done if the file was made from the same results. Labels of images are not opened.

    Args:
        folder: where TensorBoard looks for the method.
        round_folder: of the round, or of the source model.
        validation: SceneDataset, for the pictures beside their segmentation.
        panels: how many.

    Raises: InputError if the file cannot be written.
    """
    known = "".join(file_hash(round_folder / name) for name in MADE_FROM if (round_folder / name).exists())
    name = f"round-{index}.{hashlib.sha256(known.encode()).hexdigest()[:16]}"
    if event_files(folder, name):
        return
    one, before, path = read_round(round_folder, index), event_files(folder, f"round-{index}.*"), new_path(folder, name)
    with whole_file(path) as temporary:
        file = EventFile(temporary, start=index)
        file.scalars(_scalars(one), index)
        for tag, picture in _pictures(one, validation, panels).items():
            file.picture(tag, encoded(picture, "JPEG", quality=90), picture.size, index)
        file.close()
    for old in before:
        old.unlink()


def _scalars(one: Round) -> Scalars:
    """Everything in percent."""
    evaluation, selection, diagnosis = one.evaluation or {}, one.selection or {}, one.diagnosis or {}
    shares = {f"pseudo_labels/{key}": selection.get(key) for key in OF_LABELS}
    shares.update({f"pseudo_labels/{key}": diagnosis.get(key) for key in OF_DIAGNOSIS})
    shares["pseudo_labels/precision"] = one.ground_truth.get("precision")
    shares.update(_by_class("threshold", selection.get("thresholds")))
    shares.update(_by_class("coverage", selection.get("coverage_per_class")))
    percents = {f"mIoU/{count}_classes": mean for count, mean in evaluation.get("mious", {}).items()}
    percents.update(_by_class("IoU", evaluation.get("per_class")))
    percents.update({tag: 100 * share for tag, share in shares.items() if share is not None})
    return percents


def _by_class(what: str, values: dict[str, Any] | None) -> dict[str, Any]:
    return {f"{what}/{name}": value for name, value in (values or {}).items()}


def _pictures(one: Round, validation, panels: int) -> dict[str, Image.Image]:
    """The pseudo-labels' contact sheet; validation images beside their segmentations, by their names."""
    sheet = read_sheet(one.folder / "pseudo_labels" / "contact_sheet.png")
    pictures = {} if sheet is None else {"pseudo_labels": sheet}
    for index in evenly_spread(len(validation), panels) if one.evaluation else ():
        pair = _photo_and_segmentation(one.folder, validation, index)
        if pair is not None:
            pictures[f"segmentation/{validation.names[index]}"] = pair
    return pictures


def _photo_and_segmentation(folder: Path, validation, index: int) -> Image.Image | None:
    """Side by side; None if one of them cannot be read: a stage that has its result must not fail for a picture."""
    try:
        photo = Image.fromarray(validation.image(index))
        with Image.open(folder / "predictions" / "palette" / f"{validation.names[index]}.png") as png:
            segmentation = png.resize(photo.size, Image.NEAREST).convert("RGB")
    except (InputError, *DAMAGED):
        return None
    pair = Image.new("RGB", (2 * photo.width, photo.height))
    pair.paste(photo, (0, 0))
    pair.paste(segmentation, (photo.width, 0))
    pair.thumbnail((2 * PANEL_WIDTH, 2 * PANEL_WIDTH))
    return pair
