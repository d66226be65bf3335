"""Charts: where lines, dots and names lie, and colours that the eye can tell apart."""

import re
from itertools import pairwise

import numpy as np
import pytest

from mlsl_mx.reports.charts import Series, dot_chart, line_chart
from mlsl_mx.reports.colours import PAIRS


def test_labels_of_lines_that_end_together_stay_apart_and_inside():
    series = [Series(f"c{i}", f"M{i}", [90.0, 80.0 + i / 10, None]) for i in range(4)]
    chart = line_chart("Falling", "%", ["0", "1", "2"], series).drawing
    ends = sorted(float(y) for y in re.findall(r'y="([\d.]+)" style="fill:var\(--c\d\)" class=name', chart))
    height = float(re.search(r'viewBox="0 0 \d+ (\d+)"', chart).group(1))
    assert len(ends) == 4 and 0 < ends[0] and ends[-1] < height
    assert all(below - above >= 14.9 for above, below in pairwise(ends))
    assert "M3: 80.3 %" in chart


def test_dots_lie_on_the_scale():
    chart = dot_chart("mIoU", "%", ["a", "b"], [Series("c0", "seed 0", [15.0, 17.5])], span=(15.0, 17.5)).drawing
    ticks = {float(text): float(x) for x, text in re.findall(r'<text x="([\d.]+)" y="14" class=axis>([\d.]+)<', chart)}
    dots = [float(x) for x in re.findall(r'cx="([\d.]+)"', chart)]
    assert dots == [pytest.approx(ticks[15.0]), pytest.approx(ticks[17.5])]
    assert "b, seed 0: 17.5 %" in chart


def lab(rgb: str) -> np.ndarray:
    """L, a, b of #rrggbb under D65."""
    parts = np.array([int(rgb[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ linear
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089])  # none is so dark that the root does not hold
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_differ_to_the_eye():
    pairs = [pair.split("/") for pair in PAIRS.split()]
    for theme in zip(*pairs, strict=True):
        places = np.array([lab(rgb) for rgb in theme])
        far = np.linalg.norm(places[:, None] - places, axis=2) + 1000 * np.eye(len(places))
        assert far.min() > 17  # a difference of 2.3 can just be seen
