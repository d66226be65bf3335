"""What a round has to show, for TensorBoard: IoU, thresholds, coverage, and pictures, with the round as the step."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PIL import Image

from mlsl_mx.data.label_images import encoded
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.pseudo_labels.contact_sheet import sheet_path
from mlsl_mx.reports.cells import percent
from mlsl_mx.reports.panels import PANEL_WIDTH, read_segmentation, read_sheet
from mlsl_mx.reports.results import Round, read_round
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.event_file import EventFile, event_files, new_path
from mlsl_mx.system.whole_files import file_hash, whole_file

Scalars = dict[str, float | None]


def write_round_events(folder: Path, round_folder: Path, index: int, validation, panels: int) -> None:
    """Write what is known of a round: an event file for its labels, its diagnosis and its evaluation, each once.

    A file that was made from other results is replaced. Labels of images are not opened.

    Args:
        folder: where TensorBoard looks for the method.
        round_folder: of the round, or of the source model.
        validation: SceneDataset, for the pictures of segmentations.
        panels: how many.

    Raises: InputError if the file cannot be written.
    """
    one = read_round(round_folder, index)
    evaluated = partial(_segmentations, one.folder, validation, panels)
    for part, made_from, scalars, pictures in (
        ("labels", "pseudo_labels/selection.json", _of_labels, partial(_sheet, one.folder)),
        ("diagnosis", "diagnosis.json", _of_diagnosis, dict),
        ("evaluation", "evaluation.json", _of_evaluation, evaluated),
    ):
        if (round_folder / made_from).exists():
            name = f"{part}-{index}.{file_hash(round_folder / made_from)}"
            if not event_files(folder, name):
                before = event_files(folder, f"{part}-{index}.*")
                _write(new_path(folder, name), index, scalars(one), pictures())
                for old in before:
                    old.unlink()


def _write(path: Path, index: int, scalars: Scalars, pictures: dict[str, Image.Image]) -> None:
    with whole_file(path) as temporary, EventFile(temporary) as file:
        file.scalars(scalars, index)
        for tag, picture in pictures.items():
            file.picture(tag, encoded(picture, "JPEG", quality=90), picture.size, index)


def _of_labels(one: Round) -> Scalars:
    shares = {f"pseudo_labels/{key}": one.selection[key] for key in ("portion", "coverage")}
    shares.update(_by_class("threshold", one.selection["thresholds"]))
    shares.update(_by_class("coverage", one.selection["coverage_per_class"]))
    return _percent(shares)


def _of_diagnosis(one: Round) -> Scalars:
    known = {key: one.diagnosis[key] for key in ("agreement", "kept", "patch_disagreement")}
    known["precision"] = one.ground_truth.get("precision")
    return _percent({f"pseudo_labels/{key}": share for key, share in known.items()})


def _of_evaluation(one: Round) -> Scalars:
    means = {f"mIoU/{count}_classes": mean for count, mean in one.evaluation["mious"].items()}
    return {**means, **_by_class("IoU", one.evaluation["per_class"])}


def _percent(shares: Scalars) -> Scalars:
    return {tag: percent(share) for tag, share in shares.items()}


def _by_class(what: str, values: Scalars) -> Scalars:
    return {f"{what}/{name}": value for name, value in values.items()}


def _sheet(folder: Path) -> dict[str, Image.Image]:
    """The contact sheet of the pseudo-labels."""
    sheet = read_sheet(sheet_path(folder / "pseudo_labels"))
    return {} if sheet is None else {"pseudo_labels": sheet}


def _segmentations(folder: Path, validation, panels: int) -> dict[str, Image.Image]:
    """Validation images and their segmentations, by their names."""
    pictures = {}
    for index in evenly_spread(len(validation), panels):
        pair = _photo_and_segmentation(folder, validation, index)
        if pair is not None:
            pictures[f"segmentation/{validation.names[index]}"] = pair
    return pictures


def _photo_and_segmentation(folder: Path, validation, index: int) -> Image.Image | None:
    """Side by side; None if one of them cannot be read: a stage that has its result must not fail for a picture."""
    segmentation = read_segmentation(folder, validation.names[index])
    if segmentation is None:
        return None
    try:
        photo = Image.fromarray(validation.image(index))
    except (InputError, OSError):
        return None
    segmentation = segmentation.resize(photo.size, Image.NEAREST).convert("RGB")
    pair = Image.new("RGB", (2 * photo.width, photo.height))
    pair.paste(photo, (0, 0))
    pair.paste(segmentation, (photo.width, 0))
    pair.thumbnail((2 * PANEL_WIDTH, 2 * PANEL_WIDTH))
    return pair
