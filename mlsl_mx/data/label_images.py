"""Label maps as PNG files: palette files hold train ids, grey files Cityscapes label ids."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.data.image_files import decode_with_mode
from mlsl_mx.errors import InputError
from mlsl_mx.labels import IGNORE, ClassSet, class_set


def palette_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """PNG of (H, W) uint8 train ids in the classes' colours; 255 is black."""
    image = Image.fromarray(train_ids)
    image.putpalette(classes.palette.ravel().tolist())
    return encoded(image, "PNG")


def label_id_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """Grey PNG of the Cityscapes label ids of (H, W) uint8 train ids, which the official script reads."""
    return encoded(Image.fromarray(cv2.LUT(train_ids, classes.label_id_lookup)), "PNG")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file, `kind` as Pillow names it."""
    content = io.BytesIO()
    image.save(content, format=kind, **options)
    return content.getvalue()


def read_prediction(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) uint8 train ids of a palette or grey PNG; 255 for what is no class of the set.

    Raises: InputError for a file that is missing, damaged, in colour, or seems to hold ids of the other kind.
    """
    ids, mode = decode_with_mode(path)
    if mode not in ("P", "L"):
        raise InputError(
            f"{path}: mode {mode}: save a prediction as a palette PNG of train ids or a grey one of label ids"
        )
    histogram = cv2.calcHist([ids], [0], None, [256], [0, 256]).ravel()  # np.unique takes 20 times as long
    present = set(np.flatnonzero(histogram).tolist()) - {IGNORE}
    if mode == "P":
        foreign = sorted(present - set(range(classes.num_classes)))
        if foreign:
            raise InputError(f"{path}: palette index {foreign[0]} is no train id of {classes.num_classes} classes")
        return ids
    # No network predicts ids such as 2 (rectification border), but in a map of train ids they are common classes.
    foreign = sorted(present - set(class_set(19).label_id_lookup.tolist()))
    if foreign:
        raise InputError(f"{path}: grey value {foreign[0]} is no label id of a class: save train ids as a palette PNG")
    return cv2.LUT(ids, classes.train_id_lookup("cityscapes"))
