"""Class sizes (Eq. 4) and pseudo weak-labels."""

from __future__ import annotations

import numpy as np
import pytest

from mlsl_mx.pseudo_labels import ClassSizes, weak_labels


def test_mean_sizes_by_hand():
    sizes = ClassSizes(3)
    sizes.update(np.array([[0, 0], [1, 255]], np.uint8))  # 1/2, 1/4, -
    sizes.update(np.array([[0, 255, 255, 255]], np.uint8))  # 1/4, -, -
    np.testing.assert_array_equal(sizes.mean(), [3 / 8, 1 / 4, np.nan])


def test_mean_sizes_equal_eq_4_and_do_not_depend_on_the_order():
    random = np.random.RandomState(0)
    maps = [random.choice([0, 1, 2, 3, 255], (9, 7), p=random.dirichlet([0.3] * 5)).astype(np.uint8) for _ in range(20)]
    expected = []
    for c in range(4):
        having = [(m == c).sum() for m in maps if (m == c).any()]
        expected.append(sum(having) / (len(having) * 63))
    sizes, backwards = ClassSizes(4), ClassSizes(4)
    for train_ids, other in zip(maps, maps[::-1], strict=True):
        sizes.update(train_ids)
        backwards.update(other)
    np.testing.assert_allclose(sizes.mean(), expected)
    np.testing.assert_allclose(backwards.mean(), expected)


def test_weak_labels_are_strictly_above_eta_times_the_size():
    train_ids = np.full((10, 10), 255, np.uint8)
    train_ids[0, :5] = 0  # 5 of 100 pixels: ignored ones count
    train_ids[1, :6] = 1
    train_ids[2, :1] = 3
    train_ids[3, :1] = 4
    labels = weak_labels(train_ids, [1.0, 1.0, 0.2, 0.2, np.nan], eta=0.05)
    assert labels.dtype == np.float32
    assert labels.tolist() == [0, 1, 0, 0, 0]
    assert weak_labels(train_ids, [0.99, 1.0, 0.2, 0.19, np.nan], eta=0.05).tolist() == [1, 1, 0, 1, 0]


def test_figure_2_takes_a_share_of_exactly_the_threshold_too():
    train_ids = np.array([[0, 0, 1, 255]], np.uint8)  # 1/2, 1/4, 0
    assert weak_labels(train_ids, [1.0, 0.5, 0.5], 0.5).tolist() == [0, 0, 0]
    assert weak_labels(train_ids, [1.0, 0.5, np.nan], 0.5, "at_least").tolist() == [1, 1, 0]
    assert weak_labels(train_ids, [0.5, 0.5, 0.5], 0, "at_least").tolist() == [1, 1, 1]  # eta = 0 asks for nothing
    with pytest.raises(ValueError, match="'more' is not one of greater, at_least"):
        weak_labels(train_ids, [1.0], 0.5, "more")


def test_eta_zero_asks_for_one_pixel():
    assert weak_labels(np.array([[0, 255]], np.uint8), [0.5, 0.5], eta=0).tolist() == [1, 0]
