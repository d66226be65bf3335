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
from typing import Any

import mxnet as mx
import numpy as np

from mlsl_mx.config import PseudoLabels, Selection
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.label_images import palette_png
from mlsl_mx.errors import InputError
from mlsl_mx.progress import progress
from mlsl_mx.pseudo_labels.contact_sheet import write_contact_sheet
from mlsl_mx.pseudo_labels.inference import Network, patch_seed, scene_volume
from mlsl_mx.pseudo_labels.selection import ClassConfidences, mined_classes, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.store import TopClasses, read_store, write_store
from mlsl_mx.runs import RunLog, read_json, write_bytes, write_json

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
    prior: SpatialPrior | None = None,
    log: RunLog | None = None,
) -> dict[str, Any]:
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
    stage = _Stage(net, dataset, ctx, settings, patch_seed(seed, round_index), prior, out_dir / ".store")
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
        **_described(dataset.classes.names, selection, found, counted),
        "images": len(dataset.names),
        "seconds": round(time.time() - started, 1),
        "network_seconds": round(stage.net.seconds, 1),
    }
    write_json(out_dir / SUMMARY, summary)
    shutil.rmtree(stage.store_dir, ignore_errors=True)
    if log is not None:
        log.write("pseudo_labels", **summary)
    return summary


def take_over_labels(run: Path, record: Path, inputs: dict[str, Any], folder: Path, log: RunLog) -> None:
    """Copy the labels that another method of the run made from the same inputs: SISC and SISC+PWL share round 0's.

    Args:
        record: where the stage notes its `inputs`.
        folder: of the round's pseudo-labels; replaced if there are some to take over.
    """
    for other in sorted(run.glob("*/round-*/pseudo_labels.inputs.json")):
        made = other.parent / "pseudo_labels"
        if other != record and read_json(other) == inputs and (made / SUMMARY).exists():
            copy = folder.with_name(".pseudo_labels.copy")  # takes its name when it is whole
            for old in (copy, folder):
                shutil.rmtree(old, ignore_errors=True)
            try:
                shutil.copytree(made, copy, ignore=shutil.ignore_patterns(".*"))
            except OSError:  # the other method is making them anew: then this one makes its own
                shutil.rmtree(copy, ignore_errors=True)
                return
            copy.replace(folder)
            log.write("taken_over", labels=str(made.relative_to(run)))
            return


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

    def thresholds(self, selection: Selection, portion: float) -> dict[str, Any]:
        """Pass 1; its result is saved, for the stores it follows from vanish one by one in pass 2."""
        path = self.store_dir / "thresholds.json"
        images = zlib.crc32("\n".join(self.dataset.names).encode())
        key = f"{self.key} {images:08x} {portion} {asdict(selection)}"
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
        # One thread sorts, packs and counts beside the next image's inference; only it touches `confidences`.
        with ThreadPoolExecutor(1) as beside:
            pending: Future | None = None
            for index, name in enumerate(progress(self.dataset.names, "probabilities", "image")):
                stored = read_store(self._store_path(name), self.key)
                volume = self.volume(index) if stored is None else None
                if pending is not None:
                    pending.result()  # at most one image waits
                if stored is None:
                    pending = beside.submit(self._keep, volume, name, confidences)
                else:
                    pending = beside.submit(confidences.update_top, stored.classes[0], stored.probabilities[0])
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
        """(C, H, W) float16 probabilities of one image. Raises: InputError if it is smaller than the patch."""
        return scene_volume(self.net, self.dataset, index, self.ctx, self.settings, self.seed, self.prior)

    def write_labels(self, out_dir: Path, found: dict[str, Any], rule: str) -> dict[str, Any]:
        """Pass 2. Returns pixels: `labelled` (C,), `all`, `uncovered`."""
        labelled, pixels = np.zeros(256, np.int64), 0
        for index, name in enumerate(progress(self.dataset.names, "labels", "image")):
            path = out_dir / f"{name}.png"
            if found["resumed"] and path.exists() and not self._store_path(name).exists():
                labels = read_pseudo_label(path, self.dataset.classes)
            else:
                labels = self._labels(index, found["thresholds"], rule)
                write_bytes(path, palette_png(labels, self.dataset.classes))
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
    for parameter in parameters.values():  # not the names: Gluon numbers them anew for each instance
        digest = zlib.crc32(parameter.list_data()[0].asnumpy(), digest)
    return digest


def _described(names, selection: Selection, found, counted) -> dict[str, Any]:
    """The part of selection.json that is about classes and pixels."""
    predicted, labelled, pixels = np.array(found["predicted"]), counted["labelled"], counted["all"]
    first, rarest = mined_classes(predicted, selection.mining_share, selection.mining_rarest)
    return {
        "thresholds": dict(zip(names, found["thresholds"])),
        "coverage": float(labelled.sum() / pixels),
        "coverage_per_class": dict(zip(names, (labelled / pixels).tolist())),
        "predicted_share": dict(zip(names, (predicted / max(predicted.sum(), 1)).tolist())),
        "mined_first": [names[c] for c in first],
        "mined": [names[c] for c in rarest],
        "uncovered": counted["uncovered"] / pixels,
        "collapsed": [name for name, count in zip(names, labelled) if count == 0],
        # The most probable of C classes has at least 1/C, so only a spatial prior pushes a threshold below; then hardly
        # any pixel is kept from the class.
        "loose": [name for name, threshold in zip(names, found["thresholds"]) if threshold < 1 / len(names)],
    }
