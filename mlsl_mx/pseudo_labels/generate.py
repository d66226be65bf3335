"""The stage `pseudo-label`: from a network and target images to label files, without a look at any target label.

Pass 1 files the confidences of all images and keeps their largest probabilities in `.store/`; with the thresholds that
follow, pass 2 writes the labels and deletes the stores. `selection.json` comes last and says that the stage is done.
"""

from __future__ import annotations

import shutil
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Optional

import mxnet as mx
import numpy as np
from tqdm import tqdm

from mlsl_mx.config import PseudoLabels, Selection
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.errors import InputError
from mlsl_mx.labels import IGNORE
from mlsl_mx.pseudo_labels.inference import Network, probability_volume
from mlsl_mx.pseudo_labels.label_images import evenly_spread, write_contact_sheet, write_labels
from mlsl_mx.pseudo_labels.selection import ClassConfidences, mined_classes, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.store import TopClasses, read_store, write_store
from mlsl_mx.runs import RunLog, read_json, write_json

SUMMARY = "selection.json"


def generate_pseudo_labels(
    net: Network,
    dataset,
    ctx: mx.Context,
    settings: PseudoLabels,
    selection: Selection,
    round_index: int,
    seed: int,
    out_dir: Path,
    prior: Optional[SpatialPrior] = None,
    log: Optional[RunLog] = None,
) -> Dict[str, Any]:
    """Write pseudo-labels of all images of a target data set (Sec. 3.2).

    A finished stage is a no-op. An interrupted one goes on: stores made with the same arguments and network parameters
    are not computed again.

    Args:
        net: callable, (B, 3, H, W) -> logits or (logits, weak_logits) at stride 8.
        dataset: a SceneDataset; only `names`, `image(i)` and `classes` are used.
        round_index: r; the portion is min(portion + r * portion_step, portion_max).
        out_dir: gets NAME.png (palette PNG of uint8 train ids, 255 = ignore), contact_sheet.png and selection.json.
        prior: factors of the probabilities, for CBST-SP.

    Returns: the content of selection.json. `seconds` and `network_seconds` are those of this process.
    Raises: InputError for an image smaller than the patch, or a network whose output is not finite.
    """
    out_dir = Path(out_dir)
    if (out_dir / SUMMARY).exists():
        return read_json(out_dir / SUMMARY)
    stage = _Stage(net, dataset, ctx, settings, seed, prior, out_dir / ".store")
    portion = min(selection.portion + round_index * selection.portion_step, selection.portion_max)
    started = time.time()
    found = stage.thresholds(selection, portion)
    counted = stage.write_labels(out_dir, found, selection.rule)
    write_contact_sheet(out_dir, dataset)
    summary = {
        "round": round_index,
        "portion": portion,
        "policy": selection.policy,
        "rule": selection.rule,
        **_described(dataset.classes.names, np.array(found["predicted"]), found, counted),
        "images": len(dataset.names),
        "seconds": round(time.time() - started, 1),
        "network_seconds": round(stage.net.seconds, 1),
    }
    write_json(out_dir / SUMMARY, summary)
    shutil.rmtree(stage.store_dir, ignore_errors=True)
    if log is not None:
        log.write("pseudo_labels", **summary)
    return summary


class _Stage:
    """What every image of the stage is computed with."""

    def __init__(self, net, dataset, ctx, settings, seed, prior, store_dir):
        self.net = _TimedNetwork(net)
        self.dataset = dataset
        self.ctx = ctx
        self.settings = settings
        self.seed = seed
        self.prior = prior
        self.store_dir = Path(store_dir)

    @cached_property
    def key(self) -> str:
        """What a stored probability depends on besides its image; `batch` changes nothing."""
        digest = _parameters_checksum(self.net.net)
        if self.prior is not None:
            digest = zlib.crc32(np.ascontiguousarray(self.prior.frequency), digest)
        inference = {name: value for name, value in asdict(self.settings).items() if name != "batch"}
        return f"{digest:08x} {self.seed} {inference}"

    def thresholds(self, selection: Selection, portion: float) -> Dict[str, Any]:
        """Pass 1; its result is saved, for the stores it follows from vanish one by one in pass 2."""
        path = self.store_dir / "thresholds.json"
        key = f"{self.key} {portion} {selection.policy} {selection.stride} {selection.extra_zero} {selection.rule}"
        if path.exists():
            found = read_json(path)
            if found["key"] == key:
                return {**found, "resumed": True}
            path.unlink()
        confidences = ClassConfidences(self.dataset.classes.num_classes, selection.stride, selection.extra_zero)
        self._file_confidences(confidences)
        found = {
            "key": key,
            "thresholds": confidences.thresholds(portion, selection.policy).tolist(),
            "predicted": confidences.predicted.tolist(),
        }
        write_json(path, found)
        return {**found, "resumed": False}

    def _file_confidences(self, confidences: ClassConfidences) -> None:
        names = self.dataset.names
        with ThreadPoolExecutor(1) as beside:  # sorting and packing go on beside the next image's inference
            pending: Optional[Future] = None
            for index, name in enumerate(tqdm(names, desc="probabilities", unit="image")):
                stored = read_store(self._store_path(name), self.key)
                if stored is not None:
                    confidences.update_top(stored.classes[0], stored.probabilities[0])
                    continue
                volume = self.volume(index)
                if pending is not None:
                    pending.result()
                pending = beside.submit(self._keep, volume, name, confidences)
            if pending is not None:
                pending.result()

    def _keep(self, volume: np.ndarray, name: str, confidences: ClassConfidences) -> None:
        try:
            top = TopClasses.from_volume(volume)
        except ValueError as problem:
            raise InputError(f"target image {name}: {problem}: check the network's weights") from None
        write_store(self._store_path(name), top, self.key)
        confidences.update_top(top.classes[0], top.probabilities[0])

    def volume(self, index: int) -> np.ndarray:
        """(C, H, W) float16 probabilities of one image.

        Raises: InputError if the image is smaller than the patch.
        """
        name, image = self.dataset.names[index], self.dataset.image(index)
        height, width = image.shape[:2]
        patch = self.settings.patch
        if self.settings.inference == "sisc" and min(height, width) < patch:
            raise InputError(
                f"target image {name} is {width}x{height}, smaller than pseudo_labels.patch={patch}: "
                f"lower pseudo_labels.patch or remove the image from the list of target images"
            )
        return probability_volume(self.net, image, self.ctx, self.settings, self.seed, name, self.prior)

    def write_labels(self, out_dir: Path, found: Dict[str, Any], rule: str) -> Dict[str, Any]:
        """Pass 2. Returns pixels: `labelled` (C,), `all`, `uncovered`."""
        labelled, pixels = np.zeros(256, np.int64), 0
        for index, name in enumerate(tqdm(self.dataset.names, desc="labels", unit="image")):
            path = out_dir / f"{name}.png"
            if found["resumed"] and path.exists() and not self._store_path(name).exists():
                labels = read_pseudo_label(path, self.dataset.classes)
            else:
                labels = self._labels(index, found["thresholds"], rule)
                write_labels(path, labels, self.dataset.classes.palette)
                self._store_path(name).unlink(missing_ok=True)
            labelled += np.bincount(labels.ravel(), minlength=256)
            pixels += labels.size
        return {
            "labelled": labelled[: self.dataset.classes.num_classes],
            "all": pixels,
            "uncovered": pixels - sum(found["predicted"]),
        }

    def _labels(self, index: int, thresholds, rule: str) -> np.ndarray:
        stored = read_store(self._store_path(self.dataset.names[index]), self.key)
        if stored is not None:
            labels, unproved = stored.labels(thresholds, rule)
            if not unproved.any():
                return labels
        return select_pseudo_labels(self.volume(index), thresholds, rule)

    def _store_path(self, name: str) -> Path:
        return self.store_dir / f"{name}.top"


class _TimedNetwork:
    """A network that adds up the time of its calls; it waits for its result, and beforehand for what went before."""

    def __init__(self, net: Network):
        self.net = net
        self.seconds = 0.0

    def __call__(self, images):
        mx.nd.waitall()
        started = time.time()
        output = self.net(images)
        for array in output if isinstance(output, (tuple, list)) else (output,):
            array.wait_to_read()
        self.seconds += time.time() - started
        return output


def _parameters_checksum(net: Network) -> int:
    """CRC-32 of a Gluon network's parameters; 0 for any other callable."""
    digest = 0
    parameters = net.collect_params() if hasattr(net, "collect_params") else {}
    for name, parameter in parameters.items():
        digest = zlib.crc32(parameter.list_data()[0].asnumpy(), zlib.crc32(name.encode(), digest))
    return digest


def _described(names, predicted: np.ndarray, found, counted) -> Dict[str, Any]:
    """The part of selection.json that is about classes and pixels."""
    labelled, pixels = counted["labelled"], counted["all"]
    return {
        "thresholds": dict(zip(names, found["thresholds"])),
        "coverage": float(labelled.sum() / pixels),
        "coverage_per_class": dict(zip(names, (labelled / pixels).tolist())),
        "predicted_share": dict(zip(names, (predicted / max(predicted.sum(), 1)).tolist())),
        "mined": [names[c] for c in mined_classes(predicted)],
        "uncovered": counted["uncovered"] / pixels,
        "collapsed": [name for name, count in zip(names, labelled) if count == 0],
    }


def diagnose_pseudo_labels(
    net: Network,
    dataset,
    ctx: mx.Context,
    settings: PseudoLabels,
    selection: Selection,
    seed: int,
    out_dir: Path,
    max_images: int = 8,
    prior: Optional[SpatialPrior] = None,
) -> Dict[str, Any]:
    """How right the same inference and thresholds are on images whose truth may be read: validation images.

    Nothing is fed back. Pixels that the truth ignores count neither as right nor as wrong.

    Args:
        dataset: a SceneDataset with labels.
        out_dir: a finished stage's folder: selection.json is read there, label_quality.json written.
        max_images: evenly spread over the set.

    Returns: {images, precision, coverage, per_class {name: {precision, recall, labelled}}}, shares of pixels, None
        where there is nothing to divide by; coverage and `labelled` are shares of all pixels.
    """
    out_dir = Path(out_dir)
    names = dataset.classes.names
    by_name = read_json(out_dir / SUMMARY)["thresholds"]
    thresholds = [by_name[name] for name in names]
    stage = _Stage(net, dataset, ctx, settings, seed, prior, out_dir / ".store")
    chosen = evenly_spread(len(dataset.names), max_images)
    matrix = np.zeros((256, 256), np.int64)  # rows: truth, columns: pseudo-label
    for index in tqdm(chosen, desc="label quality", unit="image"):
        labels = select_pseudo_labels(stage.volume(index), thresholds, selection.rule)
        both = dataset.label(index).astype(np.int64).ravel() * 256 + labels.ravel()
        matrix += np.bincount(both, minlength=matrix.size).reshape(matrix.shape)
    quality = {"images": len(chosen), **_quality(matrix, names)}
    write_json(out_dir / "label_quality.json", quality)
    return quality


def _quality(matrix: np.ndarray, names) -> Dict[str, Any]:
    classes = len(names)
    right = np.diag(matrix)[:classes]
    judged = matrix[:IGNORE, :classes].sum(axis=0)  # labelled pixels whose truth is a class
    truth = matrix[:classes].sum(axis=1)
    labelled = matrix[:, :classes].sum(axis=0)
    pixels = matrix.sum()
    per_class = {
        name: {
            "precision": _share(right[c], judged[c]),
            "recall": _share(right[c], truth[c]),
            "labelled": _share(labelled[c], pixels),
        }
        for c, name in enumerate(names)
    }
    overall = {"precision": _share(right.sum(), judged.sum()), "coverage": _share(labelled.sum(), pixels)}
    return {**overall, "per_class": per_class}


def _share(part, whole) -> Optional[float]:
    return float(part / whole) if whole else None
