"""The settings of an experiment's two sides: which images they are, and what their labels hold.

With `dataset: own` paths are relative to the experiment file; see docs/YOUR_OWN_DATA.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlsl_mx.config.class_table import OWN, Ignored, read_ignore
from mlsl_mx.config.encodings import MEANINGS
from mlsl_mx.config.published_data import PUBLISHED, titles
from mlsl_mx.config.setting import PIXELS, setting

ORIENTATIONS = {
    "unknown": "images with EXIF rotation are an error",
    "upright": "they fit the rotated image, as viewers show it",
    "stored": "they fit the pixels as the file stores them",
}


@dataclass(frozen=True)
class SourceData:
    """The labelled synthetic images."""

    dataset: str = setting(
        "gta5",
        "the data set: folder under the data root, file layout, label encoding",
        choices={**titles("source"), OWN: "as the keys below say"},
    )
    images: str = setting(
        "data_lists/gta5.txt", "list of the images; of own data: folder, FOLDER/PREFIX{name}SUFFIX, or list"
    )
    labels: str = setting("", "labels of own data: as `images`")
    encoding: str = setting("ids", "what pixels of own label files hold", choices=MEANINGS)
    ignore: Ignored = setting(
        (), 'ids or colours of own labels that belong to no class; "rest": all that no class lists', read=read_ignore
    )
    label_orientation: str = setting(
        "unknown",
        "for images with EXIF rotation: whether labels fit the rotated or the stored pixels",
        choices=ORIENTATIONS,
    )
    size: tuple[int, int] | None = setting(
        PUBLISHED["gta5"].size,
        "height, width: files of another size are resized to it with their labels; null: each keeps its own",
        "pixels",
        between=PIXELS,
    )
    held_out: float = setting(
        0.0,
        "share of the source images, evenly spread over their list, that is kept out of training: how well a network "
        "knows its source is measured on at most 100 of them; 0: on a few training images",
        "share",
        between=(0, 0.5),
    )


@dataclass(frozen=True)
class TargetData:
    """The unlabelled real images, and the validation images that the tables are about."""

    dataset: str = setting(
        "cityscapes",
        "the data set: as `source.dataset`",
        choices={**titles("target"), OWN: "as the keys below say"},
    )
    train: str = setting("data_lists/cityscapes_train.txt", "images to adapt to: as `source.images`")
    val: str = setting("data_lists/cityscapes_val.txt", "validation images; empty: nothing is measured")
    val_labels: str = setting("", "validation labels of own data: as `source.labels`")
    encoding: str = setting("ids", "what pixels of own label files hold", choices=MEANINGS)
    ignore: Ignored = setting((), "as `source.ignore`", read=read_ignore)
    label_orientation: str = setting(
        "unknown",
        "as `source.label_orientation`, for validation images; training images have no labels and are read upright",
        choices=ORIENTATIONS,
    )
    size: tuple[int, int] | None = setting(
        PUBLISHED["cityscapes"].size, "height, width: as `source.size`", "pixels", between=PIXELS
    )
