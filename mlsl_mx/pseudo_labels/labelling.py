"""The stage `pseudo-label`: from a network and target images to label files, without a look at any target label.

Pass 1 sends every image through the network, keeps what it says in `.store/` and files the confidences of all pixels;
with the thresholds that follow, pass 2 writes the labels and deletes the stores. `selection.json` comes last and says
that the stage is done. Several workers take an image each in turn; what they count is summed exactly, so that
thresholds and labels are those of one.
"""

from __future__ import annotations

import shutil
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.data.label_counts import counts_of
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.label_images import train_id_png
from mlsl_mx.pseudo_labels.contact_sheet import write_contact_sheet
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pseudo_labels.selection import ClassConfidences, mined_classes
from mlsl_mx.pseudo_labels.store import FORMAT, read_store, write_store
from mlsl_mx.system.background import Background, ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import file_hash, read_json, write_bytes, write_json
from mlsl_mx.system.workers import ALONE, Workers

SUMMARY = "selection.json"
STORE, THRESHOLDS = ".store", "thresholds.json"  # until the stage is done: a folder; in it, the result of pass 1


def generate_pseudo_labels(
    segmenter: Segmenter,
    dataset,
    selection: Selection,
    round_index: int,
    out_dir: Path,
    *,
    log: RunLog | None = None,
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Write pseudo-labels of all images of a target data set (Sec. 3.2).

    A finished stage is a no-op. An interrupted one goes on: stores made with the same arguments and network parameters
    are not computed again.

    Args:
        segmenter: the network, with the inference, seed (`patch_seed` of the round) and prior of the labels.
        dataset: a SceneDataset; only `names`, `image(i)` and `classes` are used.
        round_index: r; the portion is min(portion + r * portion_step, portion_max).
        out_dir: gets NAME.png (train ids, see `train_id_png`), contact_sheet.png and selection.json.
        log: of rank 0.
        workers: who share the images; `out_dir` is on a disk that all of them see.

    Returns: the content of selection.json. `seconds` and `network_seconds` are those of this process (of rank 0).
    Raises: InputError for an image smaller than the patch, or a network whose output is not finite or has another
        number of classes.
    """
    out_dir = Path(out_dir)
    if workers.agreed((out_dir / SUMMARY).exists()):
        return read_json(out_dir / SUMMARY, "coverage", "collapsed", "loose")
    stage = _TwoPasses(segmenter, dataset, out_dir / STORE, workers)
    portion = min(selection.portion + round_index * selection.portion_step, selection.portion_max)
    started = time.monotonic()
    first = stage.thresholds(selection, portion)
    counted = stage.write_labels(out_dir, first, selection.rule)
    seconds = time.monotonic() - started
    summary = {
        "round": round_index,
        "portion": portion,
        "policy": selection.policy,
        "rule": selection.rule,
        **_described(dataset.classes.names, selection, first, counted),
        "images": len(dataset.names),
        "seconds": round(seconds, 1),
        "network_seconds": round(segmenter.net.seconds, 1),
    }
    if workers.rank == 0:
        write_contact_sheet(out_dir, dataset)
        write_json(out_dir / SUMMARY, summary)
        shutil.rmtree(stage.store_dir, ignore_errors=True)
        if log is not None:
            log.write("pseudo_labels", **summary)
    workers.barrier()
    return summary


def labelling_settings(patches: PseudoLabels, selection: Selection) -> dict[str, Any]:
    """The settings that labels depend on, by group: an imported prior counts by its content (`prior`), not its path;
    the number of patches in a network call (`batch`) does not count."""
    groups = {"pseudo_labels": asdict(patches), "selection": asdict(selection)}
    del groups["pseudo_labels"]["batch"]
    prior_file = groups["selection"].pop("prior_file")
    if selection.spatial_prior and prior_file:
        groups["selection"]["prior"] = file_hash(Path(prior_file))
    return groups


@dataclass(frozen=True)
class _FirstPass:
    """The result of pass 1: of each class its threshold, and the pixels predicted as it."""

    thresholds: list[float]
    predicted: list[int]
    resumed: bool  # an earlier start has made it, so some labels may be there


class _TwoPasses:
    """The two passes over a data set's images, of which this worker takes its share."""

    def __init__(self, segmenter: Segmenter, dataset, store_dir: Path, workers: Workers = ALONE):
        self.segmenter = segmenter
        self.dataset = dataset
        self.store_dir = Path(store_dir)
        self.workers = workers
        self._network_lock = threading.Lock()  # in pass 2 threads may need the network, where a store is lost

    @cached_property
    def key(self) -> str:
        """What a store depends on besides its image; the settings that are left out change nothing in it."""
        digest = self.segmenter.parameters_checksum
        settings = asdict(self.segmenter.settings)
        names = ("inference", "patches", "patch", "placement", "flip", "start", "single_scale")
        inference = {name: settings[name] for name in names}
        return f"{digest:08x} {self.segmenter.seed} {inference}"

    def thresholds(self, selection: Selection, portion: float) -> _FirstPass:
        """Pass 1. Its result is saved because pass 2 deletes, one by one, the stores that it was computed from."""
        path, key = self.store_dir / THRESHOLDS, self._thresholds_key(selection, portion)
        saved = _saved_thresholds(path, key)
        if self.workers.sum(np.array([saved is not None]))[0] == self.workers.count:  # files may reach some later
            return saved
        confidences = ClassConfidences(self.dataset.classes.num_classes, selection.stride, selection.extra_zero)
        self._file_confidences(confidences)
        confidences.sum_over(self.workers)
        thresholds = confidences.thresholds(portion, selection.policy).tolist()
        predicted = confidences.predicted.tolist()
        if self.workers.rank == 0:
            write_json(path, {"key": key, "thresholds": thresholds, "predicted": predicted})
        self.workers.barrier()  # no store vanishes before what follows from it is written
        return _FirstPass(thresholds, predicted, resumed=False)

    def _thresholds_key(self, selection: Selection, portion: float) -> str:
        """What the thresholds depend on: what the stores do, what is made of them, and which images there are."""
        settings, prior = self.segmenter.settings, self.segmenter.prior
        images = zlib.crc32("\n".join(self.dataset.names).encode())
        factors = 0 if prior is None else zlib.crc32(np.ascontiguousarray(prior.frequency))
        composed = f"{settings.upsampling} {settings.votes} {factors:08x}"
        return f"{FORMAT} {self.key} {composed} {images:08x} {portion} {asdict(selection)}"

    @property
    def _indices(self) -> range:
        """Of this worker's images."""
        return self.workers.shard(len(self.dataset.names))

    def _shown(self, items: Iterable, title: str) -> Iterable:
        """Something for each of this worker's images, with progress."""
        return progress(items, title, "image", total=len(self._indices), network=self.segmenter.net)

    def _file_confidences(self, confidences: ClassConfidences) -> None:
        # Writing, composing and counting run beside the next image's network; only they touch `confidences`.
        read = ahead(self._read, self._indices, self.segmenter.threads)
        with Background() as background:
            for index, stored, image in self._shown(read, "probabilities"):
                path = self._store_path(index)
                maps = self.segmenter.maps(image, self.dataset.names[index]) if stored is None else stored
                background.run(self._file, maps, path if stored is None else None, confidences)

    def _read(self, index: int) -> tuple[int, ImageMaps | None, np.ndarray | None]:
        """An image's index, and what is stored of it, or if there is nothing, the image."""
        stored = read_store(self._store_path(index), self.key)
        return index, stored, self.dataset.image(index) if stored is None else None

    def _file(self, maps: ImageMaps, store: Path | None, confidences: ClassConfidences) -> None:
        """Count an image's confidences and write it to `store`, unless it was read from there."""
        maps.check_classes(self.dataset.classes.num_classes)
        confidences.update_top(*self.segmenter.confidences(maps))  # first: what is not finite must not be stored
        if store is not None:
            write_store(store, self.segmenter.engine.on_host(maps), self.key)

    def write_labels(self, out_dir: Path, first: _FirstPass, rule: str) -> dict[str, Any]:
        """Pass 2. Returns pixels of all workers: `labelled` (C,), `all`, `uncovered`."""
        ids = self.dataset.classes.ignore + 1
        counts = np.zeros(ids, np.int64)
        with Background() as background:
            made = partial(self._labelled, out_dir, first, rule, background)
            for labels in self._shown(ahead(made, self._indices, self.segmenter.threads), "labels"):
                counts += counts_of(labels, ids)
        counts = self.workers.sum(counts)
        return {
            "labelled": counts[: self.dataset.classes.num_classes],
            "all": int(counts.sum()),
            "uncovered": int(counts.sum()) - sum(first.predicted),
        }

    def _labelled(self, out_dir: Path, first: _FirstPass, rule: str, background: Background, index: int) -> np.ndarray:
        """The labels of an image, which are written in the background."""
        path, store = out_dir / f"{self.dataset.names[index]}.png", self._store_path(index)
        labels = self._finished(path, store) if first.resumed else None
        if labels is None:
            maps = read_store(store, self.key)
            if maps is None:
                image = self.dataset.image(index)
                with self._network_lock:
                    maps = self.segmenter.maps(image, self.dataset.names[index])
            labels = self.segmenter.labels(maps, first.thresholds, rule)
            if self.segmenter.threads:
                self._write_label(labels, path, store)  # this is a thread of many
            else:
                background.run(self._write_label, labels, path, store)
        return labels

    def _finished(self, path: Path, store: Path) -> np.ndarray | None:
        """The labels of an image that an earlier start made; None if it did not, or they are damaged."""
        if store.exists() or not path.exists():
            return None
        try:
            return read_pseudo_label(path, self.dataset.classes)
        except InputError:
            return None

    def _write_label(self, labels: np.ndarray, path: Path, store: Path) -> None:
        """Write an image's label file, and delete the store that it was made from."""
        write_bytes(path, train_id_png(labels, self.dataset.classes))
        store.unlink(missing_ok=True)

    def _store_path(self, index: int) -> Path:
        return self.store_dir / f"{self.dataset.names[index]}.map"


def _saved_thresholds(path: Path, key: str) -> _FirstPass | None:
    """What pass 1 saved; None if it is missing, damaged, or of another key: pass 1 is then made again."""
    try:
        saved = read_json(path, "key", "thresholds", "predicted")
    except InputError:
        return None
    return _FirstPass(saved["thresholds"], saved["predicted"], resumed=True) if saved["key"] == key else None


def _described(names, selection: Selection, first: _FirstPass, counted) -> dict[str, Any]:
    """The part of selection.json that is about classes and pixels."""
    predicted, labelled, pixels = np.array(first.predicted), counted["labelled"], counted["all"]
    share = (labelled / max(labelled.sum(), 1)).tolist()
    few = {name: one for name, one in zip(names, share, strict=True) if one < selection.mining_least}
    return {
        "thresholds": dict(zip(names, first.thresholds, strict=True)),
        "coverage": float(labelled.sum() / pixels),
        "coverage_per_class": dict(zip(names, (labelled / pixels).tolist(), strict=True)),
        "predicted_share": dict(zip(names, (predicted / max(predicted.sum(), 1)).tolist(), strict=True)),
        **_mined(names, selection, predicted, ()),
        "mined_in_target": _mined(names, selection, predicted, few),
        "mining_left_out": few,
        "uncovered": counted["uncovered"] / pixels,
        "collapsed": [name for name, count in zip(names, labelled, strict=True) if count == 0],
        # The most probable of C classes has at least 1/C, so a threshold below 1/C arises only with a spatial prior.
        # Such a class may also take pixels on which it is not the most probable one.
        "loose": [name for name, threshold in zip(names, first.thresholds, strict=True) if threshold < 1 / len(names)],
    }


def _mined(names, selection: Selection, predicted: np.ndarray, left_out: Iterable[str]) -> dict[str, list[str]]:
    ids = {names.index(name) for name in left_out}
    groups = mined_classes(predicted, selection.mining_share, selection.mining_rarest, ids)
    return {key: [names[c] for c in group] for key, group in zip(("mined_first", "mined"), groups, strict=True)}
