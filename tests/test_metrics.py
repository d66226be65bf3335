"""IoU against hand-computed values, the original program and the official Cityscapes functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsl_mx.config.classes import class_set
from mlsl_mx.evaluation import ConfusionMatrix


@pytest.fixture(scope="module")
def scores():
    with np.load(Path(__file__).parent / "fixtures/evaluation/original_scores.npz", allow_pickle=False) as content:
        return dict(content)


def train_ids(label_ids):
    return class_set(19).train_id_lookup("cityscapes")[label_ids]


def counted(label_ids, predicted_ids, classes=19):
    confusion = ConfusionMatrix(classes)
    confusion.update(label_ids, predicted_ids)
    return confusion


def test_hand_computed():
    truth = np.array([[0, 0, 1], [1, 2, 255]], np.uint8)
    predicted = np.array([[0, 1, 1], [1, 0, 3]], np.uint8)
    confusion = counted(truth, predicted, 4)
    assert confusion.matrix.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(confusion.iou(), [1 / 3, 2 / 3, 0, np.nan])
    assert confusion.mean_iou() == pytest.approx(1 / 3)
    assert confusion.mean_iou([1, 3]) == pytest.approx(2 / 3)
    assert np.isnan(confusion.mean_iou([3]))


@pytest.mark.parametrize(
    "outside, dtype", [(255, np.uint8), (2, np.uint8), (-1, np.int64), (300, np.int32), (7, np.float32)]
)
def test_prediction_outside_is_a_miss_of_the_true_class_only(outside, dtype):
    confusion = counted(np.array([0, 0, 1]), np.array([0, outside, 1], dtype), 2)
    assert confusion.iou().tolist() == [0.5, 1.0]
    assert confusion.missed.tolist() == [1, 0]


def test_naive_count_of_a_batch_and_one_by_one():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 6, (2, 3, 5, 7)).astype(np.uint8)
    truth[truth == 5] = 255
    naive = np.zeros((5, 5), np.int64)
    for t, p in zip(truth.ravel(), predicted.ravel(), strict=True):
        if t != 255 and p < 5:
            naive[t, p] += 1
    batch, single = counted(truth, predicted, 5), ConfusionMatrix(5)
    for one in (2, 0, 1):
        single.update(truth[one], predicted[one])
    assert batch.matrix.tolist() == naive.tolist() == single.matrix.tolist()
    assert batch.missed.sum() == ((truth != 255) & (predicted == 5)).sum() > 0


def test_nothing_seen_is_nan():
    assert np.isnan(ConfusionMatrix(3).iou()).all() and np.isnan(ConfusionMatrix(3).mean_iou())


def test_wrong_input():
    with pytest.raises(ValueError, match="holds \\[19\\]"):
        counted(np.array([19]), np.array([0]))
    for unknown in (300, -1, 256 + 1, 254):
        with pytest.raises(ValueError, match=rf"holds \[{unknown}\]: a train id is 0\.\.18, or 255 to ignore"):
            counted(np.array([0, unknown, 255]), np.array([0, 0, 0]))
    assert counted(np.array([1, 255]), np.array([300, -1])).missed[1] == 1  # of predictions they are a miss
    with pytest.raises(ValueError, match="shapes must agree"):
        counted(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_original_program_and_official_script(scores):
    confusion = ConfusionMatrix(19)
    for truth, predicted, iou in zip(
        scores["label_ids"], scores["predicted_label_ids"], scores["iou_after_each_image"], strict=True
    ):
        confusion.update(train_ids(truth), train_ids(predicted))
        np.testing.assert_allclose(np.nan_to_num(confusion.iou()), iou, rtol=1e-12)
    assert (confusion.matrix == scores["confusion"]).all()
    np.testing.assert_allclose(confusion.iou(), scores["official_iou"], rtol=1e-12)
    assert confusion.mean_iou() == pytest.approx(float(scores["official_mean"]), rel=1e-12)


def test_class_in_neither_map_is_left_out(scores):
    predicted = np.where(scores["predicted_label_ids"] == 31, 33, scores["predicted_label_ids"])
    confusion = counted(train_ids(scores["label_ids"]), train_ids(predicted))
    assert (confusion.matrix == scores["absent_confusion"]).all()
    np.testing.assert_allclose(confusion.iou(), scores["absent_official_iou"], rtol=1e-12)
    assert confusion.mean_iou() == pytest.approx(float(scores["absent_official_mean"]), rel=1e-12)


def test_official_functions_directly():
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 34, (64, 64)).astype(np.uint8)
    predictable = [i for i in class_set(19).label_id_lookup[:19] if i != 31] + [0]  # 0: unlabelled, a miss
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, rng.choice(predictable, truth.shape)).astype(np.uint8)
    matrix = official.generateMatrix(official.args)
    np.add.at(matrix, (truth.ravel(), predicted.ravel()), 1)
    expected = [official.getIouScoreForLabel(int(i), matrix, official.args) for i in class_set(19).label_id_lookup[:19]]
    np.testing.assert_allclose(counted(train_ids(truth), train_ids(predicted)).iou(), expected, rtol=1e-12)
