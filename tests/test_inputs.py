"""What source training is told of its classes, against values by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from mlsl_mx.config.settings import Config
from mlsl_mx.config.training_settings import SourceTraining
from mlsl_mx.pseudo_labels import ClassSizes
from mlsl_mx.stages import inputs


def job_of(monkeypatch, shares, **settings):
    sizes = ClassSizes(len(shares))
    sizes.share_sum += shares
    monkeypatch.setattr(inputs, "_counted", lambda job, source: sizes)
    return SimpleNamespace(config=Config(source_training=SourceTraining(**settings)))


def test_a_rare_class_weighs_the_root_of_how_much_rarer_it_is_than_the_median(monkeypatch):
    job = job_of(monkeypatch, [0.64, 0.16, 0, 0.04, 0.0001, 0.16], class_weights="rare")
    # The median of the five that are there is 0.16; the class that is nowhere has 1, and no weight is above 10.
    assert inputs.class_weights(job, None) == pytest.approx((0.5, 1, 1, 2, 10, 1))


def test_classes_weigh_the_same_and_none_is_mined_by_default(monkeypatch):
    job = job_of(monkeypatch, np.array([0.5, 0.2, 0.3]))
    assert inputs.class_weights(job, None) is None and inputs.rare_classes(job, None) == ()


def test_the_rarest_classes_that_there_are_are_mined(monkeypatch):
    job = job_of(monkeypatch, [0.5, 0, 0.1, 0.01, 0.2], mining_probability=0.5, mining_rarest=2)
    assert inputs.rare_classes(job, None) == ((3, 2),)
