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
import logging
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout; nothing is installed

import numpy as np
import torch
from full_size_scenes import make_scenes, with_copies, with_selected_labels
from gpu_card import Card
from gpu_data import FULL, SEED, SMALL, again, miniature, random_batch
from gpu_findings import Findings, row_seconds
from measure import RESULTS, option_parser
from network_operations import multiply_adds

from mlsl_mx.config import load_config
from mlsl_mx.config.settings import Network, PseudoLabels, Selection, WeakLabels
from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.statistics import label_maps
from mlsl_mx.engine import engine_of
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.network import load_original
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, whole_image_segmenter
from mlsl_mx.pytorch.inference_net import DTYPES
from mlsl_mx.pytorch.network import MLSLNet
from mlsl_mx.pytorch.streams import algorithms_tried
from mlsl_mx.system.errors import is_out_of_memory
from mlsl_mx.system.processor import threads_beside
from mlsl_mx.training.epochs import head_epochs, self_training_epochs, source_epochs
from mlsl_mx.training.train import Epochs, train_step

ROOT = Path(__file__).parents[1]
EXPERIMENT, METHOD = ROOT / "experiments" / "gta2city.yaml", "sisc-pwl"
TRAINED = ROOT / "experiments" / "miniature" / "pretrained.params"  # of width 0.125
MINED = ((11, 12, 18),)  # people, riders, bicycles
DISTINCT = 4  # scenes of each data set; more are copies of them
RATE = 1e-7  # so low that random weights stay finite
LOGIT_SPREAD = 3.0  # standard deviation that random weights are given


def main() -> None:
    """Measure part by part; exit code 1 if one failed."""
    parser = option_parser(__doc__)
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
class Benchmark:
    """The parts, one after the other."""

    options: argparse.Namespace
    folder: Path

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
        self.card = Card(self.device, repeats=3 if self.small else 9)
        self.findings = Findings(judged=self.device.kind == "cuda" and not self.small)
        self.engine.check_network(self.settings(self.options.precision), self.device)
        self.model = self.engine.model(self.device)
        print(f"{self.model or 'NO CARD WAS SEEN: nothing is judged'}; {data}", flush=True)

    def run(self) -> int:
        """All parts. Returns: the exit code."""
        failed = 0
        for part in (self.product, self.labelling, self.training, self.evaluation, self.table_1, self.agreement):
            self.findings.part, started = part.__name__.replace("_", " "), time.monotonic()
            try:
                part()
            except Exception as problem:  # the other parts are worth having
                if is_out_of_memory(problem):
                    self.findings.note(f"not enough memory: {str(problem).splitlines()[0]}")
                else:
                    traceback.print_exc()
                    self.findings.note(f"failed: {type(problem).__name__}: {problem}")
                    failed = 1
            self.card.free()
            self.findings.seconds[f"seconds of the part {self.findings.part}"] = time.monotonic() - started
            self.write()
        return failed

    def product(self) -> None:
        """The rate of one large matrix product: what the card can do."""
        side, dtype = self.sizes.product, torch.bfloat16
        one, other = (torch.randn(side, side, device=self.device.torch).to(dtype) for _ in range(2))
        seconds = self.card.median(lambda: one @ other, calls=self.sizes.calls)
        self.findings.seconds["product FLOP/s"] = 2 * side**3 / seconds
        self.findings.row(f"matrix product of {side}, bfloat16", 2e-12 * side**3 / seconds, "TFLOP/s")

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
            self.findings.row(what, 1e3 * seconds[precision], "ms")
            if precision == own:
                self.findings.row(f"{what}, without cuDNN's trying of algorithms", 1e3 * self.forward(net), "ms")
                share = operations / seconds[precision] / self.findings.seconds.get("product FLOP/s", float("nan"))
                self.findings.goal("its rate, of the matrix product's", share, "at least", 0.6, "")
        net = self.engine.inference_net(random, own)
        del random  # of the peak of memory it is no part
        settings = PseudoLabels(patch=sizes.patch, patches=sizes.patches, batch=self.options.batch)
        few, many = sizes.labelled
        self.labelled("warm-up", net, settings, 2)
        self.card.free()
        first, second = (self.labelled(str(count), net, settings, count) for count in (few, many))
        each = (second - first) / (many - few)
        self.findings.seconds["label"], self.findings.seconds["label, once"] = each, max(0.0, first - few * each)
        self.findings.row(f"labelling {few} images", first, "s")
        self.findings.row(f"labelling {many} images", second, "s")
        self.findings.goal("images labelled in a second, by the difference", 1 / each, "at least", 3.3, "images/s")
        share = 2 * sizes.patches * seconds[own] / each
        self.findings.goal("labelling, of bare forward passes", share, "at least", 0.85, "")
        self.memory("labelling")

    def training(self) -> None:
        """Part 2: steps on a batch that is there, and steps of the stages, with their readers."""
        config, sizes = load_config(EXPERIMENT, METHOD), self.sizes
        crops = replace(config.self_training.crops, size=sizes.crop)
        rounds = replace(config.self_training, crops=crops, source_portion=1.0, source_portion_max=1.0)
        at_source = replace(config.source_training, crops=crops, batch=16)
        head = replace(config.head_training, crops=crops, batch=16)
        source, target = again(self.source, 1024), again(self.selected, 256)
        reading = {"seed": SEED, "readers": threads_beside(self.device.device_type), "losses": self.engine.losses}

        def of_a_round(batch: int, weak: bool) -> Epochs:
            own = {"class_sizes": np.full(19, 0.05), "mined": (MINED, MINED), "round_index": 0}
            settings = replace(rounds, batch=batch), WeakLabels(enabled=weak)
            return self_training_epochs(source, target, *settings, **own, **reading)

        both = source_epochs(source, at_source, mined=(), class_weights=None, **reading)

        for name, both_heads, epochs, batch, goal in (
            ("1 crop, both heads", True, of_a_round(1, True), 1, 25.0),
            ("2 crops, one head", False, of_a_round(2, False), 2, 25.0),
            ("16 crops of source training, both heads", True, both, 16, 0),
            ("16 crops, the weak-label head alone", True, head_epochs(source, head, **reading), 16, 0),
        ):
            self.card.free()
            try:
                self.trained(name, both_heads, epochs, batch, goal)
            except RuntimeError as problem:
                if not is_out_of_memory(problem):
                    raise
                self.findings.note(f"{name}: not enough memory")

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

        self.findings.goal(f"a step of {name}", 1e3 * self.card.median(step), "at most", goal, "ms")
        timed, batches = self.sizes.steps if batch < 16 else self.sizes.steps // 2, epochs.batches(0, 0)
        for batch_of_files in islice(batches, 2):
            train_step(steps, batch_of_files, RATE, 0)
        self.card.wait()
        started = time.perf_counter()
        for batch_of_files in islice(batches, timed):
            train_step(steps, batch_of_files, RATE, 0)
        self.card.wait()
        self.findings.seconds[name] = (time.perf_counter() - started) / timed
        batches.close()
        self.findings.row("the same with files read and crops drawn beside it", 1e3 * self.findings.seconds[name], "ms")
        self.memory(f"steps of {name}")

    def evaluation(self) -> None:
        """Part 3: the stage evaluate, whole images averaged with their mirror images."""
        net = self.engine.inference_net(self.random_net(), self.options.precision)
        segmenter, (few, many) = whole_image_segmenter(net, self.device, flip=True), self.sizes.evaluated
        batch = torch.randn(1, 3, *self.sizes.images["cityscapes"], device=self.device.torch)
        with torch.inference_mode():
            bare = 2 * self.card.median(lambda: net(batch))
        seconds = []
        for count in (2, few, many):
            started = time.perf_counter()
            evaluate(segmenter, self.target.subset(range(count)), self.folder / "evaluated" / str(count))
            seconds.append(time.perf_counter() - started)
        self.findings.seconds["evaluate"] = each = (seconds[2] - seconds[1]) / (many - few)
        self.findings.row("the network on an image and its mirror image", 1e3 * bare, "ms")
        self.findings.row("evaluation of an image, by the difference of two runs", 1e3 * each, "ms")
        self.memory("evaluation")

    def table_1(self) -> None:
        """Part 4: SISC+PWL from a published source model, from what was measured and the schedule's counts."""
        config, found = load_config(EXPERIMENT, METHOD), self.findings.seconds
        missing = {"label", "evaluate", "1 crop, both heads", "16 crops, the weak-label head alone"} - found.keys()
        if missing:
            self.findings.note(f"not put together, for want of: {', '.join(sorted(missing))}")
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
        sources = len(read_list(ROOT / config.source.images))
        for images, goal in ((505, 30.0), (2975, 120.0)):
            parts = row_seconds(config, found, sources, images)
            for name, seconds in parts.items():
                self.findings.row(f"{images} images: {name}", seconds / 60, "min")
            minutes = sum(parts.values()) / 60
            self.findings.goal(f"{images} images: the row SISC+PWL, put together", minutes, "at most", goal, "min")
        self.findings.note(
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
            self.findings.goal(f"labels in {precision} that are those in float32", equal, "at least", 99.5, "%")

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
        return self.card.median(lambda: net(batch), calls=self.sizes.calls) / len(batch)

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

    def memory(self, what: str) -> None:
        """The peaks since `free`."""
        for more, gib in self.card.peaks().items():
            self.findings.row(f"peak memory of {what}{more}", gib, "GiB")

    def write(self) -> None:
        """The result files."""
        named = re.sub(r"\W+", "-", self.model or "no card").strip("-").lower()
        settings = {
            "card": self.model,
            "judged": self.findings.judged,
            "sizes": {**vars(self.sizes)},
            "precision": self.options.precision,
            "batch": self.options.batch,
            "seed": SEED,
        }
        head = f"Card: {self.model}." if self.model else "**No card was seen**: nothing is judged."
        if self.small:
            head += " Sizes are tiny, so the figures say nothing but that the script runs."
        path = self.options.out or RESULTS / f"gpu_{named}.json"
        self.findings.write(path, head, settings, self.card.surroundings())


if __name__ == "__main__":
    main()
