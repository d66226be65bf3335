"""Learning rates and portions over rounds and steps. Plain arithmetic, no MXNet."""

from __future__ import annotations

from mlsl_mx.config.training_settings import SelfTraining, SourceTraining


def source_learning_rate(settings: SourceTraining, step: int, steps: int) -> float:
    """Rate of one step of source training: constant (release), or decayed."""
    return _decayed(settings.optimizer.learning_rate, settings.decay, step, steps)


def round_learning_rate(settings: SelfTraining, round_index: int, step: int, steps: int) -> float:
    """Rate of one step of a round: the first round's, times the decay for each later one (1e-4 / sqrt(2)^r), constant
    within the round, or decayed. The paper has the 1e-4 (Sec. 4.1.3), the release the rest."""
    rate = settings.optimizer.learning_rate * settings.learning_rate_decay**round_index
    return _decayed(rate, settings.decay, step, steps)


def _decayed(rate: float, decay: str, step: int, steps: int) -> float:
    """`constant`, or `poly`: to 0 with power 0.9."""
    return rate if decay == "constant" else rate * (1 - step / steps) ** 0.9


def source_portion(settings: SelfTraining, round_index: int) -> float:
    """Portion of the source images that a round trains on, as in the release; the paper does not say."""
    grown = settings.source_portion + settings.source_portion_step * round_index
    return min(grown, settings.source_portion_max)
