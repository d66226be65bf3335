"""Schedules against numbers computed by hand."""

import pytest

from mlsl_mx.config.setting import setting_of
from mlsl_mx.config.training_settings import Optimizer, SelfTraining, SourceTraining
from mlsl_mx.training.epochs import STREAMS
from mlsl_mx.training.schedules import round_learning_rate, source_learning_rate, source_portion


def test_round_rate_falls_by_the_root_of_two():
    rates = [round_learning_rate(SelfTraining(), r, 7, 10) for r in range(5)]
    assert rates == pytest.approx([1e-4, 7.0711e-5, 5e-5, 3.5355e-5, 2.5e-5], rel=1e-4)


def test_source_portion_grows_to_its_limit():
    settings = SelfTraining()
    assert [source_portion(settings, r) for r in (0, 1, 5)] == pytest.approx([0.03, 0.0325, 0.0425])
    assert source_portion(settings, 20) == 0.06


def test_source_rate_constant_or_polynomial():
    assert source_learning_rate(SourceTraining(), 99, 100) == 1.6e-3
    poly = SourceTraining(decay="poly", optimizer=Optimizer(learning_rate=1.0))
    assert source_learning_rate(poly, 0, 100) == 1.0
    assert source_learning_rate(poly, 50, 100) == pytest.approx(0.5358867)  # 0.5 ** 0.9


def test_rates_within_a_round():
    settings = SelfTraining(optimizer=Optimizer(learning_rate=0.4), learning_rate_decay=0.5, decay="poly")
    rates = [round_learning_rate(settings, 1, step, 100) for step in (0, 50, 99)]
    assert rates == pytest.approx([0.2, 0.2 * 0.5**0.9, 0.2 * 0.01**0.9])


def test_no_round_draws_the_dropout_of_the_heads_training():
    """Round r has stream r + 1, the head the last of a seed's."""
    last = setting_of(SelfTraining(), "rounds").between[1] - 1
    assert last + 1 < STREAMS - 1
