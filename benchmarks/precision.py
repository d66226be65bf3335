"""What `network.precision` changes in labels: bfloat16 beside float32, stage by stage, on the miniature.

The network is experiments/miniature/pretrained.params: trained on GTA-V-like scenes and never on Cityscapes-like ones,
as the source model before round 0. Pseudo-labels are those of SISC in round 0, predictions of the validation images.

    .venv/bin/python benchmarks/precision.py      # 2 minutes on 2 cores
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import measure  # before MXNet: it sets the number of threads
import numpy as np

from mlsl_mx.config.classes import IGNORE, class_set
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.label_images import read_prediction
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.stages.evaluate import evaluate_weights
from mlsl_mx.stages.import_weights import import_weights
from mlsl_mx.stages.job import open_job
from mlsl_mx.stages.pseudo_label import pseudo_label
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.whole_files import read_json

EXPERIMENTS = Path(__file__).parents[1] / "experiments" / "miniature"
PRECISIONS = ("float32", "bfloat16")
CLASSES = class_set(19)


def main() -> None:
    """Label and evaluate in both precisions, compare every pixel, write the table."""
    measure.option_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, runs = Path(folder) / "data", [Path(folder) / precision for precision in PRECISIONS]
        make_miniature(data, existing("data_lists/miniature"), seed=0)
        for run, precision in zip(runs, PRECISIONS, strict=True):
            label_and_evaluate(run, data, precision)
        content = {
            "pseudo_labels": compared(
                *(label_maps(run / "sisc/round-0/pseudo_labels", read_pseudo_label) for run in runs)
            ),
            "predictions": compared(*(label_maps(run / "source/predictions/palette", read_prediction) for run in runs)),
            "miou": [read_json(run / "source/evaluation.json")["miou"] for run in runs],
            "network_seconds": [
                read_json(run / "sisc/round-0/pseudo_labels/selection.json")["network_seconds"] for run in runs
            ],
        }
    measure.write_results("precision", {"precisions": PRECISIONS, "threads": measure.THREADS, **content}, text(content))


def label_and_evaluate(run: Path, data: Path, precision: str) -> None:
    """The stages from the source model to round 0's pseudo-labels, and the source model's evaluation."""
    roots = {name: data / name for name in ("gta5", "cityscapes")}
    settings = [f"network.precision={precision}"]
    job = open_job(EXPERIMENTS / "gta2city.yaml", "sisc", settings, run, roots=roots, seed=0, ctx="cpu")
    print(import_weights(job, EXPERIMENTS / "pretrained.params"), flush=True)
    print(pseudo_label(job, 0), flush=True)
    print(evaluate_weights(job, None), flush=True)


def label_maps(folder: Path, read) -> np.ndarray:
    """(images, H, W) uint8 train ids of a folder's PNGs, 255 where there is no label."""
    paths = sorted(path for path in folder.rglob("*.png") if path.name != "contact_sheet.png")
    return np.stack([read(path, CLASSES) for path in paths])


def compared(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Shares of pixels: equal (no label equals no label); of those labelled in both, equal; labelled in each."""
    both = (first != IGNORE) & (second != IGNORE)
    return {
        "images": len(first),
        "equal": float((first == second).mean()),
        "equal_where_both": float((first == second)[both].mean()),
        "labelled": [float((labels != IGNORE).mean()) for labels in (first, second)],
    }


def text(content) -> str:
    """The table as Markdown."""
    rows = [
        [
            f"{title}, {content[key]['images']} images",
            f"{100 * content[key]['equal']:.2f} %",
            f"{100 * content[key]['equal_where_both']:.3f} %",
            *(f"{100 * share:.2f} %" for share in content[key]["labelled"]),
        ]
        for key, title in (
            ("pseudo_labels", "pseudo-labels (SISC, round 0)"),
            ("predictions", "validation predictions"),
        )
    ]
    header = ["pixels of", "equal", "equal where both have a label", *(f"labelled, {p}" for p in PRECISIONS)]
    (miou, reduced_miou), (seconds, reduced_seconds) = content["miou"], content["network_seconds"]
    return "\n".join(
        [
            "Labels in float32 and in bfloat16, miniature, width 0.125.\n",
            measure.table(header, rows),
            f"mIoU of the source model: {miou:.2f} in float32, {reduced_miou:.2f} in bfloat16. Seconds of the network "
            f"while labelling: {seconds:.1f} and {reduced_seconds:.1f} ({measure.THREADS} thread(s)).\n",
        ]
    )


if __name__ == "__main__":
    main()
