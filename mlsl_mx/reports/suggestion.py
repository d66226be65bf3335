"""Which round a user would keep who has no labels of the target. A suggestion: the last round is the result."""

from __future__ import annotations

from mlsl_mx.pseudo_labels.diagnosis import drift_in_words
from mlsl_mx.reports.results import MethodResults


def suggestion(method: MethodResults) -> tuple[int, str] | None:
    """The round before the first whose labels drift, and why; None where no labels do, and the last round is as good a
    choice as any. It reads what was measured without a label of the target alone.
    """
    first = next((one for one in method.rounds if one.drift), None)
    if first is None:
        return None
    return first.index - 1, f"from round {first.index} on its labels drift ({drift_in_words(first.drift)})"
