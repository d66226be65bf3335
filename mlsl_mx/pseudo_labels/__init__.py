"""From a network's probabilities to pseudo-labels and pseudo weak-labels (Sec. 3.2 and 3.3.1).

    patches (corners) -> inference -> maps -> store -> composition (sisc) -> spatial_prior -> selection -> weak_labels
    segmenter puts these in a row, labelling is the stage

`inference`, `composition` and `sisc` are MXNet's; PyTorch's are `pytorch/inference.py` and `pytorch/composition.py`.
`SISCAccumulator` needs MXNet, so it is imported when it is first asked for; so is `label_images`, which needs all.
"""

from mlsl_mx.pseudo_labels.patches import patch_positions
from mlsl_mx.pseudo_labels.selection import ClassConfidences, select_pseudo_labels
from mlsl_mx.pseudo_labels.weak_labels import ClassSizes, weak_labels
from mlsl_mx.system.lazy import lazily

__all__ = [
    "ClassConfidences",
    "ClassSizes",
    "SISCAccumulator",
    "label_images",
    "patch_positions",
    "select_pseudo_labels",
    "weak_labels",
]

__getattr__ = lazily(
    __name__,
    {"SISCAccumulator": "mlsl_mx.pseudo_labels.sisc", "label_images": "mlsl_mx.pseudo_labels.image_folder"},
)
