"""Evaluation beside the official Cityscapes script, and what the evaluate stage does apart from the network.

All in one thread, in processor time. The network is a stub that gives the truth's classes as logits at stride 8, so
that predictions compress as real ones do. The memory floor is a copy of one label image, which moves as many bytes as
reading truth and prediction.

    .venv/bin/python benchmarks/evaluate.py            # about a minute
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import measure  # before MXNet
import mxnet as mx
import numpy as np
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from full_size_scenes import make_scenes
from measure import large_copy, seconds_in_turn, table, write_results
from PIL import Image

from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.label_images import label_id_png, palette_png, read_prediction
from mlsl_mx.data.transforms import STRIDE, labels_at_stride, normalise
from mlsl_mx.evaluation import ConfusionMatrix
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.pseudo_labels.selection import most_probable

IMAGES = 4


def main() -> None:
    """Make the data, time counting and the stage's parts, write the tables."""
    options = measure.option_parser(__doc__, repeats=9, results=True).parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        scenes, out = make_scenes(Path(folder), IMAGES)["cityscapes"], Path(folder) / "run"
        net = stub(scenes)
        content = {
            "counting": milliseconds(counting(scenes, evaluated(net, scenes, out)), options.repeats),
            "official_uses_cython": official.CSUPPORT,
            "parts": milliseconds(parts(net, scenes), options.repeats),
            "stage_ms": milliseconds({"stage": lambda: evaluated(net, scenes, out)}, options.repeats)["stage"] / IMAGES,
        }
    write_results("evaluate", content, text(content), options.results)


def milliseconds(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median processor time of each call."""
    return {name: 1e3 * value for name, value in seconds_in_turn(calls, repeats, time.process_time).items()}


def stub(scenes: SceneDataset) -> Callable[[mx.nd.NDArray], mx.nd.NDArray]:
    """A network that sees the first image everywhere: logits (1, C, H/8, W/8), those of its classes higher."""
    train_ids, classes = scenes.label(0), scenes.classes.num_classes
    cells = labels_at_stride(train_ids)
    logits = np.random.default_rng(0).normal(size=(1, classes, *cells.shape)).astype(np.float32)
    logits[0] += 5 * (cells == np.arange(classes)[:, None, None])
    fixed = mx.nd.array(logits)
    assert fixed.shape[2] * STRIDE == train_ids.shape[0]
    return lambda images: fixed


def evaluated(net, scenes: SceneDataset, out: Path) -> Path:
    """The folder of label ids that a fresh evaluate stage without flip writes."""
    shutil.rmtree(out, ignore_errors=True)
    evaluate(whole_image_segmenter(net, mx.cpu(), False), scenes, out)
    return out / "predictions" / "label_ids"


def counting(scenes: SceneDataset, predictions: Path) -> dict[str, Callable[[], Any]]:
    """One pair of truth and prediction: from their files, counted alone, and the floors of both."""
    truth_file, predicted_file = scenes.label_path(0), predictions / f"{scenes.names[0]}.png"
    truth, predicted = scenes.label(0), read_prediction(predicted_file, scenes.classes)
    confusion = ConfusionMatrix(scenes.classes.num_classes)
    official.args.evalInstLevelScore, matrix = False, official.generateMatrix(official.args)
    copy, _ = large_copy(truth.nbytes)
    return {
        "files, ours": lambda: confusion.update(scenes.label(0), read_prediction(predicted_file, scenes.classes)),
        "files, official": lambda: official.evaluatePair(
            str(predicted_file), str(truth_file), matrix, {}, {}, official.args
        ),
        "files, read by Pillow": lambda: [np.array(Image.open(path)) for path in (predicted_file, truth_file)],
        "count, ours": lambda: confusion.update(truth, predicted),
        "memory floor": copy,
    }


def parts(net, scenes: SceneDataset) -> dict[str, Callable[[], Any]]:
    """What the evaluate stage does with an image, in its order."""
    image, label, classes = scenes.image(0), scenes.label(0), scenes.classes
    on_device = mx.nd.array(normalise(image))
    maps = ImageMaps(image.shape[:2], (single_inference(net, on_device, False),))
    confusion, predicted = ConfusionMatrix(classes.num_classes), most_probable_classes(maps)
    return {
        "read the image": partial(scenes.image, 0),
        "read its label": partial(scenes.label, 0),
        "normalise, copy to the device": lambda: mx.nd.array(normalise(image)).wait_to_read(),
        "pad, mirror, softmax": lambda: single_inference(net, on_device, False),
        "up-sample, argmax": lambda: most_probable_classes(maps),
        "palette PNG": lambda: palette_png(predicted, classes),
        "label id PNG": lambda: label_id_png(predicted, classes),
        "count": lambda: confusion.update(label, predicted),
    }


def most_probable_classes(maps: ImageMaps) -> np.ndarray:
    """(H, W) uint8."""
    predicted = np.empty(maps.size, np.uint8)
    for window in composite(maps, mx.cpu()):
        predicted[window.rows, window.columns], _ = most_probable(window.volume.asnumpy())
    return predicted


def text(content: dict[str, Any]) -> str:
    """Markdown."""
    count = dict(content["counting"])
    count["count, official (its time less Pillow's)"] = count["files, official"] - count["files, read by Pillow"]
    how = "with its Cython part" if content["official_uses_cython"] else "with NumPy, its Cython part is not built"
    rows = [[name, f"{value:.2f}"] for name, value in sorted(count.items())]
    stage = [[name, f"{value:.1f}"] for name, value in content["parts"].items()]
    stage += [
        ["sum", f"{sum(content['parts'].values()):.1f}"],
        ["whole stage, without flip", f"{content['stage_ms']:.1f}"],
    ]
    return "\n".join(
        [
            f"A 2048x1024 truth and prediction; the official script {how}:\n",
            table(["pixels counted", "ms"], rows),
            "The evaluate stage on a 2048x1024 image without its network, on a CPU; what follows softmax runs beside "
            "the network's work on the next image:\n",
            table(["part", "ms"], stage),
        ]
    )


if __name__ == "__main__":
    main()
