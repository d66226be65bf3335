"""Does SISC label better than a single inference, and what does the size of its patches have to do with it?

Takes a run's source model and labels validation images with a single inference and with SISC at several patch sizes and
numbers of patches. Two figures for each: mIoU of the most probable class over the pixels that got one, and the share of
right labels among the most confident 20 % of each class, which is what self-training is fed.

    .venv/bin/python benchmarks/sisc_context.py --experiment experiments/miniature/gta2city.yaml \\
        --run runs/miniature/gta2city-seed0 --data runs/miniature/data
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import numpy as np

from mlsl_mx.config.classes import IGNORE
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.evaluation import ConfusionMatrix
from mlsl_mx.pseudo_labels import ClassConfidences
from mlsl_mx.pseudo_labels.contact_sheet import evenly_spread
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.stages.job import Job, open_job
from mlsl_mx.system.environment import environment
from mlsl_mx.system.progress import progress
from mlsl_mx.system.whole_files import write_bytes, write_json

HERE = Path(__file__).parent
PORTION = 0.2
SETTINGS = [  # inference, patch, K
    ("single", 128, 1),
    ("sisc", 64, 200),
    ("sisc", 128, 12),
    ("sisc", 128, 50),
    ("sisc", 192, 22),
    ("sisc", 256, 12),
]


def main() -> None:
    """Measure every setting and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=20, help="validation images")
    parser.add_argument("--out", type=Path, help="default benchmarks/results/sisc_context-NAME.json")
    options = parser.parse_args()
    roots = {name: options.data / name for name in PUBLISHED}
    job = open_job(options.experiment, "sisc", (), options.run, roots, 0, "cpu")
    rows = [measure(job, *setting, options.images) for setting in SETTINGS]
    out = options.out or HERE / "results" / f"sisc_context-{job.config.name}.json"
    write_json(out, {"run": str(options.run), "images": options.images, "rows": rows, "environment": environment()})
    write_bytes(out.with_suffix(".md"), table(rows).encode())
    print(table(rows))


def measure(job: Job, inference: str, patch: int, patches: int, count: int) -> dict:
    """One setting on `count` validation images. Returns: percentages."""
    settings = dataclasses.replace(job.config.pseudo_labels, inference=inference, patch=patch, patches=patches)
    net, _ = job.segmentation_network(job.source_folder / "weights.params")
    scenes = job.validation
    scenes = scenes.subset(evenly_spread(len(scenes), count))
    title = "single" if inference == "single" else f"SISC {patch}, K={patches}"
    indices = progress(range(len(scenes)), title, "image")
    segmenter = Segmenter(net, job.ctx, settings, job.seed)
    maps = [segmenter.maps(scenes.image(i), scenes.names[i]) for i in indices]
    truths = [scenes.label(i) for i in range(len(scenes))]
    confidences, argmax, covered = ClassConfidences(job.config.num_classes), ConfusionMatrix(job.config.num_classes), []
    for image, truth in zip(maps, truths, strict=True):
        classes, confidence = segmenter.confidences(image)
        confidences.update_top(classes, confidence)
        covered.append(confidence > 0)
        argmax.update(np.where(covered[-1], truth, IGNORE), classes)
    thresholds = confidences.thresholds(PORTION)
    labels = [segmenter.labels(image, thresholds, job.config.selection.rule) for image in maps]
    judged = [(found != IGNORE) & (truth != IGNORE) for found, truth in zip(labels, truths, strict=True)]
    right = sum(int((found == truth)[j].sum()) for found, truth, j in zip(labels, truths, judged, strict=True))
    return {
        "inference": title,
        "miou": 100 * argmax.mean_iou(),
        "precision": 100 * right / sum(int(j.sum()) for j in judged),
        "labelled": 100 * float(np.mean([(found != IGNORE).mean() for found in labels])),
        "covered": 100 * float(np.mean([pixels.mean() for pixels in covered])),
    }


def table(rows) -> str:
    """Markdown."""
    lines = [
        "| labels from | mIoU of argmax | right among selected, % | selected, % of pixels | seen by a patch, % |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        numbers = (row[key] for key in ("miou", "precision", "labelled", "covered"))
        lines.append(f"| {row['inference']} | {' | '.join(f'{number:.1f}' for number in numbers)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
