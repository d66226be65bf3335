"""Is the miniature's source model worth adapting? IoU on source scenes that no training saw, and on target scenes.

The criteria are the source's: 55 mIoU there, 20 to 35 on the target, which labels of the target must leave room above.

    .venv/bin/python benchmarks/source_model.py                    # of experiments/miniature/pretrained.params
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from measure import table, write_results  # first: it sets the number of threads

# isort: split
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.stages.job import Job, open_job
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.runs import file_hash

EXPERIMENT = existing("experiments/miniature/gta2city.yaml")
PRETRAINED = existing("experiments/miniature/pretrained.params")
UNSEEN = 2000  # seed of scenes that no training saw, and no choice of a setting


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=PRETRAINED)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_miniature(Path(folder) / "data", existing("data_lists/miniature"), UNSEEN)
        roots = {name: Path(folder) / "data" / name for name in PUBLISHED}
        job = open_job(EXPERIMENT, "source-only", (), Path(folder) / "run", roots, 0, "cpu")
        sides = {"source": job.source, "target": job.validation}
        found = {side: measured(job, options.weights, images, Path(folder) / side) for side, images in sides.items()}
    rows = [("mIoU", *(f"{found[side]['miou']:.1f}" for side in sides))]
    rows += [
        (name, *(f"{found[side]['per_class'][name]:.1f}" for side in sides)) for name in job.config.class_set.names
    ]
    content = {"weights": file_hash(options.weights), "seed": UNSEEN, **found}
    write_results("source_model", content, table(("IoU, %", *(f"unseen {side} scenes" for side in sides)), rows))


def measured(job: Job, weights: Path, images: SceneDataset, out: Path) -> dict:
    """{miou, per_class, images} of weights on images."""
    net, _ = job.segmentation_network(weights)
    result = evaluate(whole_image_segmenter(net, job.ctx, job.config.evaluation.flip), images, out_dir=out)
    return {key: result[key] for key in ("miou", "per_class", "images")}


if __name__ == "__main__":
    main()
