"""Is the data set complete and the right one? Found out before hours of training, not after."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from mlsl_mx.data.datasets import SceneDataset, remedy
from mlsl_mx.data.image_files import MissingFile, UnreadableFile, header, size_text
from mlsl_mx.data.label_files import WrongLabels
from mlsl_mx.errors import InputError
from mlsl_mx.progress import progress

VOID_SHARE = 0.97  # of a label's pixels without a class: no street scene
EXAMPLES = 3  # names shown of each finding

# What a finding means, the gravest first. Those in NOTES are dealt with by resizing, or happen in single files.
KINDS = {
    "missing image": "not on disk",
    "missing label": "not on disk",
    "unreadable image": "truncated, damaged or not an image",
    "unreadable label": "truncated, damaged or not an image",
    "wrong label": "not a label file of this data set",
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

    def raise_faults(self) -> None:
        """Raises: InputError with `fault()`, if there is any."""
        fault = self.fault()
        if fault is not None:
            raise InputError(fault)

    def content(self) -> dict[str, Any]:
        """For programs, JSON-able: the findings in the order of the list."""
        findings = [{"kind": one.kind, "name": one.name, "detail": one.detail} for one in self.findings]
        about = {"title": self.title, "dataset": self.kind, "images": self.images, "labels_opened": self.labelled}
        return {**about, "usable": not self.faults, "findings": findings}


def check_dataset(
    dataset: SceneDataset, title: str, quick: bool = False, threads: int = 2, patch: int = 0
) -> CheckReport:
    """Look at every image and, if the data set was opened with labels, at every label.

    Args:
        dataset: as `open_dataset` gives it.
        title: of the report, e.g. "source (data_lists/gta5.txt)".
        quick: only whether files are there, whole and of which size, from their headers: seconds instead of minutes.
        threads: that read files.
        patch: pixels that an image must have both ways.
    """
    with ThreadPool(threads) as pool:
        results = pool.imap(
            lambda index: list(_examine(dataset, index, quick, patch)), range(len(dataset)), chunksize=4
        )
        shown = progress(results, title, "image", total=len(dataset))
        findings = tuple(finding for found in shown for finding in found)
    return CheckReport(title, dataset.kind, len(dataset), dataset.has_labels, findings)


def _examine(dataset: SceneDataset, index: int, quick: bool, patch: int) -> Iterator[Finding]:
    name, path = dataset.names[index], dataset.image_path(index)
    image_size = label_size = None
    try:
        image_size = header(path, upright=True)[0] if quick else dataset.stored_image(index).shape[:2]
        if dataset.size is not None and image_size != tuple(dataset.size):
            yield Finding("other size", name, f"{path}: {size_text(image_size)} instead of {size_text(dataset.size)}")
        if min(dataset.size or image_size) < patch:
            detail = f"{path}: {size_text(image_size)}, smaller than pseudo_labels.patch={patch}: lower that"
            yield Finding("smaller than a patch", name, detail)
    except InputError as problem:
        yield Finding(f"{_FAILURES[type(problem)]} image", name, str(problem))
    if not dataset.has_labels:
        return
    path = dataset.label_path(index)
    try:
        if quick:
            label_size = dataset.stored_label_size(index)
        else:
            train_ids = dataset.stored_label(index)
            label_size = train_ids.shape
            yield from _void(train_ids == dataset.classes.ignore, name, path)
    except InputError as problem:
        yield Finding(f"{_FAILURES[type(problem)]} label", name, str(problem))
    if image_size and label_size and image_size != label_size:
        detail = f"{path}: {size_text(label_size)}, its image {size_text(image_size)}"
        kind = "label does not fit its image" if dataset.size is None else "label of another size than its image"
        yield Finding(kind, name, detail)


def _void(void: np.ndarray, name: str, path: Path) -> Iterator[Finding]:
    share = float(np.mean(void))
    if share >= VOID_SHARE:
        detail = f"{path}: {share:.0%} void after mapping: not this data set's label file, or decoded at 8 bits"
        yield Finding("nearly all void", name, detail)
