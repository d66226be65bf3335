"""Is the data set complete and the right one? Found out before hours of training, not after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.config.class_table import OWN
from mlsl_mx.data.datasets import SceneDataset, remedy
from mlsl_mx.data.image_files import Header, MissingFile, UnreadableFile, header, size_text
from mlsl_mx.data.image_structure import TURNS
from mlsl_mx.data.jpeg_damage import DamageFinder
from mlsl_mx.data.label_files import WrongLabels, check_lossless
from mlsl_mx.data.numbering import FEW, files_of_train_ids
from mlsl_mx.data.palettes import other_palettes
from mlsl_mx.system.background import READERS, ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress

VOID_SHARE = 0.97  # of a label's pixels without a class: no street scene
EXAMPLES = 3  # names shown of each finding

# What a finding means, the gravest first. Those in NOTES are dealt with by resizing, or happen in single files.
KINDS = {
    "missing image": "not on disk",
    "missing label": "not on disk",
    "unreadable image": "truncated, damaged or not an image",
    "unreadable label": "truncated, damaged or not an image",
    "damaged image": "decoded in part, the rest is guessed",
    "wrong label": "not a label file of this data set",
    "train ids": "looks like train ids 0 to 18, not the data set's own ids",
    "unknown orientation": "EXIF rotates the image, but perhaps not its label",
    "other palette": "an index has another colour than in most labels",
    "smaller than a patch": "too small for pseudo_labels.patch",
    "label does not fit its image": "of another size, and no size is set to which both are resized",
    "nearly all void": f"at least {VOID_SHARE:.0%} of the pixels have no class",
    "other size": "resized when read",
    "label of another size than its image": "both resized when read",
}
NOTES = ("nearly all void", "other size", "label of another size than its image")
_FAILURES = {MissingFile: "missing", UnreadableFile: "unreadable", WrongLabels: "wrong"}
VOID_LIMIT = 0.1  # share of labels; more of them nearly void is a wrong data set and no note


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one image or its label."""

    kind: str
    name: str
    detail: str


@dataclass(frozen=True)
class CheckReport:
    """What was found in one list of images."""

    title: str
    kind: str
    images: int
    labelled: bool
    findings: tuple[Finding, ...]  # in the order of the list

    def count(self, kind: str) -> int:
        """Files with this finding."""
        return sum(finding.kind == kind for finding in self.findings)

    @property
    def faults(self) -> tuple[str, ...]:
        """Kinds of findings with which no stage should start."""
        faults = [kind for kind in KINDS if kind not in NOTES and self.count(kind)]
        if self.count("nearly all void") > VOID_LIMIT * self.images:
            faults.append("nearly all void")
        return tuple(faults)

    def lines(self) -> list[str]:
        """For people: one line an observation, counts and the first names; how to obtain the data if some is amiss."""
        what = "images with labels" if self.labelled else "images, labels not opened"
        lines = [f"{self.title}: {self.images} {what}: {'NOT usable' if self.faults else 'ok'}"]
        for kind, meaning in KINDS.items():
            found = [finding for finding in self.findings if finding.kind == kind]
            if found:
                names = ", ".join(finding.name for finding in found[:EXAMPLES]) + ", ..." * (len(found) > EXAMPLES)
                lines += [f"  {kind}: {len(found)} ({meaning}): {names}", f"    {found[0].detail}"]
        if self.faults:
            lines.append(f"  {remedy(self.kind)}")
        return lines

    def fault(self) -> str | None:
        """The gravest fault, its count and its first file, if there is any."""
        if not self.faults:
            return None
        first = next(finding for finding in self.findings if finding.kind == self.faults[0])
        return f"{self.title}: {self.faults[0]}: {self.count(self.faults[0])} of {self.images}; first: {first.detail}"

    def content(self) -> dict[str, Any]:
        """For programs, JSON-able: the findings in the order of the list."""
        findings = [{"kind": one.kind, "name": one.name, "detail": one.detail} for one in self.findings]
        about = {"title": self.title, "dataset": self.kind, "images": self.images, "labels_opened": self.labelled}
        return {**about, "usable": not self.faults, "findings": findings}


def check_dataset(dataset: SceneDataset, title: str, quick: bool = False, patch: int = 0) -> CheckReport:
    """Look at every image and, if the data set was opened with labels, at every label.

    Args:
        dataset: as `open_dataset` gives it.
        title: of the report, e.g. "source (data_lists/gta5.txt)".
        quick: only whether files are there, whole and of which size, from their headers, and whose ids a few labels
            hold: seconds instead of minutes.
        patch: pixels that an image must have both ways.
    """
    with nullcontext() if quick else DamageFinder() as damage:
        results = ahead(lambda index: list(_examine(dataset, index, damage, patch)), range(len(dataset)), READERS)
        shown = progress(results, title, "image", total=len(dataset))
        found = [finding for one in shown for finding in one]
    if not quick:
        found += _other_palettes(dataset, found)
    found += _train_ids(dataset, FEW if quick else 4 * FEW)
    if not quick:
        places = {name: place for place, name in enumerate(dataset.names)}
        found.sort(key=lambda finding: places[finding.name])
    return CheckReport(title, dataset.kind, len(dataset), dataset.has_labels, tuple(found))


def _examine(dataset: SceneDataset, index: int, damage: DamageFinder | None, patch: int) -> Iterator[Finding]:
    """Findings of one image and its label.

    Args:
        damage: None: only headers are read.
    """
    image = yield from _image_findings(dataset, index, damage, patch)
    if dataset.has_labels:
        label = yield from _label_findings(dataset, index, quick=damage is None)
        if image and label:
            yield from _pair_findings(dataset, index, image, label)


def _image_findings(dataset: SceneDataset, index: int, damage: DamageFinder | None, patch: int):
    """Yields findings. Returns: the image's header, None if it cannot be read."""
    name, path = dataset.names[index], dataset.image_path(index)
    try:
        image = header(path)
        if damage is not None:
            dataset.stored_image(index)
    except InputError as problem:
        yield Finding(f"{_FAILURES[type(problem)]} image", name, str(problem))
        return None
    if damage is not None and (complaint := damage.complaint(path)):
        yield Finding("damaged image", name, f"{path}: libjpeg says: {complaint}: look at it, and write it again")
    size = _size(dataset, image)
    if dataset.size is not None and size != tuple(dataset.size):
        yield Finding("other size", name, f"{path}: {size_text(size)} instead of {size_text(dataset.size)}")
    if min(dataset.size or size) < patch:
        detail = f"{path}: {size_text(size)}, smaller than pseudo_labels.patch={patch}: lower that"
        yield Finding("smaller than a patch", name, detail)
    return image


def _label_findings(dataset: SceneDataset, index: int, quick: bool):
    """Yields findings. Returns: the label's header, None if it cannot be read or is no label."""
    name, path = dataset.names[index], dataset.label_path(index)
    try:
        label = dataset.label_header(index) if quick else header(path)
        check_lossless(path, label)
        if not quick:
            yield from _void(dataset.stored_label(index) == dataset.classes.ignore, name, path)
        return label
    except InputError as problem:
        yield Finding(f"{_FAILURES[type(problem)]} label", name, str(problem))


def _pair_findings(dataset: SceneDataset, index: int, image: Header, label: Header) -> Iterator[Finding]:
    """Whether an image and its label fit each other."""
    name, size = dataset.names[index], _size(dataset, image)
    if dataset.label_orientation == "unknown" and not (image.orientation == label.orientation == 1):
        if not label.size == image.upright_size != image.size:  # which would tell what the label fits
            yield Finding("unknown orientation", name, f"{dataset.image_path(index)}: {_turned(image, label)}")
    if size != label.size:
        detail = f"{dataset.label_path(index)}: {size_text(label.size)}, its image {size_text(size)}"
        kind = "label does not fit its image" if dataset.size is None else "label of another size than its image"
        yield Finding(kind, name, detail)


def _turned(image: Header, label: Header) -> str:
    return (
        f"its EXIF orientation is {image.orientation} (upright when {TURNS[image.orientation]}), its label's "
        f"{label.orientation}: set label_orientation of `source` or `target` to `upright` or `stored`, whichever its "
        "label was drawn on, or rotate the image files themselves"
    )


def _size(dataset: SceneDataset, image: Header) -> tuple[int, int]:
    """As the data set reads it."""
    return image.upright_size if dataset.upright else image.size


def _other_palettes(dataset: SceneDataset, before: list[Finding]) -> list[Finding]:
    """Own labels whose palettes say that their ids are exchanged. Of published data sets the ids are known."""
    if not dataset.has_labels or dataset.kind != OWN:
        return []
    without = {one.name for one in before if one.kind in ("missing label", "unreadable label")}
    names = {dataset.label_path(index): name for index, name in enumerate(dataset.names) if name not in without}
    remedy = (
        "if colours are right, set encoding to `colours`, else write all labels with one palette, or as grey values"
    )
    found = other_palettes(list(names))
    return [Finding("other palette", names[path], f"{path}: {what}: {remedy}") for path, what in found.items()]


def _train_ids(dataset: SceneDataset, count: int) -> list[Finding]:
    found = files_of_train_ids(dataset, count) if dataset.has_labels else {}
    return [Finding("train ids", dataset.names[index], detail) for index, detail in found.items()]


def _void(void: np.ndarray, name: str, path: Path) -> Iterator[Finding]:
    share = float(np.mean(void))
    if share >= VOID_SHARE:
        detail = f"{path}: {share:.0%} void after mapping: not this data set's label file, or decoded at 8 bits"
        yield Finding("nearly all void", name, detail)
