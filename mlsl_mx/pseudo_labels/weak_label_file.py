"""Pseudo weak-labels of whole images as a file, for trainings other than ours, which makes them as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlsl_mx.config.settings import WeakLabels
from mlsl_mx.data.datasets import SceneDataset, with_pseudo_labels
from mlsl_mx.pseudo_labels.weak_labels import weak_labels
from mlsl_mx.system.progress import progress
from mlsl_mx.system.whole_files import write_json

WEAK_LABELS = "weak_labels.json"


def write_weak_labels(
    folder: Path, dataset: SceneDataset, h_s: Sequence[float], settings: WeakLabels | None = None
) -> None:
    """Write folder/weak_labels.json: the classes that each image has by its pseudo-labels (Sec. 3.3.1).

    That is {eta, comparison, h_s {class: share, None of a class that the source has not}, images {name: [class]}}.

    Args:
        folder: of the pseudo-labels of all the data set's images.
        h_s: (C,) from ClassSizes.mean(), or RELEASED_SIZES.
        settings: of which `eta` and `comparison` count; None: the paper's.
    """
    settings, names = settings or WeakLabels(), dataset.classes.names
    labels, images = with_pseudo_labels(dataset, folder), {}
    for index in progress(range(len(labels)), "weak labels", "image"):
        present = weak_labels(labels.label(index), h_s, settings.eta, settings.comparison)
        images[labels.names[index]] = [name for name, there in zip(names, present, strict=True) if there]
    sizes = {name: None if np.isnan(size) else float(size) for name, size in zip(names, h_s, strict=True)}
    content = {"eta": settings.eta, "comparison": settings.comparison, "h_s": sizes, "images": images}
    write_json(Path(folder) / WEAK_LABELS, content)
