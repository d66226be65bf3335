"""Two plain charts as inline SVG. Colours are CSS variables of the page, so that both themes fit."""

from __future__ import annotations

from html import escape
from typing import NamedTuple, Sequence

WIDTH = 430  # of the view box: the page scales the picture to the column


class Series(NamedTuple):
    """The points of one line, or the dots of one colour."""

    colour: str  # CSS variable, without its dashes
    label: str
    values: Sequence[float | None]  # None: no point


def line_chart(title: str, unit: str, x_labels: Sequence[str], series: Sequence[Series]) -> str:
    """One line a series, with a value for each x label and its name at its end."""
    values = [value for line in series for value in line.values if value is not None]
    left, right, top, bottom, height = 34, 84, 12, 190, 222
    ticks = _ticks(min(values), max(values))
    step = (WIDTH - left - right) / max(1, len(x_labels) - 1)

    def y(value: float) -> float:
        return bottom - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (bottom - top)

    parts = [_tick_line(left, WIDTH - right, y(tick), f"{tick:g}") for tick in ticks]
    for index, text in enumerate(x_labels):
        parts.append(f'<text x="{left + index * step:.1f}" y="{bottom + 18}" class=axis>{escape(text)}</text>')
    ends = []
    for colour, label, line in series:
        points = [(left + i * step, y(v), v) for i, v in enumerate(line) if v is not None]
        parts.append(_line(colour, label, unit, points))
        ends.append([points[-1][1] + 4, colour, label, points[-1][0] + 9])
    parts += [f'<text x="{x:.1f}" y="{y_:.1f}" style="fill:var(--{colour})" class=name>{escape(label)}</text>'
              for y_, colour, label, x in _apart(ends, bottom + 4)]  # fmt: skip
    return _figure(title, height, parts)


def dot_chart(
    title: str, unit: str, rows: Sequence[str], series: Sequence[Series], span: tuple[float, float] = (0, 100)
) -> str:
    """One row a class or method, one dot a series, on a scale that holds `span`."""
    left, right, top, pitch = min(WIDTH // 2, max(98, 7 * max(map(len, rows)))), 14, 26, 20
    height = top + pitch * len(rows) + 8
    ticks = _ticks(*span)

    def x(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - left - right)

    parts = []
    for tick in ticks:
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 6}" y2="{height - 4}" class=grid />')
        parts.append(f'<text x="{x(tick):.1f}" y="{top - 12}" class=axis>{tick:g}</text>')
    for index, name in enumerate(rows):
        y = top + pitch * (index + 0.5)
        parts.append(f'<text x="{left - 8}" y="{y + 4}" class=row>{escape(_shortened(name, left))}</text>')
        dots = [(colour, label, values[index]) for colour, label, values in series if values[index] is not None]
        if dots:
            ends = [x(value) for _, _, value in dots]
            parts.append(f'<line x1="{min(ends):.1f}" x2="{max(ends):.1f}" y1="{y}" y2="{y}" class=span />')
        parts += [_dot(x(value), y, colour, f"{name}, {label}: {value:.1f} {unit}") for colour, label, value in dots]
    return _figure(title, height, parts, legend=series)


def _shortened(name: str, width: float) -> str:
    """To what fits into `width`, at 7 a letter; the dots' titles have the whole."""
    fits = int(width / 7)
    return name if len(name) <= fits else f"{name[: fits - 1]}…"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that hold [low, high], five or so."""
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 25, 50, 100) if s * 5 >= high - low or s == 100)
    first = int(low // step)
    last = max(first + 1, -int(-high // step))
    return [step * i for i in range(first, last + 1)]


def _apart(ends: list[list], lowest: float, gap: float = 15) -> list[list]:
    """Labels at the lines' ends, moved so that none covers another and none is below `lowest`."""
    ends = sorted(ends)
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + gap)
    ends[-1][0] = min(ends[-1][0], lowest)
    for below, above in zip(ends[::-1], ends[-2::-1]):
        above[0] = min(above[0], below[0] - gap)
    return ends


def _tick_line(left: float, right: float, y: float, text: str) -> str:
    return (
        f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class=grid />'
        f'<text x="{left - 7}" y="{y + 4:.1f}" class=row>{text}</text>'
    )


def _line(colour: str, label: str, unit: str, points: Sequence[tuple[float, float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(_dot(x, y, colour, f"{label}: {value:.1f} {unit}") for x, y, value in points)
    return f'<polyline points="{path}" style="stroke:var(--{colour})" class=line />{dots}'


def _dot(x: float, y: float, colour: str, text: str) -> str:
    title = f"<title>{escape(text)}</title>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" style="fill:var(--{colour})" class=dot>{title}</circle>'


def _figure(title: str, height: float, parts: Sequence[str], legend: Sequence[Series] = ()) -> str:
    keys = "".join(f'<span><i style="background:var(--{one.colour})"></i>{escape(one.label)}</span>' for one in legend)
    return (
        f"<figure class=chart><figcaption>{escape(title)}</figcaption>"
        + (f"<div class=legend>{keys}</div>" if keys else "")
        + f'<svg viewBox="0 0 {WIDTH} {height}" role=img aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )
