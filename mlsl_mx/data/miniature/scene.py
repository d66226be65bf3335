"""Layout of one street: ground, the rows of lots on both sides, what stands on the sidewalks, and the traffic."""

from __future__ import annotations

import numpy as np

from mlsl_mx.data.miniature import objects, vehicles
from mlsl_mx.data.miniature.geometry import GROUND, LENS, SKY, STANDING, Camera, Scene, Texture, floor
from mlsl_mx.data.miniature.objects import pick, shade
from mlsl_mx.data.miniature.plan import Plan, draw_plan
from mlsl_mx.data.miniature.style import Materials, Streets, Style

FAR, GROUND_END = 110.0, 400.0  # metres
ASPHALT = Texture(grain=0.10, grain_size=0.05)
GRASS = Texture(grain=0.22, grain_size=0.06)


def build_scene(style: Style, rng: np.random.Generator, size: tuple[int, int], labels: frozenset[str]) -> Scene:
    """A street of this style.

    Args:
        size: height and width in pixels.
        labels: names that the data set can label; a thing without a name there is not built.
    """
    streets, materials = style.streets, style.materials
    plan = draw_plan(streets, rng)
    scene = Scene(_camera(streets, rng, size), labels)
    _sky(scene, rng, materials)
    _ground(scene, rng, style, plan)
    _backdrop(scene, rng, materials)
    for side in (-1, 1):
        _lots(scene, rng, style, plan, side)
        _sidewalk_things(scene, rng, style, plan, side)
    _traffic(scene, rng, style, plan)
    if "train" in scene.labels and rng.random() < streets.train_chance:
        _train(scene, rng, materials, plan)
    _riders(scene, rng, style, plan)
    if plan.crossing:
        _crossing_things(scene, rng, style, plan)
    if "static" in scene.labels:
        _clutter(scene, rng, materials, plan)
    if "ego vehicle" in scene.labels:
        _lens(scene, rng)
    return scene


def _camera(streets: Streets, rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    height = rng.uniform(*streets.camera_height)
    low, high = streets.horizon
    spread = np.clip((height - streets.camera_height[0]) / max(np.ptp(streets.camera_height), 0.01), 0, 1)
    horizon = high - (high - low) * (0.3 * rng.random() + 0.7 * spread)  # the higher, the more it looks down
    focal, yaw = rng.uniform(*streets.focal) * size[1], rng.uniform(-streets.yaw, streets.yaw)
    return Camera(size, focal, horizon * size[0], height, yaw)


def _sky(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    scene.begin(SKY)
    sky = Texture(grain=materials.clouds * rng.uniform(0, 2), grain_size=rng.uniform(15, 40))
    haze = pick(rng, materials.haze, 3)
    dome = [(-9e3, -300, 900), (-9e3, 4e3, 900), (9e3, 4e3, 900), (9e3, -300, 900)]
    scene.add(dome, "sky", pick(rng, materials.sky, 6), sky, haze)


def _strip(start: float, end: float) -> np.ndarray:
    """Ground between two lines along the street, to the horizon."""
    return floor(min(start, end), max(start, end), 0, GROUND_END)


def _ground(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan) -> None:
    materials = style.materials
    scene.begin(GROUND)
    beyond = "terrain" if "terrain" in scene.labels else "sidewalk"
    earth = pick(rng, getattr(materials, beyond), materials.jitter)
    road = pick(rng, materials.road, materials.jitter / 3)
    walk = pick(rng, materials.sidewalk, materials.jitter / 2)
    slab = rng.uniform(0.4, 1.8)
    slabs = Texture((slab, slab * rng.uniform(0.5, 1)), (0.95, 0.95), 0.09, 0.08, 0.08)
    # Without terrain all ground is paved: grass named sidewalk would teach that leaves are sidewalk.
    paving = (earth, GRASS) if beyond == "terrain" else (shade(earth, 0.86), slabs, earth)
    scene.add(_strip(-300, 300), beyond, *paving)
    for kerb, front, side in zip(plan.kerb, plan.front, (-1, 1), strict=True):
        scene.add(_strip(kerb, front), "sidewalk", shade(walk, 0.86), slabs, walk)
        if plan.verge and beyond == "terrain":
            scene.add(_strip(kerb + side * 0.3, kerb + side * (0.3 + plan.verge)), "terrain", shade(earth, 0.95), GRASS)
        scene.add(_strip(kerb, kerb + side * 0.2), "sidewalk", shade(walk, 1.12), ASPHALT)
    scene.add(_strip(*plan.kerb), "road", road, ASPHALT._replace(grain=rng.uniform(0.06, 0.14)))
    if plan.crossing:
        scene.add(floor(-150, 150, *plan.crossing), "road", shade(road, rng.uniform(0.92, 1.08)), ASPHALT)
    _parking_ground(scene, rng, plan, road, walk)
    _markings(scene, rng, plan, road, "lanemarking" if "lanemarking" in scene.labels else "road")


def _parking_ground(scene: Scene, rng: np.random.Generator, plan: Plan, road, walk) -> None:
    """A parking lane is road for Cityscapes' eyes unless it is paved apart; SYNTHIA has a name for its slots."""
    name = next((label for label in ("parking-slot", "parking") if label in scene.labels), "road")
    for centre in plan.parking:
        if centre is not None and rng.random() < 0.4:
            blocks = Texture((0.3, 0.2), (0.9, 0.9), 0.1, 0.05)
            colour = shade(road if rng.random() < 0.5 else walk, 0.95)
            scene.add(_strip(centre - 1.1, centre + 1.1), name, shade(colour, 0.9), blocks, colour)


def _markings(scene: Scene, rng: np.random.Generator, plan: Plan, road, label: str) -> None:
    paint = (225, 205, 120) if rng.random() < 0.25 else (226, 226, 222)
    paint = tuple(np.array(paint) * 0.75 + np.array(road) * 0.25)
    count = len(plan.lanes) // 2
    for i in range(2 * count + 1):
        x = plan.road[0] + i * plan.lane
        solid = i in (0, 2 * count) or (i == count and count > 1)
        starts = [1.0] if solid else np.arange(rng.uniform(1, 4), 90, rng.uniform(6, 9))
        for z in starts:
            scene.add(floor(x - 0.08, x + 0.08, z, GROUND_END if solid else z + 3), label, paint, ASPHALT)
    if plan.crossing and rng.random() < 0.7:
        start, end = plan.crossing
        scene.add(floor(*plan.road, start, end), "road", road, ASPHALT)
        for x in np.arange(plan.road[0] + 0.3, plan.road[1] - 0.5, 1.1):
            scene.add(floor(x, x + 0.55, start - 3.5, start - 0.7), label, paint, ASPHALT)


def _backdrop(scene: Scene, rng: np.random.Generator, materials: Materials) -> None:
    """What closes the view at the end of the street."""
    if rng.random() < 0.35:
        label = "terrain" if "terrain" in scene.labels and rng.random() < 0.5 else "vegetation"
        palette = materials.terrain if label == "terrain" else materials.foliage
        objects.hill(scene, rng, pick(rng, palette, materials.jitter), label, 330, rng.uniform(12, 45))
    for x in np.arange(-210, 210, 22):
        depth = rng.uniform(150, 220)
        if rng.random() < 0.55:
            scene.begin(STANDING, 0, depth)
            objects.building(scene, rng, materials, (x, x + 22, depth, depth + 10), rng.uniform(7, 30))
        else:
            for shift in (0, 9):
                scene.begin_facing(STANDING, x + shift, depth)
                objects.tree(scene, rng, materials, rng.uniform(1.6, 3))


def _lots(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan, side: int) -> None:
    """Buildings, walls, fences and parks along one side, interrupted by the crossing street."""
    streets, line = style.streets, plan.front[0 if side < 0 else 1]
    kinds, weights = zip(*streets.lots.items(), strict=True)
    weights = np.array(weights) / sum(weights)
    z = rng.uniform(-8, 2)
    while z < FAR:
        end = z + rng.uniform(8, 20)
        if plan.crossing and z < plan.crossing[1] + 2 and end > plan.crossing[0] - 2:
            if plan.crossing[0] - 2 - z > 4:
                end = plan.crossing[0] - 2
            else:
                z = plan.crossing[1] + 2
                continue
        _lot(scene, rng, style, kinds[rng.choice(len(kinds), p=weights)], line, side, z, end)
        z = end


def _lot(scene: Scene, rng, style: Style, kind: str, line: float, side: int, z: float, end: float) -> None:
    """One lot from z to end, painted as if at its end: before what stands in the street beside it."""
    materials, yard = style.materials, (2.0, 5.0)
    setback = side * (rng.choice([0.0, 0.0, *yard]) if kind == "building" else rng.uniform(3, 9))
    open_yard = abs(setback) > 1.5
    if kind == "building" or (kind != "park" and rng.random() < 0.5):
        scene.begin(STANDING, near=end)
        front, back = sorted((line + setback, line + setback + side * 14))
        box = (front, back, z, end - rng.choice([0, 0, 2.0]))
        objects.building(scene, rng, materials, box, rng.uniform(*style.streets.building_height))
    if kind != "building" or (open_yard and rng.random() < 0.5):
        for depth in sorted(rng.uniform(max(z, 3) + 0.5, max(end, 5), rng.integers(1, 5)), reverse=True):
            scene.begin_facing(STANDING, line + side * rng.uniform(0.8, 7.0), depth, near=end)
            _plant(scene, rng, style)
    if kind in ("wall", "fence") or (open_yard and rng.random() < 0.4):
        label = kind if kind in ("wall", "fence") else str(rng.choice(["wall", "fence"]))
        scene.begin(STANDING, near=end)
        box = (*sorted((line, line + side * 0.25)), z, end)
        objects.barrier(scene, rng, materials, label, box, (1.1, 2.8) if label == "wall" else (0.9, 2.3))


def _plant(scene: Scene, rng: np.random.Generator, style: Style) -> None:
    """A palm, tree or bush of the style at the current pose."""
    if rng.random() < 0.3:
        objects.bush(scene, rng, style.materials)
    elif rng.random() < style.streets.palms:
        objects.palm(scene, rng, style.materials)
    else:
        objects.tree(scene, rng, style.materials, rng.uniform(0.8, 1.5))


def _spots(rng: np.random.Generator, per_ten_metres: float, plan: Plan, near: float, far: float = 70.0) -> np.ndarray:
    """Random distances along a sidewalk, sparser far away where they would be specks; none on the crossing street."""
    count = rng.poisson(per_ten_metres * (far - near) / 10)
    spots = near + (far - near) * rng.random(count) ** 1.3
    if plan.crossing:
        spots = spots[(spots < plan.crossing[0] - 0.5) | (spots > plan.crossing[1] + 0.5)]
    return spots


def _sidewalk_things(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan, side: int) -> None:
    streets, materials = style.streets, style.materials
    kerb, line = plan.kerb[0 if side < 0 else 1], plan.front[0 if side < 0 else 1]
    edge = kerb + side * 0.55
    if rng.random() < streets.guard_chance:
        start = rng.uniform(5, 15)
        scene.begin(STANDING, near=start + 18)
        box = (min(edge, edge + 0.06), max(edge, edge + 0.06), start, start + rng.uniform(8, 18))
        objects.barrier(scene, rng, materials, "fence", box, (0.8, 1.1))
    for z in np.arange(rng.uniform(5, 18), 75, rng.uniform(14, 24)):
        scene.begin_facing(STANDING, edge, z)
        objects.pole(scene, rng, materials, (4.5, 8.5), lamp_side=-side if rng.random() < 0.7 else 0)
    for z in _spots(rng, streets.trees, plan, 7):
        scene.begin_facing(STANDING, edge + side * rng.uniform(0, 1.0), z)
        _plant(scene, rng, style)
    for z in _spots(rng, streets.signs, plan, 6, 45):
        scene.begin_facing(STANDING, edge + side * rng.uniform(-0.1, 0.5), z)
        objects.traffic_sign(scene, rng, materials)
    if rng.random() < streets.lights:
        scene.begin_facing(STANDING, edge, rng.uniform(8, 30))
        objects.traffic_light(
            scene, rng, materials, -side if rng.random() < 0.4 else 0, side < 0 and rng.random() < 0.5
        )
    for z in _spots(rng, streets.people, plan, 5, 50):
        for shift in range(1 + (rng.random() < 0.3)):
            scene.begin_facing(STANDING, rng.uniform(min(edge, line), max(edge, line)) + 0.6 * shift, z + 0.2 * shift)
            objects.person(scene, rng, materials)
    for z in _spots(rng, streets.bicycles, plan, 5, 35):
        near_wall = line - side * rng.uniform(0.3, 0.8) if rng.random() < 0.5 else edge + side * 0.4
        scene.begin(STANDING, near_wall, z, rng.choice([0.0, np.pi / 2, -np.pi / 2, 0.6]) + rng.normal(0, 0.2))
        vehicles.bicycle(scene, rng, materials)
    for _ in range(rng.poisson(streets.motorcycles / 2)):
        scene.begin(STANDING, edge + side * rng.uniform(-0.9, 0.5), rng.uniform(6, 22), rng.uniform(-2.0, 2.0))
        vehicles.motorcycle(scene, rng, materials)


def _traffic(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan) -> None:
    """Moving vehicles in the lanes, standing ones in the parking lanes."""
    kinds, weights = zip(*style.streets.vehicles.items(), strict=True)
    weights = np.array(weights) / sum(weights)
    for centre, direction in plan.lanes:
        ours = abs(centre) < plan.lane * 0.75
        z = rng.uniform(12, 40) if ours else rng.uniform(7, 30)
        while z < FAR:
            kind = kinds[rng.choice(len(kinds), p=weights)]
            length = 5.0 if kind in ("car", "van") else 13.0
            yaw = (0.0 if direction > 0 else np.pi) + rng.normal(0, 0.03)
            scene.begin(STANDING, centre + rng.normal(0, 0.15), z + length / 2, yaw, near=z)
            vehicles.vehicle(scene, rng, style.materials, kind)
            z += length + 2.5 + rng.exponential(10 / style.streets.traffic)
    for centre, direction in zip(plan.parking, (-1, 1), strict=True):
        z = rng.uniform(3.5, 9)
        while centre is not None and z < 60:
            blocked = plan.crossing and plan.crossing[0] - 6 < z < plan.crossing[1] + 2
            if rng.random() < 0.72 and not blocked:
                yaw = (0.0 if direction > 0 or rng.random() < 0.3 else np.pi) + rng.normal(0, 0.03)
                scene.begin(STANDING, centre + rng.normal(0, 0.08), z + 2.3, yaw, near=z)
                vehicles.vehicle(scene, rng, style.materials, "van" if rng.random() < 0.1 else "car")
            z += rng.uniform(5.4, 6.2)


def _train(scene: Scene, rng: np.random.Generator, materials: Materials, plan: Plan) -> None:
    """A tram in the street's middle, with us or towards us, or crossing."""
    if plan.crossing and rng.random() < 0.5:
        z = plan.crossing[0] + 2.5
        scene.begin(STANDING, rng.uniform(-8, 8), z, np.pi / 2, near=z - 1.3)
    else:
        z, lane = rng.uniform(11, 32), (plan.lanes[0][0] + rng.uniform(-0.4, 0.4))
        scene.begin(STANDING, lane, z + 11, 0.0, near=z)
    vehicles.train(scene, rng, materials)


def _riders(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan) -> None:
    """Cyclists keep to the edge of the road or cross it; motorcyclists ride in the lanes."""
    for _ in range(rng.poisson(style.streets.riders)):
        motor = rng.random() < 1 / 3
        z, across = rng.uniform(6, 26), rng.random() < 0.35
        x = rng.uniform(*plan.road) if across else plan.road[rng.integers(2)] * 0.8
        if motor:
            x = plan.lanes[rng.integers(len(plan.lanes))][0] + rng.uniform(-0.6, 0.6)
        yaw = rng.choice([-1, 1]) * np.pi / 2 if across else rng.choice([0.0, np.pi])
        scene.begin(STANDING, x, z, yaw + rng.normal(0, 0.25))
        vehicles.rider(scene, rng, style.materials, motor)


def _crossing_things(scene: Scene, rng: np.random.Generator, style: Style, plan: Plan) -> None:
    """Traffic lights at the corners, people on the zebra, vehicles in the crossing street."""
    streets, materials, (start, end) = style.streets, style.materials, plan.crossing
    for side, kerb in ((-1, plan.kerb[0]), (1, plan.kerb[1])):
        if rng.random() < 0.65:
            scene.begin_facing(STANDING, kerb + side * 0.5, start - 0.6)
            objects.traffic_light(scene, rng, materials, -side if rng.random() < 0.35 else 0, back=False)
    for _ in range(rng.poisson(2.5 * streets.people)):
        scene.begin_facing(STANDING, rng.uniform(*plan.kerb), rng.uniform(start - 3.4, start - 0.8))
        objects.person(scene, rng, materials)
    for x in np.arange(-30, 30, 9):
        if rng.random() < 0.15 + 0.5 * streets.traffic:
            z = start + (2.4 if rng.random() < 0.5 else min(5.6, end - start - 1.5))
            scene.begin(STANDING, x + rng.uniform(0, 4), z, np.pi / 2 * (1 if z > start + 4 else -1), near=z - 1)
            kind = str(rng.choice(["car", "car", "car", *style.streets.vehicles]))
            vehicles.vehicle(scene, rng, materials, kind)


def _clutter(scene: Scene, rng: np.random.Generator, materials: Materials, plan: Plan) -> None:
    """Bins and boxes (static) and a cart now and then (dynamic), which no class counts."""
    for side, kerb in ((-1, plan.kerb[0]), (1, plan.kerb[1])):
        for z in rng.uniform(6, 40, rng.poisson(0.7)):
            scene.begin(STANDING, kerb + side * rng.uniform(0.6, 1.6), z, rng.uniform(-0.5, 0.5))
            objects.bin_or_box(scene, rng, materials, "dynamic" if rng.random() < 0.25 else "static")


def _lens(scene: Scene, rng: np.random.Generator) -> None:
    """The bonnet of the camera's own car, and the black borders that rectifying leaves."""
    (height, width), camera = scene.camera.size, scene.camera
    top, share = height * rng.uniform(0.90, 0.94), np.linspace(0, 1, 15)
    bonnet = [(width * s, top + height * 0.09 * (2 * s - 1) ** 2) for s in share]
    dark = (rng.uniform(36, 60),) * 3
    scene.begin(LENS)
    scene.add(camera.unproject([(-9, height + 9), *bonnet, (width + 9, height + 9)]), "ego vehicle", dark,
              Texture(grain=0.3, grain_size=0.02))  # fmt: skip
    emblem = bonnet[7] + np.array([(-4, 0), (-2, -12), (2, -12), (4, 0)])
    scene.add(camera.unproject(emblem), "ego vehicle", (150, 150, 152))
    for x0, x1, y0, y1 in ((-9, 2, -9, height + 9), (width - 3, width + 9, -9, height + 9)):
        corners = [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]
        scene.add(camera.unproject(corners), "rectification border", (6, 6, 6))
    scene.add(camera.unproject([(-9, height - 2), (-9, height + 9), (width + 9, height + 9), (width + 9, height - 2)]),
              "out of roi", (6, 6, 6))  # fmt: skip
