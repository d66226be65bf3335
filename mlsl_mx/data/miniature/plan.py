"""Cross-section of one street: where lanes, kerbs and buildings lie, seen from the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlsl_mx.data.miniature.style import Range, Streets


@dataclass(frozen=True)
class Plan:
    """Cross-section of the street in metres, left to right, and where another street crosses it."""

    lanes: tuple[tuple[float, int], ...]  # centre, +1 with us or -1 towards us
    lane: float
    road: Range
    parking: tuple[float | None, float | None]  # centre of the parking lane left and right
    kerb: tuple[float, float]
    verge: float  # width of the strip beyond the kerb, 0 for none
    front: tuple[float, float]  # building line
    crossing: Range | None  # from and to


def draw_plan(streets: Streets, rng: np.random.Generator) -> Plan:
    """The camera, at 0, is in the innermost lane on the right, give or take its wander."""
    count, lane = rng.integers(streets.lanes[0], streets.lanes[1] + 1), rng.uniform(*streets.lane)
    middle = -lane / 2 + rng.uniform(-streets.camera_wander, streets.camera_wander)
    offsets = [lane * (i + 0.5) for i in range(count)]
    centres = [(middle - x, -1) for x in offsets] + [(middle + x, 1) for x in offsets]
    road = (middle - lane * count, middle + lane * count)
    parks = [rng.random() < streets.parking_chance for _ in range(2)]
    kerb = (road[0] - 2.3 * parks[0], road[1] + 2.3 * parks[1])
    parking = (road[0] - 1.15 if parks[0] else None, road[1] + 1.15 if parks[1] else None)
    verge = rng.uniform(1.2, 3.0) if rng.random() < streets.verge_chance else 0.0
    walks = [rng.uniform(*streets.sidewalk) + verge for _ in range(2)]
    crossing = None
    if rng.random() < streets.crossing_chance:
        start = rng.uniform(12, 45)
        crossing = (start, start + rng.uniform(8, 14))
    return Plan(tuple(centres), lane, road, parking, kerb, verge, (kerb[0] - walks[0], kerb[1] + walks[1]), crossing)
