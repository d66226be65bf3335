"""From a scene to a picture and its labels.

Every polygon is painted once, as its number, into one integer buffer, far to near. Labels and colours are both looked
up from that buffer, so they agree at every pixel and no label edge is blended.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np

from mlsl_mx.data.miniature.geometry import GROUND, LENS, SKY, STANDING, Camera, Face, Scene
from mlsl_mx.data.miniature.style import Photo, Style

NEAR = 0.4  # metres: nothing nearer is drawn
MARGIN = 3.0  # polygons are clipped at this many half-widths of the image
SUBPIXEL = 4  # fractional bits of polygon corners
FAR_SHADOW = 80.0  # metres: what is farther casts none that one could see
TILE = 256  # cells of the noise tile


def render(scene: Scene, style: Style, ids: dict[str, int], rng: np.random.Generator):
    """Paint the scene and photograph it.

    Args:
        ids: label names -> the ids that the data set's files hold.

    Returns: image (H, W, 3) uint8 RGB, label ids (H, W) uint8, instances (H, W) uint16: what stands is numbered.
    """
    world = _World(scene)
    index = _paint(scene.camera, _outlines(scene.camera, world.seen, world.counts))
    strength, sun = rng.uniform(*style.photo.sun), _sun(style.photo, rng)
    shadow = _shadows(scene.camera, world, sun, blur=6 * (1 - strength))
    light = _light(world, index, shadow, style, strength, sun, rng)
    labels = np.array([ids[face.label] for face in world.faces], np.uint8)[index]
    instances = np.where(world.layer == STANDING, world.instance, 0).astype(np.uint16)[index]
    return _photograph(light, style.photo, rng), labels, instances


class _World:
    """The faces that look at the camera, in painting order, as arrays; lengths in metres, camera coordinates."""

    def __init__(self, scene: Scene):
        self.camera = scene.camera
        order = np.lexsort([[-face.distance for face in scene.faces], [face.layer for face in scene.faces]])
        faces = [scene.faces[i] for i in order]
        points = _placed(faces)
        counts = np.array([len(face.points) for face in faces])
        seen = self.camera.to_camera(points)
        starts = np.cumsum(counts) - counts
        normal = np.cross(seen[starts + 1] - seen[starts], seen[starts + 2] - seen[starts])
        one_sided = np.array([face.one_sided for face in faces])
        kept = ~one_sided | ((normal * seen[starts]).sum(axis=1) > 0)
        of_kept = np.repeat(kept, counts)
        self.points, self.seen, self.counts = points[of_kept], seen[of_kept], counts[kept]
        self.faces = [face for face, keep in zip(faces, kept, strict=True) if keep]
        self.layer, self.instance = (np.array([getattr(f, key) for f in self.faces]) for key in ("layer", "instance"))
        self._set_axes(normal[kept], seen[starts][kept])

    def _set_axes(self, normal: np.ndarray, start: np.ndarray) -> None:
        """Normal, first corner, and the directions across and up each face, (faces, 3) float32."""
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.where(length > 1e-9, normal / np.maximum(length, 1e-9), (0.0, 0.0, 1.0))
        cos, sin = np.cos(self.camera.yaw), np.sin(self.camera.yaw)
        level = np.abs(normal[:, 1:2]) > 0.7  # ground has the street's own axes
        across = np.cross(normal, (0.0, -1.0, 0.0))
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        across = np.where(level, (cos, 0.0, sin), across)
        up = np.where(level, (-sin, 0.0, cos), (0.0, -1.0, 0.0))
        self.normal, self.start, self.across, self.up = (a.astype(np.float32) for a in (normal, start, across, up))

    def table(self, key: str) -> np.ndarray:
        """(3, faces) float32 of a colour of the faces."""
        return np.ascontiguousarray(np.array([getattr(face, key) for face in self.faces], np.float32).T)

    def textures(self) -> np.ndarray:
        """(7, faces) float32: pitch across and up, fill across and up, grain, its size in metres, variation."""
        flat = [(*t.pitch, *t.fill, t.grain, t.grain_size, t.vary) for t in (face.texture for face in self.faces)]
        return np.ascontiguousarray(np.array(flat, np.float32).T)

    def locate(self, index):
        """Depth, and metres across and up from the first corner of the face seen at each pixel, (H, W) each."""
        rows, columns = np.ogrid[: index.shape[0], : index.shape[1]]
        ray = (
            ((columns + 0.5 - self.camera.size[1] / 2) / self.camera.focal).astype(np.float32),
            ((rows + 0.5 - self.camera.horizon) / self.camera.focal).astype(np.float32),
        )
        along, start = zip(
            *(self._along(axis, ray, index) for axis in (self.normal, self.across, self.up)), strict=True
        )
        slope = np.where(np.abs(along[0]) < 1e-4, np.float32(1e-4), along[0])
        depth = np.clip(start[0] / slope, NEAR, 2000)
        return depth, along[1] * depth - start[1], along[2] * depth - start[2]

    def _along(self, axis: np.ndarray, ray, index):
        """Component along each face's `axis` of the pixel's ray (at depth 1) and of the face's first corner."""
        x, y, z = (np.ascontiguousarray(column)[index] for column in axis.T)
        return x * ray[0] + y * ray[1] + z, (axis * self.start).sum(axis=1)[index]


def _placed(faces: list[Face]) -> np.ndarray:
    """(points of all faces, 3) world metres."""
    x, y, z = np.concatenate([face.points for face in faces]).T
    poses = np.repeat([face.pose for face in faces], [len(face.points) for face in faces], axis=0)
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    return np.stack([x * cos + z * sin + poses[:, 0], y, z * cos - x * sin + poses[:, 1]], axis=1)


def _outlines(camera: Camera, seen: np.ndarray, counts: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Number and corners, in fixed-point pixels, of each polygon that shows, cut at the edges of the view.

    Args:
        seen: (sum of counts, 3) corners of all polygons, camera coordinates.
    """
    reach_x = MARGIN * camera.size[1] / camera.focal
    reach_y = MARGIN * camera.size[0] / camera.focal
    planes = np.array([(0, 0, 1), (1, 0, reach_x), (-1, 0, reach_x), (0, 1, reach_y), (0, -1, reach_y)])
    side = seen @ planes.T - (NEAR, 0, 0, 0, 0)
    starts = np.cumsum(counts) - counts
    whole = np.logical_and.reduceat((side >= 0).all(axis=1), starts)
    outside = ~np.logical_or.reduceat(side >= 0, starts, axis=0).all(axis=1)
    pixels = _fixed(camera, np.maximum(seen, (-np.inf, -np.inf, NEAR)))
    for number in np.flatnonzero(~outside):
        part = slice(starts[number], starts[number] + counts[number])
        if whole[number]:
            yield number, pixels[part]
            continue
        polygon = seen[part]
        for plane, offset in zip(planes, (NEAR, 0, 0, 0, 0), strict=True):
            polygon = _cut(polygon, polygon @ plane - offset)
        if len(polygon) > 2:
            yield number, _fixed(camera, polygon)


def _fixed(camera: Camera, polygon: np.ndarray) -> np.ndarray:
    # the centre of pixel 0 is at 0 for OpenCV and at 0.5 for the camera
    pixels = np.clip((camera.project(polygon) - 0.5) * (1 << SUBPIXEL), -(2**30), 2**30)
    return np.rint(pixels).astype(np.int32)


def _cut(polygon: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Sutherland and Hodgman's step: the part of the polygon whose `side` is not negative."""
    kept = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if side[i] >= 0:
            kept.append(polygon[i])
        if (side[i] >= 0) != (side[j] >= 0):
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * (side[i] / (side[i] - side[j])))
    return np.array(kept).reshape(-1, 3)


def _paint(camera: Camera, outlines) -> np.ndarray:
    """(H, W) int32: which polygon is seen at each pixel; the sky, number 0, covers everything first."""
    index = np.zeros(camera.size, np.int32)
    for number, outline in outlines:
        cv2.fillPoly(index, [outline], int(number), cv2.LINE_8, SUBPIXEL)
    return index


def _sun(photo: Photo, rng: np.random.Generator) -> np.ndarray:
    """(3,) unit world vector towards the sun, anywhere around."""
    elevation, azimuth = np.radians(rng.uniform(*photo.sun_elevation)), rng.uniform(0, 2 * np.pi)
    flat = np.cos(elevation)
    return np.array([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)])


def _shadows(camera: Camera, world: _World, sun: np.ndarray, blur: float) -> np.ndarray:
    """(H, W) float32 in 0..1: how much of the ground's direct light is taken by things that cast shadows."""
    mask = np.zeros(camera.size, np.uint8)
    casts = np.array([face.casts and face.distance < FAR_SHADOW for face in world.faces])
    points = world.points[np.repeat(casts, world.counts)]
    fallen = camera.to_camera(points - points[:, 1:2] * (sun / sun[1]))
    for _, outline in _outlines(camera, fallen, world.counts[casts]):
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_8, SUBPIXEL)
    return cv2.GaussianBlur(mask, (0, 0), 0.6 + blur).astype(np.float32) / 255


@cache
def _noise() -> np.ndarray:
    """(TILE, TILE) float32, zero mean and unit variance, seamless: 1/f noise, the same for every image."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(TILE, TILE)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE)))
    frequency[0, 0] = np.inf
    tile = np.fft.ifft2(spectrum / frequency**0.8).real
    return (tile / tile.std()).astype(np.float32)


def _grain(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Noise at positions in cells, (H, W) each."""
    wrapped = []
    for axis in (across, up):
        turns = axis * np.float32(1 / TILE)
        wrapped.append((turns - np.floor(turns)) * np.float32(TILE))
    return cv2.remap(_noise(), *wrapped, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _light(world: _World, index, shadow, style: Style, strength: float, sun, rng) -> np.ndarray:
    """(3, H, W) float32 RGB, 0..255: material, texture, light, shadow and haze of every pixel."""
    photo, sky = style.photo, world.layer == SKY
    depth, across, up = world.locate(index)
    seen_sky = sky[index]
    colour = _material(world, index, style, depth, across, up, seen_sky)
    shadow = shadow * (world.layer == GROUND)[index]
    direct = np.float32(1.25 * strength) * _direct(world, sun)[index] * (1 - np.float32(0.9) * shadow)
    ambient = np.float32(1 - strength) * (1 - np.float32(0.3) * shadow)
    for channel, sunny, shaded in zip(colour, photo.sun_colour, photo.shade_colour, strict=True):
        channel *= np.where(seen_sky, np.float32(1), direct * np.float32(sunny) + ambient * np.float32(shaded))
    haze = np.array(style.materials.haze[rng.integers(len(style.materials.haze))], np.float32)[:, None, None]
    hazy = (~sky & (world.layer != LENS)).astype(np.float32)[index]
    return colour + (haze - colour) * (hazy * (1 - np.exp(depth / np.float32(-rng.uniform(*photo.haze)))))


def _material(world: _World, index, style: Style, depth, across, up, sky) -> np.ndarray:
    """(3, H, W) float32: colour, accent cells and grain before any light."""
    colour, accent = world.table("colour")[:, index], world.table("accent")[:, index]
    pitch_x, pitch_y, fill_x, fill_y, amplitude, size, vary = (column[index] for column in world.textures())
    in_x, in_y = across / pitch_x, up / pitch_y
    cell_x, cell_y = np.floor(in_x), np.floor(in_y)
    inside = (in_x - cell_x < fill_x) & (in_y - cell_y < fill_y)
    pixel = depth / world.camera.focal  # metres a pixel spans: finer grain than that averages out
    grain = amplitude * style.materials.grain * np.minimum(1, size * 3 / pixel)
    grain_x, grain_y = across / size, up / size
    noise = _grain(grain_x, grain_y)
    brightness = 1 + grain * (noise + 0.25 * _grain(grain_x / 9, grain_y / 9))
    brightness *= 1 + vary * inside * _grain(cell_x * 37, cell_y * 91) * np.float32(0.8)
    painted = np.where(inside, accent, colour) * np.maximum(brightness, 0.2)
    if sky.any():  # paler towards the horizon and in the clouds
        pale = np.exp(-np.maximum(up[sky] - 300, 0) / 260) + np.maximum(amplitude * noise, 0)[sky] * 3
        painted[:, sky] = colour[:, sky] + (accent - colour)[:, sky] * np.minimum(pale, 1)
    return painted


def _direct(world: _World, sun: np.ndarray) -> np.ndarray:
    """(faces,) float32: cosine between the sun and the side of each face that is seen, softened."""
    seen_sun = world.camera.to_camera(sun[None])[0] - world.camera.to_camera(np.zeros((1, 3)))[0]
    towards = np.sign((world.normal * world.start).sum(axis=1))
    return np.clip(0.2 - 0.8 * (world.normal @ seen_sun.astype(np.float32)) * towards, 0, 1)


def _photograph(light: np.ndarray, photo: Photo, rng: np.random.Generator) -> np.ndarray:
    """(3, H, W) light -> (H, W, 3) uint8: saturation, contrast, exposure, tint, vignette, blur and sensor noise."""
    height, width = light.shape[1:]
    grey = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), light, 1)
    image = grey + (light - grey) * rng.uniform(*photo.saturation)
    image = (image - 118) * rng.uniform(*photo.contrast) + 118
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lens = (1 - photo.vignette * (rows**2 + columns**2) / 2).astype(np.float32)
    gains = rng.uniform(*photo.exposure) * (1 + rng.normal(0, photo.tint, 3))
    image *= lens * gains.astype(np.float32)[:, None, None]
    image = np.ascontiguousarray(image.transpose(1, 2, 0))  # (H, W, 3)
    sigma = rng.uniform(*photo.blur)
    if sigma > 0.3:  # less changes nothing at pixel level
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(photo.noise)
    return np.clip(image, 0, 255).astype(np.uint8)
