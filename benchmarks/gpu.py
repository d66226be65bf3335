"""What a GPU gains: labelling, training, evaluation and a row of Table 1 with PyTorch, beside a matrix product.

Everything runs through the package's own stages, at full size: width 1.0, images of 1024x2048 and 1052x1914 in the
original formats (miniature scenes, enlarged), K = 50 patches of 512x512 and their mirror images, crops of 504. Weights
are random, but for the comparison of precisions. Each part adds to the result files when it is done.

    python benchmarks/gpu.py              # one card, about 4 minutes; PyTorch, NumPy, OpenCV, Pillow and PyYAML
    python benchmarks/gpu.py --small      # no card: does the script run? Its times say nothing

It needs no network and no installation.
"""

from __future__ import annotations

import argparse
import gc
import logging
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout; nothing is installed

import cv2
import numpy as np
import torch
from full_size_scenes import SIZES, make_scenes, with_copies, with_selected_labels
from network_operations import multiply_adds

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.config.settings import Config, Network, PseudoLabels, Selection, WeakLabels
from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.data.datasets import SceneDataset, open_dataset
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.miniature.datasets import WORLDS, make_miniature
from mlsl_mx.data.statistics import label_maps
from mlsl_mx.engine import engine_of
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.network import load_original
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, whole_image_segmenter
from mlsl_mx.pytorch.inference_net import DTYPES
from mlsl_mx.pytorch.network import MLSLNet
from mlsl_mx.pytorch.streams import algorithms_tried
from mlsl_mx.system.environment import revision
from mlsl_mx.system.errors import is_out_of_memory
from mlsl_mx.system.processor import CPUINFO, cpu_model, threads_beside, usable_cores
from mlsl_mx.system.whole_files import write_bytes, write_json
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.epochs import head_epochs, self_training_epochs, source_epochs
from mlsl_mx.training.schedules import source_portion
from mlsl_mx.training.train import Epochs, train_one_epoch

HERE = Path(__file__).parent
EXPERIMENT, METHOD = HERE.parent / "experiments" / "gta2city.yaml", "sisc-pwl"
TRAINED = HERE.parent / "experiments" / "miniature" / "pretrained.params"  # of width 0.125
MINED = ((11, 12, 18),)  # people, riders, bicycles
DISTINCT = 4  # scenes of each data set; more are copies of them
VALIDATION_IMAGES = 500
RATE = 1e-7  # so low that random weights stay finite
LOGIT_SPREAD = 3.0  # standard deviation that random weights are given
SEED = 0


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    width: float
    images: dict[str, tuple[int, int]]  # height, width by data set
    patch: int
    patches: int
    crop: int
    labelled: tuple[int, int]  # images of the two runs whose difference counts
    evaluated: tuple[int, int]
    steps: int  # of a training that are timed: more than readers work ahead
    product: int  # side of the matrices
    calls: int  # of a forward pass, in each time that is taken


FULL = Sizes(1.0, SIZES, 512, 50, 504, (16, 48), (8, 40), 96, 8192, 4)
SMALL = Sizes(0.03125, {kind: world.size for kind, world in WORLDS.items()}, 64, 3, 64, (2, 4), (2, 4), 2, 256, 1)


def main() -> None:
    """Measure part by part; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cuda:0, mps or torch:cpu; by default the first of them that there is")
    parser.add_argument("--small", action="store_true", help="tiny sizes; always without a GPU")
    parser.add_argument("--precision", choices=tuple(DTYPES), default="bfloat16", help="of labelling and evaluation")
    parser.add_argument("--batch", type=int, default=16, help="patches in a call of the network")
    parser.add_argument("--out", type=Path, help="result file, .json; beside it .md (default: results/gpu_CARD.json)")
    options = parser.parse_args()
    logging.getLogger("mlsl_mx").setLevel(logging.ERROR)  # no progress
    with tempfile.TemporaryDirectory() as folder:
        bench = Benchmark(options, Path(folder))
        sys.exit(bench.run())


@dataclass
class Row:
    """Something measured; `reached` says whether it meets the goal, None where nothing is judged."""

    part: str
    what: str
    value: float | None
    unit: str
    goal: str = ""
    reached: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """Of a table."""
        value = "-" if self.value is None else f"{self.value:.4g} {self.unit}"
        return self.part, self.what, value, self.goal, {True: "PASS", False: "short of it", None: ""}[self.reached]


@dataclass
class Benchmark:
    """The parts, and what they find out for each other."""

    options: argparse.Namespace
    folder: Path
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    found: dict[str, float] = field(default_factory=dict)  # seconds, by what they are of
    part: str = ""

    def __post_init__(self):
        # Before CUDA starts: the scenes are drawn by processes that are forked.
        card = torch.cuda.is_available() or torch.backends.mps.is_available()
        name = self.options.device or ("cuda:0" if torch.cuda.is_available() else "mps" if card else "torch:cpu")
        self.small = self.options.small or name == "torch:cpu"
        self.sizes = SMALL if self.small else FULL
        started = time.monotonic()
        made = make_scenes(self.folder / "scenes", DISTINCT, self.sizes.images)
        self.source, self.target = made["gta5"], with_copies(made["cityscapes"], max(self.sizes.labelled))
        self.selected = with_selected_labels(made["cityscapes"], self.folder / "selected")
        self.miniature = miniature(self.folder / "miniature", 2 if self.small else 8)
        data = f"data made in {time.monotonic() - started:.0f} s"
        self.engine = engine_of(name)
        (self.device,) = self.devices = self.engine.devices(name)
        self.judged = self.device.kind == "cuda" and not self.small
        self.engine.check_network(self.settings(self.options.precision), self.device)
        self.card = self.engine.model(self.device)
        print(f"{self.card or 'NO CARD WAS SEEN: nothing is judged'}; {data}", flush=True)

    def run(self) -> int:
        """All parts. Returns: the exit code."""
        failed = 0
        for part in (self.product, self.labelling, self.training, self.evaluation, self.table_1, self.agreement):
            self.part, started = part.__name__.replace("_", " "), time.monotonic()
            try:
                part()
            except Exception as problem:  # the other parts are worth having
                if is_out_of_memory(problem):
                    self.note(f"not enough memory: {str(problem).splitlines()[0]}")
                else:
                    traceback.print_exc()
                    self.note(f"failed: {type(problem).__name__}: {problem}")
                    failed = 1
            self.free()
            self.found[f"seconds of the part {self.part}"] = time.monotonic() - started
            self.write()
        return failed

    def product(self) -> None:
        """The rate of one large matrix product: what the card can do."""
        side, dtype = self.sizes.product, torch.bfloat16
        one, other = (torch.randn(side, side, device=self.device.torch).to(dtype) for _ in range(2))
        seconds = self.median(lambda: one @ other, calls=self.sizes.calls)
        self.found["product FLOP/s"] = 2 * side**3 / seconds
        self.row(f"matrix product of {side}, bfloat16", 2e-12 * side**3 / seconds, "TFLOP/s")

    def labelling(self) -> None:
        """Part 1: bare forward passes in each precision, and the stage pseudo-label beside them."""
        sizes, own = self.sizes, self.options.precision
        operations, random = 2 * multiply_adds(sizes.width, sizes.patch), self.random_net()
        seconds = {}
        for precision in dict.fromkeys((own, *self.precisions)):
            net = self.engine.inference_net(random, precision)
            with algorithms_tried():
                seconds[precision] = self.forward(net)
            what = f"forward pass of a patch, {precision}, in batches of {self.options.batch}"
            self.row(what, 1e3 * seconds[precision], "ms")
            if precision == own:
                self.row(f"{what}, without cuDNN's trying of algorithms", 1e3 * self.forward(net), "ms")
                share = operations / seconds[precision] / self.found.get("product FLOP/s", float("nan"))
                self.goal("its rate, of the matrix product's", share, "at least", 0.6, "")
        net = self.engine.inference_net(random, own)
        del random  # of the peak of memory it is no part
        settings = PseudoLabels(patch=sizes.patch, patches=sizes.patches, batch=self.options.batch)
        few, many = sizes.labelled
        self.labelled("warm-up", net, settings, 2)
        self.free()
        first, second = (self.labelled(str(count), net, settings, count) for count in (few, many))
        each = (second - first) / (many - few)
        self.found["label"], self.found["label, once"] = each, max(0.0, first - few * each)
        self.row(f"labelling {few} images", first, "s")
        self.row(f"labelling {many} images", second, "s")
        self.goal("images labelled in a second, by the difference", 1 / each, "at least", 3.3, "images/s")
        self.goal("labelling, of bare forward passes", 2 * sizes.patches * seconds[own] / each, "at least", 0.85, "")
        self.memory("labelling")

    def training(self) -> None:
        """Part 2: steps on a batch that is there, and steps of the stages, with their readers."""
        config, sizes = load_config(EXPERIMENT, METHOD), self.sizes
        crops = replace(config.self_training.crops, size=sizes.crop)
        rounds = replace(config.self_training, crops=crops, source_portion=1.0, source_portion_max=1.0)
        at_source = replace(config.source_training, crops=crops, batch=16)
        head = replace(config.head_training, crops=crops, batch=16)
        source, target = again(self.source, 1024), again(self.selected, 256)
        last = SEED, threads_beside(self.device.device_type), self.engine.losses

        def of_a_round(batch: int, weak: bool) -> Epochs:
            own = (replace(rounds, batch=batch), WeakLabels(enabled=weak), np.full(19, 0.05), (MINED, MINED), 0)
            return self_training_epochs(source, target, *own, *last)

        for name, both_heads, epochs, batch, goal in (
            ("1 crop, both heads", True, of_a_round(1, True), 1, 25.0),
            ("2 crops, one head", False, of_a_round(2, False), 2, 25.0),
            ("16 crops of source training, both heads", True, source_epochs(source, at_source, (), None, *last), 16, 0),
            ("16 crops, the weak-label head alone", True, head_epochs(source, head, *last), 16, 0),
        ):
            self.free()
            try:
                self.trained(name, both_heads, epochs, batch, goal)
            except RuntimeError as problem:
                if not is_out_of_memory(problem):
                    raise
                self.note(f"{name}: not enough memory")

    def trained(self, name: str, both_heads: bool, epochs: Epochs, batch: int, goal: float) -> None:
        """One kind of step."""
        net = self.engine.network(19, self.settings(training_precision="bfloat16"), both_heads)
        net.initialize(list(self.devices))
        if "alone" in name:
            net.freeze_all_but_head()
        steps = self.engine.Steps(net, Optimizer(), epochs.loss, self.devices)
        fixed = random_batch(batch, self.sizes.crop)

        def step():
            self.engine.seed(SEED)
            steps.gradients(fixed)
            steps.update(RATE)

        self.goal(f"a step of {name}", 1e3 * self.median(step), "at most", goal, "ms")
        timed, batches = self.sizes.steps if batch < 16 else self.sizes.steps // 2, epochs.batches(0, 0)
        train_one_epoch(steps, islice(batches, 2), lambda _: RATE)
        self.wait()
        started = time.perf_counter()
        train_one_epoch(steps, islice(batches, timed), lambda _: RATE)
        self.wait()
        self.found[name] = (time.perf_counter() - started) / timed
        batches.close()
        self.row("the same with files read and crops drawn beside it", 1e3 * self.found[name], "ms")
        self.memory(f"steps of {name}")

    def evaluation(self) -> None:
        """Part 3: the stage evaluate, whole images averaged with their mirror images."""
        net = self.engine.inference_net(self.random_net(), self.options.precision)
        segmenter, (few, many) = whole_image_segmenter(net, self.device, flip=True), self.sizes.evaluated
        batch = torch.randn(1, 3, *self.sizes.images["cityscapes"], device=self.device.torch)
        with torch.inference_mode():
            bare = 2 * self.median(lambda: net(batch))
        seconds = []
        for count in (2, few, many):
            started = time.perf_counter()
            evaluate(segmenter, self.target.subset(range(count)), self.folder / "evaluated" / str(count))
            seconds.append(time.perf_counter() - started)
        self.found["evaluate"] = (seconds[2] - seconds[1]) / (many - few)
        self.row("the network on an image and its mirror image", 1e3 * bare, "ms")
        self.row("evaluation of an image, by the difference of two runs", 1e3 * self.found["evaluate"], "ms")
        self.memory("evaluation")

    def table_1(self) -> None:
        """Part 4: SISC+PWL from a published source model, from what was measured and the schedule's counts."""
        config, found = load_config(EXPERIMENT, METHOD), self.found
        missing = {"label", "evaluate", "1 crop, both heads", "16 crops, the weak-label head alone"} - found.keys()
        if missing:
            self.note(f"not put together, for want of: {', '.join(sorted(missing))}")
            return
        labels = again(self.source, 16)
        started = time.perf_counter()
        for _ in label_maps(labels):
            pass
        found["read a source label"] = (time.perf_counter() - started) / len(labels)
        started = time.perf_counter()
        net = self.engine.network(19, self.settings(), True)
        net.initialize(list(self.devices))
        found["make a network"] = time.perf_counter() - started
        sources = len(read_list(HERE.parent / config.source.images))
        for images, goal in ((505, 30.0), (2975, 120.0)):
            parts = row_seconds(config, found, sources, images)
            for name, seconds in parts.items():
                self.row(f"{images} images: {name}", seconds / 60, "min")
            self.goal(
                f"{images} images: the row SISC+PWL, put together", sum(parts.values()) / 60, "at most", goal, "min"
            )
        self.note(
            "put together from the figures above; saving and loading of weights and the check of files are not in it"
        )

    def agreement(self) -> None:
        """Part 5: labels of a trained miniature network in each precision, against float32."""
        images, net = self.miniature, self.engine.network(19, self.settings(width=0.125), False)
        load_original(net, TRAINED, ctx=self.device)
        settings, found = PseudoLabels(patch=128, patches=self.sizes.patches, batch=self.options.batch), {}
        for precision in ("float32", *self.precisions):
            fast = self.engine.inference_net(net, precision)
            out = self.folder / "agreement" / precision
            generate_pseudo_labels(Segmenter(fast, self.device, settings, SEED), images, Selection(portion=0.3), 0, out)
            found[precision] = np.stack(
                [read_pseudo_label(out / f"{name}.png", images.classes) for name in images.names]
            )
        for precision in self.precisions:
            equal = 100 * float((found[precision] == found["float32"]).mean())
            self.goal(f"labels in {precision} that are those in float32", equal, "at least", 99.5, "%")

    @property
    def precisions(self) -> tuple[str, ...]:
        """Beside float32, those that the device has."""
        return {"cuda": ("bfloat16", "float16", "tf32"), "mps": ("bfloat16", "float16"), "cpu": ("bfloat16",)}[
            self.device.kind
        ]

    def random_net(self) -> MLSLNet:
        """Random weights whose logits are as large as trained ones'."""
        self.engine.seed(SEED)
        net = self.engine.network(19, self.settings(), False)
        net.initialize(list(self.devices))
        patch = torch.randn(1, 3, self.sizes.patch, self.sizes.patch, device=self.device.torch)
        with torch.no_grad():
            net.segmentation_head[-1].weight.mul_(LOGIT_SPREAD / net.eval()(patch).std())
        return net

    def forward(self, net: Callable) -> float:
        """Seconds of a bare forward pass of a patch, in batches."""
        batch = torch.randn(self.options.batch, 3, self.sizes.patch, self.sizes.patch, device=self.device.torch)
        return self.median(lambda: net(batch), calls=self.sizes.calls) / len(batch)

    def labelled(self, name: str, net: Callable, settings: PseudoLabels, count: int) -> float:
        """Seconds of the stage pseudo-label on some images."""
        segmenter, out = Segmenter(net, self.device, settings, SEED), self.folder / "labelled" / name
        started = time.perf_counter()
        generate_pseudo_labels(segmenter, self.target.subset(range(count)), Selection(), 0, out)
        seconds = time.perf_counter() - started
        shutil.rmtree(out)
        return seconds

    def settings(self, precision: str = "float32", width: float | None = None, **more: Any) -> Network:
        """Of the network."""
        return Network(width=self.sizes.width if width is None else width, precision=precision, **more)

    def median(self, call: Callable[[], Any], calls: int = 1, repeats: int = 9) -> float:
        """Median seconds of a call, once the device is done; of several calls at a time where it may lag behind."""
        for _ in range(3):
            call()
        times = []
        for _ in range(3 if self.small else repeats):
            self.wait()
            started = time.perf_counter()
            for _ in range(calls):
                call()
            self.wait()
            times.append((time.perf_counter() - started) / calls)
        return statistics.median(times)

    def wait(self) -> None:
        """For the device."""
        if self.device.kind == "cuda":
            torch.cuda.synchronize(self.device.torch)
        elif self.device.kind == "mps":
            torch.mps.synchronize()

    def free(self) -> None:
        """Give back what nobody holds, and count the peak from here."""
        gc.collect()
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device.torch)

    def memory(self, what: str) -> None:
        """The peak since `free`."""
        if self.device.kind == "cuda":
            taken = torch.cuda.max_memory_reserved(self.device.torch)
            self.row(f"peak memory of {what}", torch.cuda.max_memory_allocated(self.device.torch) / 2**30, "GiB")
            self.row(f"peak memory of {what}, with what PyTorch keeps", taken / 2**30, "GiB")

    def goal(self, what: str, value: float, which: str, goal: float, unit: str) -> None:
        """A row with a goal; 0 is none."""
        reached = (value >= goal) if which == "at least" else (value <= goal)
        text = f"{which} {goal:g} {unit}".strip() if goal else ""
        self.row(what, value, unit, text, reached if goal and self.judged else None)

    def row(self, what: str, value: float, unit: str, goal: str = "", reached: bool | None = None) -> None:
        """Add a row, and show it."""
        self.rows.append(Row(self.part, what, value if np.isfinite(value) else None, unit, goal, reached))
        print(" | ".join(self.rows[-1].cells), flush=True)

    def note(self, text: str) -> None:
        """Add a remark, and show it."""
        self.notes.append(f"{self.part}: {text}")
        print(self.notes[-1], flush=True)

    def write(self) -> None:
        """The result files."""
        card = re.sub(r"\W+", "-", self.card or "no card").strip("-").lower()
        path = self.options.out or HERE / "results" / f"gpu_{card}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "card": self.card,
            "judged": self.judged,
            "sizes": {**vars(self.sizes)},
            "precision": self.options.precision,
            "batch": self.options.batch,
            "seed": SEED,
            "rows": [vars(row) for row in self.rows],
            "notes": self.notes,
            "seconds": {key: value for key, value in self.found.items() if np.isfinite(value)},
            "environment": self.surroundings(),
        }
        write_json(path, content)
        header = ("part", "what", "measured", "goal", "")
        lines = ["".join(f"| {cell} " for cell in cells) + "|" for cells in (header, *(row.cells for row in self.rows))]
        lines.insert(1, "|---|---|---:|---|---|")
        seen = f"Card: {self.card}." if self.card else "**No card was seen**: nothing is judged."
        if not self.judged:
            seen += " Sizes are tiny, so the figures say nothing but that the script runs." if self.small else ""
        machine = ", ".join(f"{key} {value}" for key, value in content["environment"].items() if value is not None)
        text = "\n".join([f"{seen} {machine}.", "", *lines, "", *(f"- {note}" for note in self.notes)])
        write_bytes(path.with_suffix(".md"), f"{text}\n".encode())

    def surroundings(self) -> dict[str, Any]:
        """Versions and machine."""
        on_cuda = self.device.kind == "cuda"
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        known = on_cuda and shutil.which(asked[0])
        return {
            "driver": subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[0] if known else None,
            "device": str(self.device),
            "torch": torch.__version__,
            "CUDA": torch.version.cuda if on_cuda else None,
            "cuDNN": torch.backends.cudnn.version() if on_cuda else None,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "cpu": cpu_model(CPUINFO),
            "cores": usable_cores(),
            "revision": revision(),
        }


def miniature(root: Path, count: int) -> SceneDataset:
    """Scenes of the target that the miniature's source model knows, at their own size."""
    name = "cityscapes_val.txt"
    entries = read_list(HERE.parent / "data_lists" / "miniature" / name)[:count]
    write_bytes(root / "lists" / name, "".join(f"{entry}\n" for entry in entries).encode())
    make_miniature(root, root / "lists", seed=7)
    size = WORLDS["cityscapes"].size
    return open_dataset("cityscapes", root / "cityscapes", root / "lists" / name, class_set(19), size, labels=True)


def again(dataset: SceneDataset, count: int) -> SceneDataset:
    """`count` images: the same again and again, for training, which writes nothing under their names."""
    return dataset.subset([index % len(dataset) for index in range(count)])


def random_batch(batch: int, crop: int) -> Batch:
    """Crops of noise, with labels of all classes and none."""
    rng = np.random.default_rng(SEED)
    return Batch(
        rng.normal(size=(batch, 3, crop, crop)).astype(np.float32),
        rng.choice([*range(19), 255], size=(batch, crop // 8, crop // 8)).astype(np.uint8),
        rng.integers(0, 2, (batch, 19)).astype(np.float32),
        np.ones(batch, np.float32),
        ("noise",) * batch,
    )


def row_seconds(config: Config, found: Mapping[str, float], sources: int, images: int) -> dict[str, float]:
    """Seconds of the stages of Table 1's row, on so many target images, from seconds of their parts."""
    own, head = config.self_training, config.head_training
    crops = sum(own.epochs * (round(source_portion(own, r) * sources) + images) for r in range(own.rounds))
    diagnosed = config.evaluation.diagnosed_images
    stages = 3 * own.rounds + 2  # that make a network: labels, training and evaluation of each round, and before them
    return {
        "weak-label head on the source": -(-sources * head.epochs // head.batch)
        * found["16 crops, the weak-label head alone"],
        "sizes of the source's classes": sources * found["read a source label"],
        "labelling": own.rounds * (found["label, once"] + (images + diagnosed) * found["label"]),
        f"{crops} steps of training": crops * found["1 crop, both heads"],
        "evaluation of the source model and each round": (own.rounds + 1) * VALIDATION_IMAGES * found["evaluate"],
        "making networks": stages * found["make a network"],
    }


if __name__ == "__main__":
    main()
