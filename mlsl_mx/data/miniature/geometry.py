"""Geometry of the miniature world: a camera, and coloured polygons in metres that are painted far to near.

World axes: X right, Y up, Z along the street; the camera stands at (0, height, 0). Objects are built around their own
origin (x across, y up, z away) and placed by `Scene.begin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np

SKY, GROUND, STANDING, LENS = range(4)  # layers, painted in this order; what stands is painted far to near


@dataclass(frozen=True)
class Camera:
    """A pinhole whose tilt is a shift of the horizon, so that vertical edges stay vertical."""

    size: tuple[int, int]  # height, width in pixels
    focal: float  # pixels
    horizon: float  # row
    height: float  # metres above the road
    yaw: float  # radians, positive looks right

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) world metres -> (n, 3) right, down, forward of the camera."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        x, y, z = points.T
        return np.stack([x * cos - z * sin, self.height - y, x * sin + z * cos], axis=1)

    def project(self, seen: np.ndarray) -> np.ndarray:
        """(n, 3) camera coordinates with positive depth -> (n, 2) pixels (column, row)."""
        return seen[:, :2] * (self.focal / seen[:, 2:]) + (self.size[1] / 2, self.horizon)

    def unproject(self, pixels: Sequence[tuple[float, float]]) -> np.ndarray:
        """Pixels (column, row) one metre ahead -> (n, 3) world points; for things fixed to the lens."""
        column, row = np.asarray(pixels, float).T
        x = (column - self.size[1] / 2) / self.focal
        y = self.height - (row - self.horizon) / self.focal
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([x * cos + sin, y, cos - x * sin], axis=1)


class Texture(NamedTuple):
    """What varies over a surface: grain, and a grid of accent-coloured cells (windows, slabs, bricks, slats)."""

    pitch: tuple[float, float] = (1.0, 1.0)  # metres, across and up
    fill: tuple[float, float] = (0.0, 0.0)  # share of the pitch that the accent takes
    grain: float = 0.04  # relative amplitude
    grain_size: float = 0.05  # metres
    vary: float = 0.0  # brightness differs from cell to cell by up to this


SMOOTH = Texture()


class Face(NamedTuple):
    """One flat polygon of an object; `label` is a name of the data sets' label tables."""

    points: np.ndarray  # (n, 3) metres, in the object's own axes
    label: str
    colour: tuple[float, float, float]  # RGB, 0..255, as under white light
    accent: tuple[float, float, float]
    texture: Texture
    one_sided: bool  # dropped when it looks away
    casts: bool  # a shadow on the ground
    layer: int
    distance: float  # metres, of the whole object
    instance: int
    pose: tuple[float, float, float]  # x, z, yaw of the object


@dataclass
class Scene:
    """Faces, and the pose of the object that is being built."""

    camera: Camera
    labels: frozenset[str]  # names that the data set can label; a thing without a name there is not built
    faces: list[Face] = field(default_factory=list)
    layer: int = GROUND
    distance: float = 0.0
    instance: int = 0
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def begin(self, layer: int, x: float = 0.0, z: float = 0.0, yaw: float = 0.0, near: float | None = None):
        """What is added from here on is one object at (x, z), turned by `yaw`, painted as if `near` metres away."""
        self.layer, self.pose = layer, (x, z, yaw)
        self.distance = z if near is None else near
        self.instance += 1

    def begin_facing(self, layer: int, x: float, z: float, near: float | None = None):
        """The same for a flat object that is turned to the camera."""
        self.begin(layer, x, z, float(np.arctan2(x, max(z, 1e-3))), near)

    def add(self, points, label: str, colour, texture=SMOOTH, accent=None, one_sided=False, casts=False) -> None:
        """Add a polygon: (n, 3) points of the object, or (n, 2) across and up.

        A one-sided face looks to where its first three corners run clockwise.
        """
        points = np.asarray(points, float)
        if points.shape[1] == 2:
            flat, points = points, np.zeros((len(points), 3))
            points[:, :2] = flat
        accent = colour if accent is None else accent
        placed = (one_sided, casts, self.layer, self.distance, self.instance, self.pose)
        self.faces.append(Face(points, label, colour, accent, texture, *placed))


def quad(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """(4, 2) upright rectangle, clockwise from its lower left."""
    return np.array([(x0, y0), (x0, y1), (x1, y1), (x1, y0)], float)


def floor(x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> np.ndarray:
    """(4, 3) rectangle on the ground, seen from above."""
    return np.array([(x0, y, z0), (x0, y, z1), (x1, y, z1), (x1, y, z0)], float)


def frustum(low: tuple[float, ...], y0: float, high: tuple[float, ...], y1: float) -> dict[str, np.ndarray]:
    """A box with a bottom rectangle `low` and a top rectangle `high`, each (x0, x1, z0, z1): its five outer faces."""
    (a, b, c, d), (e, f, g, h) = low, high
    return {
        "back": np.array([(b, y0, d), (f, y1, h), (e, y1, h), (a, y0, d)], float),
        "left": np.array([(a, y0, d), (e, y1, h), (e, y1, g), (a, y0, c)], float),
        "right": np.array([(b, y0, c), (f, y1, g), (f, y1, h), (b, y0, d)], float),
        "front": np.array([(a, y0, c), (e, y1, g), (f, y1, g), (b, y0, c)], float),
        "top": np.array([(e, y1, g), (e, y1, h), (f, y1, h), (f, y1, g)], float),
    }


def patch(face: np.ndarray, u0: float, u1: float, v0: float, v1: float) -> np.ndarray:
    """The part of a four-cornered face between shares u (left to right) and v (bottom to top)."""
    u, v = np.array([(u0,), (u0,), (u1,), (u1,)]), np.array([(v0,), (v1,), (v1,), (v0,)])
    left, right = face[0] + v * (face[1] - face[0]), face[3] + v * (face[2] - face[3])
    return left + u * (right - left)


def disc(x: float, y: float, radius: float, height: float | None = None, corners: int = 12) -> np.ndarray:
    """(corners, 2) upright ellipse around (x, y)."""
    return _circle(corners) * (radius, radius if height is None else height) + (x, y)


@cache
def _circle(corners: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.column_stack([np.sin(angle), np.cos(angle)])


def bar(start: tuple[float, float], end: tuple[float, float], width: float) -> np.ndarray:
    """(4, 2) straight upright bar from `start` to `end`."""
    along, up = end[0] - start[0], end[1] - start[1]
    half = width / 2 / max((along * along + up * up) ** 0.5, 1e-6)
    x, y = -up * half, along * half
    return np.array(
        [(start[0] - x, start[1] - y), (start[0] + x, start[1] + y), (end[0] + x, end[1] + y), (end[0] - x, end[1] - y)]
    )


def sideways(points: np.ndarray, x: float = 0.0) -> np.ndarray:
    """(n, 2) (along, up) -> (n, 3): an outline in the object's long plane, seen from its right."""
    placed = np.full((len(points), 3), x)
    placed[:, 2], placed[:, 1] = points[:, 0], points[:, 1]
    return placed
