"""Vehicles of the miniature world, and who rides them; each function adds faces to the scene.

A vehicle is built along its own z axis, with its rear at -z. Sizes are metres.
"""

from __future__ import annotations

import numpy as np

from mlsl_mx.data.miniature.geometry import STANDING, Scene, Texture, bar, disc, patch, quad, sideways
from mlsl_mx.data.miniature.objects import CLOTH, DARK, HAIR, PAINT, SKIN, block, head, pick, shade
from mlsl_mx.data.miniature.style import Materials

DETAIL = 45.0  # metres: farther vehicles go without lamps and wheels


def _wheels(scene: Scene, label: str, half: float, along: tuple[float, ...], radius: float) -> None:
    if scene.distance > DETAIL:
        return
    for z in along:
        for outline, colour in ((disc(z, radius, radius), DARK), (disc(z, radius, radius * 0.55), (130, 130, 134))):
            scene.add(sideways(outline, half + 0.01), label, colour, PAINT, one_sided=True)
            scene.add(sideways(outline[::-1], -half - 0.01), label, colour, PAINT, one_sided=True)


def _lamps(scene: Scene, label: str, faces, height: float) -> None:
    if scene.distance > DETAIL:
        return
    for side, colour in (("front", (190, 30, 26)), ("back", (244, 240, 220))):
        for u in (0.04, 0.80):
            scene.add(patch(faces[side], u, u + 0.16, height, height + 0.22), label, colour, PAINT, one_sided=True)
        plate = patch(faces[side], 0.36, 0.64, 0.18, 0.38)
        plate_label = "licence plate" if "licence plate" in scene.labels else label
        scene.add(plate, plate_label, (226, 226, 214), PAINT, one_sided=True)


def car(scene: Scene, rng: np.random.Generator, materials: Materials, van: bool) -> None:
    """A saloon, estate or van of label car; its rear looks to -z."""
    colour, glass = pick(rng, materials.vehicles, materials.jitter), pick(rng, materials.glass, materials.jitter)
    half, length = rng.uniform(0.82, 0.95), rng.uniform(3.6, 4.9)
    waist, roof = rng.uniform(0.82, 1.0), rng.uniform(1.38, 1.62)
    rear, bonnet = rng.uniform(0.05, 0.25), rng.uniform(0.22, 0.30)
    if van:
        length, waist, roof, rear, bonnet = length + 0.6, 1.15, rng.uniform(1.9, 2.3), 0.02, 0.14
    end = length / 2
    block(scene, "car", DARK, (-half + 0.1, half - 0.1, -end + 0.2, end - 0.2), 0.12, (-half, half, -end, end), 0.32)
    body = block(
        scene, "car", colour, (-half, half, -end, end), 0.30, (-half + 0.06, half - 0.06, -end, end - 0.1), waist
    )
    _lamps(scene, "car", body, 0.55)
    low = (-half + 0.08, half - 0.08, -end + rear * length * 0.5, end - bonnet * length)
    high = (-half + 0.24, half - 0.24, -end + rear * length * 0.5 + 0.3, end - bonnet * length - 0.55)
    cabin = block(scene, "car", colour, low, waist, high, roof)
    for side in ("front", "back"):
        scene.add(patch(cabin[side], 0.08, 0.92, 0.12, 0.88), "car", glass, PAINT, one_sided=True)
    for side in ("left", "right"):
        for u0, u1 in ((0.06, 0.47), (0.53, 0.94)):
            if not (van and (u1 < 0.5) == (side == "right")):
                scene.add(patch(cabin[side], u0, u1, 0.12, 0.86), "car", glass, PAINT, one_sided=True)
    _wheels(scene, "car", half, (-end + 0.75, end - 0.8), 0.32)


def bus(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A city bus: tall, boxy, with a band of windows on every side."""
    colour, glass = pick(rng, materials.vehicles, materials.jitter), pick(rng, materials.glass, materials.jitter)
    half, end, roof = 1.25, rng.uniform(5.0, 6.5), rng.uniform(2.9, 3.3)
    box = (-half, half, -end, end)
    faces = block(scene, "bus", colour, box, 0.3, box, roof)
    stripe = pick(rng, materials.vehicles, materials.jitter)
    pillars = Texture((1.5, 9.0), (0.9, 1.0), 0.02, 0.3, 0.15)
    for side in ("front", "back", "left", "right"):
        scene.add(patch(faces[side], 0, 1, 0.06, 0.2), "bus", stripe, PAINT, one_sided=True)
        band = patch(faces[side], 0.04, 0.96, 0.42, 0.82)
        scene.add(band, "bus", shade(colour, 0.5), pillars, glass, one_sided=True)
    scene.add(patch(faces["front"], 0.25, 0.75, 0.86, 0.96), "bus", (230, 150, 40), PAINT, one_sided=True)
    _lamps(scene, "bus", faces, 0.12)
    _wheels(scene, "bus", half, (-end + 1.8, end - 2.2), 0.48)


def truck(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A lorry: a cargo box or flat bed behind a cab."""
    colour, glass = pick(rng, materials.vehicles, materials.jitter), pick(rng, materials.glass, materials.jitter)
    cargo = pick(rng, materials.masonry if rng.random() < 0.4 else materials.vehicles, materials.jitter)
    half, end, top = 1.2, rng.uniform(3.2, 4.8), rng.uniform(2.6, 3.7)
    boards = Texture((0.45, 9.0), (0.12, 1.0), 0.06, 0.2)
    load, cab = (-half, half, -end, end - 2.1), (-half + 0.05, half - 0.05, end - 1.9, end)
    block(scene, "truck", DARK, (-half + 0.2, half - 0.2, -end, end), 0.45, (-half, half, -end, end), 0.97)
    comes = np.cos(scene.pose[2]) < 0  # then the cab is the nearer part, and is painted last
    if not comes:
        _cab(scene, colour, glass, cab)
    block(scene, "truck", cargo, load, 0.95, load, top, boards, shade(cargo, 0.8))
    if comes:
        _cab(scene, colour, glass, cab)
    bumper = {"front": np.array([(-half, 0.5, -end), (-half, 0.9, -end), (half, 0.9, -end), (half, 0.5, -end)])}
    bumper["back"] = np.array([(half, 0.5, end), (half, 0.9, end), (-half, 0.9, end), (-half, 0.5, end)])
    _lamps(scene, "truck", bumper, 0.4)
    _wheels(scene, "truck", half, (-end + 0.8, -end + 1.9, end - 1.0), 0.5)


def _cab(scene: Scene, colour, glass, box) -> None:
    faces = block(scene, "truck", colour, box, 0.5, box, 2.55)
    scene.add(patch(faces["back"], 0.06, 0.94, 0.5, 0.88), "truck", glass, PAINT, one_sided=True)
    for side in ("left", "right"):
        scene.add(patch(faces[side], 0.25, 0.85, 0.5, 0.85), "truck", glass, PAINT, one_sided=True)


def train(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """Two coupled tram cars with slanted ends, a low skirt, long window bands and a pantograph."""
    colour, glass = pick(rng, materials.vehicles, materials.jitter), pick(rng, materials.glass, materials.jitter)
    stripe, half, top, length = pick(rng, materials.vehicles, materials.jitter), 1.25, rng.uniform(3.3, 3.7), 11.0
    pillars = Texture((1.9, 9.0), (0.86, 1.0), 0.02, 0.3, 0.2)
    for start in (length * 0.02, -length):
        box = (-half, half, start, start + length * 0.97)
        high = (-half + 0.12, half - 0.12, start + 0.6, start + length * 0.97 - 0.6)
        block(scene, "train", shade(colour, 0.6), box, 0.12, box, 0.5)
        faces = block(scene, "train", colour, box, 0.5, high, top)
        for side in ("left", "right"):
            scene.add(patch(faces[side], 0, 1, 0.10, 0.24), "train", stripe, PAINT, one_sided=True)
            band = patch(faces[side], 0.03, 0.97, 0.40, 0.80)
            scene.add(band, "train", shade(colour, 0.5), pillars, glass, one_sided=True)
        for side in ("front", "back"):
            scene.add(patch(faces[side], 0.08, 0.92, 0.36, 0.84), "train", glass, PAINT, one_sided=True)
            scene.add(patch(faces[side], 0.3, 0.7, 0.87, 0.96), "train", (236, 170, 50), PAINT, one_sided=True)
            scene.add(patch(faces[side], 0, 1, 0.10, 0.22), "train", stripe, PAINT, one_sided=True)
            for u in (0.08, 0.80):
                scene.add(patch(faces[side], u, u + 0.12, 0.24, 0.31), "train", (240, 236, 210), PAINT, one_sided=True)
    for lean in (-0.9, 0.9):
        scene.add(bar((0.0, top), (lean, top + 1.0), 0.08), "train", DARK, PAINT)


def _long_bar(scene: Scene, label: str, start, end, width: float, colour) -> None:
    scene.add(sideways(bar(start, end, width)), label, colour, PAINT, casts=True)


def bicycle(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A bicycle along z; as in hand-drawn labels, the spoked discs of the wheels belong to it."""
    colour, spokes = pick(rng, materials.vehicles, materials.jitter), pick(rng, materials.metal, materials.jitter)
    wires = Texture((0.09, 0.09), (0.45, 0.45), 0.05, 0.05)
    for z in (-0.52, 0.52):
        scene.add(sideways(disc(z, 0.34, 0.34)), "bicycle", DARK, PAINT, casts=True)
        scene.add(sideways(disc(z, 0.34, 0.28), 0.001), "bicycle", shade(spokes, 0.75), wires, shade(spokes, 1.3))
        scene.add(quad(-0.04, 0.04, 0.0, 0.68) + (0.0, 0.0), "bicycle", DARK, PAINT)
    joints = [((-0.52, 0.34), (-0.15, 0.85)), ((-0.15, 0.85), (-0.05, 0.3)), ((-0.05, 0.3), (0.42, 0.85))]
    joints += [((-0.2, 0.78), (0.4, 0.8)), ((0.40, 0.95), (0.52, 0.34)), ((-0.52, 0.34), (-0.05, 0.3))]
    for start, end in joints:
        _long_bar(scene, "bicycle", start, end, 0.07, colour)
    _long_bar(scene, "bicycle", (-0.3, 0.93), (-0.02, 0.93), 0.08, DARK)
    scene.add(quad(-0.28, 0.28, 0.98, 1.05), "bicycle", DARK, PAINT)


def motorcycle(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A motorcycle or scooter along z: fat wheels, tank, seat, fork, lamp."""
    colour = pick(rng, materials.vehicles, materials.jitter)
    for z in (-0.68, 0.68):
        for x in (-0.09, 0.09):
            scene.add(sideways(disc(z, 0.32, 0.32), x), "motorcycle", DARK, PAINT, casts=True)
            scene.add(sideways(disc(z, 0.32, 0.15), x * 1.1), "motorcycle", (120, 120, 124), PAINT)
        scene.add(quad(-0.1, 0.1, 0.0, 0.64), "motorcycle", DARK, PAINT)
    block(scene, "motorcycle", (74, 74, 78), (-0.2, 0.2, -0.42, 0.4), 0.22, (-0.2, 0.2, -0.42, 0.4), 0.58)
    block(scene, "motorcycle", colour, (-0.24, 0.24, -0.05, 0.55), 0.55, (-0.16, 0.16, 0.0, 0.45), 0.98)
    block(scene, "motorcycle", DARK, (-0.2, 0.2, -0.95, 0.0), 0.66, (-0.16, 0.16, -0.98, 0.0), 0.84)
    _long_bar(scene, "motorcycle", (0.68, 0.32), (0.42, 1.05), 0.12, (150, 150, 154))
    scene.add(quad(-0.38, 0.38, 1.02, 1.1), "motorcycle", DARK, PAINT)
    scene.add(disc(0.0, 0.75, 0.1), "motorcycle", (200, 40, 36), PAINT)


def rider(scene: Scene, rng: np.random.Generator, materials: Materials, motor: bool) -> None:
    """Somebody on a bicycle or motorcycle along z; seen from behind or from the side."""
    x, z, yaw = scene.pose
    (motorcycle if motor else bicycle)(scene, rng, materials)
    coat, legs = (pick(rng, materials.clothes, materials.jitter) for _ in range(2))
    skin, hair = pick(rng, SKIN, 4), pick(rng, materials.vehicles if motor or rng.random() < 0.4 else HAIR, 6)
    seat, top = (0.8, 1.5) if motor else (0.92, 1.62)
    lean = rng.uniform(0.1, 0.35) * np.sin(-yaw)  # forward, as far as the camera sees it from the side
    scene.begin_facing(STANDING, x, z - 0.05)
    for side in (-1, 1):
        knee = (side * 0.16 + lean, seat - 0.22)
        scene.add(bar((side * 0.1, seat + 0.05), knee, 0.18), "rider", legs, CLOTH)
        scene.add(bar(knee, (side * 0.14 + lean * 0.4, 0.25), 0.14), "rider", shade(legs, 0.9), CLOTH)
        scene.add(bar((side * 0.2 + lean, top - 0.1), (side * 0.3 + lean * 2, 1.05), 0.12), "rider", coat, CLOTH)
    torso = [(-0.17, seat), (-0.23 + lean, top), (0.23 + lean, top), (0.17, seat)]
    scene.add(torso, "rider", shade(coat, 0.95), CLOTH, casts=True)
    head(scene, "rider", lean * 1.4, top + 0.16, 0.13, skin, hair)


def vehicle(scene: Scene, rng: np.random.Generator, materials: Materials, kind: str) -> None:
    """A vehicle by its name in Streets.vehicles."""
    if kind in ("car", "van"):
        car(scene, rng, materials, van=kind == "van")
    else:
        {"bus": bus, "truck": truck, "train": train}[kind](scene, rng, materials)
