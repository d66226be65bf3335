"""Pseudo-labels of 10, 100 and 1,000 images of 2048x1024 from a network that answers at once: time, memory and disk.

The whole stage `pseudo-label` runs, with 19 classes and patches of 512x512: composite, confidences, thresholds, label
files. Images and probabilities come from a generator, each number of images in a process of its own.

    .venv/bin/python benchmarks/selection.py                # about 8 minutes on 2 cores
    .venv/bin/python benchmarks/selection.py --patches 50   # the paper's K; half an hour
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import option_parser, table, write_results

# isort: split
import mxnet as mx
import numpy as np

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed

HEIGHT, WIDTH = 1024, 2048
ANSWERS = 97  # a prime, so that many images differ before they repeat


class Scenes:
    """Images that are the same grey; only their names and sizes count."""

    classes = class_set(19)

    def __init__(self, count: int):
        self.names = [f"image_{i:04d}" for i in range(count)]

    def __len__(self):
        return len(self.names)

    def image(self, index: int) -> np.ndarray:
        return np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


class Network:
    """Answers at once, with regions of some size as a real network's are."""

    def __init__(self):
        mx.random.seed(0)
        coarse = mx.nd.random.normal(shape=(ANSWERS, 19, 8, 8)) * 4
        self.answers = upsample(coarse, 64, 64, "bilinear")
        self.calls = 0

    def __call__(self, images: mx.nd.NDArray) -> mx.nd.NDArray:
        first = self.calls % (ANSWERS - len(images) + 1)
        self.calls += 1
        return self.answers[first : first + len(images)]


def label(count: int, patches: int, folder: Path) -> None:
    """The stage, in this process; prints its summary as JSON."""
    settings = PseudoLabels(flip=False, patches=patches)
    segmenter = Segmenter(Network(), mx.cpu(), settings, patch_seed(0, 0))
    summary = generate_pseudo_labels(segmenter, Scenes(count), Selection(), 0, folder)
    print(json.dumps({"seconds": summary["seconds"], "network": summary["network_seconds"]}))


def measure(count: int, patches: int) -> dict:
    """Run `label` in a process of its own and watch it. Returns: images, seconds, peak memory and disk in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--folder", folder, "--images", str(count), "--patches", str(patches)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        disk = 0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            disk = max(disk, stored(Path(folder)))
            time.sleep(0.5)
        if status:
            sys.exit(f"{count} images failed")
        return {
            "images": count,
            **json.loads(process.stdout.read()),
            "peak_bytes": usage.ru_maxrss * 1024,
            "disk_bytes": disk,
            "label_bytes": stored(Path(folder)),
        }


def stored(folder: Path) -> int:
    """Bytes of all files below a folder, which may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def text(rows: list, patches: int) -> str:
    """The table."""
    header = [
        "images",
        "seconds an image",
        "peak memory, MB",
        "disk between the passes, MB an image",
        "labels, MB an image",
    ]
    lines = [
        [
            row["images"],
            f"{row['seconds'] / row['images']:.2f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
            f"{row['disk_bytes'] / row['images'] / 1e6:.1f}",
            f"{row['label_bytes'] / row['images'] / 1e6:.2f}",
        ]
        for row in rows
    ]
    growth = rows[-1]["peak_bytes"] / rows[0]["peak_bytes"] - 1
    title = f"Images of {WIDTH}x{HEIGHT}, {patches} patches each, no flip, a network that answers at once:\n\n"
    return title + table(header, lines) + f"\nPeak memory from the first row to the last: {100 * growth:+.1f} %.\n"


def main() -> None:
    """Measure and write the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--patches", type=int, default=2, help="K; the paper's 50 takes 4 times as long")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        label(options.images[0], options.patches, options.folder)
        return
    rows = [measure(count, options.patches) for count in options.images]
    write_results("selection", {"patches": options.patches, "rows": rows}, text(rows, options.patches))


if __name__ == "__main__":
    main()
