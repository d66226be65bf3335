"""The size at which IoU is measured: `target.size`; labels of another size are resized to it.

The official Cityscapes script, and so the paper, scores at the label files' own size. We resize labels so that a
smaller `target.size` makes evaluation cheaper too, and say so wherever such numbers are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mlsl_mx.data.image_files import size_text


def count_resized(dataset) -> dict[str, Any] | None:
    """How many labels of a SceneDataset are scored at another size than their file's, JSON-able; None for none.

    Returns: `images`, how many; `scored`, (height, width) at which; `labels`, the most common (height, width) of files.
    Raises: InputError for a label file that is missing or unreadable.
    """
    if dataset.size is None:
        return None
    sizes = Counter(tuple(dataset.label_header(index).size) for index in range(len(dataset)))
    del sizes[tuple(dataset.size)]
    if not sizes:
        return None
    return {"images": sum(sizes.values()), "scored": list(dataset.size), "labels": list(sizes.most_common(1)[0][0])}


def resolution_note(evaluation: Mapping[str, Any]) -> str | None:
    """A sentence about the `resized` of an evaluation.json; None where all labels were scored at their own size."""
    resized = evaluation.get("resized")
    if not resized:
        return None
    return (
        f"IoU was measured at {size_text(resized['scored'])}, to which {resized['images']} of {evaluation['images']} "
        f"labels were resized (from {size_text(resized['labels'])}): the official Cityscapes script, and so the paper, "
        "scores at the label files' own size."
    )
