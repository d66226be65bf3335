"""The picture of a spatial prior."""

from __future__ import annotations

import numpy as np
import pytest

from mlsl_mx.config.classes import class_set
from mlsl_mx.pseudo_labels.prior_picture import COLUMNS, MAP_SIZE, MARGIN, TITLE_HEIGHT, prior_picture

WIDTH, HEIGHT = MAP_SIZE[0] + 2 * MARGIN, MAP_SIZE[1] + TITLE_HEIGHT + MARGIN


@pytest.mark.parametrize("classes", [16, 19])
def test_one_named_panel_a_class(classes):
    names = class_set(classes).names
    frequency = np.zeros((classes, 4, 8), np.float32)
    for c in range(classes - 1):  # the last class is nowhere
        frequency[c, c % 4, c % 8] = 10.0**-c
    picture = prior_picture(frequency, names)
    rows = -(-classes // COLUMNS)
    assert picture.shape == (rows * HEIGHT, COLUMNS * WIDTH, 3) and picture.dtype == np.uint8
    for place in range(rows * COLUMNS):
        top, left = place // COLUMNS * HEIGHT, place % COLUMNS * WIDTH
        panel = picture[top : top + HEIGHT, left : left + WIDTH]
        title, colours = panel[:TITLE_HEIGHT], panel[TITLE_HEIGHT:-MARGIN, MARGIN:-MARGIN]
        if place >= classes:
            assert (panel == 255).all()
            continue
        assert title.min() < 100 and (title[:, -MARGIN:] == 255).all()  # a text that ends before the panel does
        bright = colours.astype(int).sum(axis=2)
        if place == classes - 1:
            assert np.ptp(bright) == 0
        else:
            row, column = np.unravel_index(bright.argmax(), bright.shape)
            assert (row * 4 // MAP_SIZE[1], column * 8 // MAP_SIZE[0]) == (place % 4, place % 8)
