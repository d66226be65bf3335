"""Training crops per second and core, beside bare decoding of the same files, and the cores that a GPU needs of them.

Bare decoding is what no reader can do without: the image and the label file, from memory; the image by the faster of
OpenCV and Pillow, the label by the one that gives its ids (OpenCV gives a palette's colours, Pillow 8 of SYNTHIA's 16
bits).

    .venv/bin/python benchmarks/reader.py            # about 2 minutes
"""

from __future__ import annotations

import collections
import io
import itertools
import os
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
from full_size_scenes import make_scenes, mean_megabytes, with_selected_labels
from measure import option_parser, seconds_in_turn, table, write_results
from mxnet.gluon.data import DataLoader
from PIL import Image

from mlsl_mx.config.training_settings import Crops, SelfTraining
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.sampling import Domain, TrainingCrops, classes_present
from mlsl_mx.pseudo_labels import weak_labels
from mlsl_mx.training.batches import load_batches

IMAGES = 4  # of each data set
CROPS = 24  # in an epoch
STEPS = (50, 100, 200, 400)  # milliseconds
BATCHES = (1, 2)
DECODERS = {
    "cv2": lambda content: cv2.imdecode(content, cv2.IMREAD_UNCHANGED),
    "Pillow": lambda content: np.array(Image.open(io.BytesIO(content))),
}
LABEL_DECODER = {"gta5": "Pillow", "synthia": "cv2", "cityscapes": "Pillow"}  # those of cityscapes are pseudo-labels


def main() -> None:
    """Make the data, time decoding, crops and load_batches, write the tables."""
    options = option_parser(__doc__, repeats=5, results=True).parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        scenes = make_scenes(Path(folder), IMAGES)
        scenes["cityscapes"] = with_selected_labels(scenes["cityscapes"], Path(folder) / "pseudo_labels")
        crops = {kind: training_crops(dataset) for kind, dataset in scenes.items()}
        rows = [single_core(kind, crops[kind], options.repeats) for kind in crops]
        ahead = drawn_ahead(crops["cityscapes"], options.repeats)
    content = {"crops": rows, "load_batches": ahead, "cores_needed": cores_needed(rows)}
    write_results("reader", content, text(content), options.results)


def training_crops(dataset: SceneDataset) -> TrainingCrops:
    """As a round of self-training draws them: mined, and weakly labelled by the rule of the domain."""
    classes = dataset.classes.num_classes
    if dataset.kind == "cityscapes":
        rule = partial(weak_labels, h_s=np.full(classes, 0.05), eta=0.05)
    else:
        rule = partial(classes_present, num_classes=classes)
    rare = tuple(map(dataset.classes.names.index, ("motorcycle", "bicycle", "rider")))
    domain = Domain(dataset, rule, mined=((), rare), mining_probability=SelfTraining().mining_probability)
    return TrainingCrops([domain], np.array([(0, k % IMAGES) for k in range(CROPS)]), Crops(), seed=0, epoch=0)


def single_core(kind: str, crops: TrainingCrops, repeats: int) -> dict[str, Any]:
    """A crop and bare decoding of the same files in turn: medians of the processor time, all in one thread."""
    dataset = crops.domains[0].dataset
    images, labels = (
        [np.fromfile(path(i), np.uint8) for i in range(IMAGES)] for path in (dataset.image_path, dataset.label_path)
    )
    decoders = {name: partial(decode, images[0]) for name, decode in DECODERS.items()}
    seconds = seconds_in_turn(decoders, repeats, time.process_time)
    fastest, position = min(seconds, key=seconds.get), itertools.count()

    def bare():
        index = next(position) % IMAGES
        DECODERS[fastest](images[index])
        DECODERS[LABEL_DECODER[kind]](labels[index])

    drawn = itertools.count()
    calls = {"crop": lambda: crops[next(drawn)], "bare": bare}
    seconds = seconds_in_turn(calls, repeats * CROPS, time.process_time)
    return {
        "dataset": kind,
        "size": dataset.size[::-1],
        "megabytes": mean_megabytes(dataset),
        "decoder": {"image": fastest, "label": LABEL_DECODER[kind]},
        "crop_ms": 1e3 * seconds["crop"],
        "bare_ms": 1e3 * seconds["bare"],
        "crops_per_second": 1 / seconds["crop"],
        "share_of_bare": seconds["bare"] / seconds["crop"],
    }


def drawn_ahead(crops: TrainingCrops, repeats: int) -> list[dict[str, Any]]:
    """Epochs of batches of 2 in turn: medians of what a crop takes. Processes are here to show what threads spare.

    More processor time than "here" is what handing over costs; wall clock depends on what else the machine does.
    """
    ways = {("here", 0): partial(load_batches, crops, 2)}
    for readers in (1, 2):
        ways["threads", readers] = partial(load_batches, crops, 2, readers)
        ways["processes", readers] = partial(batches_by_processes, crops, readers)
    taken = {way: [] for way in ways}
    for _ in range(repeats):
        for way, batches in ways.items():
            before = np.array(clocks())
            collections.deque(batches(), maxlen=0)
            taken[way].append(np.array(clocks()) - before)
    rows = []
    for (kind, readers), seconds in taken.items():
        wall, own, children = 1e3 * np.median(seconds, axis=0) / CROPS
        row = {"readers": f"{kind}: {readers}" if readers else kind, "wall_ms": wall}
        rows.append({**row, "processor_ms": own + children, "training_process_ms": own})
    return rows


def batches_by_processes(crops: TrainingCrops, readers: int):
    """What `load_batches` would be with processes, which send their arrays through pipes."""
    positions = [range(k, k + 2) for k in range(0, CROPS, 2)]
    loader = DataLoader(crops, batch_sampler=positions, batchify_fn=stacked, num_workers=readers, auto_reload=False)
    yield from loader


def stacked(items):
    """Arrays of a batch."""
    return tuple(np.stack(arrays) for arrays in zip(*items, strict=True))


def clocks() -> tuple[float, float, float]:
    """Seconds: wall clock, processor time of this process, of its children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time(), children.ru_utime + children.ru_stime


def cores_needed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cores that draw the crops of a training step as fast as a GPU takes them: batch / step / crops per second."""
    return [
        {"dataset": row["dataset"], "batch": batch, "step_ms": step, "cores": batch * row["crop_ms"] / step}
        for row in rows
        for batch in BATCHES
        for step in STEPS
    ]


def text(content: dict[str, Any]) -> str:
    """Markdown."""
    crops = table(
        ["data set", "size", "image, MB", "label, MB", "bare by", "bare, ms", "crop, ms", "crops/s/core", "of bare, %"],
        [
            [
                row["dataset"],
                "x".join(map(str, row["size"])),
                f"{row['megabytes']['image']:.2f}",
                f"{row['megabytes']['label']:.3f}",
                f"{row['decoder']['image']}, {row['decoder']['label']}",
                f"{row['bare_ms']:.1f}",
                f"{row['crop_ms']:.1f}",
                f"{row['crops_per_second']:.1f}",
                f"{100 * row['share_of_bare']:.0f}",
            ]
            for row in content["crops"]
        ],
    )
    ahead = table(
        ["drawn by", "wall clock, ms a crop", "processor time, ms a crop", "of it in the training process"],
        [
            [row["readers"], *(f"{row[key]:.1f}" for key in ("wall_ms", "processor_ms", "training_process_ms"))]
            for row in content["load_batches"]
        ],
    )
    needed = content["cores_needed"]
    cores = table(
        ["crops of", "batch", *(f"step of {step} ms" for step in STEPS)],
        [
            [dataset, batch, *(f"{n['cores']:.2f}" for n in needed if (n["dataset"], n["batch"]) == (dataset, batch))]
            for dataset, batch in dict.fromkeys((n["dataset"], n["batch"]) for n in needed)
        ],
    )
    return "\n".join(
        [
            "Training crops in one thread (processor time), beside bare decoding of the same image and label files:\n",
            crops,
            "Batches of 2 Cityscapes crops: drawn ahead by threads, as `load_batches` does, and by processes:\n",
            ahead,
            "Cores that a GPU's training step needs for its crops (arithmetic from the first table):\n",
            cores,
        ]
    )


if __name__ == "__main__":
    main()
