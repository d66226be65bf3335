"""Label maps as PNG files: palette files hold train ids, grey files Cityscapes label ids (of own classes: train ids).

A palette has 256 entries. Of more than 255 classes, files that are read again are 16-bit grey and hold train ids, with
65535 for ignore, and pictures are in RGB.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.config.classes import ClassSet, class_set
from mlsl_mx.data.image_files import decode_with_mode, header
from mlsl_mx.data.label_files import pseudo_label_format, read_train_ids
from mlsl_mx.system.errors import InputError

_VALUE = {"P": "palette index", "L": "grey value"}


def train_id_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """PNG of (H, W) train ids, from which `read_pseudo_label` gets them back: `palette_png`, or 16-bit grey."""
    if classes.id_type == np.uint8:
        return palette_png(train_ids, classes)
    return encoded(Image.fromarray(train_ids), "PNG")


def palette_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """PNG of (H, W) train ids in the classes' colours, ignore in black; in RGB where no palette holds so many."""
    if classes.id_type != np.uint8:
        return encoded(Image.fromarray(classes.palette[train_ids]), "PNG")
    image = Image.fromarray(train_ids)
    image.putpalette(classes.palette.ravel().tolist())
    return encoded(image, "PNG")


def label_id_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """Grey PNG of the Cityscapes label ids of (H, W) train ids, which the official script reads.

    More than 255 classes have no such ids: then it holds train ids in 16 bits.
    """
    if classes.id_type != np.uint8:
        return train_id_png(train_ids, classes)
    return encoded(Image.fromarray(cv2.LUT(train_ids, classes.label_id_lookup)), "PNG")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file, `kind` as Pillow names it."""
    content = io.BytesIO()
    image.save(content, format=kind, **options)
    return content.getvalue()


def read_prediction(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) train ids of a palette or grey PNG, `classes.ignore` for what is no class of the set.

    Raises: InputError for a file that is missing, damaged, in colour, or seems to hold ids of the other kind.
    """
    if classes.id_type != np.uint8:
        remedy = "save a prediction as a 16-bit grey PNG of train ids"
        return read_train_ids(path, replace(pseudo_label_format(classes), title="predictions", remedy=remedy))
    ids, mode = decode_with_mode(path)
    if mode not in ("P", "L"):
        raise InputError(
            f"{path}: mode {mode}: save a prediction as a palette PNG of train ids or a grey one of label ids"
        )
    histogram = cv2.calcHist([ids], [0], None, [256], [0, 256]).ravel()  # np.unique takes 20 times as long
    present = set(np.flatnonzero(histogram).tolist()) - {classes.ignore}
    if mode == "P" or not classes.benchmark:
        foreign = sorted(present - set(range(classes.num_classes)))
        if foreign:
            kind = ": save label ids as a grey PNG" if mode == "P" and classes.benchmark else ""
            raise InputError(
                f"{path}: {_VALUE[mode]} {foreign[0]} is no train id of {classes.num_classes} classes{kind}"
            )
        if mode == "P":
            _check_colours(path, sorted(present), classes)
        return ids
    # No network predicts ids such as 2 (rectification border), but in a map of train ids they are common classes.
    foreign = sorted(present - set(class_set(19).label_id_lookup.tolist()))
    if foreign:
        raise InputError(f"{path}: grey value {foreign[0]} is no label id of a class: save train ids as a palette PNG")
    return cv2.LUT(ids, classes.train_id_lookup("cityscapes"))


def _check_colours(path: Path, indices: list[int], classes: ClassSet) -> None:
    """Raises: InputError for a palette in the classes' colours, but in another order: an editor's, not train ids."""
    palette = np.frombuffer(header(path).palette, np.uint8).reshape(-1, 3).tolist()
    colours = {index: tuple(palette[index]) for index in indices if index < len(palette)}
    ids = {one.colour: index for index, one in enumerate(classes.classes)}
    wrong = [index for index, colour in colours.items() if ids.get(colour) != index]
    if wrong and set(colours.values()) <= set(ids):
        raise InputError(
            f"{path}: palette index {wrong[0]} has the colour of train id {ids[colours[wrong[0]]]}: save train ids as "
            "indices, whatever their colours, or label ids as a grey PNG"
        )
