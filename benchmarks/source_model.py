"""Are the miniature's source models worth adapting? IoU on source scenes that no training saw, and on target scenes.

The criteria are the source's: 55 mIoU there, 20 to 35 on the target, which labels of the target must leave room above.

    .venv/bin/python benchmarks/source_model.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
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
from mlsl_mx.system.whole_files import file_hash

SOURCE_MODELS = {
    "gta2city": existing("experiments/miniature/pretrained.params"),
    "synthia2city": existing("experiments/miniature/pretrained_synthia.params"),
}
UNSEEN = 2000  # seed of scenes that no training saw, and no choice of a setting


def main() -> None:
    """Measure and write the table."""
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for experiment in SOURCE_MODELS:
            job = miniature_job(experiment, "source-only", Path(folder), UNSEEN)
            for side, images in (("source", job.source), ("target", job.validation)):
                found[f"{experiment}, {side}"] = measured(job, SOURCE_MODELS[experiment], images, Path(folder) / side)
    rows = [("mIoU", *(f"{one['miou']:.1f}" for one in found.values()))]
    for name in next(iter(found.values()))["per_class"]:  # of the 19, of which SYNTHIA has 16
        ious = (one["per_class"].get(name) for one in found.values())
        rows.append((name, *("-" if iou is None else f"{iou:.1f}" for iou in ious)))
    content = {"weights": {name: file_hash(path) for name, path in SOURCE_MODELS.items()}, "seed": UNSEEN, **found}
    write_results("source_model", content, table(("IoU, %", *found), rows))


def miniature_job(
    experiment: str, method: str, folder: Path, scenes: int, seed: int = 0, settings: Sequence[str] = ()
) -> Job:
    """A job of an experiment, of a run of `seed`, on the miniature of the seed `scenes`, rendered below `folder`."""
    make_miniature(folder / "data", existing("data_lists/miniature"), scenes)
    return job_on(folder / "data", experiment, method, folder / "run" / experiment, seed, settings)


def job_on(data: Path, experiment: str, method: str, run: Path, seed: int, settings: Sequence[str] = ()) -> Job:
    """A job of an experiment on a miniature that is rendered already."""
    roots = {name: data / name for name in PUBLISHED}
    path = existing(f"experiments/miniature/{experiment}.yaml")
    return open_job(path, method, settings, run, roots=roots, seed=seed, ctx="cpu")


def measured(job: Job, weights: Path, images: SceneDataset, out: Path) -> dict:
    """{miou, per_class, images} of weights on images."""
    net, _ = job.segmentation_network(weights)
    result = evaluate(whole_image_segmenter(net, job.ctx, job.config.evaluation.flip), images, out_dir=out)
    return {key: result[key] for key in ("miou", "per_class", "images")}


if __name__ == "__main__":
    main()
