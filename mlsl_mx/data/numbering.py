"""Which ids the labels of a published data set hold: its own, or the train ids 0..18 that some copies have.

The two ranges overlap, so train ids would pass unnoticed: in Cityscapes train id 8, vegetation, would be learnt as
sidewalk. They are recognised by having no id above 18, and many pixels on ids without a class, such as road's 0.
"""

from __future__ import annotations

import numpy as np

from mlsl_mx.config.classes import CLASSES, IGNORE
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.label_files import read_file_values
from mlsl_mx.data.lists import evenly_spread
from mlsl_mx.system.errors import InputError

FEW = 8  # labels tell
LARGEST = len(CLASSES) - 1  # train id


def files_of_train_ids(dataset: SceneDataset, count: int) -> dict[int, str]:
    """Labels that seem to hold train ids, if most of those looked at do: one alone may be of an odd scene.

    Args:
        dataset: with labels; of any but a published data set's own labels nothing is known.
        count: labels looked at, evenly spread.

    Returns: index -> what is amiss.
    """
    form = dataset.label_format
    if dataset.kind not in PUBLISHED or max(value for value, _ in form.train_ids) <= LARGEST:  # ours hold train ids
        return {}
    looked_at = evenly_spread(len(dataset), count)
    found = {}
    for index in looked_at:
        try:
            ids = read_file_values(dataset.label_path(index), form)[0]
        except InputError:  # is told elsewhere
            continue
        if seem_train_ids(ids, dataset.kind):
            found[index] = (
                f"{dataset.label_path(index)}: seems to hold train ids: no id is above {ids[ids != IGNORE].max()}, and "
                f"too many pixels would be void: take the label files of {PUBLISHED[dataset.kind].title} itself"
            )
    return found if 2 * len(found) > len(looked_at) else {}


def seem_train_ids(ids: np.ndarray, kind: str) -> bool:
    """Whether an array of ids, as a label file of `kind` holds them, is more likely one of train ids."""
    counts = np.bincount(ids.ravel(), minlength=IGNORE + 1)
    if counts[LARGEST + 1 : IGNORE].any() or counts[IGNORE + 1 :].any() or not counts[1 : LARGEST + 1].any():
        return False
    classes = [value for one in CLASSES for value in one.file_values(kind)]
    return 1 - counts[classes].sum() / counts.sum() >= PUBLISHED[kind].void_share
