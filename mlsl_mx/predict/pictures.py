"""What is written of a prediction: pictures to look at, and files for other programs."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.label_images import encoded, label_id_png, palette_png

# What there is, and how its files end. A PNG of an overlay is 10 times as large and takes 10 times as long.
ENDINGS = {"overlay": ".jpg", "palette": ".png", "label_ids": ".png", "confidence": ".png"}
QUALITY = 90  # of JPEG


def overlay(image: np.ndarray, train_ids: np.ndarray, classes: ClassSet, strength: float = 0.5) -> np.ndarray:
    """The image under the colours of its classes.

    Args:
        image: (H, W, 3) uint8, RGB.
        train_ids: (H, W); pixels without a class stay as they are.
        strength: share of the colours, 0 to 1.

    Returns: (H, W, 3) uint8, RGB.
    """
    mixed = cv2.addWeighted(image, 1 - strength, classes.palette[train_ids], strength, 0)
    without = train_ids >= classes.num_classes
    mixed[without] = image[without]
    return mixed


def picture(
    kind: str, image: np.ndarray, train_ids: np.ndarray, confidences: np.ndarray, classes: ClassSet, strength: float
) -> bytes:
    """The file of a kind (a key of ENDINGS).

    overlay: `overlay` as JPEG. palette: PNG of train ids in the classes' colours. label_ids: grey PNG of Cityscapes
    label ids, which the official script reads. confidence: grey PNG, 255 times the probability of the predicted class.
    The middle two are those that `mlsl evaluate` leaves of validation images.

    Args:
        confidences: (H, W) float32.
    """
    if kind == "overlay":
        return encoded(Image.fromarray(overlay(image, train_ids, classes, strength)), "JPEG", quality=QUALITY)
    if kind == "palette":
        return palette_png(train_ids, classes)
    if kind == "label_ids":
        return label_id_png(train_ids, classes)
    if kind == "confidence":
        grey = np.rint(255 * np.clip(confidences, 0, 1)).astype(np.uint8)  # bicubic up-sampling goes above 1
        return encoded(Image.fromarray(grey), "PNG")
    raise ValueError(f"kind {kind!r} is not one of {', '.join(ENDINGS)}")
