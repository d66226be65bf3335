"""The miniature world: small stand-ins for the three data sets, rendered here, in their exact formats and layouts.

With it the whole method runs without any download. Its numbers say nothing about the real data sets. The scenes are
`scene.py`, what tells the data sets apart is `style.py`, the painting is `render.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mlsl_mx.config.classes import CLASSES, class_set
from mlsl_mx.config.published_data import PUBLISHED, SYNTHIA_NAMES
from mlsl_mx.data.image_files import read_image
from mlsl_mx.data.label_files import published_format, read_train_ids
from mlsl_mx.data.label_images import encoded
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.miniature import style as miniature_style
from mlsl_mx.data.miniature.render import render
from mlsl_mx.data.miniature.scene import build_scene
from mlsl_mx.data.miniature.style import Style
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import usable_cores
from mlsl_mx.system.progress import progress
from mlsl_mx.system.runs import remove_leftovers
from mlsl_mx.system.stopping import end_with_parent
from mlsl_mx.system.whole_files import file_hash, read_json, write_bytes, write_json

VERSION = 3  # of the generator: raise it when the same seed gives other pictures
STAMP = "miniature.json"  # of a set that is complete
MARK = ".rendering"  # of one that is being rendered, or was left so

Job = tuple[str, str, Path, Path | None]  # data set, entry, image file, and label file if there shall be one

# Cityscapes' names for what no benchmark class covers. Its files have no licence plates (id -1 is not drawn), and
# game frames show no lens and no bonnet.
_VOID = {"static": 4, "dynamic": 5}
_LENS = {"ego vehicle": 1, "rectification border": 2, "out of roi": 3, "parking": 9}


def _synthia_ids() -> dict[str, int]:
    """SYNTHIA has no terrain, trucks or trains to learn from; crates stand for its road works."""
    names = {"static": "void", "dynamic": "road-work", "lanemarking": "lanemarking", "parking-slot": "parking-slot"}
    return {**PUBLISHED["synthia"].ids, **{name: SYNTHIA_NAMES.index(own) for name, own in names.items()}}


@dataclass(frozen=True)
class World:
    """How one data set is rendered."""

    style: Style
    size: tuple[int, int]  # height, width
    ids: dict[str, int]  # label name -> id in its files


WORLDS = {
    "gta5": World(miniature_style.GTA5, (264, 480), {**PUBLISHED["gta5"].ids, **_VOID, "licence plate": 34}),
    "synthia": World(miniature_style.SYNTHIA, (190, 320), _synthia_ids()),
    "cityscapes": World(miniature_style.CITYSCAPES, (256, 512), {**PUBLISHED["cityscapes"].ids, **_VOID, **_LENS}),
}
_LISTS = {
    "gta5.txt": "gta5",
    "synthia.txt": "synthia",
    "cityscapes_train.txt": "cityscapes",
    "cityscapes_val.txt": "cityscapes",
}
_UNLABELLED = "cityscapes_train.txt"  # adapting must not need target labels, so there are none


def make_miniature(root: Path, lists: Path, seed: int) -> None:
    """Render exactly the images that the lists name, with their labels; about half a minute on one core.

    A picture depends on the seed and its own path in the data set alone. A set that is complete for this seed, these
    lists and this generator is left as it is; `root`/miniature.json says so and is written last.

    Args:
        root: gets gta5/, synthia/ and cityscapes/.
        lists: folder with some of gta5.txt, synthia.txt, cityscapes_train.txt and cityscapes_val.txt.
        seed: 0 or more.

    Raises: InputError if none of the lists is there, for one that is damaged or does not follow its data set's layout,
        a negative seed, a folder that cannot be written, or one with pictures of another generator or program.
    """
    root, lists = Path(root), Path(lists)
    if seed < 0:
        raise InputError(f"seed is {seed}: it must be 0 or more")
    jobs = list(_jobs(root, lists))
    hashes = {name: file_hash(lists / name) for name in _given(lists)}
    stamp = {"generator": VERSION, "seed": seed, "lists": hashes}
    _check_generator(root)
    write_all(root, stamp, jobs, partial(_write, seed=seed), "miniature data sets")


def _check_generator(root: Path) -> None:
    """Raises: InputError if pictures of another generator are there: the runs on them would go on with others."""
    before = read_json(root / STAMP, "generator")["generator"] if (root / STAMP).is_file() else VERSION
    if before != VERSION:
        raise InputError(
            f"{root}: was rendered by version {before} of the generator, which is now {VERSION}: delete it and the "
            "runs on its pictures, or name another folder"
        )


def write_all(root: Path, stamp: dict, jobs: Sequence[Job], write: Callable[[Job], None], title: str) -> None:
    """Have processes write the files of all jobs below `root`, unless `root`/miniature.json says that they are there.

    At the end its time stamp is of now in either case, so Make sees it as current.

    Raises: InputError as `_claim`.
    """
    if _is_complete(root, stamp, jobs):
        with suppress(OSError):  # a disk that is read alone
            (root / STAMP).touch()
        return
    _claim(root, jobs)
    (root / STAMP).unlink(missing_ok=True)
    remove_leftovers(root)
    # Not multiprocessing.Pool, which waits for ever for a worker that was killed.
    pool = ProcessPoolExecutor(usable_cores(), initializer=end_with_parent, initargs=(os.getpid(),))
    with _without_threads(), pool:
        done = pool.map(write, jobs, chunksize=4)
        for _ in progress(done, title, "image", total=len(jobs)):
            pass
    write_json(root / STAMP, stamp)
    (root / MARK).unlink(missing_ok=True)


def _claim(root: Path, jobs: Sequence[Job]) -> None:
    """Mark a folder as one that this program renders.

    Raises: InputError if it was not so far, and a file of a job is there: real GTA-V frames have the same names.
    """
    if not ((root / STAMP).exists() or (root / MARK).exists()):
        for path in (path for job in jobs for path in job[2:] if path is not None and path.exists()):
            raise InputError(
                f"{path}: was not rendered by this program, it seems, and would be overwritten: name another "
                "--root, or delete it"
            )
    write_bytes(root / MARK, b"")


@contextmanager
def _without_threads() -> Iterator[None]:
    """OpenCV ends its threads: a process that is forked beside them may wait for them for ever."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _write(job: Job, seed: int) -> None:
    kind, entry, image_path, label_path = job
    image, labels, instances = draw(kind, entry, seed)
    write_bytes(image_path, encoded_pixels(image[..., ::-1]))
    if label_path is not None:
        write_bytes(label_path, _label_file(kind, labels, instances))


def draw(kind: str, entry: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture of a data set ("gta5", "synthia", "cityscapes"): a function of the arguments alone.

    Returns: image (H, W, 3) uint8 RGB, the data set's own label ids (H, W) uint8, instances (H, W) uint16.
    """
    world = WORLDS[kind]
    rng = generator(seed, kind, entry)
    height, width = world.size
    if kind == "gta5" and rng.random() < 0.04:
        height -= 2  # like the originals of 1914x1046
    scene = build_scene(world.style, rng, (height, width), frozenset(world.ids))
    return render(scene, world.style, world.ids, rng)


def generator(seed: int, kind: str, entry: str) -> np.random.Generator:
    """Random numbers that depend on the arguments alone."""
    digest = hashlib.sha256(f"{seed}/{kind}/{entry}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def write_preview(root: Path, out: Path) -> None:
    """One PNG of a rendered set: a picture of each data set above its labels in the benchmark's colours.

    Raises: InputError if `root` holds no complete miniature.
    """
    root = Path(root)
    read_json(root / STAMP)
    columns = [_preview_column(root, kind) for kind in WORLDS]
    write_bytes(Path(out), encoded_pixels(np.concatenate(columns, axis=1)[..., ::-1]))


def _preview_column(root: Path, kind: str) -> np.ndarray:
    """(2 x 182, 324, 3) RGB: of the labelled images the one that shows the most classes."""
    data, size = PUBLISHED[kind], (320, 178)  # width, height
    read = {}
    for path in sorted((root / kind).rglob("*.png")):
        match = re.fullmatch(data.image, path.relative_to(root / kind).as_posix())
        label_path = root / kind / match.expand(data.labels[0]) if match else None
        if label_path is not None and label_path.is_file():
            read[path] = read_train_ids(label_path, published_format(kind, class_set(19)))
    best = max(read, key=lambda path: len(np.unique(read[path])))
    image = cv2.resize(read_image(best), size, interpolation=cv2.INTER_AREA)
    colours = class_set(19).palette[cv2.resize(read[best], size, interpolation=cv2.INTER_NEAREST)]
    framed = [np.pad(part, ((2, 2), (2, 2), (0, 0)), constant_values=255) for part in (image, colours)]
    return np.concatenate(framed, axis=0)


def _jobs(root: Path, lists: Path) -> Iterator[Job]:
    for name, kind in _given(lists).items():
        for entry in read_list(lists / name):
            match = re.fullmatch(PUBLISHED[kind].image, entry)
            if match is None or not entry.endswith(".png"):
                raise InputError(
                    f"{lists / name}: {entry!r} does not follow the layout {PUBLISHED[kind].image} with the ending "
                    ".png: correct or remove the line"
                )
            label = None if name == _UNLABELLED else root / kind / match.expand(PUBLISHED[kind].labels[0])
            yield kind, entry, root / kind / entry, label


def _given(lists: Path) -> dict[str, str]:
    given = {name: kind for name, kind in _LISTS.items() if (lists / name).exists()}
    if not given:
        raise InputError(f"{lists}: holds none of {', '.join(_LISTS)}: name a folder with lists of images to render")
    return given


def _is_complete(root: Path, stamp: dict, jobs) -> bool:
    if not (root / STAMP).is_file() or read_json(root / STAMP) != stamp:
        return False
    return all(path.is_file() for job in jobs for path in job[2:] if path is not None)


def _label_file(kind: str, labels: np.ndarray, instances: np.ndarray) -> bytes:
    """A PNG as the data set has it: palette indices, 16-bit class and instance channels, or grey ids."""
    if kind == "gta5":
        return _palette_png(labels)
    if kind == "synthia":  # cv2 writes blue first: class in red, instance in green
        return encoded_pixels(np.stack([np.zeros_like(instances), instances, labels.astype(np.uint16)], axis=-1))
    return encoded_pixels(labels)


def _palette_png(labels: np.ndarray) -> bytes:
    return indexed_png(labels, {PUBLISHED["gta5"].ids[one.name]: one.colour for one in CLASSES})


def indexed_png(labels: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> bytes:
    """A palette PNG of (H, W) uint8 indices; those without a colour are black."""
    palette = np.zeros((256, 3), np.uint8)
    for index, colour in colours.items():
        palette[index] = colour
    image = Image.fromarray(labels)
    image.putpalette(palette.tobytes())
    return encoded(image, "PNG")


def encoded_pixels(pixels: np.ndarray, kind: str = ".png") -> bytes:
    """`pixels` in cv2's channel order as the content of a file of this ending."""
    done, content = cv2.imencode(kind, np.ascontiguousarray(pixels))
    if not done:
        raise ValueError(f"cv2 cannot encode {pixels.shape} {pixels.dtype} as {kind}")
    return content.tobytes()
