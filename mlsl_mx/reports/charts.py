"""Plain charts as SVG. Colours are CSS variables of the page, so that both themes fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from mlsl_mx.reports.document import Chart

WIDTH = 430  # of the view box: the page scales the picture to the column
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 50, 96, 12, 190, 222  # of charts with lines: margins, and where the axis is
CELL_WIDTH, CELL_HEIGHT = 150, 92  # of one class among others
LETTER, BOLD_LETTER = 7.6, 9.5  # widths, in the widest of the usual fonts
LINE = 15  # from one name to the next below it

Point = tuple[float, float]
Scale = Callable[[float], float]


class Series(NamedTuple):
    """The points of one line, or the dots of one colour."""

    colour: str  # CSS variable, without its dashes
    label: str
    values: Sequence[float | None]  # None: no point


class Curve(NamedTuple):
    """A line of many points; one that is broken has several parts."""

    colour: str
    label: str
    parts: Sequence[Sequence[Point]]  # never empty


def line_chart(title: str, unit: str, x_labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """One line a series, with a dot for each x label and its name at its end."""
    curves = [Curve(one.colour, one.label, [_points(one)]) for one in series]
    return curve_chart(title, list(enumerate(x_labels)), curves, unit)


def curve_chart(title: str, x_ticks: Sequence[tuple[float, str]], curves: Sequence[Curve], unit: str = "") -> Chart:
    """Lines of many points; with a unit, each point is a dot that says its value.

    Args:
        x_ticks: values and their texts; the first and the last are where the axis begins and ends.
    """
    values = [value for curve in curves for part in curve.parts for _, value in part]
    right, legend = _place_of_names(curves)
    x = _scale(x_ticks[0][0], x_ticks[-1][0] or 1, LEFT, right)
    ticks = _round_numbers(min(values), max(values))
    y = _scale(ticks[0], ticks[-1], BOTTOM, TOP)
    parts = [_tick_line(LEFT, right, y(tick), f"{tick:g}") for tick in ticks]
    for value, text in x_ticks:
        parts.append(f'<text x="{x(value):.1f}" y="{BOTTOM + 18}" class=axis>{escape(text)}</text>')
        if not unit:
            parts.append(f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{BOTTOM}" class=grid />')
    ends = []
    for colour, label, lines in curves:
        parts += [_line(colour, line, x, y) for line in lines]
        last_x, last = lines[-1][-1]
        dots = [(place, value, f"{value:.1f} {unit}") for place, value in lines[0]] if unit else []
        parts += [
            _dot(x(place), y(value), colour, f"{label}: {text}")
            for place, value, text in dots or [(last_x, last, f"{last:.3g}")]
        ]
        ends.append([y(last) + 4, colour, label, x(last_x) + 9])
    return _drawn(title, HEIGHT, [*parts, *([] if legend else _names(ends))], legend)


def _points(series: Series) -> list[Point]:
    return [(index, value) for index, value in enumerate(series.values) if value is not None]


def class_charts(
    title: str, unit: str, x_labels: Sequence[str], rows: Sequence[tuple[str, Sequence[Series]]], top: float | None
) -> Chart:
    """A small chart a class, side by side, with one line a series.

    Args:
        rows: name of the class and its series, with a value for each x label.
        top: of the scale, which starts at 0; None gives each class a scale of its own.
    """
    legend = {one.label: one for _, series in rows for one in series}
    cells = "".join(_class_chart(unit, x_labels, name, series, top) for name, series in rows)
    return Chart(title, f"{_legend(list(legend.values()))}<div class=small>{cells}</div>")


def _class_chart(unit: str, x_labels: Sequence[str], name: str, series: Sequence[Series], top: float | None) -> str:
    values = [value for line in series for value in line.values if value is not None]
    highest = top or max(values, default=0)
    x = _scale(0, max(1, len(x_labels) - 1), 42, CELL_WIDTH - 20)
    y = _scale(0, highest or 1, CELL_HEIGHT - 20, 26)
    parts = [f'<text x="2" y="13" class=class>{escape(_shortened(name, CELL_WIDTH))}</text>']
    for value in {0, highest}:
        line = f'x1="36" x2="{CELL_WIDTH - 6}" y1="{y(value):.1f}" y2="{y(value):.1f}"'
        parts.append(
            f'<line {line} class=grid /><text x="32" y="{y(value) + 4:.1f}" class=row>{escape(_briefly(value))}</text>'
        )
    for index in {0, len(x_labels) - 1}:
        parts.append(f'<text x="{x(index):.1f}" y="{CELL_HEIGHT - 4}" class=axis>{escape(x_labels[index])}</text>')
    for one in series:
        text = f"{name}, {one.label}"
        parts.append(_line(one.colour, _points(one), x, y))
        parts += [_dot(x(i), y(value), one.colour, f"{text}: {value:.1f} {unit}", 3) for i, value in _points(one)]
    return f'<svg viewBox="0 0 {CELL_WIDTH} {CELL_HEIGHT}" role=img aria-label="{escape(name)}">{"".join(parts)}</svg>'


def dot_chart(
    title: str, unit: str, rows: Sequence[str], series: Sequence[Series], span: tuple[float, float] = (0, 100)
) -> Chart:
    """One row a class or method, one dot a series, on a scale that holds `span`."""
    left, right, top, pitch = min(WIDTH // 2, max(98, LETTER * max(map(len, rows)) + 10)), 14, 26, 20
    height = top + pitch * len(rows) + 8
    ticks = _round_numbers(*span)
    x = _scale(ticks[0], ticks[-1], left, WIDTH - right)
    parts = []
    for tick in ticks:
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 6}" y2="{height - 4}" class=grid />')
        parts.append(f'<text x="{x(tick):.1f}" y="{top - 12}" class=axis>{tick:g}</text>')
    for index, name in enumerate(rows):
        y = top + pitch * (index + 0.5)
        parts.append(f'<text x="{left - 8}" y="{y + 4}" class=row>{escape(_shortened(name, left - 8))}</text>')
        dots = [(colour, label, values[index]) for colour, label, values in series if values[index] is not None]
        if dots:
            ends = [x(value) for _, _, value in dots]
            parts.append(f'<line x1="{min(ends):.1f}" x2="{max(ends):.1f}" y1="{y}" y2="{y}" class=span />')
        parts += [_dot(x(value), y, colour, f"{name}, {label}: {value:.1f} {unit}") for colour, label, value in dots]
    return _drawn(title, height, parts, legend=series)


def _round_numbers(low: float, high: float) -> list[float]:
    """Round numbers that hold [low, high], five or so.

    >>> _round_numbers(0, 100), _round_numbers(0.1, 0.7)
    ([0, 20, 40, 60, 80, 100], [0.0, 0.2, 0.4, 0.6000000000000001, 0.8])
    """
    least = (high - low or 2.5) / 5 * (1 - 1e-9)
    power = math.floor(math.log10(least))
    step = next(s for s in (m * 10**power for m in (1, 2, 5, 10)) if s >= least)
    first = int(low // step)
    last = max(first + 1, -int(-high // step))
    return [step * i for i in range(first, last + 1)]


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    """From values in [low, high] to places in [start, end]."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _briefly(value: float) -> str:
    """In at most four letters: 100, 1.8, 0.05, <.01."""
    if 0 < value < 0.01:
        return "<.01"
    return f"{value:.0f}" if value >= 10 or not value else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _shortened(name: str, width: float) -> str:
    """To what fits into `width`; the dots' titles have the whole."""
    fits = int(width / LETTER)
    return name if len(name) <= fits else f"{name[: fits - 1]}…"


def _place_of_names(curves: Sequence[Curve]) -> tuple[float, Sequence[Curve]]:
    """Where lines end, and the curves for a legend: all of them if one has a name too long for the end of its line."""
    is_long = any(BOLD_LETTER * len(one.label) > RIGHT - 9 for one in curves)
    return (WIDTH - 24, curves) if is_long else (WIDTH - RIGHT, ())


def _names(ends: list[list]) -> list[str]:
    """Names at the lines' ends, moved so that none covers another and none is below the axis."""
    ends = sorted(ends)
    for above, below in pairwise(ends):
        below[0] = max(below[0], above[0] + LINE)
    ends[-1][0] = min(ends[-1][0], BOTTOM + 4)
    for below, above in pairwise(ends[::-1]):
        above[0] = min(above[0], below[0] - LINE)
    return [
        f'<text x="{x:.1f}" y="{y:.1f}" style="fill:var(--{colour})" class=name>{escape(label)}</text>'
        for y, colour, label, x in ends
    ]


def _tick_line(left: float, right: float, y: float, text: str) -> str:
    return (
        f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class=grid />'
        f'<text x="{left - 7}" y="{y + 4:.1f}" class=row>{text}</text>'
    )


def _line(colour: str, points: Sequence[Point], x: Scale, y: Scale) -> str:
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    return f'<polyline points="{path}" style="stroke:var(--{colour})" class=line />' if points else ""


def _dot(x: float, y: float, colour: str, text: str, radius: float = 4.5) -> str:
    title = f"<title>{escape(text)}</title>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" style="fill:var(--{colour})" class=dot>{title}</circle>'


def _drawn(title: str, height: float, parts: Sequence[str], legend: Sequence[Series | Curve]) -> Chart:
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role=img aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return Chart(title, _legend(legend) + svg)


def _legend(series: Sequence[Series | Curve]) -> str:
    keys = "".join(f'<span><i style="background:var(--{one.colour})"></i>{escape(one.label)}</span>' for one in series)
    return f"<div class=legend>{keys}</div>" if keys else ""
