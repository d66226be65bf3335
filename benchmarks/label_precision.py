"""How many pseudo-labels are right, at equal coverage: whole images (SI) beside SISC and its variants (Sec. 3.2, 4.3).

For each way to look at an image, a source model segments the validation images: the miniature's, or those of an
experiment. Of the pixels that it gives to a class, the most confident share become labels, the same share of every
class, as CBST selects; so all ways label equally many pixels. Precision: the share of the labels that are right, of
pixels that have a truth.

    .venv/bin/python benchmarks/label_precision.py --seeds 0 1 2     # of scenes; an image costs the same in all seeds
    .venv/bin/python benchmarks/label_precision.py --experiment experiments/real/idda2camvid.yaml \
        --weights runs/own/idda2camvid-seed0/source/weights.params --every 17
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import option_parser, table, write_results  # first: it sets the number of threads
from source_model import SOURCE_MODELS, miniature_job

# isort: split
import numpy as np

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.stages.job import Job, open_job
from mlsl_mx.system.whole_files import file_hash

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
OWN_WAYS: dict[str, dict[str, Any]] = {  # of an experiment: how many patches, where they lie, and mirrored ones too
    "whole image (SI)": {"inference": "single", "flip": False},
    "whole image (SI), mirrored too": {"inference": "single", "flip": True},
    **{
        f"SISC, K = {patches}{', sliding' * (placement == 'sliding')}{', mirrored too' * flip}": {
            "patches": patches,
            "placement": placement,
            "flip": flip,
        }
        for placement in ("random", "sliding")
        for patches in (10, 25, 50, 100)
        for flip in (False, True)
        if patches < 100 or not flip
    },
    "whole image and SISC, K = 50": {"start": "single", "flip": False, "patches": 50, "placement": "random"},
    "whole image and SISC, K = 25, sliding": {"start": "single", "flip": False, "patches": 25, "placement": "sliding"},
}
SIDES = (0.5, 1.5, 2)  # of other patches, in those of the experiment, whose own is 1


def main() -> None:
    """Measure every way on every seed's scenes and write the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the miniature's scenes")
    parser.add_argument("--experiment", type=Path, help="in the miniature's place")
    parser.add_argument("--weights", type=Path, help="the experiment's source model")
    parser.add_argument("--every", type=int, default=1, help="of the experiment's validation images")
    options = parser.parse_args()
    if options.experiment:
        of_experiment(options.experiment, options.weights, options.every)
    else:
        of_miniature(options.seeds)


def of_miniature(seeds: list[int]) -> None:
    """Every way on the scenes of every seed."""
    found = {way: [] for way in WAYS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            job = miniature_job("gta2city", "sisc", Path(folder), seed)
            for way, changes in WAYS.items():
                settings = replace(job.config.pseudo_labels, **changes)
                found[way].append(measured(job, job.validation, SOURCE_MODELS["gta2city"], settings))
    write("label_precision", {"weights": file_hash(SOURCE_MODELS["gta2city"]), "seeds": seeds}, found)


def of_experiment(experiment: Path, weights: Path, every: int) -> None:
    """Every way, on each `every`-th validation image of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        job = open_job(experiment, "sisc", (), Path(folder), roots={}, seed=0, ctx="cpu")
        images = job.validation.subset(range(0, len(job.validation), every))
        found = {}
        patch = job.config.pseudo_labels.patch
        ways = {
            **{way: [changes] for way, changes in {**OWN_WAYS, **other_sizes(patch)}.items()},
            **several_sizes(patch),
        }
        for way, summed in ways.items():
            settings = [replace(job.config.pseudo_labels, **changes) for changes in summed]
            found[way] = [measured(job, images, weights, *settings)]
            print(way, found[way][0], flush=True)
        content = {"weights": file_hash(weights), "images": len(images), "patch": patch}
        write(f"label_precision_{job.config.name}", content, found)


def other_sizes(patch: int) -> dict[str, dict[str, Any]]:
    """50 patches that are smaller or larger than the experiment's, of `patch` pixels: multiples of 8."""
    return {
        f"SISC, K = 50{', sliding' * (placement == 'sliding')}, patches of {side}": {
            "patch": side,
            "patches": 50,
            "placement": placement,
            "flip": False,
        }
        for placement in ("random", "sliding")
        for side in (side_of(patch, share) for share in SIDES)
    }


def side_of(patch: int, share: float) -> int:
    """The side of other patches, a multiple of 8."""
    return int(patch * share) // 8 * 8


def several_sizes(patch: int) -> dict[str, list[dict[str, Any]]]:
    """The probabilities of 25 sliding patches of each of several sizes, in pixels, summed, as those of one size are."""
    sides = [side_of(patch, share) for share in (0.5, 1, *SIDES[1:])]
    return {
        f"SISC, K = 25 of each, sliding, patches of {' and '.join(map(str, chosen))}": [
            {"patch": side, "patches": 25, "placement": "sliding", "flip": False} for side in chosen
        ]
        for chosen in (sides[:2], sides[1:3], sides[1:], sides)
    }


def write(name: str, content: dict[str, Any], found: dict[str, list[dict[str, Any]]]) -> None:
    """The result files."""
    header = (
        "source model's labels on the target",
        *(f"{100 * c:.0f} % labelled" for c in COVERAGES),
        "seconds, ratio",
    )
    content = {**content, "coverages": COVERAGES, "ways": found}
    write_results(name, content, table(header, [row(way, found) for way in found]))


def measured(job: Job, images: SceneDataset, weights: Path, *summed: PseudoLabels) -> dict[str, Any]:
    """{precision: one for each of COVERAGES, in percent, seconds: of all images} of one way to look at them.

    Where it has several settings, what the network says with each is summed.
    """
    net, _ = job.segmentation_network(weights)
    segmenters = [Segmenter(net, job.ctx, settings, job.seed) for settings in summed]
    seen, seconds = [], 0.0
    for index, name in enumerate(images.names):
        started = time.process_time()
        maps = [segmenter.maps(images.image(index), name) for segmenter in segmenters]
        parts = tuple(part for each in maps for part in each.parts)
        classes, confidences = segmenters[0].confidences(replace(maps[0], parts=parts))
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
