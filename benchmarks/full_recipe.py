"""The full recipe's stages at full size, on a handful of images: does it run, how long, how much memory?

Width 1.0, images of 1914x1052 and 2048x1024 in the original formats (miniature scenes, enlarged), patch 512, crop 504.
K, steps and images are cut to a handful, and the weights are random: this measures time and memory, not quality.

    .venv/bin/python benchmarks/full_recipe.py            # 32 minutes on 2 cores beside other work
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from measure import RESULTS, option_parser, table, write_results  # first: it sets the number of threads

# isort: split
import mxnet as mx
from PIL import Image

from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.network import MLSLNet, save_original

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "gta2city.yaml"
LISTS = {
    "gta5": ["images/00001.png", "images/00002.png"],
    "cityscapes_train": ["leftImg8bit/train/ministadt/ministadt_000000_000019_leftImg8bit.png"],
    "cityscapes_val": ["leftImg8bit/val/kleinburg/kleinburg_000000_000019_leftImg8bit.png"],
}
PATCHES = 4


def main() -> None:
    """Make the data, run the stages as a user would, write the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS / "full_recipe.json")
    parser.add_argument("--width", type=float, default=1.0, help="of the network; 0.125 to try the script itself")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_data(work / "data", work / "lists")
        make_trunk(work / "imagenet.params", options.width)
        rows = [measure(name, command) for name, command in stages(work, options.width)]
    content = {"width": options.width, "patches": PATCHES, "stages": rows}
    text = table(("stage", "seconds", "peak memory, GB"), [tuple(row.values()) for row in rows])
    write_results(options.out.stem, content, text, options.out.parent)


def make_data(root: Path, lists: Path) -> None:
    """Miniature scenes enlarged to the original sizes; labels stay in the original encodings."""
    lists.mkdir(parents=True)
    for name, entries in LISTS.items():
        (lists / f"{name}.txt").write_text("\n".join(entries) + "\n")
    make_miniature(root, lists, seed=0)
    for folder, size in (("gta5", (1914, 1052)), ("cityscapes", (2048, 1024))):
        for path in (root / folder).rglob("*.png"):
            enlarge(path, size)


def enlarge(path: Path, size) -> None:
    """Resize one PNG in place: images bilinearly, labels (palette or grey) to the nearest pixel."""
    with Image.open(path) as image:
        image.load()
        kind = Image.Resampling.BILINEAR if image.mode == "RGB" else Image.Resampling.NEAREST
        image.resize(size, kind).save(path)


def make_trunk(path: Path, width: float) -> None:
    """Random weights in the file format of the release's ImageNet classifier."""
    mx.random.seed(0)
    net = MLSLNet(19, width, weak_label_head=False)
    net.initialize()
    save_original(net, path)


def stages(work: Path, width: float):
    """(name, arguments of mlsl) of source training and one round, cut to a handful."""
    settings = {
        "source.images": work / "lists" / "gta5.txt",
        "target.train": work / "lists" / "cityscapes_train.txt",
        "target.val": work / "lists" / "cityscapes_val.txt",
        "network.width": width,
        "source_training.epochs": 1,
        "source_training.batch": 1,
        "source_training.optimizer.learning_rate": 1e-6,  # random weights leave the finite at the recipe's rates
        "self_training.optimizer.learning_rate": 1e-6,
        "pseudo_labels.patches": PATCHES,
        "self_training.rounds": 1,
        "self_training.epochs": 1,
        "self_training.source_portion": 0.5,
        "self_training.source_portion_max": 0.5,
        "evaluation.diagnosed_images": 1,
    }
    common = ["--experiment", EXPERIMENT, "--run", work / "run", "--data", work / "data"]
    common += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    yield (
        "train-source (2 steps of 1 crop; then IoU on a source image)",
        ["train-source", "--imagenet", work / "imagenet.params", *common],
    )
    yield "evaluate (1 image, flip)", ["evaluate", "--source", *common]
    yield f"pseudo-label (1 image, {PATCHES} patches, flip)", ["pseudo-label", "--round", "0", *common]
    yield f"diagnose (1 image, {PATCHES} patches, flip)", ["diagnose", "--round", "0", *common]
    yield (
        "self-train (2 steps of 1 crop, both heads; then IoU on a source image)",
        ["self-train", "--round", "0", *common],
    )
    yield "evaluate (1 image, flip), after the round", ["evaluate", "--round", "0", *common]
    yield "report", ["report", *common]


def measure(name: str, arguments) -> dict:
    """Run one stage in a process of its own. Returns: name, seconds, peak resident memory in GB."""
    command = [sys.executable, "-m", "mlsl_mx", *map(str, arguments)]
    print("$ mlsl", arguments[0], flush=True)
    started = time.monotonic()
    process = os.spawnv(os.P_NOWAIT, sys.executable, command)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{name} failed")
    return {
        "stage": name,
        "seconds": round(time.monotonic() - started, 1),
        "peak_gb": round(usage.ru_maxrss / 2**20, 1),
    }


if __name__ == "__main__":
    main()
