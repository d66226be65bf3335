"""The published data sets, each one record: from it follow settings, file layout, label ids and command line options.

To add one, write its record; `source.dataset` or `target.dataset` may then be its name, and its folder is DATA/NAME, or
what `--NAME` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedData:
    """What is known of a data set.

    Attributes:
        title: as messages and reports name it.
        side: "source" or "target", which it may be.
        size: (height, width) of its images, in pixels.
        image: regular expression of an image's path below the data set's folder, `/` between folders.
        labels: path of the label file that belongs to it, with the groups of `image`; or several, of which the first
            counts whose folder exists.
        encodings: of label files, keys of `encodings.BITS`; the usual one first.
        ids: what stands for a class of `classes.CLASSES` in label files, by its name; absent classes are omitted.
        known_ids: all that may stand there; others mean a wrong or damaged file.
        void_share: if all ids are at most 18, or 255, and at least this share of the pixels has no class, a label file
            is suspected to hold train ids.
        obtain: where to get it.
        remedy: what to do about a label file that is something else.
    """

    title: str
    side: str
    size: tuple[int, int]
    image: str
    labels: tuple[str, ...]
    encodings: tuple[str, ...]
    ids: Mapping[str, int]
    known_ids: frozenset[int]
    void_share: float = 0.5
    obtain: str
    remedy: str


_CITYSCAPES_IDS = {
    **{"road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19},
    **{"traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26},
    **{"truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33},
}
_SYNTHIA_IDS = {
    **{"road": 3, "sidewalk": 4, "building": 2, "wall": 21, "fence": 5, "pole": 7, "traffic light": 15},
    **{"traffic sign": 9, "vegetation": 6, "sky": 1, "person": 10, "rider": 17, "car": 8, "bus": 19},
    **{"motorcycle": 12, "bicycle": 11},
}
SYNTHIA_NAMES = (  # by id
    "void sky building road sidewalk fence vegetation pole car traffic_sign pedestrian bicycle motorcycle parking-slot "
    "road-work traffic_light terrain rider truck bus train wall lanemarking"
).split()

PUBLISHED = {
    "gta5": PublishedData(
        title="GTA-V",
        side="source",
        size=(1052, 1914),
        image=r"images/(.+)\.\w+",
        labels=(r"labels/\1.png",),
        encodings=("ids",),
        ids=_CITYSCAPES_IDS,
        known_ids=frozenset(range(35)),
        obtain="Playing for Data, download.visinf.tu-darmstadt.de/data/from_games: unpack all ten parts of images and "
        "labels",
        remedy="take the palette PNG of the download",
    ),
    "synthia": PublishedData(
        title="SYNTHIA",
        side="source",
        size=(760, 1280),
        image=r"RGB/(.+)\.\w+",
        labels=(r"GT/LABELS/\1.png", r"GT/labels/\1.png"),  # the second is some copies' folder
        encodings=("red16", "ids"),
        ids=_SYNTHIA_IDS,
        known_ids=frozenset(range(len(SYNTHIA_NAMES))),
        void_share=0.1,  # it has a class for nearly all
        obtain="synthia-dataset.net: the subset SYNTHIA-RAND-CITYSCAPES, not SYNTHIA-RAND-CVPR16",
        remedy="copy the files of SYNTHIA-RAND-CITYSCAPES GT/LABELS unchanged",
    ),
    "cityscapes": PublishedData(
        title="Cityscapes",
        side="target",
        size=(1024, 2048),
        image=r"leftImg8bit/(.+)_leftImg8bit\.\w+",
        labels=(r"gtFine/\1_gtFine_labelIds.png",),
        encodings=("ids",),
        ids=_CITYSCAPES_IDS,
        known_ids=frozenset(range(34)) | {255},  # 255: its unlabelled -1 in 8 bits
        obtain="www.cityscapes-dataset.com (registration): leftImg8bit_trainvaltest.zip, and gtFine_trainvaltest.zip "
        "for val",
        remedy="take gtFine's *_gtFine_labelIds.png",
    ),
}


def titles(side: str) -> dict[str, str]:
    """Name -> title of the data sets that may be "source" or "target"."""
    return {name: data.title for name, data in PUBLISHED.items() if data.side == side}
