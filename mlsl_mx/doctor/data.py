"""Are the images of an experiment's lists on the disk? A look at names alone: `mlsl check-data` opens the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.experiment_data import ExperimentData
from mlsl_mx.data.miniature.datasets import STAMP
from mlsl_mx.doctor.findings import OK, Finding
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing


def default_experiments(roots: dict[str, Path | None]) -> list[Path]:
    """The two full ones, or the miniature's where a folder is of its data."""
    miniature = any(root is not None and (root.parent / STAMP).exists() for root in roots.values())
    folder = Path("experiments", "miniature") if miniature else Path("experiments")
    return [folder / "gta2city.yaml", folder / "synthia2city.yaml"]


def look_at_data(
    experiment: Path, settings: Sequence[str], roots: dict[str, Path | None], incomplete: str
) -> Iterator[Finding]:
    """A finding for each of an experiment's lists; `incomplete` is the verdict where something is missing.

    Raises: InputError for a wrong experiment or setting.
    """
    path = existing(str(experiment))
    config = load_config(path, None, tuple(settings))
    data = ExperimentData(config=config, roots=roots, experiment_folder=path.parent)
    for part, name in (("source", "all_source"), ("target", "target"), ("validation", "validation")):
        try:
            dataset = getattr(data, name)
            if len(dataset):  # own data may have no validation images
                yield _counted(part, dataset, incomplete)
        except InputError as problem:
            yield Finding("data", f"{part}: {problem}", incomplete)


def _counted(part: str, dataset: SceneDataset, incomplete: str) -> Finding:
    indices = range(len(dataset))
    images = sum(dataset.image_path(i).is_file() for i in indices)
    labels = sum(dataset.label_path(i).is_file() for i in indices) if dataset.has_labels else None
    text = f"{dataset.kind}, {part}: {images} of {len(dataset)} images"
    text += f" and {labels} labels" if labels is not None else ", which need no labels,"
    complete = images == len(dataset) and labels in (None, images)
    facts = {
        "dataset": dataset.kind,
        "part": part,
        "folder": str(dataset.root),
        "listed": len(dataset),
        "images": images,
        "labels": labels,
    }
    remedy = "" if complete else "mlsl check-data with the same options names what is missing, and where to get it"
    return Finding("data", f"{text} in {dataset.root}", OK if complete else incomplete, remedy, facts)
