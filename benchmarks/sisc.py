"""SISC of one image of 2048x1024, 19 classes, 50 patches of 512x512 and their mirrored ones: what is not the network?

With a stub network: crop, flip, softmax, up-sample, accumulate, divide, confidences and store, and the second pass that
writes the labels; against the floor of memory, and against the same in straightforward NumPy. With the real network:
the time of all that over the time of bare forward passes.

    .venv/bin/python benchmarks/sisc.py            # about 6 minutes on 2 cores
    .venv/bin/python benchmarks/sisc.py --memory   # peak memory, seconds
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import large_copy, option_parser, peak_extra_bytes, seconds_in_turn, table, write_results

# isort: split
import mxnet as mx
import numpy as np

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.label_images import palette_png
from mlsl_mx.data.transforms import normalise
from mlsl_mx.network import MLSLNet
from mlsl_mx.network.inference_net import inference_net
from mlsl_mx.network.interpolation import interpolation_matrix
from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels import ClassConfidences, SISCAccumulator, patch_positions
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pseudo_labels.store import read_store, stored_bytes, write_store
from mlsl_mx.system.whole_files import write_bytes

SETTINGS = PseudoLabels()
CLASSES, HEIGHT, WIDTH = 19, 1024, 2048
VOLUME = 4 * CLASSES * HEIGHT * WIDTH  # bytes
PATCHES = SETTINGS.patches * 4 * CLASSES * SETTINGS.patch**2  # bytes of all patches at full size
INPUTS = SETTINGS.patches * (1 + SETTINGS.flip)
# What each step of the method must read and write once if its input and output are arrays in memory, in bytes.
FLOOR = {
    "crop and flip": 2 * INPUTS * 4 * 3 * SETTINGS.patch**2,
    "up-sample": PATCHES + PATCHES // 64,
    "accumulate": 3 * PATCHES,
    "divide": 2 * VOLUME,
    "confidences": VOLUME,
    "encode": stored_bytes(SETTINGS, CLASSES, (HEIGHT, WIDTH)),
}
WHOLE = ("first pass", "second pass", "patches at full size, NDArray", "patches at full size, NumPy")
ACCUMULATION = 2 * PATCHES  # the sum alone, read and written where each patch lies


class Stub:
    """Answers at once with some logits at stride 8."""

    def __init__(self):
        self.logits = mx.nd.random.normal(shape=(1, CLASSES, SETTINGS.patch // 8, SETTINGS.patch // 8)) * 3

    def __call__(self, images: mx.nd.NDArray) -> mx.nd.NDArray:
        return self.logits


class Image:
    """One random image and what is measured on it."""

    def __init__(self, folder: Path):
        mx.random.seed(0)
        self.folder = folder
        self.pixels = np.random.RandomState(0).randint(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        self.segmenter = Segmenter(Stub(), mx.cpu(), SETTINGS, seed=0)
        self.maps = self.segmenter.maps(self.pixels, "image")
        self.filed = self.segmenter.confidences(self.maps)
        self.corners = patch_positions(HEIGHT, WIDTH, SETTINGS.patch, SETTINGS.patches, 0, "image")

    def crop(self):
        """Normalise, cut, flip, softmax, mean of the two."""
        return self.segmenter.maps(self.pixels, "image")

    def compose(self):
        """Up-sample, accumulate, divide, round, most probable class."""
        return self.segmenter.confidences(self.maps)

    def count(self):
        """The histogram of confidences."""
        ClassConfidences(CLASSES).update_top(*self.filed)

    def store(self):
        """Write the maps."""
        write_store(self.folder / "image.maps", self.maps, "key")

    def first_pass(self, segmenter: Segmenter):
        """All of the first pass, with the segmenter's network."""
        maps = segmenter.maps(self.pixels, "image")
        write_store(self.folder / "image.maps", maps, "key")
        ClassConfidences(CLASSES).update_top(*segmenter.confidences(maps))

    def second_pass(self, segmenter: Segmenter):
        """Read the maps, compose again, select, write the label file."""
        labels = segmenter.labels(read_store(self.folder / "image.maps", "key"), [0.5] * CLASSES, "reweighted")
        write_bytes(self.folder / "image.png", palette_png(labels, class_set(19)))

    def labelled(self, segmenter: Segmenter):
        """Both passes."""
        self.first_pass(segmenter)
        self.second_pass(segmenter)

    def full_size_on_the_device(self):
        """Every patch up-sampled whole and added to a whole volume, with NDArrays: `SISCAccumulator.add`."""
        accumulator = SISCAccumulator(CLASSES, HEIGHT, WIDTH, mx.cpu())
        maps = mx.nd.array(self.maps.parts[0].probabilities.transpose(0, 2, 1, 3))  # (N, C, h, w)
        for k, (top, left) in enumerate(self.corners.tolist()):
            high = upsample(maps[k : k + 1], SETTINGS.patch, SETTINGS.patch, "bilinear")
            accumulator.add(high, [top], [left])
        volume, _ = accumulator.normalized()
        volume.argmax(axis=0).asnumpy(), volume.max(axis=0).asnumpy()

    def numpy_way(self):
        """The same in straightforward NumPy."""
        total, count = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
        matrix = interpolation_matrix(SETTINGS.patch // 8, SETTINGS.patch, "bilinear")
        for patch_map, (top, left) in zip(self.maps.parts[0].probabilities, self.corners.tolist(), strict=True):
            window = slice(top, top + SETTINGS.patch), slice(left, left + SETTINGS.patch)
            total[(slice(None), *window)] += matrix @ patch_map.transpose(1, 0, 2) @ matrix.T
            count[window] += 1
        volume = total / np.maximum(count, 1)
        return volume.argmax(axis=0), volume.max(axis=0)


def steps(image: Image) -> dict[str, Callable[[], Any]]:
    """What is measured, by its name in the tables."""
    return {
        "crop, flip, softmax": image.crop,
        "up-sample, accumulate, divide, confidences": image.compose,
        "histogram": image.count,
        "store": image.store,
        "first pass": partial(image.first_pass, image.segmenter),
        "second pass": partial(image.second_pass, image.segmenter),
        "patches at full size, NDArray": image.full_size_on_the_device,
        "patches at full size, NumPy": image.numpy_way,
    }


def memory(image: Image) -> None:
    """Peak memory of what makes a volume or replaces it; written to a file of its own."""
    volumes = {name: peak_extra_bytes(call) / VOLUME for name, call in steps(image).items() if name in WHOLE}
    text = table(
        ["peak memory beside what was there, in volumes of 159 MB", ""], [[n, f"{v:.2f}"] for n, v in volumes.items()]
    )
    write_results("sisc_memory", {"volumes": volumes, "volume_bytes": VOLUME}, text)


def without_network(image: Image) -> tuple[dict, str]:
    """Seconds with a stub network. Returns: figures and table."""
    copy, copied = large_copy(VOLUME)
    found = seconds_in_turn({"copy": copy, **steps(image)})
    rate = copied / found.pop("copy")
    return described(found, rate)


def described(found: dict[str, float], rate: float) -> tuple[dict, str]:
    """Figures and table of the seconds of each step, beside the floors at `rate` bytes a second."""
    floor, least = sum(FLOOR.values()) / rate, ACCUMULATION / rate
    rows = [[name, f"{s:.3f}", f"{s / floor:.2f}", f"{s / least:.2f}"] for name, s in found.items()]
    text = table(["without the network", "seconds", "of the floor", "of accumulation alone"], rows)
    text += (
        f"\nFloor: {sum(FLOOR.values()) / 1e9:.2f} GB, what the steps read and write one after another, at "
        f"{rate / 1e9:.1f} GB/s of a copy in this run: {floor:.3f} s. Accumulation alone: {ACCUMULATION / 1e9:.2f} GB, "
        f"{least:.3f} s.\n"
    )
    figures = {"seconds": found, "copy_bytes_per_second": rate, "floor_bytes": FLOOR}
    return {**figures, "accumulation_bytes": ACCUMULATION}, text


def with_network(image: Image, width: float, patches: int) -> dict:
    """Both passes of `patches` patches against as many bare forward passes."""
    net = MLSLNet(CLASSES, width, weak_label_head=False)
    net.initialize()
    net = inference_net(net)
    segmenter = Segmenter(net, mx.cpu(), PseudoLabels(patches=patches), seed=0)
    inputs = mx.nd.array(normalise(image.pixels)[None, :, : SETTINGS.patch, : SETTINGS.patch])

    def bare():
        for _ in range(patches * (1 + SETTINGS.flip)):
            net(inputs).wait_to_read()

    found = seconds_in_turn({"bare": bare, "whole": partial(image.labelled, segmenter)})
    return {"width": width, "patches": patches, **found}


def overheads(runs: list, rest: float) -> str:
    """Table: directly where all patches were run, else the rest's seconds over those of all forward passes."""
    rows = []
    for run in runs:
        bare = run["bare"] * SETTINGS.patches / run["patches"]
        direct = run["patches"] == SETTINGS.patches
        share = run["whole"] / run["bare"] - 1 if direct else rest / bare
        rows.append([run["width"], f"{bare:.1f}", f"{100 * share:.1f} %", "measured" if direct else "rest / forwards"])
    return table(["width", f"{INPUTS} forward passes, s", "overhead", "how"], rows)


def main() -> None:
    """Measure and write the tables."""
    parser = option_parser(__doc__)
    parser.add_argument("--memory", action="store_true", help="only memory, which the other measurements would disturb")
    options = parser.parse_args()
    if not options.memory:
        subprocess.run([sys.executable, __file__, "--memory"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        image = Image(Path(folder))
        if options.memory:
            memory(image)
            return
        figures, text = without_network(image)
        # At width 1.0 all patches take minutes: one of them gives the time of a forward pass.
        runs = [with_network(image, *some) for some in ((0.125, SETTINGS.patches), (1.0, 1))]
    text += "\n" + overheads(runs, sum(figures["seconds"][name] for name in ("first pass", "second pass")))
    write_results("sisc", {"without_network": figures, "with_network": runs}, text)


if __name__ == "__main__":
    main()
