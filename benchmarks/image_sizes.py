"""What images of different sizes cost where the network runs: memory of an evaluation of 200 images.

MXNet plans its memory anew whenever the size of the input changes, and oneDNN keeps code for each size. Does memory
grow with the number of images, and what does a change of size take? Width 0.125, landscape and portrait.

    .venv/bin/python benchmarks/image_sizes.py      # 3 minutes on 2 cores
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measure  # before MXNet: it sets the number of threads
import mxnet as mx
import numpy as np

from mlsl_mx.config.classes import class_set
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.network import MLSLNet
from mlsl_mx.network.inference_net import inference_net
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter

IMAGES, EVERY = 200, 40
SIZES = (1, 20)  # how many different ones; the one is as large as the largest


class Scenes:
    """Noise of so many different sizes in turn; notes the process's memory whenever an image is opened."""

    def __init__(self, sizes: int):
        sides = np.random.default_rng(0).integers(13, 40, (max(SIZES), 2)) * 8
        self.sizes = sorted(map(tuple, sides.tolist()), key=np.prod)[-sizes:]
        self.names = [f"image_{index}" for index in range(IMAGES)]
        self.classes, self.fingerprint, self.size = class_set(19), "", None  # each file its own size
        self.resident: list[int] = []

    def __len__(self) -> int:
        return IMAGES

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        self.resident.append(measure.resident_bytes())
        return np.random.default_rng(index).integers(0, 256, (*self._size(index), 3)).astype(np.uint8)

    def label(self, index: int) -> np.ndarray:
        """(H, W) uint8."""
        return np.zeros(self._size(index), np.uint8)

    def image_path(self, index: int) -> str:
        """The name, for messages."""
        return self.names[index]

    label_path = image_path

    def _size(self, index: int) -> tuple[int, int]:
        return self.sizes[index % len(self.sizes)]


def main() -> None:
    """Evaluate images of one size and of many, each in a process of its own; write the table."""
    parser = measure.option_parser(__doc__)
    parser.add_argument("--sizes", type=int, help="evaluate images of so many sizes, print JSON, and nothing else")
    sizes = parser.parse_args().sizes
    if sizes:
        print(json.dumps(evaluated(sizes)))
        return
    rows = []
    for count in SIZES:
        said = subprocess.run([sys.executable, __file__, "--sizes", str(count)], check=True, stdout=subprocess.PIPE)
        rows.append(json.loads(said.stdout))
    measure.write_results("image_sizes", {"images": IMAGES, "threads": measure.THREADS, "rows": rows}, text(rows))


def evaluated(sizes: int) -> dict[str, Any]:
    """Resident bytes while the 1st, 40th, 80th ... image is evaluated, and the network's seconds for images of a size
    that was there before and is or is not that of the image before."""
    mx.random.seed(0)
    net = MLSLNet(19, 0.125, False)
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 3, 32, 32)))
    fast, scenes = inference_net(net), Scenes(sizes)
    with tempfile.TemporaryDirectory() as folder:
        evaluate(whole_image_segmenter(fast, mx.cpu(), False), scenes, Path(folder))
    largest, other = scenes.sizes[-1], scenes.sizes[-1][::-1]
    images = {size: mx.nd.zeros((1, 3, *size)) for size in (largest, other)}

    def seconds(order) -> float:
        started = time.process_time()
        for size in order:
            fast(images[size]).wait_to_read()
        return (time.process_time() - started) / len(order)

    seconds([largest, other])
    return {
        "sizes": sizes,
        "resident": [*scenes.resident[::EVERY], scenes.resident[-1]],
        "seconds_same": seconds([largest] * 20),
        "seconds_changing": seconds([largest, other] * 10),
    }


def text(rows) -> str:
    """The table as Markdown."""
    header = ["sizes", *(f"image {n}" for n in (*range(1, IMAGES, EVERY), IMAGES)), "same size", "changing size"]
    lines = [
        [
            row["sizes"],
            *(f"{value / 1e6:.0f} MB" for value in row["resident"]),
            f"{1e3 * row['seconds_same']:.0f} ms",
            f"{1e3 * row['seconds_changing']:.0f} ms",
        ]
        for row in rows
    ]
    return (
        f"Resident memory of an evaluation of {IMAGES} images, width 0.125; processor time of the network for an image "
        "of the same size as the one before, and for landscape and portrait in turn.\n\n" + measure.table(header, lines)
    )


if __name__ == "__main__":
    main()
