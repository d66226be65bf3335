"""A picture of a spatial prior: one small heat map a class, under its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.system.whole_files import whole_file

COLUMNS = 4
MAP_SIZE = (256, 128)  # width, height in pixels
TITLE_HEIGHT = 24
MARGIN = 6


def write_prior_picture(path: Path, frequency: np.ndarray, names: Sequence[str]) -> None:
    """Write the heat maps of a (C, h, w) float32 prior as a PNG file, whole; each is named, in the order of classes."""
    with whole_file(path) as temporary:
        Image.fromarray(prior_picture(frequency, names)).save(temporary, format="PNG")


def prior_picture(frequency: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: rows of four panels, dark at 0 and bright at the class's largest value, which is named."""
    panels = [_panel(factors, name) for factors, name in zip(frequency, names, strict=True)]
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % COLUMNS)
    rows = [np.hstack(panels[start : start + COLUMNS]) for start in range(0, len(panels), COLUMNS)]
    return np.vstack(rows)


def _panel(factors: np.ndarray, name: str) -> np.ndarray:
    """One class: its name and largest value above its (h, w) factors in colour."""
    largest = factors.max()
    share = factors / largest if largest > 0 else factors
    small = cv2.resize(np.round(255 * share).astype(np.uint8), MAP_SIZE, interpolation=cv2.INTER_AREA)
    colours = cv2.applyColorMap(small, cv2.COLORMAP_VIRIDIS)[:, :, ::-1]  # OpenCV's are BGR
    title = np.full((TITLE_HEIGHT, MAP_SIZE[0], 3), 255, np.uint8)
    text = f"{name}, up to {largest:.3g}"
    cv2.putText(title, text, (0, TITLE_HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(
        np.vstack([title, colours]), 0, MARGIN, MARGIN, MARGIN, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
