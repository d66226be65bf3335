"""300 classes, whose ids need 16 bits: each step against a naive one. Their selection: test_selection.py."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, nd
from PIL import Image

from mlsl_mx.config.classes import MOST_CLASSES, ClassSet, LabelClass, id_type, ignore_id
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.config.training_settings import Crops
from mlsl_mx.data.label_counts import joint_counts
from mlsl_mx.data.label_files import WrongLabels, read_pseudo_label
from mlsl_mx.data.label_images import label_id_png, palette_png, read_prediction, train_id_png
from mlsl_mx.data.sampling import classes_present
from mlsl_mx.data.transforms import labels_at_stride, resized_labels, training_crop
from mlsl_mx.evaluation import ConfusionMatrix
from mlsl_mx.pseudo_labels import ClassSizes, weak_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError
from mlsl_mx.training import segmentation_loss

C, IGNORE = 300, 65535
CLASSES = ClassSet(tuple(LabelClass(f"class {i}", (i % 256, i // 256, 77)) for i in range(C)))


def label_map(shape=(24, 32), seed=0):
    """Ids from both sides of 255, and ignore; class 255 is there."""
    train_ids = np.random.RandomState(seed).randint(0, C, shape).astype(np.uint16)
    train_ids[:3] = IGNORE
    train_ids[3, :4] = (254, 255, 256, 299)
    return train_ids


def test_the_type_changes_after_255_classes():
    assert [(id_type(n), ignore_id(n)) for n in (1, 255)] == [(np.uint8, 255)] * 2
    assert [(id_type(n), ignore_id(n)) for n in (256, 65534)] == [(np.uint16, 65535)] * 2
    assert (CLASSES.id_type, CLASSES.ignore) == (np.uint16, 65535)
    for wrong in (0, 65535):
        with pytest.raises(ValueError, match=f"num_classes is {wrong}"):
            id_type(wrong)


def test_confusion_matrix_pixel_by_pixel():
    truth, predicted = label_map(seed=1), label_map(seed=2).T.reshape(24, 32).copy()
    confusion = ConfusionMatrix(C)
    confusion.update(truth, predicted)
    expected, missed = np.zeros((C, C), int), np.zeros(C, int)
    for t, p in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        if t < C:
            (missed if p == IGNORE else expected[:, p])[t] += 1
    np.testing.assert_array_equal(confusion.matrix, expected)
    np.testing.assert_array_equal(confusion.missed, missed)
    assert missed.any()
    hits, union = np.diag(expected), expected.sum(axis=0) + expected.sum(axis=1) + missed - np.diag(expected)
    np.testing.assert_allclose(confusion.iou(), [h / u if u else np.nan for h, u in zip(hits, union, strict=True)])
    again = ConfusionMatrix(C)  # what any integers give
    again.update(truth.astype(np.int64), np.where(predicted == IGNORE, -1, predicted.astype(np.int32)))
    np.testing.assert_array_equal(again.matrix, expected)


def test_a_true_id_without_a_class_is_refused():
    with pytest.raises(ValueError, match=r"truth holds \[300, 65534\]: a train id is 0..299, or 65535 to ignore"):
        ConfusionMatrix(C).update(np.array([1, 300, 65534, 65535], np.uint16), np.zeros(4, np.uint16))
    with pytest.raises(ValueError, match=r"truth holds \[7\]: a train id is 0..1, or 255 to ignore"):
        ConfusionMatrix(2).update(np.array([1, 7, 255], np.uint8), np.zeros(3, np.uint8))


def test_too_many_classes_to_count():
    with pytest.raises(InputError, match=f"at most {MOST_CLASSES}: merge some of them"):
        ConfusionMatrix(MOST_CLASSES + 1)


def test_counts_of_maps_of_different_shapes():
    with pytest.raises(ValueError, match="shapes must agree"):
        joint_counts(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 19)


def test_class_sizes_and_weak_labels_by_counting():
    maps, sizes = [label_map(seed=seed) for seed in range(3)], ClassSizes(C)
    for train_ids in maps:
        sizes.update(train_ids)
    shares = [[np.count_nonzero(m == c) / m.size for c in range(C)] for m in maps]
    seen = [[share for share in of_class if share] for of_class in zip(*shares, strict=True)]
    h_s = np.array([np.mean(some) if some else np.nan for some in seen])
    np.testing.assert_allclose(sizes.mean(), h_s)
    expected = [float(share > 0.9 * size) for share, size in zip(shares[0], h_s, strict=True)]
    assert weak_labels(maps[0], h_s, 0.9).tolist() == expected and 0 < sum(expected[256:]) < 44
    present = [float(c in maps[0]) for c in range(C)]
    assert classes_present(maps[0], C).tolist() == present and 0 < sum(present[256:]) < 44


@pytest.mark.parametrize("hard_examples", [False, True])
def test_loss_and_gradient_pixel_by_pixel(hard_examples):
    random = np.random.RandomState(0)
    logits, train_ids = random.normal(size=(2, C, 4, 5)).astype(np.float32), label_map((8, 5)).reshape(2, 4, 5)
    train_ids[0, 0, 0] = 255  # a class like any other
    x = nd.array(logits)
    x.attach_grad()
    with autograd.record():
        loss = segmentation_loss(x, nd.array(train_ids.astype(np.float32)), hard_examples)
    loss.backward()
    counted, losses, gradient = np.argwhere(train_ids != IGNORE), [], np.zeros(logits.shape)
    for b, i, j in counted:  # fewer than 256: hard examples are all
        odds = np.exp(logits[b, :, i, j].astype(float))
        losses.append(-np.log(odds[train_ids[b, i, j]] / odds.sum()))
        gradient[b, :, i, j] = (odds / odds.sum() - np.eye(C)[train_ids[b, i, j]]) / len(counted)
    assert [0, 0, 0] in counted.tolist()
    assert loss.asscalar() == pytest.approx(np.mean(losses), rel=1e-5)
    np.testing.assert_allclose(x.grad.asnumpy(), gradient, atol=1e-7)


def test_crops_keep_16_bits():
    image, train_ids = np.zeros((24, 32, 3), np.uint8), np.full((24, 32), 299, np.uint16)
    crop = training_crop(image, train_ids, np.random.default_rng(0), Crops(size=64, scale=(1.0, 1.0)))[1]
    assert crop.dtype == np.uint16 and (crop == 299).sum() == 24 * 32  # it lies inside the window,
    assert (crop == IGNORE).sum() == 64 * 64 - 24 * 32  # and the rest is nobody's
    assert labels_at_stride(crop).dtype == np.uint16


@pytest.mark.parametrize("size", [(17, 45), (48, 64), (24, 31)])
def test_resizing_takes_the_same_pixels_as_of_8_bits(size):
    narrow = np.random.RandomState(0).randint(0, 100, (24, 32)).astype(np.uint8)
    wide = resized_labels(narrow.astype(np.uint16) + 200, size)
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide, resized_labels(narrow, size).astype(int) + 200)


def test_mined_classes_above_255():
    image, train_ids = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint16)
    train_ids[50, 10] = 280
    for seed in range(5):
        rng = np.random.default_rng(seed)
        crop = training_crop(image, train_ids, rng, Crops(size=16, scale=(1.0, 1.0)), ((280,),), 1.0)[1]
        assert 280 in crop


def test_spatial_prior_where_the_labels_are():
    train_ids = np.full((16, 32), 280, np.uint16)
    train_ids[8:], train_ids[:, :8] = 20, IGNORE
    frequency = SpatialPrior.from_labels([train_ids], C, grid=(16, 32)).frequency
    assert frequency.shape == (C, 16, 32)
    assert frequency[280, 2, 20] > 0.99 and frequency[280, 14, 20] < 0.01 and frequency[280, 2, 1] < 0.01
    assert frequency[20, 14, 20] > 0.99 and (frequency[[24, 255, 299]] == 1).all()  # 280 is not 24 = 280 % 256


def test_a_segmenter_gives_16_bits():
    def network(images):
        weight = mx.nd.array(np.random.RandomState(3).normal(size=(C, 3, 8, 8)))
        return mx.nd.Convolution(images, weight, kernel=(8, 8), stride=(8, 8), num_filter=C, no_bias=True)

    segmenter = Segmenter(network, mx.cpu(), PseudoLabels(inference="single", flip=False), 0)
    maps = segmenter.maps(np.random.RandomState(0).randint(0, 256, (24, 40, 3)).astype(np.uint8), "a")
    classes, confidences = segmenter.confidences(maps)
    labels = segmenter.labels(maps, [0.01] * C, "argmax")
    assert maps.num_classes == C and classes.dtype == labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, np.where(confidences >= np.float32(0.01), classes, IGNORE))
    assert classes.max() > 255


def test_files_of_train_ids_are_16_bits_and_pictures_in_colour(tmp_path):
    train_ids, path = label_map(), tmp_path / "a.png"
    for content in (train_id_png(train_ids, CLASSES), label_id_png(train_ids, CLASSES)):
        path.write_bytes(content)
        for read in (read_pseudo_label, read_prediction):
            found = read(path, CLASSES)
            assert found.dtype == np.uint16
            np.testing.assert_array_equal(found, train_ids)
    path.write_bytes(palette_png(train_ids, CLASSES))
    with Image.open(path) as image:
        assert image.mode == "RGB"
        colours = np.array(image)
    np.testing.assert_array_equal(colours[3, :4], [(254, 0, 77), (255, 0, 77), (0, 1, 77), (43, 1, 77)])
    assert not colours[:3].any()  # ignore is black
    with pytest.raises(WrongLabels, match="16-bit grey PNG of train ids"):
        read_prediction(path, CLASSES)


def test_255_classes_are_the_most_in_8_bits(tmp_path):
    """Their last one, 254, is a class, and in a map of fewer an error."""
    most, path = ClassSet(CLASSES.classes[:255]), tmp_path / "a.png"
    train_ids = np.array([[0, 254, 255]], np.uint8)
    path.write_bytes(train_id_png(train_ids, most))
    found = read_pseudo_label(path, most)
    assert found.dtype == np.uint8 and found.tolist() == [[0, 254, 255]]
    with pytest.raises(WrongLabels, match=r"holds ids 254 \(1 pixels\)"):
        read_pseudo_label(path, ClassSet(CLASSES.classes[:254]))


def test_grey_predictions_of_own_classes_are_train_ids(tmp_path):
    own = ClassSet((LabelClass("warm", (200, 10, 10)), LabelClass("cold", (10, 10, 200))))
    train_ids, path = np.array([[0, 1, 255]], np.uint8), tmp_path / "a.png"
    path.write_bytes(label_id_png(train_ids, own))
    np.testing.assert_array_equal(read_prediction(path, own), train_ids)
    path.write_bytes(label_id_png(np.array([[2]], np.uint8), own))
    with pytest.raises(InputError, match="grey value 2 is no train id of 2 classes"):
        read_prediction(path, own)
