"""From network to IoU on the validation images: predictions as PNG, confusion matrix, `evaluation.json`.

Protocol: full image, flip averaged, probabilities up-sampled bilinearly, argmax; a class in neither truth nor
prediction is left out of the mean, as in the official Cityscapes script.
"""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import time
from pathlib import Path
from typing import Dict, List, Optional

import mxnet as mx
import numpy as np
from PIL import Image
from tqdm import tqdm

from mlsl_mx.data.transforms import normalise
from mlsl_mx.errors import InputError
from mlsl_mx.evaluation.metrics import ConfusionMatrix
from mlsl_mx.labels import IGNORE, KNOWN_IDS, ClassSet, class_set
from mlsl_mx.pseudo_labels.inference import single_inference
from mlsl_mx.runs import RunLog, read_json, write_bytes, write_json


def evaluate(net, dataset, ctx, flip: bool, out_dir: Path, log: Optional[RunLog] = None, weights: str = "") -> dict:
    """Segment and score every image of a SceneDataset with labels.

    Writes `out_dir/predictions/palette/NAME.png` (train ids in colour), `out_dir/predictions/label_ids/NAME.png`
    (what the official script reads: set CITYSCAPES_RESULTS to that folder), and last `out_dir/evaluation.json`.
    Started again, it re-uses the predictions it finds; a finished evaluation is returned as it is. Both only if
    flip, image list, classes and `weights` (hash of the weights file) are those of the first start.

    Returns: the content of evaluation.json: `summary` and flip, weights, list_hash, seconds (of this start).
    Raises: InputError if the network's output is not finite or does not fit a label map.
    """
    out_dir = Path(out_dir)
    origin = {"flip": bool(flip), "weights": weights, "classes": list(dataset.classes.names)}
    identity = {**origin, "list_hash": list_hash(dataset)}
    path = out_dir / "evaluation.json"
    if path.exists():
        result = read_json(path)
        if all(result.get(key) == value for key, value in identity.items()):
            return result
    started = time.monotonic()
    _keep_only(out_dir / "predictions", origin)
    confusion = ConfusionMatrix(dataset.classes.num_classes)
    for index in tqdm(range(len(dataset)), desc="evaluate", unit="image", disable=None):
        label = dataset.label(index)
        predicted = _stored_prediction(out_dir / "predictions", dataset, index, label.shape)
        if predicted is None:
            predicted = _predict(net, dataset, index, ctx, flip)
            _same_shape(predicted, label, f"prediction for {dataset.image_path(index)}", dataset.label_path(index))
            _store_prediction(out_dir / "predictions", dataset, index, predicted)
        confusion.update(label, predicted)
    result = {**summary(confusion, dataset.classes, len(dataset)), **identity}
    result["seconds"] = round(time.monotonic() - started, 1)
    write_json(path, result)
    if log is not None:
        log.write("evaluated", **{key: result[key] for key in ("miou", "mious", "images", "seconds")})
    return result


def evaluate_predictions(folder: Path, dataset) -> dict:
    """The same numbers from saved PNGs: palette files hold train ids, grey ones Cityscapes label ids.

    A file belongs to an image if its name starts with the image's name without `_leftImg8bit`, in `folder` or below.

    Returns: `summary` and list_hash.
    Raises: InputError for a missing, double, mis-sized or wrongly coded prediction.
    """
    files = sorted(Path(folder).rglob("*.png"))
    confusion = ConfusionMatrix(dataset.classes.num_classes)
    for index, name in enumerate(tqdm(dataset.names, desc="evaluate", unit="image", disable=None)):
        path = _matching_file(files, name, folder)
        label, predicted = dataset.label(index), _read_prediction(path, dataset.classes)
        _same_shape(predicted, label, str(path), dataset.label_path(index))
        confusion.update(label, predicted)
    return {**summary(confusion, dataset.classes, len(dataset)), "list_hash": list_hash(dataset)}


def summary(confusion: ConfusionMatrix, classes: ClassSet, images: int) -> dict:
    """JSON-able: miou over all classes and mious over 19, 16, 13 (percent; None for NaN), per_class, confusion, ..."""
    per_class = [percent(iou) for iou in confusion.iou()]
    return {
        "miou": percent(confusion.mean_iou()),
        "mious": {str(n): percent(confusion.mean_iou(classes.common(n))) for n in classes.published_means},
        "per_class": dict(zip(classes.names, per_class)),
        "classes": list(classes.names),
        "images": images,
        "confusion": confusion.matrix.tolist(),
        "missed": confusion.missed.tolist(),
    }


def percent(share: float) -> Optional[float]:
    """100 times the share; None, which is JSON's null, for NaN."""
    return None if math.isnan(share) else 100.0 * float(share)


def list_hash(dataset) -> str:
    """16 hex digits that tell one list of images from another, in whatever order."""
    return hashlib.sha256("\n".join(sorted(dataset.names)).encode()).hexdigest()[:16]


def _predict(net, dataset, index: int, ctx, flip: bool) -> np.ndarray:
    """(H, W) uint8 train ids."""
    image = mx.nd.array(normalise(dataset.image(index)), ctx=ctx)
    probabilities = single_inference(net, image, flip, upsampling="bilinear")  # (C, H, W)
    if not np.isfinite(probabilities.sum().asscalar()):
        raise InputError(f"{dataset.image_path(index)}: the network's output is not finite: the weights are damaged")
    return probabilities.argmax(axis=0).astype("uint8").asnumpy()


def _keep_only(predictions: Path, origin: Dict) -> None:
    """Remove predictions that were made in another way, so that none of them is taken for ours."""
    note = predictions / "origin.json"
    if note.exists() and read_json(note) == origin:
        return
    for folder in ("palette", "label_ids"):
        shutil.rmtree(predictions / folder, ignore_errors=True)
    write_json(note, origin)


def _stored_prediction(predictions: Path, dataset, index: int, shape) -> Optional[np.ndarray]:
    """The train ids of an earlier start, or None if there are none that can be read and fit."""
    names = [predictions / folder / f"{dataset.names[index]}.png" for folder in ("palette", "label_ids")]
    if not all(name.exists() for name in names):
        return None
    try:
        with Image.open(names[0]) as image:
            predicted = np.array(image)
    except (OSError, SyntaxError):  # Pillow's word for a damaged PNG
        return None
    return predicted if predicted.shape == tuple(shape) else None


def _store_prediction(predictions: Path, dataset, index: int, predicted: np.ndarray) -> None:
    name = f"{dataset.names[index]}.png"
    write_bytes(predictions / "palette" / name, palette_png(predicted, dataset.classes))
    write_bytes(predictions / "label_ids" / name, _png(Image.fromarray(dataset.classes.label_id_lookup[predicted])))


def palette_png(train_ids: np.ndarray, classes: ClassSet) -> bytes:
    """A PNG whose indices are the (H, W) uint8 train ids and whose palette has the classes' colours."""
    image = Image.fromarray(train_ids)
    image.putpalette(classes.palette.ravel().tolist())
    return _png(image)


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, format="PNG")
    return content.getvalue()


def _matching_file(files: List[Path], name: str, folder: Path) -> Path:
    stem = name[: -len("_leftImg8bit")] if name.endswith("_leftImg8bit") else name
    found = [path for path in files if path.stem == stem or path.stem.startswith(f"{stem}_")]
    if not found:
        raise InputError(f"{folder}: no prediction {stem}*.png: save one, or take the image off the list")
    if len(found) > 1:
        raise InputError(f"{folder}: {len(found)} predictions for {stem}, e.g. {found[0]} and {found[1]}: keep one")
    return found[0]


def _read_prediction(path: Path, classes: ClassSet) -> np.ndarray:
    """(H, W) uint8 train ids; 255 for what is no class of the set."""
    try:
        with Image.open(path) as image:
            mode, ids = image.mode, np.array(image)
    except (OSError, SyntaxError) as problem:
        raise InputError(f"{path}: not a readable PNG ({problem}): write it again") from None
    if mode == "P":
        return ids
    if mode != "L":
        raise InputError(f"{path}: mode {mode}, but a prediction is a palette PNG of train ids or a grey one of label ids")
    # No network predicts ids such as 2 (rectification border); in a map of train ids they are common classes.
    foreign = sorted(set(np.unique(ids).tolist()) - {0, IGNORE} - _predictable_ids())
    if foreign:
        raise InputError(f"{path}: grey value {foreign[0]} is no label id of a class: save train ids as a palette PNG")
    return classes.train_id_lookup("cityscapes")[ids]


def _predictable_ids() -> set:
    return set(class_set(19).label_id_lookup.tolist()) & KNOWN_IDS["cityscapes"]


def _same_shape(predicted: np.ndarray, label: np.ndarray, what: str, label_path: Path) -> None:
    if predicted.shape != label.shape:
        sizes = "{}x{}, but its truth {} is {}x{}".format(*predicted.shape, label_path, *label.shape)
        raise InputError(f"{what} is {sizes}: both must have one size")
