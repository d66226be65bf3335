"""What 1, 8 and 64 GPUs would do for the full recipe: arithmetic on stated assumptions, no measurement.

    .venv/bin/python benchmarks/scaling_on_paper.py

Settings are those of experiments/gta2city.yaml; ASSUMED holds every number that neither they nor the network give.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlsl_mx.config import load_config
from mlsl_mx.config.settings import Config
from mlsl_mx.pseudo_labels.confidence_codes import CODE_OF_ONE, codes_of

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

SOURCE_IMAGES, TARGET_IMAGES, VALIDATION_IMAGES = 24966, 2975, 500
NET_FLOP = 2 * 598.9e9  # forward, 3x512x512: trunk and segmentation head
HEAD_FLOP = 378e9  # forward, 512x512: weak-label head
NET_PARAMETERS, HEAD_PARAMETERS = 124.0e6, 47.2e6
TRAINING_FACTOR = 3  # forward and backward, in forwards
PATCH_BYTES = 3 * 19 * 64 * 64  # of the store: one patch of 512 at stride 8, 24 bits a probability

GPU_COUNTS = (1, 8, 64)


class Assumed(NamedTuple):
    """Assumptions about the machines; change them to yours."""

    flops: float = 10e12  # sustained by one GPU in float32
    gpus_in_host: int = 8
    inside: float = 10e9  # bytes/s between two GPUs of a host
    network: float = 1.25e9  # bytes/s in and out of a host: 10 Gbit/s
    image_bytes: float = 2.3e6  # one Cityscapes PNG


ASSUMED = Assumed()


class Row(NamedTuple):
    """Hours of each stage on so many GPUs, and the GPUs that training can use."""

    gpus: int
    source: float
    label: float  # one round
    train: float  # one round
    evaluate: float  # once
    rounds: float  # label, train and evaluate in all rounds
    gigabytes_read: float  # a second, by all workers that label
    training_gpus: int


def crop_flop(size: int, weak_label_head: bool) -> float:
    """Floating-point operations of one training crop, forward and backward."""
    return TRAINING_FACTOR * (NET_FLOP + weak_label_head * HEAD_FLOP) * (size / 512) ** 2


def gradient_seconds(parameters: float, gpus: int, assumed: Assumed = ASSUMED) -> float:
    """Adding gradients of `gpus` GPUs: each host's sum goes out and comes back, after the sum inside the host.

    With a parameter server on every host, all but its own share crosses a host's network card.
    """
    if gpus == 1:
        return 0.0
    hosts = -(-gpus // assumed.gpus_in_host)
    size = 4 * parameters
    return 2 * size / assumed.inside + 2 * size * (hosts - 1) / hosts / assumed.network


def training_hours(images: float, batch: int, size: int, weak_label_head: bool, gpus: int) -> tuple[float, int]:
    """Hours of `images` crops in batches, and the GPUs used: the largest number up to `gpus` that divides the batch."""
    used = max(n for n in range(1, min(gpus, batch) + 1) if batch % n == 0)
    parameters = NET_PARAMETERS + weak_label_head * HEAD_PARAMETERS
    step = batch / used * crop_flop(size, weak_label_head) / ASSUMED.flops + gradient_seconds(parameters, used)
    return images / batch * step / 3600, used


def labelling_hours(config: Config, gpus: int) -> float:
    """Hours of one round's pseudo-labels: the worker with the most images decides."""
    passes = config.pseudo_labels.patches * (1 + config.pseudo_labels.flip)
    patch = NET_FLOP * (config.pseudo_labels.patch / 512) ** 2
    return -(-TARGET_IMAGES // gpus) * passes * patch / ASSUMED.flops / 3600


def evaluation_hours(config: Config, gpus: int) -> float:
    """Hours of one evaluation, the whole image and, if flipped, its mirror image."""
    height, width = config.target.size
    image = (1 + config.evaluation.flip) * NET_FLOP * height * width / 512**2
    return -(-VALIDATION_IMAGES // gpus) * image / ASSUMED.flops / 3600


def row(config: Config, gpus: int) -> Row:
    """The arithmetic of one number of GPUs."""
    training, source = config.self_training, config.source_training
    head = source.weak_label_weight > 0
    source_hours, _ = training_hours(SOURCE_IMAGES * source.epochs, source.batch, source.crops.size, head, gpus)
    portion = training.source_portion + training.source_portion_step * (training.rounds - 1) / 2  # of the middle round
    crops = training.epochs * (TARGET_IMAGES + portion * SOURCE_IMAGES)
    how = training.batch, training.crops.size, config.weak_labels.enabled
    train, used = training_hours(crops, *how, gpus)
    label, evaluate = labelling_hours(config, gpus), evaluation_hours(config, gpus)
    rounds = training.rounds * (label + train + evaluate)
    read = TARGET_IMAGES * ASSUMED.image_bytes / 1e9 / (label * 3600)
    return Row(gpus, source_hours, label, train, evaluate, rounds, read, used)


def text() -> str:
    """The tables as Markdown, with the assumptions before them."""
    lines = [
        f"Assumed: {ASSUMED.flops / 1e12:.0f} TFLOP/s sustained by a GPU, {ASSUMED.gpus_in_host} GPUs a host, "
        f"{ASSUMED.inside / 1e9:.0f} GB/s between them, {ASSUMED.network * 8 / 1e9:.0f} Gbit/s between hosts.",
    ]
    for method in ("sisc", "sisc-pwl"):
        config = load_config(EXPERIMENTS / "gta2city.yaml", method)
        rows = [row(config, gpus) for gpus in GPU_COUNTS]
        batch, rounds = config.self_training.batch, config.self_training.rounds
        lines += [
            "",
            f"{method}, batches of {batch}; hours:",
            "",
            f"| GPUs | source model | labels of a round | training of a round | GPUs it uses | evaluation "
            f"| {rounds} rounds | speed-up |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for r in rows:
            cells = [f"{r.source:.1f}", f"{r.label:.2f}", f"{r.train:.2f}", str(r.training_gpus), f"{r.evaluate:.3f}"]
            lines.append(f"| {r.gpus} | {' | '.join(cells)} | {r.rounds:.1f} | {rows[0].rounds / r.rounds:.1f} |")
    return "\n".join([*lines, "", *_traffic(rows)]) + "\n"


def _traffic(rows: list[Row]) -> list[str]:
    config = load_config(EXPERIMENTS / "gta2city.yaml")
    gradients = 4 * (NET_PARAMETERS + HEAD_PARAMETERS) / 1e6
    store = TARGET_IMAGES * config.pseudo_labels.patches * PATCH_BYTES / 1e9
    step = crop_flop(config.self_training.crops.size, True) / ASSUMED.flops
    counts = 19 * (int(codes_of(np.float32([1 / 19]))[0]) - CODE_OF_ONE + 1)  # from the least confidence possible to 1
    across = gradient_seconds(NET_PARAMETERS + HEAD_PARAMETERS, 2 * ASSUMED.gpus_in_host)
    return [
        "| quantity | value |",
        "|---|---:|",
        f"| gradients of a step, both heads | {gradients:.0f} MB |",
        f"| computing one crop, forward and backward | {step:.2f} s |",
        f"| adding gradients inside a host | {gradient_seconds(NET_PARAMETERS + HEAD_PARAMETERS, 2):.2f} s |",
        f"| adding gradients over two hosts | {across:.2f} s |",
        f"| stores on the shared disk while a round is labelled | {store:.0f} GB |",
        f"| weights of a round; with its checkpoint while it trains | {gradients:.0f} MB; {3 * gradients:.0f} MB |",
        *(f"| images read, labelling on GPUs: {r.gpus} | {1e3 * r.gigabytes_read:.1f} MB/s |" for r in rows),
        f"| confidences that each worker sends, once a round | {16 * counts / 1e6:.1f} MB |",
    ]


if __name__ == "__main__":
    print(text(), end="")
