"""The stages as Make calls them: open what a stage reads, run it, leave its files in the run directory.

Each is idempotent: a finished stage is a no-op, an interrupted one goes on. No stage knows the next one.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import mxnet as mx

import mlsl_mx
from mlsl_mx.config import Config, load_config, to_dict
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import SceneDataset, open_dataset, with_pseudo_labels
from mlsl_mx.data.statistics import label_maps, source_class_sizes
from mlsl_mx.errors import InputError
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.evaluation.report import write_report
from mlsl_mx.labels import class_set
from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.pseudo_labels import ClassSizes
from mlsl_mx.pseudo_labels.contact_sheet import evenly_spread
from mlsl_mx.pseudo_labels.diagnose import diagnose_pseudo_labels
from mlsl_mx.pseudo_labels.generate import generate_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.runs import RunLog, begin_stage, environment, file_hash, keep_settings, read_json, write_json
from mlsl_mx.training.epochs import self_training_epochs, source_epochs
from mlsl_mx.training.train import train


@dataclass(frozen=True)
class Job:
    """What every stage of a run is told."""

    config: Config
    run: Path
    roots: dict[str, Path | None]  # folder of each data set
    seed: int
    ctx: mx.Context

    @property
    def source_folder(self) -> Path:
        """The source model's folder, shared by the methods of a run."""
        return self.run / "source"

    @property
    def method_folder(self) -> Path:
        """The folder of this method's rounds."""
        return self.run / self.config.method

    def round_folder(self, round_index: int) -> Path:
        """Folder of round 0, 1, ... of this method."""
        return self.method_folder / f"round-{round_index}"

    def weights_before(self, round_index: int) -> Path:
        """What a round starts from: the source model or the round before."""
        folder = self.round_folder(round_index - 1) if round_index else self.source_folder
        return folder / "weights.params"

    @property
    def workers(self) -> int:
        """Reader processes: none where the network itself needs the cores."""
        return 0 if self.ctx.device_type == "cpu" else min(8, os.cpu_count() or 1)

    def log(self, stage: str) -> RunLog:
        """The run's log."""
        return RunLog(self.run / "log.jsonl", stage)

    def source(self) -> SceneDataset:
        """The source images with their labels."""
        data = self.config.source
        return self._open(data.dataset, data.images, data.size, labels=True)

    def target(self) -> SceneDataset:
        """The target's training images. Their labels are never opened.

        Raises: InputError if validation images are among them.
        """
        data = self.config.target
        target = self._open(data.dataset, data.train, data.size, labels=False)
        shared = sorted(set(target.names) & set(self.validation().names))
        if shared:
            raise InputError(
                f"{data.train}: {len(shared)} images are validation images too, e.g. {shared[0]}: adapting on them "
                f"would make the result worthless; remove them from target.train or target.val"
            )
        return target

    def validation(self) -> SceneDataset:
        """The target's validation images with their labels."""
        data = self.config.target
        return self._open(data.dataset, data.val, data.size, labels=True)

    def _open(self, kind: str, images: str, size, labels: bool) -> SceneDataset:
        root = self.roots.get(kind)
        if root is None:
            raise InputError(f"no folder given for {kind}: use --data FOLDER (holding {kind}/) or --{kind} FOLDER")
        return open_dataset(kind, root, find_list(images), class_set(self.config.classes), size, labels)


def open_job(
    experiment: Path,
    method: str | None,
    settings: Sequence[str],
    run: Path,
    roots: dict[str, Path | None],
    seed: int,
    ctx: str,
) -> Job:
    """What the command line says, checked.

    Raises: InputError for a wrong experiment, method, setting or device.
    """
    config = load_config(experiment, method, tuple(settings))
    return Job(config, Path(run), roots, seed, device(ctx))


def device(name: str) -> mx.Context:
    """`cpu` or `gpu(N)` as an MXNet context.

    Raises: InputError for another name, or a GPU that this MXNet does not see.
    """
    match = re.fullmatch(r"(cpu|gpu)(?:\((\d+)\))?", name)
    if match is None:
        raise InputError(f"ctx {name!r} is not a device: use cpu or gpu(0)")
    if match.group(1) == "cpu":
        return mx.cpu()
    number, found = int(match.group(2) or 0), mx.context.num_gpus()
    if number >= found:
        raise InputError(f"ctx {name}: this MXNet sees {found} GPUs: install mxnet-cu112 (make CTX=gpu), or use cpu")
    return mx.gpu(number)


def find_list(path: str) -> Path:
    """A list as named by an experiment file: from the current folder, or from the checkout that holds the package."""
    here, checkout = Path(path), Path(mlsl_mx.__file__).parents[1] / path
    return here if here.exists() else checkout


def make_miniature(root: Path, seed: int, preview: Path | None) -> str:
    """Render the embedded data sets below `root`."""
    from mlsl_mx.data import miniature

    lists = find_list("data_lists/miniature")
    miniature.make_miniature(root, lists, seed)
    if preview is not None:
        miniature.write_preview(root, preview)
    return f"miniature data sets in {root}"


def check_data(experiment: Path, settings: Sequence[str], roots: dict[str, Path | None]) -> str:
    """Look at every file of an experiment's source, target and validation images.

    Raises: InputError after the report if a file is missing, unreadable or wrong.
    """
    config = load_config(experiment, None, tuple(settings))
    job = Job(config, Path(), roots, 0, mx.cpu())
    reports = [check_dataset(dataset, title) for title, dataset in _datasets(job).items()]
    print("\n".join(line for report in reports for line in report.lines()))
    for report in reports:
        report.raise_faults()
    return "all data can be used"


def _datasets(job: Job) -> dict[str, SceneDataset]:
    config = job.config
    return {
        f"source ({config.source.images})": job.source(),
        f"target ({config.target.train})": job.target(),
        f"validation ({config.target.val})": job.validation(),
    }


def train_source(job: Job, imagenet: Path | None) -> str:
    """Train the source model, from the trunk of an ImageNet classifier or, if the experiment says so, from scratch."""
    settings = job.config.source_training
    if settings.start == "trunk" and imagenet is None:
        raise InputError(
            "source_training.start is trunk: give --imagenet (make IMAGENET=) the ImageNet classifier's .params, or "
            "start from a published source model (make WEIGHTS=)"
        )
    if _begin_source(job, {"imagenet": file_hash(imagenet) if imagenet else None}):
        return _already(job.source_folder / "weights.params")
    source = _checked(job.source(), "source")
    mx.random.seed(job.seed)
    net = _network(job.config, weak_label_head=False, frozen_statistics=settings.start == "trunk")
    net.initialize(ctx=job.ctx)
    log = job.log("train-source")
    if imagenet:
        log.write("imagenet", report=str(load_original(net, imagenet, part="trunk")))
    _fix_shapes(net)
    train(net, source_epochs(source, settings, job.seed, job.workers), job.ctx, job.source_folder, log, "source")
    return f"source model: {job.source_folder / 'weights.params'}"


def import_weights(job: Job, weights: Path) -> str:
    """Take a source model in the original naming as this run's."""
    if not Path(weights).is_file():
        raise InputError(f"{weights}: no such file: give the .params of a source model")
    if _begin_source(job, {"weights": file_hash(weights)}):
        return _already(job.source_folder / "weights.params")
    net = _network(job.config, weak_label_head=False)
    report = load_original(net, weights, ctx=job.ctx)
    save_original(net, job.source_folder / "weights.params")
    job.log("import-weights").write("imported", file=str(weights), report=str(report))
    return f"{weights}: {report}"


def pseudo_label(job: Job, round_index: int) -> str:
    """Label the target's training images with the weights before the round."""
    folder = _round(job, round_index) / "pseudo_labels"
    net, weights_hash = _inference_network(job, job.weights_before(round_index))
    target = _checked(job.target(), "target")
    inputs = {
        "weights": weights_hash,
        "list": target.fingerprint,
        "round": round_index,
        "seed": job.seed,
        **{key: to_dict(job.config)[key] for key in ("pseudo_labels", "selection")},
    }
    record = folder.parent / "pseudo_labels.inputs.json"
    begin_stage(record, inputs, [folder])
    if not (folder / "selection.json").exists():
        _take_over(job.run, record, inputs, folder)
    result = generate_pseudo_labels(
        net,
        target,
        job.ctx,
        job.config.pseudo_labels,
        job.config.selection,
        round_index,
        job.seed,
        folder,
        prior=_prior(job),
        log=job.log("pseudo-label"),
    )
    (folder / "selection.json").touch()  # newer than what it was made from, also where it was there already: for Make
    return f"round {round_index}: {100 * result['coverage']:.1f} % of the target's pixels labelled, see {folder}"


def _take_over(run: Path, record: Path, inputs: dict[str, Any], folder: Path) -> None:
    """Copy the labels that another method of the run made from the same inputs: SISC and SISC+PWL share round 0's."""
    for other in sorted(run.glob("*/round-*/pseudo_labels.inputs.json")):
        made = other.parent / "pseudo_labels"
        if other != record and read_json(other) == inputs and (made / "selection.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
            return


def diagnose(job: Job, round_index: int) -> str:
    """Measure on validation images how good the round's pseudo-labels are. Nothing of it is fed back."""
    folder, config = _round(job, round_index), job.config
    net, _ = _inference_network(job, job.weights_before(round_index))
    validation = job.validation()
    some = validation.subset(evenly_spread(len(validation), config.evaluation.diagnosed_images))
    thresholds = read_json(folder / "pseudo_labels" / "selection.json")["thresholds"]
    result = diagnose_pseudo_labels(
        net,
        some,
        job.ctx,
        config.pseudo_labels,
        [thresholds[name] for name in some.classes.names],
        config.selection.rule,
        job.seed,
        prior=_prior(job),
    )
    write_json(folder / "label_quality.json", result)
    return f"round {round_index}: pseudo-labels {_percent(result['precision'])} % right on validation images"


def self_train(job: Job, round_index: int) -> str:
    """Train on source labels and the round's pseudo-labels, from the weights before it."""
    folder, config = _round(job, round_index), job.config
    selection = read_json(folder / "pseudo_labels" / "selection.json")
    start = job.weights_before(round_index)
    inputs = {"weights": file_hash(start), "labels": file_hash(folder / "pseudo_labels" / "selection.json")}
    outputs = [folder / "weights.params", folder / ".checkpoint"]
    begin_stage(folder / "self_train.inputs.json", inputs, outputs)
    if outputs[0].exists():
        return _already(outputs[0])
    source = _checked(job.source(), "source")
    target = with_pseudo_labels(job.target(), folder / "pseudo_labels")
    sizes = source_class_sizes(source, ClassSizes(config.classes), job.source_folder / "class_sizes.json")
    mx.random.seed(job.seed)
    net = _network(config, weak_label_head=config.weak_labels.enabled)
    net.initialize(ctx=job.ctx)
    log = job.log("self-train")
    log.write("start", round=round_index, weights=str(start), report=str(load_original(net, start)))
    _fix_shapes(net)
    mined = [source.classes.names.index(name) for name in selection["mined"]]
    epochs = self_training_epochs(
        source, target, config.self_training, config.weak_labels, sizes, mined, round_index, job.seed, job.workers
    )
    train(net, epochs, job.ctx, folder, log, f"round {round_index}")
    return f"round {round_index}: {outputs[0]}"


def evaluate_weights(job: Job, round_index: int | None) -> str:
    """IoU on the validation images of the weights after a round, or (None) of the source model."""
    folder = job.source_folder if round_index is None else _round(job, round_index)
    net, weights_hash = _inference_network(job, folder / "weights.params")
    validation = _checked(job.validation(), "validation")
    flip = job.config.evaluation.flip
    result = evaluate(net, validation, job.ctx, flip, folder, job.log("evaluate"), weights_hash)
    (folder / "evaluation.json").touch()  # as in pseudo_label
    title = "source model" if round_index is None else f"round {round_index}"
    means = ", ".join(f"mIoU over {count} classes {_percent(mean, 1)}" for count, mean in result["mious"].items())
    return f"{title}: {means}"


def report(job: Job) -> str:
    """The run's tables, charts and panels; the text goes to `report/METHOD.txt` too."""
    text = write_report(job.run, job.config, job.validation(), job.run / "report")
    (job.run / "report" / f"{job.config.method}.txt").write_text(text + "\n", encoding="utf-8")
    return text


def _begin_source(job: Job, start: dict[str, Any]) -> bool:
    """Note the source model's settings. Returns: whether it is there already. Raises: InputError for other settings."""
    values = to_dict(job.config)
    shared = ("classes", "source", "target", "network", "source_training", "evaluation")
    settings = {"seed": job.seed, **start, **{key: values[key] for key in shared}}
    keep_settings(job.source_folder / "config.yaml", settings)
    if not (job.source_folder / "environment.json").exists():
        write_json(job.source_folder / "environment.json", environment())
    return (job.source_folder / "weights.params").exists()


def _round(job: Job, round_index: int) -> Path:
    """The folder of a round; the method's settings are noted at the first. Raises: InputError for other settings."""
    rounds = job.config.self_training.rounds
    if not 0 <= round_index < rounds:
        raise InputError(
            f"round {round_index}: {job.config.name} with {job.config.method} has {rounds}, from 0: raise ROUNDS"
        )
    values = to_dict(job.config)
    del values["self_training"]["rounds"]  # more rounds may follow
    keep_settings(job.method_folder / "config.yaml", {"seed": job.seed, **values})
    return job.round_folder(round_index)


def _network(config: Config, weak_label_head: bool, frozen_statistics: bool = True) -> MLSLNet:
    return MLSLNet(
        config.classes,
        config.network.width,
        weak_label_head,
        head_relu=config.network.head_relu,
        dropout=config.network.dropout,
        frozen_statistics=frozen_statistics,
    )


def _inference_network(job: Job, weights: Path):
    """The segmentation network with these weights, and their hash; a weak-label head is left out, as it costs time."""
    net = _network(job.config, weak_label_head=False)
    load_original(net, weights, ctx=job.ctx)
    _fix_shapes(net)
    return net, file_hash(weights)


def _prior(job: Job) -> SpatialPrior | None:
    """The spatial prior of the source labels, computed once a run; None where the method has none."""
    if not job.config.selection.spatial_prior:
        return None
    path = job.source_folder / "spatial_prior.npz"
    if not path.exists():
        SpatialPrior.from_labels(label_maps(job.source()), job.config.classes).save(path)
    return SpatialPrior.load(path, job.config.classes)


def _fix_shapes(net: MLSLNet) -> None:
    """Compile the network for inputs of one shape, as each stage has."""
    net.hybridize(static_alloc=True, static_shape=True)


def _checked(dataset: SceneDataset, title: str) -> SceneDataset:
    """The data set, after the cheap part of `mlsl check-data`."""
    check_dataset(dataset, f"check {title}", quick=True).raise_faults()
    return dataset


def _already(path: Path) -> str:
    path.touch()  # for Make: newer than what it was made from
    return f"{path} is there already"


def _percent(value: float | None, factor: float = 100) -> str:
    return "-" if value is None else f"{factor * value:.1f}"
