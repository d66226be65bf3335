"""From a network's probabilities to pseudo-labels and pseudo weak-labels (Sec. 3.2 and 3.3.1).

    windows -> inference (batching) -> store -> composition (upsampling, sisc) -> spatial_prior -> selection
    segmenter puts these in a row, generate is the stage;  weak_labels

Only `SISCAccumulator` needs MXNet, so it is imported when it is first asked for.
"""

from mlsl_mx.pseudo_labels.selection import ClassConfidences, select_pseudo_labels
from mlsl_mx.pseudo_labels.weak_labels import ClassSizes, weak_labels
from mlsl_mx.pseudo_labels.windows import patch_positions

__all__ = [
    "ClassConfidences",
    "ClassSizes",
    "SISCAccumulator",
    "patch_positions",
    "select_pseudo_labels",
    "weak_labels",
]


def __getattr__(name):
    if name == "SISCAccumulator":
        from mlsl_mx.pseudo_labels.sisc import SISCAccumulator

        return SISCAccumulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
