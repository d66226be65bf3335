"""What are weak labels worth where they are right? Rounds of SISC+PWL with the generator's weak labels of the target.

The pseudo-labels stay SISC's. In the place of the weak labels that they give (Eq. 4) each target crop gets the classes
that are truly there: in its whole image, which is what the paper's wording asks for, or in the crop itself. Beside them
the pseudo weak-labels, and other weights (lambda of Eq. 6). The truth comes from the generator; the program that adapts
has no label of these images.

    .venv/bin/python benchmarks/weak_labels_ceiling.py --runs runs/weak --seeds 0 1 2

A chain that is finished in the folder of runs is read from there, so processes can share the seeds.
"""

from __future__ import annotations

import logging
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from measure import option_parser, table, write_results  # first: it sets the number of threads
from source_model import SOURCE_MODELS

# isort: split
import numpy as np
from controls import SCENES, miou, true_labels

from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.data.sampling import TARGET, classes_present, joint_order, source_subset
from mlsl_mx.data.transforms import MinedGroups, training_crop
from mlsl_mx.stages.inputs import class_sizes
from mlsl_mx.stages.job import Job, open_job
from mlsl_mx.stages.pseudo_label import pseudo_label
from mlsl_mx.stages.self_train import mined_groups
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import file_hash, read_json
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.epochs import AFTER_SOURCE_TRAINING, self_training_epochs
from mlsl_mx.training.schedules import source_portion
from mlsl_mx.training.train import Epochs, train

EXPERIMENT = "gta2city"
ROUNDS = 3
ROWS = {  # name -> method, settings, whose weak labels: None for those of the pseudo-labels, or the scope of the truth
    "SISC, no weak labels": ("sisc", (), None),
    "SISC+PWL": ("sisc-pwl", (), None),
    "SISC+PWL, lambda 1": ("sisc-pwl", ("weak_labels.weight=1",), None),
    "true weak labels of the image": ("sisc-pwl", (), "image"),
    "true weak labels of the crop": ("sisc-pwl", ("weak_labels.scope=crop",), "crop"),
    "true weak labels of the crop, lambda 1": (
        "sisc-pwl",
        ("weak_labels.scope=crop", "weak_labels.weight=1"),
        "crop",
    ),
}


def main() -> None:
    """Run every row in every seed and write the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the chains; finished ones are not repeated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_miniature(options.runs / "data", existing("data_lists/miniature"), SCENES)
    found = {row: {str(seed): chain(row, seed, options.runs) for seed in options.seeds} for row in ROWS}
    rows = []
    for row, seeds in found.items():
        last = [rounds[-1] for rounds in seeds.values()]
        rows.append((row, f"{statistics.mean(last):.1f}", ", ".join(f"{value:.1f}" for value in last)))
    content = {"weights": file_hash(SOURCE_MODELS[EXPERIMENT]), "rounds": ROUNDS, "miou": found}
    write_results("weak_labels_ceiling", content, table(("target's weak labels", "mean", "by seed"), rows))


def chain(row: str, seed: int, runs: Path) -> list[float]:
    """The mIoU after each round of a row in a seed, in percent."""
    method, settings, scope = ROWS[row]
    roots = {name: runs / "data" / name for name in PUBLISHED}
    settings = (f"self_training.rounds={ROUNDS}", *settings)
    run = runs / f"{row.replace(' ', '-').replace(',', '')}-seed{seed}"
    path = existing(f"experiments/miniature/{EXPERIMENT}.yaml")
    job = open_job(path, method, settings, run, roots=roots, seed=seed, ctx="cpu")
    job.source_folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE_MODELS[EXPERIMENT], job.source_folder / "weights.params")
    truth = true_labels(job, runs / "truth") if scope else None
    return [one_round(job, r, truth, scope) for r in range(ROUNDS)]


def one_round(job: Job, r: int, truth: SceneDataset | None, scope: str | None) -> float:
    """Label, train and evaluate; what is finished is read."""
    folder, config = job.folder(r), job.config
    if (folder / "evaluation.json").exists():
        return read_json(folder / "evaluation.json")["miou"]
    pseudo_label(job, r)
    selection = read_json(folder / "pseudo_labels" / "selection.json")
    target, mined = (
        with_pseudo_labels(job.target, folder / "pseudo_labels"),
        mined_groups(selection, job.source.classes.names),
    )
    how = {"class_sizes": class_sizes(job, job.source), "mined": mined, "round_index": r, **job.for_epochs}
    epochs = self_training_epochs(job.source, target, config.self_training, config.weak_labels, **how)
    if truth is not None:
        rule = TrueWeakLabels(job, r, target, truth, scope, mined[TARGET])
        epochs = replace(epochs, batches=with_weak_labels(epochs, rule))
    net, _ = job.network_to_train(job.weights_before(r), config.weak_labels.enabled)
    train(net, epochs, job.devices, folder, log=RunLog(folder / "log.jsonl", "ceiling"), title=f"{job.run.name}, {r}")
    return miou(job, folder / "weights.params", folder)


def with_weak_labels(epochs: Epochs, rule: Callable[[int, int], np.ndarray]) -> Callable[[int, int], Iterator[Batch]]:
    """The same batches with the rule's weak labels, (C,) of an epoch's crop, for crops of the target."""

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        for step, batch in enumerate(epochs.batches(epoch, start), start):
            places = step * len(batch.images) + np.arange(len(batch.images))
            weak = [
                rule(epoch, k) if target else own
                for k, target, own in zip(places, batch.is_target, batch.weak_labels, strict=True)
            ]
            yield batch._replace(weak_labels=np.stack(weak))

    return batches


@dataclass(frozen=True)
class TrueWeakLabels:
    """The classes that are truly in the crops of a round's epochs, which `TrainingCrops` draws."""

    job: Job
    round_index: int
    target: SceneDataset  # with the round's pseudo-labels, on whose pixels crops are centred
    truth: SceneDataset  # the same images with the generator's labels
    scope: str  # image or crop
    mined: MinedGroups

    def __call__(self, epoch: int, k: int) -> np.ndarray:
        """(C,) float32 of 0 and 1, of position k."""
        settings, seed = self.job.config.self_training, self.job.seed
        number = AFTER_SOURCE_TRAINING + self.round_index * settings.epochs + epoch
        portion = source_portion(settings, self.round_index)
        sizes = len(source_subset(len(self.job.source), portion, seed)), len(self.target)
        order = joint_order(sizes, seed, number)
        side, index = order[k % len(order)]
        assert side == TARGET, "the order of the crops is not that of the training"
        truth = self.truth.label(index)
        if self.scope == "crop":
            rng = np.random.default_rng((seed, number, k))
            # A crop of the pixels' own places, which tells where the crop lies: always inside, as images are larger.
            places = np.dstack([*np.indices(truth.shape), np.zeros(truth.shape)]).astype(np.float32)
            how = rng, settings.crops, self.mined, settings.mining_probability
            rows, columns, _ = np.moveaxis(training_crop(places, self.target.label(index), *how)[0], -1, 0)
            truth = truth[rows.round().astype(int), columns.round().astype(int)]
        return classes_present(truth, self.truth.classes.num_classes)


if __name__ == "__main__":
    main()
