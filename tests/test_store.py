"""Stores of the largest probabilities, and the proof that they are enough."""

from __future__ import annotations

import numpy as np
import pytest

from mlsl_mx.pseudo_labels import select_pseudo_labels
from mlsl_mx.pseudo_labels.store import TopClasses, read_store, write_store


def volume(classes=19, spread=3.0, seed=0, shape=(23, 31)):
    logits = np.random.RandomState(seed).normal(size=(classes, *shape)) * spread
    exponential = np.exp(logits - logits.max(axis=0))
    return (exponential / exponential.sum(axis=0)).astype(np.float16)


def adversarial(classes, seed):
    """Thresholds over four orders of magnitude: the least probable class may win."""
    return (10.0 ** np.random.RandomState(seed).uniform(-4, 0, classes)).astype(np.float16)


@pytest.mark.parametrize("kept", [1, 2, 6, 19])
@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0, 3.0, 8.0])
def test_labels_are_those_of_the_volume_wherever_proved(kept, spread):
    for seed in range(6):
        full = volume(spread=spread, seed=seed)
        top = TopClasses.from_volume(full, kept)
        for thresholds in (adversarial(19, seed), np.full(19, 0.3), np.linspace(0.05, 1, 19)):
            labels, unproved = top.labels(thresholds)
            np.testing.assert_array_equal(labels[~unproved], select_pseudo_labels(full, thresholds)[~unproved])
            labels, unproved = top.labels(thresholds, "argmax")
            assert not unproved.any()
            np.testing.assert_array_equal(labels, select_pseudo_labels(full, thresholds, "argmax"))


def test_what_is_unproved_is_needed_and_little_else():
    full = volume(spread=1.0)
    thresholds = np.ones(19)
    thresholds[18] = 0.02
    top = TopClasses.from_volume(full, kept=3)
    labels, unproved = top.labels(thresholds)
    wrong = labels != select_pseudo_labels(full, thresholds)
    assert wrong.any() and unproved[wrong].all()
    assert not unproved[(top.classes == 18).any(axis=0)].any()  # where class 18 is kept, no other can win
    assert not top.labels(np.full(19, 0.6))[1].any()


def test_all_classes_kept_need_no_proof_unless_dropped_for_being_small():
    full = volume(classes=4, spread=0.2)
    assert not TopClasses.from_volume(full).labels(adversarial(4, 1))[1].any()


def test_largest_entries_by_hand():
    full = np.array([0.25, 0.5, -0.0, 0.25, -0.125, 0.015], np.float16).reshape(6, 1, 1)
    top = TopClasses.from_volume(full, kept=4)
    assert top.classes.ravel().tolist() == [1, 0, 3, 255]  # equal ones in the order of their classes
    assert top.probabilities.ravel().tolist() == [0.5, 0.25, 0.25, 0]  # 0.015 < 0.5 / 32
    full[5] = 0.5 / 32
    assert TopClasses.from_volume(full, kept=4).classes.ravel().tolist() == [1, 0, 3, 5]


def test_nothing_is_kept_where_no_patch_was():
    top = TopClasses.from_volume(np.zeros((3, 2, 2), np.float16))
    assert (top.classes == 255).all() and (top.probabilities == 0).all()
    labels, unproved = top.labels([1, 0.5, 0.1])
    assert (labels == 255).all() and not unproved.any()


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    full = volume()
    full[7, 3, 4] = value
    with pytest.raises(ValueError, match="not finite"):
        TopClasses.from_volume(full)


def test_written_and_read(tmp_path):
    top = TopClasses.from_volume(volume())
    write_store(tmp_path / "a.top", top, "key")
    again = read_store(tmp_path / "a.top", "key")
    assert again.num_classes == 19
    np.testing.assert_array_equal(again.classes, top.classes)
    np.testing.assert_array_equal(again.probabilities, top.probabilities)
    assert again.probabilities.dtype == np.float16
    assert [p.name for p in tmp_path.iterdir()] == ["a.top"]


def test_missing_foreign_and_damaged_stores_are_noticed(tmp_path):
    path = tmp_path / "a.top"
    assert read_store(path, "key") is None
    write_store(path, TopClasses.from_volume(volume()), "key")
    assert read_store(path, "another key") is None
    whole = path.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_store(path, "key") is None
    for position in range(whole.index(b"\n") + 1, len(whole), 997):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        assert read_store(path, "key") is None
    for content in (b"\x00\xff\n123", b"[1]\n", b"null\n", b"{}\n"):
        path.write_bytes(content)
        assert read_store(path, "key") is None
