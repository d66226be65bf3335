"""Confidences, thresholds and labels."""

from __future__ import annotations

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from volumes import MARGINS, naive_labels, saturated, sorted_thresholds

from mlsl_mx.config.classes import class_set, id_type, ignore_id
from mlsl_mx.pseudo_labels import ClassConfidences, kept_confidences, select_pseudo_labels, selection
from mlsl_mx.pseudo_labels.confidence_codes import CODES, codes_of, is_exact, lowest
from mlsl_mx.pseudo_labels.selection import mined_classes, most_probable
from mlsl_mx.system.errors import InputError

NUMBERS = [5, 300]  # of classes: train ids of 8 and of 16 bits
STORED = Path(__file__).parent / "fixtures" / "pseudo_labels" / "selection.npz"


def volumes(count=3, classes=5, seed=0):
    random = np.random.RandomState(seed)
    logits = random.normal(size=(count, classes, 12, 17)) * 3 - (np.arange(classes) % 5)[:, None, None]
    exponential = np.exp(logits)
    return (exponential / exponential.sum(axis=1, keepdims=True)).astype(np.float16)


def filed(many, **arguments):
    confidences = ClassConfidences(many.shape[1], **arguments)
    for volume in many:
        confidences.update(volume)
    return confidences


@pytest.mark.parametrize("classes", NUMBERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_most_probable_is_argmax(classes, dtype):
    volume = volumes(1, classes)[0].astype(dtype)
    found, confidences = most_probable(volume)
    assert found.dtype == id_type(classes)
    np.testing.assert_array_equal(found, volume.argmax(axis=0))
    np.testing.assert_array_equal(confidences, volume.max(axis=0))


@pytest.mark.parametrize("classes", NUMBERS)
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("portion", [0.01, 0.15, 0.5, 1.0])
def test_thresholds_are_the_exact_order_statistics(portion, stride, classes):
    many = volumes(6, classes)
    confidences = filed(many, stride=stride)
    for policy in ("class_balanced", "global"):
        expected = sorted_thresholds(many, portion, policy, stride)
        np.testing.assert_array_equal(confidences.thresholds(portion, policy), expected)
    assert confidences.predicted.sum() == many[:, 0].size


def test_thresholds_by_hand():
    volume = np.array([[[0.9, 0.8, 0.7, 0.6, 0.2]], [[0.1, 0.2, 0.3, 0.4, 0.5]], [[0, 0, 0, 0, 0]]])
    confidences = ClassConfidences(3)
    confidences.update(mx.nd.array(volume))
    assert confidences.thresholds(0.5).tolist() == [float(np.float32(0.8)), 1, 1]  # floor(0.5 * 1) = 0: no threshold
    assert confidences.thresholds(1.0).tolist() == [float(np.float32(0.6)), 0.5, 1]
    assert confidences.thresholds(0).tolist() == [1, 1, 1]
    assert confidences.thresholds(0.4, "global").tolist() == [float(np.float32(0.8))] * 3
    assert confidences.predicted.tolist() == [4, 1, 0]


def test_merged_parts_and_any_order_give_the_same():
    many = volumes()
    merged, rest = filed(many[2:]), filed(many[:2][::-1])
    merged.merge(rest)
    np.testing.assert_array_equal(merged.histogram, filed(many).histogram)
    np.testing.assert_array_equal(merged.predicted, filed(many).predicted)
    with pytest.raises(ValueError, match="do not add"):
        merged.merge(ClassConfidences(5, stride=4))


def test_pixels_without_a_patch_are_not_filed():
    volume = np.zeros((2, 1, 4), np.float32)
    volume[1, 0, 3] = 0.75
    confidences = filed(volume[None])
    assert confidences.predicted.tolist() == [0, 1]
    assert confidences.thresholds(1.0).tolist() == [1, 0.75]
    assert filed(np.zeros((1, 2, 3, 3))).thresholds(0.5).tolist() == [1, 1]


def test_stride_takes_every_nth_pixel_of_each_class_in_raster_order():
    confidence = np.array([0.9, 0.6, 0.8, 0.7, 0.55, 0.95], np.float16)
    volume = np.stack([confidence, 1 - confidence])[:, None]
    confidences = filed(volume[None], stride=4)
    assert confidences.thresholds(1.0)[0] == np.float16(0.55)  # of pixels 0 and 4
    assert confidences.thresholds(0.5)[0] == np.float16(0.9)
    assert confidences.predicted.tolist() == [6, 0]


@pytest.mark.parametrize("stride", [1, 4])
def test_an_image_of_several_parts_is_filed_as_if_it_were_one(stride):
    rng = np.random.default_rng(0)
    classes, confidence = rng.integers(0, 3, 1_200_000), rng.integers(0, 200, 1_200_000) / 256  # a 0 now and then
    confidences = ClassConfidences(3, stride)
    confidences.update_top(classes.astype(np.uint8).reshape(600, -1), confidence.astype(np.float32).reshape(600, -1))
    kept = [confidence[(classes == c) & (confidence > 0)] for c in range(3)]
    assert confidences.predicted.tolist() == [len(values) for values in kept]
    for values, histogram in zip(kept, confidences.histogram.T, strict=True):
        found, counts = np.unique(codes_of(values[::stride].astype(np.float32)), return_counts=True)
        assert histogram[found].tolist() == counts.tolist() and histogram.sum() == counts.sum()


def test_an_extra_zero_counts_in_n():
    volume = np.stack([np.full((1, 4), 0.75), np.full((1, 4), 0.25)])
    assert filed(volume[None]).thresholds(0.2)[0] == 1  # floor(0.2 * 4) = 0
    assert filed(volume[None], extra_zero=True).thresholds(0.2)[0] == 0.75  # floor(0.2 * 5) = 1
    assert filed(volume[None], extra_zero=True).thresholds(1.0)[0] == 1  # the 0 itself: no threshold


def test_bad_arguments():
    with pytest.raises(ValueError, match="portion is 1.5"):
        ClassConfidences(2).thresholds(1.5)
    with pytest.raises(ValueError, match="policy 'cb'"):
        ClassConfidences(2).thresholds(0.5, "cb")
    with pytest.raises(ValueError, match="not finite"):
        ClassConfidences(2).update(np.full((2, 1, 1), np.nan))
    with pytest.raises(InputError, match="selection.rule is 'max': write package.module:name"):
        select_pseudo_labels(np.zeros((2, 1, 1)), [1, 1], "max")
    with pytest.raises(ValueError, match="3 thresholds for 2 classes"):
        select_pseudo_labels(np.zeros((2, 1, 1)), [1, 1, 1])


def test_labels_by_hand():
    volume = np.array([[[0.6, 0.6, 0.4, 0.0, 0.5]], [[0.3, 0.4, 0.35, 0.0, 0.25]]], np.float32)
    thresholds = [0.5, 0.25]
    # Ratios: (1.2, 1.2), (1.2, 1.6), (0.8, 1.4), (0, 0), (1, 1): the first class wins a tie.
    assert select_pseudo_labels(volume, thresholds).tolist() == [[0, 1, 1, 255, 0]]
    assert select_pseudo_labels(volume, thresholds, "argmax").tolist() == [[0, 0, 255, 255, 0]]
    assert select_pseudo_labels(mx.nd.array(volume), [0.7, 0]).tolist() == [[255] * 5]
    volume[:, 0, :2] = np.nan
    assert select_pseudo_labels(volume, thresholds)[0, :2].tolist() == [255, 255]


@pytest.mark.parametrize("classes", NUMBERS)
@pytest.mark.parametrize("rule", ["reweighted", "argmax"])
def test_labels_equal_a_naive_loop(rule, classes):
    volume = volumes(1, classes)[0].astype(np.float32)
    thresholds = np.resize([0.9, 0.4, 0.3, 0.5, 0.2], classes).astype(np.float32)
    labels = select_pseudo_labels(volume, thresholds, rule)
    assert labels.dtype == id_type(classes)
    for y, x in np.ndindex(labels.shape):
        ratio = volume[:, y, x] / thresholds
        winner = (ratio if rule == "reweighted" else volume[:, y, x]).argmax()
        assert labels[y, x] == (winner if ratio[winner] >= 1 else ignore_id(classes))
    found = np.unique(labels)
    assert len(found) > 4 and found[-1] == ignore_id(classes) and 0.9 * (classes - 1) < found[-2] < classes


def test_about_the_portion_of_each_class_is_kept():
    many = volumes(6)
    labels = np.concatenate([select_pseudo_labels(v, filed(many).thresholds(0.3), "argmax") for v in many])
    predicted = np.concatenate([v.argmax(axis=0) for v in many])
    for c in range(5):
        kept, all_of_class = (labels == c).sum(), (predicted == c).sum()
        assert kept >= np.floor(0.3 * all_of_class) > 0
        assert kept <= 0.3 * all_of_class + 8  # ties in float16


def test_codes_fall_as_confidences_rise_and_are_finest_near_1():
    random = np.random.RandomState(0)
    near = np.exp(random.uniform(-17, 0, 20000))
    values = np.concatenate([np.exp(random.uniform(-80, 80, 20000)), 1 - near, 1 + near, [0, 1e-45, 1, 3e38]])
    values = np.sort(values.astype(np.float32))
    codes = codes_of(values)
    assert (np.diff(codes) <= 0).all() and 0 <= codes.min() <= codes.max() < CODES
    for value, code in zip(values[::40], codes[::40].tolist(), strict=True):
        low = lowest(code)
        assert low <= value and codes_of(np.array([low]))[0] == code
        assert codes_of(np.nextafter(np.array([low]), np.float32(-1)))[0] == code + 1 or low == 0
        if abs(float(value) - 1) < 2.0**-12:
            assert low == value and is_exact(code)
        elif 0.5 <= value < 1:
            assert value - low < (1 - value) / 4096
        elif 0 < value < 0.5:
            assert value - low <= value * np.log2(2 / value) / 4096 or value < 2.0**-120


@pytest.mark.parametrize("margin, deviation, classes", [*((*margin, 4) for margin in MARGINS), (12, 2, 300)])
@pytest.mark.parametrize("policy", ["class_balanced", "global"])
def test_of_a_saturated_class_the_portion_is_taken_and_no_more(margin, deviation, classes, policy):
    volume = saturated(margin, deviation, classes)
    thresholds = filed(volume[None]).thresholds(0.15, policy)
    np.testing.assert_array_equal(thresholds, sorted_thresholds(volume[None], 0.15, policy))
    labels = select_pseudo_labels(mx.nd.array(volume), thresholds)
    np.testing.assert_array_equal(labels, naive_labels(volume, thresholds, ignore_id(classes)))
    if policy == "class_balanced":
        predicted, confidence = volume.argmax(axis=0), volume.max(axis=0)
        for c, threshold in enumerate(thresholds):
            chosen, tied = (labels == c) & (predicted == c), (predicted == c) & (confidence == np.float32(threshold))
            rank = np.floor(0.15 * (predicted == c).sum())
            assert tied.any() and rank <= chosen.sum() < rank + tied.sum()


@pytest.mark.parametrize("stride, extra_zero", [(1, False), (4, True)])
def test_merged_saturated_images_with_values_above_1(stride, extra_zero):
    many = np.stack([saturated(margin, 2, seed=margin) for margin in (1, 4, 9)])
    many[1] *= np.float32(1.02)  # as bicubic up-sampling may leave it
    merged = filed(many[1:], stride=stride, extra_zero=extra_zero)
    merged.merge(filed(many[:1], stride=stride, extra_zero=extra_zero))
    for policy in ("class_balanced", "global"):
        for portion in (0.05, 0.15, 0.5, 1.0):
            expected = sorted_thresholds(many, portion, policy, stride, extra_zero)
            np.testing.assert_array_equal(merged.thresholds(portion, policy), expected)


@pytest.mark.parametrize("merge", [False, True])
def test_more_confidences_than_are_kept(monkeypatch, merge):
    """Saturated classes stay exact; of others the threshold is below the exact one, by less than a code."""
    monkeypatch.setattr(kept_confidences, "KEPT", 20000)
    many = np.stack([saturated(12, 2), saturated(1.5, 1, seed=1)])
    many[0, 1:], many[1, 0] = many[0, 1:] * np.float32(1e-6), 0  # class 0 is saturated, the others are not
    many[0] = np.where(many[0].argmax(axis=0) == 0, many[0], 0)
    confidences = filed(many[:1] if merge else many)
    if merge:
        confidences.merge(filed(many[1:]))
    for portion in (0.15, 0.4):
        found, exact = confidences.thresholds(portion), sorted_thresholds(many, portion)
        assert found[0] == exact[0] > 1 - 2.0**-12
        assert (found <= exact).all() and (found[1:] > exact[1:] - (1 - exact[1:]) / 4096).all()
        for volume in many:
            labels, least = (select_pseudo_labels(volume, thresholds, "argmax") for thresholds in (found, exact))
            assert (labels == least)[least != 255].all()
    assert (found != exact).any()


def test_sorting_and_adding_count_the_same(monkeypatch):
    volume = saturated(5, 4)[None]
    added = filed(volume)
    monkeypatch.setattr(selection, "SORTED_ABOVE", 0)
    np.testing.assert_array_equal(filed(volume).histogram, added.histogram)


def test_votes_are_tied():
    volume = np.random.RandomState(0).randint(0, 7, (3, 40, 50)).astype(np.float32) / np.float32(6)
    found = filed(volume[None]).thresholds(0.3)
    np.testing.assert_array_equal(found, sorted_thresholds(volume[None], 0.3))
    np.testing.assert_array_equal(select_pseudo_labels(volume, found), naive_labels(volume, found))


def test_mined_classes_by_hand():
    assert mined_classes([9000, 5, 900, 3, 92]) == ([3, 1], [3, 1, 4])
    assert mined_classes([50, 20, 40, 20, 30]) == ([], [1, 3, 4])
    assert mined_classes([50, 20, 40], rarest=1) == ([], [1])
    assert mined_classes([0, 0, 100]) == ([0, 1], [0, 1, 2])
    assert mined_classes([9000, 5, 900, 3, 92], left_out={3, 4}) == ([1], [1, 2, 0])


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as content:
        return {name: content[name] for name in content.files}


@pytest.mark.parametrize("policy", ["class_balanced", "global"])
def test_thresholds_and_labels_of_the_original_program(stored, policy):
    patterns = stored["confidence_high"].astype(np.uint16) << 8 | stored["confidence_low"]
    confidences = ClassConfidences(19, stride=4, extra_zero=True)
    for classes, confidence in zip(stored["classes"], patterns.view(np.float16), strict=True):
        confidences.update_top(classes, confidence)
    thresholds = confidences.thresholds(0.15, policy)
    expected = stored[f"{policy}_thresholds"]
    np.testing.assert_array_equal(thresholds, np.where(expected == 0, 1, expected))
    to_label_ids = class_set(19).label_id_lookup
    for volume, label_ids in zip(stored["crop"], stored[f"{policy}_crop_labelIds"], strict=True):
        np.testing.assert_array_equal(to_label_ids[select_pseudo_labels(volume, thresholds)], label_ids)


def test_mined_classes_of_the_original_program(stored):
    predicted = np.bincount(stored["classes"].ravel(), minlength=19)
    first, rarest = mined_classes(predicted)
    assert first == stored["class_balanced_mined_first"].tolist()
    assert rarest == stored["class_balanced_mined"].tolist()
