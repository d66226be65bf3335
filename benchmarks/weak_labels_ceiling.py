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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from measure import option_parser, table, write_results  # first: it sets the number of threads
from source_model import SOURCE_MODELS, job_on

# isort: split
import numpy as np
from controls import SCENES, mean_row, trained, true_labels

from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.data.sampling import TARGET, classes_present
from mlsl_mx.data.transforms import MinedGroups, training_crop
from mlsl_mx.stages.inputs import class_sizes
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.pseudo_label import pseudo_label
from mlsl_mx.stages.self_train import mined_groups
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.whole_files import file_hash, read_json
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.epochs import AFTER_SOURCE_TRAINING, self_training_epochs
from mlsl_mx.training.train import Epochs

EXPERIMENT = "gta2city"
ROUNDS = 3
HEADER = ("the target's weak labels", "mIoU by round, mean of seeds", "the last round of each seed")
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
    rows = [mean_row(row, list(seeds.values())) for row, seeds in found.items()]
    content = {"weights": file_hash(SOURCE_MODELS[EXPERIMENT]), "rounds": ROUNDS, "miou": found}
    write_results("weak_labels_ceiling", content, table(HEADER, rows))


def chain(row: str, seed: int, runs: Path) -> list[float]:
    """The mIoU after each round of a row in a seed, in percent."""
    method, settings, scope = ROWS[row]
    settings = (f"self_training.rounds={ROUNDS}", *settings)
    run = runs / f"{row.replace(' ', '-').replace(',', '')}-seed{seed}"
    job = job_on(runs / "data", EXPERIMENT, method, run, seed, settings)
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
    target = with_pseudo_labels(job.target, folder / "pseudo_labels")
    mined = mined_groups(selection, job.source.classes.names)
    how = {"class_sizes": class_sizes(job, job.source), "mined": mined, "round_index": r, **job.for_epochs}
    epochs = self_training_epochs(job.source, target, config.self_training, config.weak_labels, **how)
    if truth is not None:
        rule = TrueWeakLabels(job, r, target, truth, scope, mined[TARGET])
        epochs = replace(epochs, batches=with_weak_labels(epochs, rule))
    net, _ = job.network_to_train(job.weights_before(r), config.weak_labels.enabled)
    return trained(job, net, epochs, folder, r)


def with_weak_labels(
    epochs: Epochs, rule: Callable[[str, int, int], np.ndarray]
) -> Callable[[int, int], Iterator[Batch]]:
    """The same batches; crops of the target get the rule's weak labels, (C,), by image, epoch and place in it."""

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        for step, batch in enumerate(epochs.batches(epoch, start), start):
            weak_labels = batch.weak_labels.copy()
            for i in np.flatnonzero(batch.is_target):
                weak_labels[i] = rule(batch.names[i], epoch, step * len(batch.names) + int(i))
            yield batch._replace(weak_labels=weak_labels)

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

    def __call__(self, name: str, epoch: int, k: int) -> np.ndarray:
        """(C,) float32 of 0 and 1, of the image's crop at position k."""
        index = self.target.names.index(name)
        truth = self.truth.label(index)
        if self.scope == "crop":
            settings = self.job.config.self_training
            number = AFTER_SOURCE_TRAINING + self.round_index * settings.epochs + epoch
            rng = np.random.default_rng((self.job.seed, number, k))
            # A crop of the pixels' own places, which tells where the crop lies: always inside, as images are larger.
            places = np.dstack([*np.indices(truth.shape), np.zeros(truth.shape)]).astype(np.float32)
            how = rng, settings.crops, self.mined, settings.mining_probability
            rows, columns, _ = np.moveaxis(training_crop(places, self.target.label(index), *how)[0], -1, 0)
            truth = truth[rows.round().astype(int), columns.round().astype(int)]
        return classes_present(truth, self.truth.classes.num_classes)


if __name__ == "__main__":
    main()
