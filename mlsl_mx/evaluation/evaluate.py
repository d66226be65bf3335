"""From network to IoU on the validation images: predictions as PNG, confusion matrix, `evaluation.json`.

Protocol: full image, flip averaged, probabilities up-sampled bilinearly, argmax; a class in neither truth nor
prediction is left out of the mean, as in the official Cityscapes script. The size is `target.size`: see `resolution`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.file_kinds import has_ending
from mlsl_mx.data.folders import files_below
from mlsl_mx.data.image_files import size_text
from mlsl_mx.data.label_images import label_id_png, palette_png, read_prediction
from mlsl_mx.data.lists import composed
from mlsl_mx.data.numbering import FEW, files_of_train_ids
from mlsl_mx.evaluation.metrics import ConfusionMatrix
from mlsl_mx.evaluation.resolution import count_resized
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.system.background import Background, ahead
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import write_bytes, write_json
from mlsl_mx.system.workers import ALONE, Workers


def evaluate(
    segmenter: Segmenter,
    dataset,
    out_dir: Path,
    *,
    log: RunLog | None = None,
    made_from: Mapping[str, Any] = MappingProxyType({}),
    workers: Workers = ALONE,
) -> dict:
    """Segment and score every image of a SceneDataset with labels.

    Writes `out_dir/predictions/palette/NAME.png` (train ids in colour), `out_dir/predictions/label_ids/NAME.png`
    (what the official script reads: set CITYSCAPES_RESULTS to that folder; of more than 255 classes train ids), and
    last `out_dir/evaluation.json`. Predictions that an earlier start left there are re-used: the caller removes those
    of another network, as `open_stage` does.

    Args:
        segmenter: of whole images, as of `whole_image_segmenter`.
        made_from: noted in evaluation.json, as are the flip and the list's hash.
        workers: take the images in turn; their pixels are summed exactly, so the numbers do not depend on how many
            there are.

    Returns: the content of evaluation.json: `summary`, `resized` as `count_resized` gives it, what it is made from,
        seconds and network_seconds (of this start).
    Raises: InputError if the network's output is not finite or does not fit a label map.
    """
    out_dir, started = Path(out_dir), time.monotonic()
    confusion = confusion_of(segmenter, dataset, "evaluate", out_dir / "predictions", workers)
    result = {
        **summary(confusion, dataset.classes, len(dataset)),
        "resized": count_resized(dataset),
        "list_hash": dataset.fingerprint,
        "flip": segmenter.settings.flip,
        **made_from,
        "seconds": round(time.monotonic() - started, 1),
        "network_seconds": round(segmenter.net.seconds, 1),
    }
    if workers.rank == 0:
        write_json(out_dir / "evaluation.json", result)
    if log is not None:
        logged = {key: result[key] for key in ("miou", "mious", "images", "seconds", "network_seconds")}
        log.write("evaluated", **logged)
    return result


def confusion_of(
    segmenter: Segmenter, dataset, title: str, predictions: Path | None = None, workers: Workers = ALONE
) -> ConfusionMatrix:
    """Every image of a SceneDataset with labels, segmented and counted; what the workers count is summed.

    Args:
        title: of the progress bar.
        predictions: where they are stored and, if they are there already, read from; None: nowhere.

    Raises: InputError as `evaluate`.
    """
    confusion, lock = ConfusionMatrix(dataset.classes.num_classes), threading.Lock()

    def count(label: np.ndarray, predicted: np.ndarray) -> None:  # called by several threads
        with lock:
            confusion.update(label, predicted)

    # What comes before and after the network runs beside its work on another image.
    shard, threads = workers.shard(len(dataset)), segmenter.threads
    read = ahead(partial(_read, dataset, predictions), shard, threads)
    with Background(max(1, threads // 2)) as background:
        for index, label, predicted, image in progress(read, title, "image", len(shard), network=segmenter.net):
            if predicted is None:
                maps = segmenter.exact_maps(image, str(dataset.image_path(index)))
                background.run(_predict_and_count, segmenter, maps, dataset, index, label, predictions, count)
            else:
                background.run(count, label, predicted)
    confusion.sum_over(workers)
    return confusion


def evaluate_predictions(folder: Path, dataset) -> dict:
    """The same numbers from saved PNGs: palette files hold train ids, grey ones Cityscapes label ids.

    A file belongs to an image if it is NAME.png or NAME_*.png, in `folder` or below: the official script's rule; to the
    image of the longest name, where one's own have names such as 1 and 1_left.

    Returns: `summary`, `resized` as `count_resized` gives it, and list_hash.
    Raises: InputError for a missing, double, mis-sized or wrongly coded prediction, or labels that hold train ids.
    """
    if faults := list(files_of_train_ids(dataset, FEW).values()):
        raise InputError(faults[0])
    files = _by_name([file for file in files_below(folder) if has_ending(file, (".png",))], dataset.names)
    confusion = ConfusionMatrix(dataset.classes.num_classes)
    for index, name in enumerate(progress(dataset.names, "evaluate", "image")):
        path = _only_file(files[name], name, folder)
        label, predicted = dataset.label(index), read_prediction(path, dataset.classes)
        _same_shape(predicted, label, str(path), dataset.label_path(index))
        confusion.update(label, predicted)
    about = {"resized": count_resized(dataset), "list_hash": dataset.fingerprint}
    return {**summary(confusion, dataset.classes, len(dataset)), **about}


def summary(confusion: ConfusionMatrix, classes: ClassSet, images: int) -> dict:
    """JSON-able: miou over all classes and mious over 19, 16, 13 (percent; None for NaN), per_class, confusion, ..."""
    per_class = [percent(iou) for iou in confusion.iou()]
    return {
        "miou": percent(confusion.mean_iou()),
        "mious": {str(n): percent(confusion.mean_iou(classes.common(n))) for n in classes.published_means},
        "per_class": dict(zip(classes.names, per_class, strict=True)),
        "classes": list(classes.names),
        "images": images,
        "confusion": confusion.matrix.tolist(),
        "missed": confusion.missed.tolist(),
    }


def percent(share: float) -> float | None:
    """100 times the share; None, which is JSON's null, for NaN."""
    return None if math.isnan(share) else 100.0 * float(share)


def _read(
    dataset, predictions: Path | None, index: int
) -> tuple[int, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """An image's index, its label, and the prediction of an earlier start, or if there is none, the image."""
    label = dataset.label(index)
    predicted = predictions and _stored_prediction(predictions, dataset, index, label.shape)
    return index, label, predicted, dataset.image(index) if predicted is None else None


def _predict_and_count(
    segmenter: Segmenter,
    maps: ImageMaps,
    dataset,
    index: int,
    label: np.ndarray,
    predictions: Path | None,
    count: Callable[[np.ndarray, np.ndarray], None],
):
    """From the maps of an image to its prediction, which is counted and, where there is a folder for it, stored."""
    predicted, _ = segmenter.predicted(maps)
    _same_shape(predicted, label, f"prediction for {dataset.image_path(index)}", dataset.label_path(index))
    if predictions:
        _store_prediction(predictions, dataset, index, predicted)
    count(label, predicted)


def _stored_prediction(predictions: Path, dataset, index: int, shape) -> np.ndarray | None:
    """The train ids of an earlier start, or None if there are none that can be read and fit."""
    names = [predictions / folder / f"{dataset.names[index]}.png" for folder in ("palette", "label_ids")]
    if not all(name.exists() for name in names):
        return None
    try:
        predicted = read_prediction(names[0 if dataset.classes.id_type == np.uint8 else 1], dataset.classes)
    except InputError:
        return None
    return predicted if predicted.shape == tuple(shape) else None


def _store_prediction(predictions: Path, dataset, index: int, predicted: np.ndarray) -> None:
    name = f"{dataset.names[index]}.png"
    write_bytes(predictions / "palette" / name, palette_png(predicted, dataset.classes))
    write_bytes(predictions / "label_ids" / name, label_id_png(predicted, dataset.classes))


def _by_name(files: Sequence[Path], names: Sequence[str]) -> dict[str, list[Path]]:
    """The files that belong to each of the images of these names."""
    found: dict[str, list[Path]] = {name: [] for name in names}
    for path in files:
        name = composed(path.stem)
        while name and name not in found:
            name = name.rpartition("_")[0]
        if name:
            found[name].append(path)
    return found


def _only_file(found: Sequence[Path], name: str, folder: Path) -> Path:
    if not found:
        raise InputError(f"{folder}: no prediction {name}*.png: save one, or take the image off the list")
    if len(found) > 1:
        raise InputError(f"{folder}: {len(found)} predictions for {name}, e.g. {found[0]} and {found[1]}: keep one")
    return found[0]


def _same_shape(predicted: np.ndarray, label: np.ndarray, what: str, label_path: Path) -> None:
    if predicted.shape != label.shape:
        sizes = f"{size_text(predicted.shape)}, but its truth {label_path} is {size_text(label.shape)}"
        raise InputError(f"{what} is {sizes}: both must be the same size")
