"""gluoncv's evaluators and metric on our network and data set, beside our own numbers."""

from __future__ import annotations

import cv2
import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo.segbase import MultiEvalModel, SegEvalModel
from gluoncv.utils.metrics.segmentation import SegmentationMetric
from model_files import picture, write_model
from scene_files import write_cityscapes

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.data.transforms import normalise
from mlsl_mx.evaluation import ConfusionMatrix
from mlsl_mx.evaluation.evaluate import evaluate
from mlsl_mx.gluon.scenes import GluonScenes
from mlsl_mx.network import MLSLNet, load_original
from mlsl_mx.predict import Predictor


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("weights") / "weights.params", weak_label_head=True)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two scenes; some pixels are ignored, and some classes are nowhere, neither in truth nor in predictions."""
    written = write_cityscapes(tmp_path_factory.mktemp("scenes"), count=2, size=(40, 72))
    dataset = open_dataset("cityscapes", written.root, written.images, class_set(19), None, labels=True)
    assert all((dataset.label(i) == 255).any() for i in range(2))
    return dataset


def network(weights, weak_label_head: bool) -> MLSLNet:
    net = MLSLNet(19, 0.02, weak_label_head)
    load_original(net, weights)
    return net


@pytest.mark.parametrize("weak_label_head", [False, True])
@pytest.mark.parametrize("size", [(40, 72), (93, 41)])
def test_evaluate_gives_logits_at_the_size_of_the_images(weights, weak_label_head, size):
    net, image = network(weights, weak_label_head), normalise(picture(*size))
    padded = np.pad(image, ((0, 0), (0, -size[0] % 8), (0, -size[1] % 8)))
    low = net(mx.nd.array(padded[None]))
    low = (low[0] if weak_label_head else low)[0].asnumpy().transpose(1, 2, 0)  # (h, w, C)
    expected = cv2.resize(low, padded.shape[:0:-1], interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]]
    for model in (SegEvalModel(net), SegEvalModel(net, use_predict=True)):
        logits = model(mx.nd.array(image[None]))
        np.testing.assert_allclose(logits[0].asnumpy().transpose(1, 2, 0), expected, rtol=0, atol=1e-4)


def scores(metric: SegmentationMetric) -> np.ndarray:
    """(C,) IoU, NaN for a class that is nowhere: from gluoncv's own counts."""
    return np.where(metric.total_union > 0, metric.total_inter / np.maximum(metric.total_union, 1), np.nan)


def test_its_metric_on_logits_agrees_with_our_confusion_matrix(weights, scenes):
    net, metric, ours = network(weights, True), SegmentationMetric(scenes.classes.num_classes), ConfusionMatrix(19)
    for index in range(len(scenes)):
        _, mask = GluonScenes(scenes)[index]
        logits = net.evaluate(mx.nd.array(normalise(scenes.image(index))[None]))
        metric.update(mask.expand_dims(0), logits)
        ours.update(scenes.label(index), logits[0].asnumpy().argmax(axis=0))
    np.testing.assert_array_equal(scores(metric), ours.iou())
    accuracy, _ = metric.get()
    assert accuracy == pytest.approx(np.trace(ours.matrix) / ours.matrix.sum())


def test_its_metric_on_probabilities_agrees_with_evaluation(weights, scenes, tmp_path):
    predictor, metric = Predictor(weights), SegmentationMetric(scenes.classes.num_classes)
    result = evaluate(predictor.segmenter, scenes, tmp_path)
    for index in range(len(scenes)):
        _, mask = GluonScenes(scenes)[index]
        metric.update(mask.expand_dims(0), mx.nd.array(predictor.probabilities(scenes.image(index))[None]))
    theirs = dict(zip(result["classes"], scores(metric), strict=True))
    expected = {name: np.nan if iou is None else iou / 100 for name, iou in result["per_class"].items()}
    assert theirs == pytest.approx(expected, nan_ok=True)


def test_its_mean_counts_a_class_that_is_nowhere_as_0(scenes):
    """Which docs/INTERCHANGE.md says: ours leaves it out, as the official script."""
    metric, ours = SegmentationMetric(19), ConfusionMatrix(19)
    mask = np.array([[[0, 0, 1, -1]]])
    predicted = np.array([[[0, 1, 1, 5]]])  # the prediction of an ignored pixel does not count
    metric.update(mx.nd.array(mask), mx.nd.one_hot(mx.nd.array(predicted), 19).transpose((0, 3, 1, 2)))
    ours.update(np.where(mask < 0, 255, mask), predicted)
    assert ours.mean_iou() == pytest.approx(0.5)
    assert metric.get()[1] == pytest.approx(0.5 * 2 / 19)


def test_its_multi_scale_evaluator_takes_the_network(weights, scenes):
    net = network(weights, True)
    net.base_size, net.crop_size = 72, 40
    image = mx.nd.array(normalise(scenes.image(0)))
    (summed,) = MultiEvalModel(net, scenes.classes.num_classes, [mx.cpu()], scales=[1.0]).parallel_forward([image])
    assert summed.shape == (1, 19, 40, 72) and np.isfinite(summed.asnumpy()).all()
