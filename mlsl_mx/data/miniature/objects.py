"""The things that stand and move in the miniature streets, each a function that adds faces to the scene.

Sizes are metres. Every function draws its own variation from `rng` and its colours from the style's materials.
"""

from __future__ import annotations

import numpy as np

from mlsl_mx.data.miniature.geometry import STANDING, Scene, Texture, bar, disc, frustum, patch, quad
from mlsl_mx.data.miniature.style import Colour, Materials, Range

PAINT = Texture(grain=0.02, grain_size=0.3)
CLOTH = Texture(grain=0.10, grain_size=0.06)
LEAVES = Texture(grain=0.38, grain_size=0.06)
BARK = Texture(grain=0.18, grain_size=0.05)
DARK = (28, 28, 30)
SKIN = ((224, 178, 150), (190, 140, 110), (128, 88, 66), (236, 196, 170))
HAIR = ((40, 32, 28), (96, 70, 44), (170, 140, 96), (150, 150, 148))


def shade(colour, factor: float) -> tuple[float, float, float]:
    """A colour made lighter or darker."""
    return (min(colour[0] * factor, 255.0), min(colour[1] * factor, 255.0), min(colour[2] * factor, 255.0))


def pick(rng: np.random.Generator, palette: tuple[Colour, ...], jitter: float) -> tuple[float, float, float]:
    """One colour of a palette, a little off in brightness and hue."""
    gain, (r, g, b) = rng.uniform(0.85, 1.15), palette[rng.integers(len(palette))]
    return tuple(min(max(c * gain + rng.normal(0, jitter), 4.0), 252.0) for c in (r, g, b))


def block(scene: Scene, label: str, colour, low, y0: float, high, y1: float, texture=PAINT, accent=None):
    """A frustum with a lit top and the same colour around; returns its faces for details."""
    faces = frustum(low, y0, high, y1)
    for name, corners in faces.items():
        tone = shade(colour, 1.08) if name == "top" else colour
        plain = texture if name != "top" else PAINT
        scene.add(corners, label, tone, plain, accent, one_sided=True, casts=True)
    return faces


def person(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """Somebody walking or standing, turned to the camera, 1.1 to 1.95 m tall."""
    tall = rng.uniform(1.55, 1.95) if rng.random() < 0.9 else rng.uniform(1.1, 1.4)
    coat, legs = (pick(rng, materials.clothes, materials.jitter) for _ in range(2))
    skin, hair = pick(rng, SKIN, 4), pick(rng, HAIR, 6)
    width, stride, hip = tall * rng.uniform(0.12, 0.17), tall * rng.uniform(0.02, 0.16), tall * rng.uniform(0.38, 0.5)
    limb = tall * 0.085
    for foot in (-stride, stride):
        scene.add(bar((foot, 0.0), (foot * 0.25, hip + 0.05), limb), "person", legs, CLOTH, casts=True)
    for side in (-1, 1):
        hand = (side * (width + rng.uniform(0.0, 0.12)), tall * 0.46)
        scene.add(bar((side * width * 0.9, tall * 0.8), hand, limb * 0.8), "person", shade(coat, 0.88), CLOTH)
    torso = [(-width * 0.8, hip - 0.05), (-width, tall * 0.83), (width, tall * 0.83), (width * 0.8, hip - 0.05)]
    scene.add(torso, "person", coat, CLOTH, casts=True)
    head(scene, "person", 0.0, tall * 0.915, tall * 0.07, skin, hair)


def head(scene: Scene, label: str, x: float, y: float, radius: float, skin, hair) -> None:
    """Hair or a hat, and a face."""
    scene.add(disc(x, y + radius * 0.25, radius * 1.1, radius * 1.1), label, hair, CLOTH, casts=True)
    scene.add(disc(x, y - radius * 0.25, radius * 0.8, radius * 0.95), label, skin, CLOTH)


def pole(scene: Scene, rng: np.random.Generator, materials: Materials, tall: Range, lamp_side: int = 0) -> float:
    """A pole, with the arm of a street lamp over the road if `lamp_side` is -1 or 1; returns its height."""
    colour, height, width = pick(rng, materials.metal, materials.jitter), rng.uniform(*tall), rng.uniform(0.12, 0.24)
    scene.add(quad(-width / 2, width / 2, 0, height), "pole", colour, BARK._replace(grain=0.06), casts=True)
    if lamp_side:
        tip = (lamp_side * rng.uniform(0.8, 2.2), height + rng.uniform(-0.1, 0.4))
        scene.add(bar((0, height - 0.1), tip, 0.12), "pole", colour, PAINT, casts=True)
        scene.add(quad(tip[0] - 0.35, tip[0] + 0.35, tip[1] - 0.12, tip[1] + 0.1), "pole", shade(colour, 1.2), PAINT)
    return height


def traffic_light(scene: Scene, rng: np.random.Generator, materials: Materials, arm: int, back: bool) -> None:
    """A signal on a pole and, if `arm` is -1 or 1, another one on a mast over the road."""
    height = pole(scene, rng, materials, (2.8, 3.6)) if not arm else pole(scene, rng, materials, (5.4, 6.2))
    places = [(rng.choice([-0.25, 0.25]), rng.uniform(2.2, min(height, 3.0)))]
    if arm:
        reach = arm * rng.uniform(2.5, 4.0)
        scene.add(bar((0, height - 0.2), (reach, height), 0.14), "pole", (90, 92, 92), PAINT, casts=True)
        places.append((reach, height - 0.7))
    housing = shade((70, 62, 40) if rng.random() < 0.25 else (34, 36, 36), rng.uniform(0.8, 1.5))
    lit = rng.integers(3)
    for x, y in places:
        scene.add(quad(x - 0.21, x + 0.21, y, y + 1.1), "traffic light", housing, PAINT, casts=True)
        for lamp, colour in enumerate(((40, 220, 110), (250, 180, 40), (250, 50, 40))):
            colour = colour if lamp == lit and not back else shade(colour, 0.22) if not back else housing
            scene.add(disc(x, y + 0.2 + 0.35 * lamp, 0.14), "traffic light", colour, PAINT)


def traffic_sign(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """One or two plates on a pole: round, triangular, diamond or a direction board; a sixth show their grey backs."""
    height = pole(scene, rng, materials, (2.2, 3.2))
    size, y = rng.uniform(0.34, 0.5), height - 0.2
    for _ in range(1 + (rng.random() < 0.25)):
        edge, plate = pick(rng, materials.signs, materials.jitter), pick(rng, materials.signs, materials.jitter)
        corners = (12, 3, 4, 0)[rng.choice(4, p=(0.4, 0.2, 0.15, 0.25))]
        if rng.random() < 1 / 6:
            edge = plate = pick(rng, materials.metal, materials.jitter)
        if corners:
            scene.add(disc(0, y, size, corners=corners), "traffic sign", edge, PAINT, casts=True)
            scene.add(disc(0, y, size * 0.68, corners=corners), "traffic sign", plate, PAINT)
        else:
            scene.add(quad(-size, size, y - size * 0.6, y + size * 0.6), "traffic sign", edge, PAINT, casts=True)
            lines = Texture((0.5, 0.16), (0.7, 0.4), 0.02)
            scene.add(
                quad(-size * 0.9, size * 0.9, y - size * 0.45, y + size * 0.45), "traffic sign", edge, lines, plate
            )
        y -= size * 2


def _blob(rng: np.random.Generator, x: float, y: float, across: float, up: float) -> np.ndarray:
    outline = disc(0, 0, across, up, corners=22) * rng.uniform(0.82, 1.12, (22, 1))
    return outline + (x, y)


def tree(scene: Scene, rng: np.random.Generator, materials: Materials, scale: float) -> None:
    """A broad-leaved tree or conifer; the trunk is vegetation, as in Cityscapes."""
    green, trunk = pick(rng, materials.foliage, materials.jitter), rng.uniform(1.8, 3.2) * scale
    crown = rng.uniform(1.5, 2.8) * scale
    leaves = LEAVES._replace(grain_size=rng.uniform(0.04, 0.12))
    scene.add(
        quad(-0.16 * scale, 0.16 * scale, 0, trunk + crown * 0.5), "vegetation",
        pick(rng, materials.bark, materials.jitter), BARK, casts=True,
    )  # fmt: skip
    if rng.random() < 0.15:
        for level in range(4):
            wide, base = crown * (0.8 - 0.18 * level), trunk * 0.6 + level * crown * 0.6
            tip = [(-wide, base), (0, base + crown), (wide, base)]
            scene.add(tip, "vegetation", shade(green, 0.7 + 0.07 * level), leaves, casts=True)
        return
    for layer in range(6):
        x, y = rng.normal(0, 0.33, 2) * crown
        blob = _blob(rng, x, trunk + crown * 0.75 + y, crown * rng.uniform(0.5, 0.75), crown * rng.uniform(0.45, 0.7))
        scene.add(blob, "vegetation", shade(green, 0.72 + 0.08 * layer), leaves, casts=True)


def palm(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A tall thin trunk with a star of fronds."""
    green, height, lean = pick(rng, materials.foliage, materials.jitter), rng.uniform(5, 10), rng.normal(0, 0.4)
    scene.add(bar((0, 0), (lean, height), 0.32), "vegetation", pick(rng, materials.bark, 8), BARK, casts=True)
    for angle in np.linspace(-0.35 * np.pi, 1.35 * np.pi, 11) + rng.normal(0, 0.1, 11):
        reach = rng.uniform(1.5, 2.3)
        middle = (lean + reach * 0.6 * np.cos(angle), height + reach * 0.6 * np.sin(angle) + 0.25)
        tip = (lean + reach * np.cos(angle), height + reach * np.sin(angle) - 0.5)
        frond = [(lean, height - 0.12), (middle[0], middle[1] + 0.25), tip, (middle[0], middle[1] - 0.2)]
        scene.add(frond, "vegetation", shade(green, rng.uniform(0.65, 1.15)), LEAVES, casts=True)


def bush(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """A low shrub."""
    green = pick(rng, materials.foliage, materials.jitter)
    for layer in range(3):
        across, up = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.8)
        blob = _blob(rng, rng.normal(0, 0.5), up * 0.8, across, up)
        blob[:, 1] = np.maximum(blob[:, 1], 0)
        scene.add(blob, "vegetation", shade(green, 0.8 + 0.1 * layer), LEAVES, casts=True)


def building(scene: Scene, rng: np.random.Generator, materials: Materials, box, height: float) -> None:
    """A house of footprint box = (x0, x1, z0, z1): storeys of windows, a ground floor of its own, a roof or cornice."""
    wall, glass = pick(rng, materials.masonry, materials.jitter), pick(rng, materials.glass, materials.jitter)
    across, up, share_across, share_up = (rng.uniform(*span) for span in materials.window)
    windows = Texture((across, up), (share_across, share_up), 0.09, rng.uniform(0.05, 0.3), 0.3)
    faces = block(scene, "building", wall, box, 0, box, height, windows, glass)
    shops = Texture((rng.uniform(2, 5), 9.0), (0.78, 0.28), 0.06, 0.1, 0.45)
    ground, storey = pick(rng, materials.masonry, materials.jitter), min(3.4, height * 0.4) / height
    pitched = height < 16 and rng.random() < 0.5
    for side in ("left", "right", "front"):
        if rng.random() < 0.7:
            street = patch(faces[side], 0, 1, 0, storey)
            accent = glass if rng.random() < 0.7 else pick(rng, materials.signs, materials.jitter)
            scene.add(street, "building", ground, shops, accent, one_sided=True)
        if not pitched:
            cornice = patch(faces[side], 0, 1, 1 - 0.5 / height, 1)
            scene.add(cornice, "building", shade(wall, 0.8), PAINT, one_sided=True)
    if pitched:
        x0, x1, z0, z1 = box
        ridge = (x0 + (x1 - x0) * 0.4, x1 - (x1 - x0) * 0.4, z0 + 0.2, z1 - 0.2)
        tiles = Texture((0.4, 0.35), (0.8, 0.8), 0.12, 0.1)
        colour = pick(rng, materials.masonry, materials.jitter)
        block(scene, "building", shade(colour, 0.75), box, height, ridge, height + 3.5, tiles, shade(colour, 0.68))


def barrier(scene: Scene, rng: np.random.Generator, materials: Materials, label: str, box, tall: Range) -> None:
    """A wall (bricks, blocks, concrete) or a fence (slats, mesh, boards) with footprint box = (x0, x1, z0, z1)."""
    height = rng.uniform(*tall)
    if label == "wall":
        colour = pick(rng, materials.masonry, materials.jitter)
        size = rng.uniform(0.25, 1.6)
        texture = Texture((size, size * rng.uniform(0.35, 0.8)), (0.93, 0.9), 0.12, rng.uniform(0.04, 0.2), 0.12)
        block(scene, label, shade(colour, 0.8), box, 0, box, height, texture, colour)
        return
    palettes = (materials.metal, materials.bark, materials.masonry)
    colour, gap = pick(rng, palettes[rng.integers(3)], 6), pick(rng, materials.foliage + materials.masonry, 6)
    share = rng.uniform(0.2, 0.6)
    up = (9.0, 1.0) if rng.random() < 0.6 else (rng.uniform(0.25, 0.5), 0.75)
    texture = Texture((rng.uniform(0.16, 0.42), up[0]), (share, up[1]), 0.08, 0.06)
    faces = block(scene, label, colour, box, 0, box, height, texture, shade(gap, 0.7))
    for side in ("left", "right", "front"):
        scene.add(patch(faces[side], 0, 1, 0.9, 1), label, shade(colour, 0.9), PAINT, one_sided=True)


def bin_or_box(scene: Scene, rng: np.random.Generator, materials: Materials, label: str) -> None:
    """Street clutter that no class covers: a bin, a switch box, a crate."""
    half, height = rng.uniform(0.25, 0.5), rng.uniform(0.7, 1.4)
    box = (-half, half, -half, half)
    block(scene, label, pick(rng, materials.metal + materials.masonry, 8), box, 0, box, height)


def hill(scene: Scene, rng: np.random.Generator, colour, label: str, distance: float, tall: float) -> None:
    """A ridge across the horizon."""
    across = np.linspace(-distance * 1.5, distance * 1.5, 24)
    up = tall * (0.55 + 0.45 * np.sin(across / distance * rng.uniform(2, 5) + rng.uniform(0, 6)))
    scene.begin(STANDING, 0, distance)
    outline = np.concatenate([[(across[0], -1)], np.column_stack([across, up]), [(across[-1], -1)]])
    scene.add(outline, label, colour, Texture(grain=0.25, grain_size=1.5))
