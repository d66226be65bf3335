"""How many pseudo-labels are right, at equal coverage: whole images (SI) beside SISC and its variants (Sec. 3.2, 4.3).

For each way to look at an image, the source model of the miniature segments the validation images. Of the pixels that
it gives to a class, the most confident share become labels, the same share of every class, as CBST selects; so all
ways label equally many pixels. Precision: the share of the labels that are right, of pixels that have a truth.

    .venv/bin/python benchmarks/label_precision.py --seeds 0 1 2     # of scenes; an image costs the same in all seeds
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import table, write_results  # first: it sets the number of threads
from source_model import SOURCE_MODELS, miniature_job

# isort: split
import numpy as np

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.stages.job import Job
from mlsl_mx.system.runs import file_hash

COVERAGES = (0.15, 0.3, 0.5, 1.0)
WAYS: dict[str, dict[str, Any]] = {  # what differs from the experiment's settings
    "whole image (SI)": {"inference": "single"},
    "SISC, K = 10": {"patches": 10},
    "SISC, K = 25": {"patches": 25},
    "SISC, K = 50": {},
    "SISC, K = 100": {"patches": 100},
    "SISC, K = 50, mirrored too": {"flip": True},
    "SISC, sliding": {"placement": "sliding"},
    "SISC, patches of half the side": {"patch": 64},
    "SISC, votes": {"votes": True},
}


def main() -> None:
    """Measure every way on every seed's scenes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    seeds = parser.parse_args().seeds
    found = {way: [] for way in WAYS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            job = miniature_job("gta2city", "sisc", Path(folder), seed)
            for way, changes in WAYS.items():
                found[way].append(measured(job, replace(job.config.pseudo_labels, **changes)))
    header = (
        "source model's labels on the target",
        *(f"{100 * c:.0f} % labelled" for c in COVERAGES),
        "seconds, ratio",
    )
    content = {"weights": file_hash(SOURCE_MODELS["gta2city"]), "seeds": seeds, "coverages": COVERAGES, "ways": found}
    write_results("label_precision", content, table(header, [row(way, found) for way in WAYS]))


def measured(job: Job, settings: PseudoLabels) -> dict[str, Any]:
    """{precision: one for each of COVERAGES, in percent, seconds: of all images} of one way to look at them."""
    net, _ = job.segmentation_network(SOURCE_MODELS["gta2city"])
    segmenter, images = Segmenter(net, job.ctx, settings, job.seed), job.validation
    seen, seconds = [], 0.0
    for index, name in enumerate(images.names):
        started = time.process_time()
        classes, confidences = segmenter.confidences(segmenter.maps(images.image(index), name))
        seconds += time.process_time() - started
        seen.append((classes.ravel(), confidences.ravel(), images.label(index).ravel()))
    classes, confidences, truth = map(np.concatenate, zip(*seen, strict=True))  # (N,) each
    rank = share_of_class_above(classes, confidences)
    known = truth < images.classes.num_classes
    precision = [100 * float((classes == truth)[known & (rank < coverage)].mean()) for coverage in COVERAGES]
    return {"precision": precision, "seconds": seconds}


def share_of_class_above(classes: np.ndarray, confidences: np.ndarray) -> np.ndarray:
    """Of each pixel the share of the pixels of its class that are more confident, 0 to 1, (N,)."""
    rank = np.empty(len(classes))
    for c in np.unique(classes):
        pixels = np.flatnonzero(classes == c)
        order = pixels[np.argsort(-confidences[pixels], kind="stable")]
        rank[order] = np.arange(len(order)) / len(order)
    return rank


def row(way: str, found: dict[str, list[dict[str, Any]]]) -> tuple[str, ...]:
    """The table's row: mean over seeds, and the spread where there are several; time against K = 50."""
    columns = zip(*(one["precision"] for one in found[way]), strict=True)
    ratios = [one["seconds"] / base["seconds"] for one, base in zip(found[way], found["SISC, K = 50"], strict=True)]
    return (way, *map(mean_and_spread, columns), f"{statistics.mean(ratios):.2f}")


def mean_and_spread(values: tuple[float, ...]) -> str:
    """`81.2 ± 0.4`: mean and standard deviation over the seeds; of one seed the value."""
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
