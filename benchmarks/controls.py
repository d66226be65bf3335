"""Two control rows for a table: what the rounds' training does without, and with perfect, pseudo-labels.

- source continued: the rounds' steps, rates and crops from the source model on, on source images alone.
- true labels: the rounds with the truth of every target pixel in place of pseudo-labels, the ceiling of self-training.
  The truth comes from the generator; the program that adapts has no label of these images.

As in the rounds, crops are centred on the rarest classes, here of the labels that take the place of pseudo-labels; as
those are right, `selection.mining_least` leaves out none.

    .venv/bin/python benchmarks/controls.py --experiment gta2city --seeds 0 1 2 3 4

`--epochs 12` gives each round more than the experiment's: what the truth is worth when steps do not run out; with
`--rate 3.75e-3`, falling to 0 in each round, at the rate a crop that the source model was trained with (0.03 for 32).

Of one's own data the truth is that of the experiment's validation images, and what comes of it is measured on those of
another experiment file, which must be other images:

    .venv/bin/python benchmarks/controls.py --own experiments/real/idda2camvid.yaml \\
        --measured experiments/real/idda2camvid_test.yaml \\
        --weights runs/own/idda2camvid-seed0/source/weights.params --seeds 0 1 2

`--own experiments/real/idda2camvid_ceiling.yaml` has the truth of the very pictures that the rounds adapt to.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import option_parser, table, write_results  # first: it sets the number of threads
from source_model import SOURCE_MODELS, miniature_job

# isort: split
from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.data.label_counts import counts_of
from mlsl_mx.data.label_files import published_format
from mlsl_mx.data.label_images import train_id_png
from mlsl_mx.data.miniature.datasets import draw
from mlsl_mx.data.transforms import MinedGroups
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.pseudo_labels.selection import mined_classes
from mlsl_mx.stages.inputs import class_sizes
from mlsl_mx.stages.job import Job, open_job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.whole_files import file_hash, write_bytes
from mlsl_mx.training.epochs import self_training_epochs
from mlsl_mx.training.train import Epochs, train

SCENES = 0  # seed of those that `make gta2city` renders


def main() -> None:
    """Run both controls for every seed and write the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--experiment", choices=SOURCE_MODELS, default="gta2city")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="of each round, in place of the experiment's")
    parser.add_argument(
        "--rate", type=float, help="of each round's first step, falling to 0, in place of the experiment's"
    )
    parser.add_argument("--own", type=Path, help="an experiment of one's own data, in the miniature's place")
    parser.add_argument("--measured", type=Path, help="the same experiment, with other validation images")
    parser.add_argument("--weights", type=Path, help="its source model")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = [f"self_training.epochs={options.epochs}"] if options.epochs else []
    if options.rate:
        settings += ["self_training.decay=poly", f"self_training.optimizer.learning_rate={options.rate}"]
    if options.own:
        name, weights = options.own.stem, options.weights
        places = (options.own, options.measured, weights)
        found = {seed: own_controls(*places, seed, settings) for seed in options.seeds}
    else:
        name, weights = options.experiment, SOURCE_MODELS[options.experiment]
        found = {seed: controls(name, seed, settings) for seed in options.seeds}
    if options.epochs:
        name += f"_{options.epochs}_epochs"
    if options.rate:
        name += "_source_rate"
    rows = [mean_row(control, [found[seed][control] for seed in found]) for control in next(iter(found.values()))]
    content = {"weights": file_hash(weights), "seeds": {str(s): found[s] for s in found}}
    header = ("control", "mIoU by round, mean of seeds", "the last round of each seed")
    write_results(f"controls_{name}", content, table(header, rows))


def controls(experiment: str, seed: int, settings: Sequence[str]) -> dict[str, list[float]]:
    """The mIoU of the source model and after each round, of both controls in a run of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        job = miniature_job(experiment, "sisc", place, SCENES, seed, settings)
        more_source = job.source.subset(range(len(job.target)))
        truth = true_labels(job, place / "truth")
        return {
            "source continued": adapted(job, more_source, SOURCE_MODELS[experiment], place / "continued"),
            "true labels": adapted(job, truth, SOURCE_MODELS[experiment], place / "ceiling"),
        }


def own_controls(
    experiment: Path, measured: Path, weights: Path, seed: int, settings: Sequence[str]
) -> dict[str, list[float]]:
    """The same of one's own data: the truth of one experiment's validation images, measured on the other's."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        job = open_job(measured, "sisc", settings, place / "run", roots={}, seed=seed, ctx="cpu")
        labelled = open_job(experiment, "sisc", (), place / "run", roots={}, seed=seed, ctx="cpu").validation
        if set(labelled.names) & set(job.validation.names):
            raise InputError(f"{measured}: measures on images whose labels {experiment} trains on: give others")
        more_source = job.source.subset(range(len(labelled)))
        return {
            "source continued": adapted(job, more_source, weights, place / "continued"),
            "true labels of other target images": adapted(job, labelled, weights, place / "ceiling"),
        }


def true_labels(job: Job, folder: Path) -> SceneDataset:
    """The target images with labels that the generator knows, written to `folder` as pseudo-labels are."""
    classes = job.target.classes
    train_ids = published_format("cityscapes", classes).lookup[:256].astype(classes.id_type)
    for name, entry in zip(job.target.names, job.target.entries, strict=True):
        labels = train_ids[draw("cityscapes", entry, SCENES)[1]]
        write_bytes(folder / f"{name}.png", train_id_png(labels, classes))
    return with_pseudo_labels(job.target, folder)


def adapted(job: Job, target: SceneDataset, weights: Path, out: Path) -> list[float]:
    """The rounds' training with the labels of `target`. Returns: mIoU before them and after each, in percent."""
    found, config = [miou(job, weights, out / "source")], job.config
    h_s, mined = class_sizes(job, job.source), rarest(job, target)
    for r in range(config.self_training.rounds):
        net, _ = job.network_to_train(weights, weak_label_head=False)
        folder = out / f"round-{r}"
        settings = config.self_training, config.weak_labels
        how = {"class_sizes": h_s, "mined": mined, "round_index": r, **job.for_epochs}
        epochs = self_training_epochs(job.source, target, *settings, **how)
        found.append(trained(job, net, epochs, folder, r))
        weights = folder / "weights.params"
    return found


def trained(job: Job, net, epochs: Epochs, folder: Path, round_index: int) -> float:
    """Train for a round's epochs and write `folder`/weights.params. Returns: their mIoU in percent."""
    log = RunLog(folder / "log.jsonl", "control")
    train(net, epochs, job.devices, folder, log=log, title=f"round {round_index}")
    return miou(job, folder / "weights.params", folder)


def rarest(job: Job, labelled: SceneDataset) -> tuple[MinedGroups, MinedGroups]:
    """What is mined in source images and in the others: the rarest classes of these labels."""
    selection, classes = job.config.selection, labelled.classes.num_classes
    counts = sum(counts_of(labelled.label(index), classes) for index in range(len(labelled)))
    groups = mined_classes(counts, selection.mining_share, selection.mining_rarest)
    return (tuple(map(tuple, groups)),) * 2


def miou(job: Job, weights: Path, out: Path) -> float:
    """Of weights on the validation images, in percent."""
    net, _ = job.segmentation_network(weights)
    segmenter = whole_image_segmenter(net, job.ctx, job.config.evaluation.flip)
    return evaluate(segmenter, job.validation, out_dir=out)["miou"]


def mean_row(name: str, found: list[list[float]]) -> tuple[str, ...]:
    """Name, means by round, last rounds."""
    means = [statistics.mean(values) for values in zip(*found, strict=True)]
    return name, ", ".join(f"{mean:.1f}" for mean in means), ", ".join(f"{values[-1]:.1f}" for values in found)


if __name__ == "__main__":
    main()
