"""The spatial prior."""

from __future__ import annotations

import numpy as np
import pytest

from mlsl_mx.pseudo_labels import ClassConfidences, select_pseudo_labels
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError


def sky_above_road(height, width):
    train_ids = np.full((height, width), 1, np.uint8)
    train_ids[height // 2 :] = 0
    train_ids[:, : width // 4] = 255
    return train_ids


def prior():
    return SpatialPrior.from_labels([sky_above_road(64, 128), sky_above_road(40, 100)], 3, grid=(32, 64))


def test_each_class_is_one_where_it_is_usual():
    frequency = prior().frequency
    assert frequency.shape == (3, 32, 64) and frequency.dtype == np.float32
    np.testing.assert_allclose(frequency.max(axis=(1, 2)), 1)
    assert frequency.min() >= 0
    assert frequency[0, 28, 50] > 0.99 and frequency[0, 2, 50] < 0.01  # road is below
    assert frequency[1, 2, 50] > 0.99 and frequency[1, 28, 50] < 0.01  # sky is above
    assert frequency[:2, :, 2].max() < 0.01  # neither is at the left
    assert (frequency[2] == 1).all()  # a class never seen is left as it is
    assert 0.4 < frequency[0, 15:17, 50].mean() < 0.6  # smoothed across the horizon


def test_half_as_common_is_not_half_as_probable():
    maps = [np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), np.ones((8, 8), np.uint8)]
    np.testing.assert_allclose(SpatialPrior.from_labels(maps, 2, grid=(4, 4)).frequency, 1, atol=1e-6)


def whole(prior, volume):
    """A whole volume (C, H, W) times a prior."""
    size = volume.shape[1:]
    return prior.applied(volume, slice(0, size[0]), slice(0, size[1]), size)


def test_applied_at_any_size_and_in_windows():
    original = prior()
    for height, width in ((64, 128), (20, 30), (64, 128)):
        volume = np.full((3, height, width), 0.5, np.float32)
        result = whole(original, volume)
        rows, columns = slice(3, 19), slice(10, 30)
        window = original.applied(volume[:, rows, columns], rows, columns, (height, width))
        np.testing.assert_array_equal(window, result[:, rows, columns])
        assert result[0, -1, -1] > 0.49 and result[0, 0, -1] < 0.01
        assert (result[2] == 0.5).all()


def test_saved_and_loaded(tmp_path):
    prior().save(tmp_path / "prior.npz")
    np.testing.assert_array_equal(SpatialPrior.load(tmp_path / "prior.npz", 3).frequency, prior().frequency)
    assert [p.name for p in tmp_path.iterdir()] == ["prior.npz"]


def test_files_that_are_no_prior_are_named(tmp_path):
    prior().save(tmp_path / "prior.npz")
    with pytest.raises(InputError, match="prior.npz.*the network has 19 classes"):
        SpatialPrior.load(tmp_path / "prior.npz", 19)
    with pytest.raises(InputError, match="none.npz: no such spatial prior"):
        SpatialPrior.load(tmp_path / "none.npz", 3)
    (tmp_path / "half.npz").write_bytes((tmp_path / "prior.npz").read_bytes()[:200])
    with pytest.raises(InputError, match="half.npz: not a spatial prior"):
        SpatialPrior.load(tmp_path / "half.npz", 3)


def sure_of_few(factor):
    """(5, 64, 64) float16 products below 1 / factor; class 3 is predicted by 4 pixels, class 4 by none."""
    random = np.random.RandomState(6)
    volume = random.uniform(0.01, 0.9, (5, 64, 64))
    volume[3:] *= 0.01
    volume[3, 0, :4] = 0.95
    return (volume.astype(np.float16) * np.float16(factor)).astype(np.float16)


def labels(volume, policy, rule):
    confidences = ClassConfidences(len(volume))
    confidences.update(volume)
    thresholds = confidences.thresholds(0.2, policy)
    assert policy == "global" or list(thresholds[3:]) == [1, 1]  # too few pixels for one of their own
    return select_pseudo_labels(volume, thresholds, rule)


@pytest.mark.parametrize("policy", ["class_balanced", "global"])
@pytest.mark.parametrize("rule", ["reweighted", "argmax"])
def test_a_common_factor_changes_no_label_while_products_stay_below_1(policy, rule):
    plain = labels(sure_of_few(1), policy, rule)
    assert 0.05 < (plain != 255).mean() < 0.95
    for factor in (1 / 2, 1 / 64):
        np.testing.assert_array_equal(labels(sure_of_few(factor), policy, rule), plain)


@pytest.mark.parametrize("rule", ["reweighted", "argmax"])
def test_products_above_1_label_classes_without_a_threshold(rule):
    assert 3 not in labels(sure_of_few(1), "class_balanced", rule)
    assert (labels(sure_of_few(8), "class_balanced", rule)[0, :4] == 3).all()


def test_very_small_values_are_scaled_by_a_power_of_two_and_others_are_not():
    values = np.random.RandomState(2).uniform(0.01, 0.45, (3, 4, 4)).astype(np.float32)
    values[0, 0, 0] = 0.3

    def applied(values):
        return whole(SpatialPrior(values), np.ones((3, 4, 4), np.float32))

    for factor in (1, 4, 2.0**14):
        np.testing.assert_array_equal(applied(values * np.float32(factor)), values * np.float32(factor))
    for exponent in (-3, -20, -90):
        np.testing.assert_array_equal(applied(values * np.float32(2.0**exponent)), values)
