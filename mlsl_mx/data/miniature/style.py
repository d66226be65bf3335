"""What tells the three miniature data sets apart: streets, frequencies, materials, light and camera.

The source worlds are a sunny, saturated game (GTA-V-like) and a flat cartoon with free viewpoints (SYNTHIA-like); the
target is a grey European city seen through a car's camera (Cityscapes-like). Palettes overlap between classes on
purpose: colour alone must not give a class away.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Streets:
    """Layout; lengths in metres, `*_chance` are probabilities per scene, the other frequencies as said."""

    camera_height: Range
    horizon: Range  # share of the image height
    focal: Range  # share of the image width
    yaw: float  # radians, largest to either side
    camera_wander: float  # largest shift of the camera out of its lane
    lanes: tuple[int, int]  # per direction, fewest and most
    lane: Range
    sidewalk: Range  # width
    verge_chance: float  # of a strip between kerb and sidewalk, or beyond it
    parking_chance: float  # of a parking lane, per side
    building_height: Range
    lots: dict[str, float]  # weights of building | wall | fence | park
    crossing_chance: float
    vehicles: dict[str, float]  # weights in moving traffic
    traffic: float  # moving vehicles per 10 m of lane
    train_chance: float
    people: float  # per 10 m of sidewalk
    bicycles: float  # parked, per 10 m of sidewalk
    riders: float  # mean per scene; a third of them on motorcycles
    motorcycles: float  # parked, mean per scene
    lights: float  # chance of traffic lights away from a crossing
    signs: float  # per 10 m of sidewalk
    trees: float  # per 10 m of sidewalk
    palms: float  # share of trees
    guard_chance: float  # of a fence along the kerb


@dataclass(frozen=True)
class Materials:
    """Palettes, RGB as under white light; each object draws one colour and jitters it."""

    road: tuple[Colour, ...]
    sidewalk: tuple[Colour, ...]
    terrain: tuple[Colour, ...]
    masonry: tuple[Colour, ...]  # of buildings, walls and some fences
    foliage: tuple[Colour, ...]
    bark: tuple[Colour, ...]
    metal: tuple[Colour, ...]
    vehicles: tuple[Colour, ...]
    clothes: tuple[Colour, ...]
    glass: tuple[Colour, ...]
    sky: tuple[Colour, ...]
    haze: tuple[Colour, ...]
    signs: tuple[Colour, ...]
    jitter: float  # standard deviation of each channel
    window: tuple[Range, Range, Range, Range]  # pitch across, pitch up, share across, share up
    grain: float  # factor on the grain of every surface
    clouds: float  # relative amplitude in the sky


@dataclass(frozen=True)
class Photo:
    """Light and camera."""

    sun: Range  # strength of direct light; the rest of 1 is ambient
    sun_elevation: Range  # degrees
    sun_colour: tuple[float, float, float]
    shade_colour: tuple[float, float, float]
    haze: Range  # metres at which 63 % of a colour is haze
    exposure: Range
    contrast: Range
    saturation: Range
    tint: float  # standard deviation of the channel gains
    vignette: float  # darkening in the corners
    blur: Range  # pixels
    noise: float  # standard deviation, grey levels


@dataclass(frozen=True)
class Style:
    """One data set's world."""

    streets: Streets
    materials: Materials
    photo: Photo


GTA5 = Style(
    Streets(
        camera_height=(1.2, 1.9),
        horizon=(0.40, 0.55),
        focal=(0.75, 0.95),
        yaw=0.22,
        camera_wander=1.0,
        lanes=(1, 2),
        lane=(3.4, 4.0),
        sidewalk=(3.0, 6.5),
        verge_chance=0.45,
        parking_chance=0.30,
        building_height=(5, 32),
        lots={"building": 6, "wall": 1.2, "fence": 1.2, "park": 2.0},
        crossing_chance=0.45,
        vehicles={"car": 6, "van": 0.8, "truck": 1.1, "bus": 0.6},
        traffic=0.26,
        train_chance=0.18,
        people=0.7,
        bicycles=0.10,
        riders=0.5,
        motorcycles=0.45,
        lights=0.30,
        signs=0.22,
        trees=0.55,
        palms=0.65,
        guard_chance=0.10,
    ),
    Materials(
        road=((112, 110, 108), (128, 122, 114), (98, 98, 100)),
        sidewalk=((172, 165, 152), (158, 150, 138), (184, 172, 156)),
        terrain=((176, 154, 98), (134, 142, 70), (150, 128, 88)),
        masonry=((226, 206, 172), (202, 168, 130), (178, 108, 84), (232, 226, 214), (150, 164, 178), (118, 96, 80)),
        foliage=((92, 128, 46), (116, 144, 54), (66, 104, 40), (136, 140, 70)),
        bark=((120, 96, 72), (148, 124, 96)),
        metal=((110, 112, 112), (70, 74, 72), (168, 168, 164)),
        vehicles=((190, 36, 30), (236, 190, 50), (232, 232, 230), (30, 30, 34), (44, 80, 160), (170, 172, 176))
        + ((210, 110, 40), (120, 110, 96), (60, 100, 70)),
        clothes=((220, 60, 50), (60, 90, 190), (236, 232, 222), (40, 40, 46), (210, 180, 80), (120, 150, 90))
        + ((180, 160, 140), (150, 90, 130)),
        glass=((66, 92, 116), (48, 60, 72), (120, 146, 160)),
        sky=((74, 132, 220), (98, 150, 226), (120, 160, 214)),
        haze=((198, 210, 222), (222, 208, 186)),
        signs=((30, 110, 60), (200, 40, 36), (236, 232, 226), (240, 190, 40)),
        jitter=9,
        window=((1.8, 4.5), (2.9, 3.8), (0.45, 0.85), (0.4, 0.7)),
        grain=1.0,
        clouds=0.25,
    ),
    Photo(
        sun=(0.45, 0.68),
        sun_elevation=(28, 70),
        sun_colour=(1.10, 1.02, 0.88),
        shade_colour=(0.92, 0.98, 1.10),
        haze=(180, 500),
        exposure=(0.92, 1.15),
        contrast=(1.02, 1.20),
        saturation=(1.15, 1.45),
        tint=0.02,
        vignette=0.0,
        blur=(0.0, 0.25),
        noise=1.0,
    ),
)

SYNTHIA = Style(
    Streets(
        camera_height=(1.4, 5.0),
        horizon=(0.08, 0.50),
        focal=(0.60, 0.90),
        yaw=0.45,
        camera_wander=4.0,
        lanes=(1, 2),
        lane=(3.2, 4.2),
        sidewalk=(2.5, 5.5),
        verge_chance=0.0,
        parking_chance=0.4,
        building_height=(6, 26),
        lots={"building": 8, "wall": 0.9, "fence": 1.0, "park": 0.8},
        crossing_chance=0.5,
        vehicles={"car": 6, "van": 0.7, "bus": 1.1},
        traffic=0.38,
        train_chance=0.0,
        people=1.7,
        bicycles=0.22,
        riders=1.3,
        motorcycles=0.8,
        lights=0.35,
        signs=0.32,
        trees=0.5,
        palms=0.0,
        guard_chance=0.15,
    ),
    Materials(
        road=((76, 80, 94), (92, 92, 98), (66, 74, 82)),
        sidewalk=((176, 126, 108), (150, 150, 164), (190, 180, 156), (138, 136, 132)),
        terrain=((110, 170, 70),),
        masonry=((206, 94, 74), (232, 192, 96), (122, 142, 192), (192, 202, 212), (152, 84, 64), (176, 196, 140)),
        foliage=((48, 118, 54), (86, 138, 50), (38, 92, 58), (158, 118, 58)),
        bark=((110, 70, 40), (84, 64, 56)),
        metal=((60, 60, 66), (150, 150, 156), (40, 84, 60)),
        vehicles=((220, 30, 40), (250, 210, 30), (240, 240, 244), (20, 22, 28), (30, 80, 200), (50, 160, 90))
        + ((150, 150, 160), (230, 120, 30)),
        clothes=((230, 40, 60), (40, 100, 220), (240, 240, 236), (36, 36, 44), (240, 200, 40), (60, 170, 90))
        + ((150, 80, 170), (130, 130, 136)),
        glass=((90, 140, 180), (50, 70, 100), (160, 200, 220)),
        sky=((120, 186, 250), (236, 196, 170), (196, 208, 228), (90, 120, 190)),
        haze=((220, 230, 240), (240, 220, 200)),
        signs=((220, 30, 30), (30, 80, 210), (250, 210, 30), (245, 245, 245)),
        jitter=12,
        window=((2.4, 3.6), (3.0, 3.6), (0.40, 0.55), (0.45, 0.60)),
        grain=0.8,
        clouds=0.10,
    ),
    Photo(
        sun=(0.20, 0.55),
        sun_elevation=(25, 75),
        sun_colour=(1.04, 1.02, 0.96),
        shade_colour=(0.98, 1.0, 1.04),
        haze=(250, 900),
        exposure=(0.80, 1.15),
        contrast=(0.95, 1.15),
        saturation=(0.90, 1.20),
        tint=0.05,
        vignette=0.0,
        blur=(0.0, 0.0),
        noise=0.5,
    ),
)

CITYSCAPES = Style(
    Streets(
        camera_height=(1.25, 1.35),
        horizon=(0.42, 0.47),
        focal=(1.05, 1.15),
        yaw=0.10,
        camera_wander=0.4,
        lanes=(1, 2),
        lane=(2.9, 3.4),
        sidewalk=(2.8, 6.5),
        verge_chance=0.40,
        parking_chance=0.4,
        building_height=(8, 22),
        lots={"building": 6, "wall": 1.2, "fence": 1.2, "park": 2.0},
        crossing_chance=0.45,
        vehicles={"car": 7, "van": 0.9, "truck": 0.7, "bus": 0.7},
        traffic=0.18,
        train_chance=0.22,
        people=1.0,
        bicycles=0.55,
        riders=1.1,
        motorcycles=0.45,
        lights=0.30,
        signs=0.42,
        trees=0.75,
        palms=0.0,
        guard_chance=0.12,
    ),
    Materials(
        road=((76, 76, 82), (68, 70, 76), (86, 84, 86)),
        sidewalk=((124, 120, 118), (108, 106, 106), (134, 122, 116)),
        terrain=((92, 106, 62), (108, 102, 76), (80, 92, 58)),
        masonry=((156, 146, 128), (124, 120, 114), (170, 158, 140), (116, 92, 80), (98, 100, 106), (186, 182, 176)),
        foliage=((58, 76, 46), (76, 90, 54), (84, 80, 56), (48, 62, 46)),
        bark=((70, 64, 56), (58, 54, 50)),
        metal=((92, 94, 96), (64, 68, 70), (128, 130, 130)),
        vehicles=((34, 34, 38), (120, 122, 126), (172, 174, 178), (40, 50, 84), (212, 212, 212), (110, 34, 36))
        + ((72, 74, 78), (60, 76, 64)),
        clothes=((40, 40, 48), (62, 66, 80), (96, 90, 84), (140, 136, 130), (120, 44, 46), (54, 72, 104))
        + ((170, 164, 150), (76, 84, 62)),
        glass=((70, 78, 84), (46, 50, 54), (128, 136, 140)),
        sky=((214, 222, 230), (196, 208, 222), (232, 234, 234)),
        haze=((206, 212, 218), (216, 216, 212)),
        signs=((180, 44, 44), (40, 70, 140), (214, 214, 210), (206, 176, 60)),
        jitter=7,
        window=((1.6, 3.0), (2.8, 3.6), (0.35, 0.60), (0.40, 0.65)),
        grain=0.5,
        clouds=0.10,
    ),
    Photo(
        sun=(0.12, 0.42),
        sun_elevation=(12, 35),
        sun_colour=(1.06, 1.02, 0.92),
        shade_colour=(0.94, 1.0, 1.08),
        haze=(150, 400),
        exposure=(0.90, 1.15),
        contrast=(0.90, 1.10),
        saturation=(0.90, 1.15),
        tint=0.025,
        vignette=0.30,
        blur=(0.2, 0.5),
        noise=1.2,
    ),
)
