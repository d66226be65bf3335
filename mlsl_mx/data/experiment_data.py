"""The data sets that an experiment names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.settings import Config, SourceData, TargetData
from mlsl_mx.data.datasets import SceneDataset, no_images, open_dataset, open_own
from mlsl_mx.data.label_files import label_format
from mlsl_mx.data.lists import without_held_out
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing

SHEET = "contact_sheet"  # the file beside pseudo-labels, which are named as their images: no image may have its name


@dataclass(frozen=True, kw_only=True)
class ExperimentData:
    """Source, target and validation images; each is opened once: of one's own that is a walk over folders."""

    config: Config
    roots: dict[str, Path | None]  # folder of each data set
    experiment_folder: Path = Path()  # of the experiment file, to which paths of own data are relative

    @cached_property
    def all_source(self) -> SceneDataset:
        """The source images with their labels, those that are held out among them."""
        return self._open(self.config.source, "source.images", "source.labels")

    @property
    def source(self) -> SceneDataset:
        """The source images that are trained on."""
        return self._source[0]

    @property
    def held_out(self) -> SceneDataset | None:
        """The source images that nothing is trained on (`source.held_out`); None where there are none."""
        return self._source[1]

    @cached_property
    def _source(self) -> tuple[SceneDataset, SceneDataset | None]:
        """Those that are trained on, and those that are held out, evenly spread over the list."""
        everything, share = self.all_source, self.config.source.held_out
        count = len(everything)
        kept, chosen = without_held_out(count, share)
        if not chosen:
            return everything, None
        if not kept:
            raise InputError(f"source.held_out is {share:g}, of {count} source images: none would be left to train on")
        return everything.subset(kept), everything.subset(chosen)

    @cached_property
    def target(self) -> SceneDataset:
        """The target's training images. Their labels are never opened.

        Raises: InputError if validation images are among them, or one has the name of the labels' contact sheet.
        """
        data = self.config.target
        target, validation = self._open(data, "target.train", None), self.validation
        check_sheet(target, data.train)
        shared = sorted(_identities(target) & _identities(validation))
        if shared:
            raise InputError(
                f"{data.train}: {len(shared)} images are validation images too, e.g. {shared[0]}: adapting on them "
                f"would make the result worthless; remove them from target.train or target.val"
            )
        return target

    @cached_property
    def validation(self) -> SceneDataset:
        """The target's validation images with their labels; no image where the experiment has none."""
        if not self.config.target.val:
            return no_images(self.config.class_set)
        return self._open(self.config.target, "target.val", "target.val_labels")

    @property
    def titled(self) -> dict[str, SceneDataset]:
        """Source, target and validation images, by a title with the list's name."""
        return {
            f"source ({self.config.source.images})": self.all_source,
            f"target ({self.config.target.train})": self.target,
            f"validation ({self.config.target.val or 'none'})": self.validation,
        }

    @property
    def target_patch(self) -> int:
        """Pixels that a target image must have both ways, 0 where no patches are cut out."""
        return self.config.pseudo_labels.patch if self.config.pseudo_labels.inference == "sisc" else 0

    def _open(self, data: SourceData | TargetData, images: str, labels: str | None) -> SceneDataset:
        """What two settings name, e.g. "source.images" and "source.labels"; without the second, labels stay closed."""
        kind, classes, orientation = data.dataset, self.config.class_set, data.label_orientation
        place = getattr(data, images.partition(".")[2])
        if kind == OWN:
            side, key = (labels or images).split(".")
            form = label_format(side, data, classes) if labels else None
            how = {"size": data.size, "form": form, "orientation": orientation}
            what = (images, labels or "")
            return open_own(self.experiment_folder, place, getattr(data, key), what, classes, **how)
        root = self.roots.get(kind)
        if root is None:
            raise InputError(f"no folder given for {kind}: use --data FOLDER (holding {kind}/) or --{kind} FOLDER")
        how = {"labels": labels is not None, "orientation": orientation}
        return open_dataset(kind, root, existing(place), classes, data.size, **how)


def _identities(dataset: SceneDataset) -> set[str]:
    """By what images of two lists are the same: their names, of own data their files."""
    if dataset.kind != OWN:
        return set(dataset.names)
    return {os.path.realpath(dataset.image_path(index)) for index in range(len(dataset))}


def check_sheet(images: SceneDataset, where: str) -> None:
    """Raises: InputError if an image has the name of the sheet that stands beside the labels of all."""
    if SHEET in images.names:
        raise InputError(f"{where}: an image is named {SHEET}, as is a file beside the labels: rename it")
