"""The losses against hand-computed values, a naive implementation and the original program's gradients."""

import numpy as np
import pytest
from mxnet import autograd, nd
from original_params import FIXTURES

from mlsl_mx.training import segmentation_loss, weak_label_loss


@pytest.fixture(scope="module")
def original():
    with np.load(FIXTURES / "losses.npz") as stored:
        return dict(stored)


def loss_and_gradient(loss, inputs, *arguments):
    x = nd.array(inputs)
    x.attach_grad()
    with autograd.record():
        value = loss(x, *arguments)
    value.backward()
    assert value.shape == (1,)
    return value.asscalar(), x.grad.asnumpy()


def naive_segmentation(logits, train_ids, hard_examples):
    """Pixel by pixel, float64."""
    pixels = []
    for b, i, j in np.argwhere(train_ids != 255):
        odds = np.exp(logits[b, :, i, j].astype(float))
        pixels.append((b, i, j, odds / odds.sum(), train_ids[b, i, j]))
    label_probability = [p[c] for *_, p, c in pixels]
    limit = 1.0
    if hard_examples and len(pixels) >= 256:
        limit = max(0.6, sorted(label_probability)[255])
    kept = [pixel for pixel, p in zip(pixels, label_probability, strict=True) if p <= limit]
    gradient = np.zeros(logits.shape)
    for b, i, j, p, c in kept:
        gradient[b, :, i, j] = (p - np.eye(len(p))[c]) / len(kept)
    return np.mean([-np.log(p[c]) for *_, p, c in kept]), gradient, len(kept)


def test_mean_over_valid_pixels_by_hand():
    logits = np.log(np.array([[1, 1, 3, 9], [1, 3, 1, 1]], np.float32)).reshape(1, 2, 2, 2)
    train_ids = nd.array([[[0, 0], [0, 255]]])  # probabilities 1/2, 1/4, 3/4; the last pixel does not count
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids)
    assert value == pytest.approx(np.log(2 * 4 * 4 / 3) / 3, rel=1e-6)
    np.testing.assert_allclose(gradient[0, 0], [[-1 / 6, -1 / 4], [-1 / 12, 0]], atol=1e-7)
    np.testing.assert_allclose(gradient[0, 1], [[1 / 6, 1 / 4], [1 / 12, 0]], atol=1e-7)


def test_sum_over_all_pixels_by_hand():
    logits = np.log(np.array([[1, 1, 3, 9], [1, 3, 1, 1]], np.float32)).reshape(1, 2, 2, 2)
    train_ids = nd.array([[[0, 0], [0, 255]]])  # as above, but divided by 4 pixels
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids, False, "pixels")
    assert value == pytest.approx(np.log(2 * 4 * 4 / 3) / 4, rel=1e-6)
    np.testing.assert_allclose(gradient[0, 0], [[-1 / 8, -3 / 16], [-1 / 16, 0]], atol=1e-7)
    np.testing.assert_allclose(gradient[0, 1], [[1 / 8, 3 / 16], [1 / 16, 0]], atol=1e-7)


def test_class_weights_by_hand():
    logits = np.log(np.array([[1, 1, 3, 9], [1, 3, 1, 1]], np.float32)).reshape(1, 2, 2, 2)
    train_ids = nd.array(
        [[[0, 1], [0, 255]]]
    )  # probabilities 1/2, 3/4, 3/4; the second counts three times, of 5 in all
    weights = (1, 3)
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids, False, "labelled", weights)
    assert value == pytest.approx((np.log(2) + 4 * np.log(4 / 3)) / 5, rel=1e-6)
    np.testing.assert_allclose(gradient[0, 0], [[-1 / 10, 3 / 20], [-1 / 20, 0]], atol=1e-7)
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids, False, "pixels", weights)  # 4 pixels
    assert value == pytest.approx((np.log(2) + 4 * np.log(4 / 3)) / 4, rel=1e-6)
    np.testing.assert_allclose(gradient[0, 1], [[1 / 8, -3 / 16], [1 / 16, 0]], atol=1e-7)
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids, False, "labelled", (1e-3, 2e-3))
    assert value == pytest.approx((np.log(2) + 3 * np.log(4 / 3)) / 4, rel=1e-5)  # the scale does not count


@pytest.mark.parametrize("normaliser, of_each_label", [("labelled", (1 / 5, 1 / 256)), ("pixels", (1 / 256, 1 / 256))])
def test_what_a_label_weighs_in_a_crop_of_few_and_of_all(normaliser, of_each_label):
    for labelled, weight in zip((5, 256), of_each_label, strict=True):
        train_ids = np.full(256, 255)
        train_ids[:labelled] = 1
        arguments = nd.array(train_ids.reshape(1, 16, 16)), False, normaliser
        value, gradient = loss_and_gradient(segmentation_loss, np.zeros((1, 2, 16, 16)), *arguments)
        assert value == pytest.approx(np.log(2) * labelled * weight, rel=1e-6)
        want = np.where(train_ids == 1, -weight / 2, 0)  # p - 1 is -1/2
        np.testing.assert_allclose(gradient[0, 1].ravel(), want, atol=1e-8)


def test_another_normaliser_is_refused():
    with pytest.raises(ValueError, match="'mean' is not one of labelled, pixels"):
        segmentation_loss(nd.zeros((1, 2, 1, 1)), nd.zeros((1, 1, 1)), normaliser="mean")


@pytest.mark.parametrize("normaliser", ["labelled", "pixels"])
@pytest.mark.parametrize("hard_examples", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
def test_nobody_valid_is_zero(hard_examples, dtype, normaliser):
    logits = np.random.RandomState(0).normal(size=(2, 4, 3, 3))
    train_ids = nd.full((2, 3, 3), 255, dtype=dtype)
    value, gradient = loss_and_gradient(segmentation_loss, logits, train_ids, hard_examples, normaliser)
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize(
    ("easiness", "valid", "kept"),
    [
        (0, 0.8, "by 0.6"),  # more than 256 below 0.6
        (12, 0.8, "256"),  # almost all are easy: the 256th smallest decides
        (12, 0.1, "all"),  # fewer than 256 valid
    ],
)
def test_hard_examples_against_a_naive_implementation(easiness, valid, kept):
    rng = np.random.RandomState(5)
    train_ids = rng.randint(0, 6, (2, 20, 20))
    logits = rng.normal(0, 2, (2, 6, 20, 20)) + easiness * np.eye(6)[train_ids].transpose(0, 3, 1, 2)
    logits = logits.astype(np.float32)
    train_ids[rng.uniform(size=train_ids.shape) > valid] = 255
    count = (train_ids != 255).sum()
    for hard_examples in (False, True):
        want, want_gradient, number = naive_segmentation(logits, train_ids, hard_examples)
        value, gradient = loss_and_gradient(segmentation_loss, logits, nd.array(train_ids), hard_examples)
        assert value == pytest.approx(want, rel=1e-5)
        np.testing.assert_allclose(gradient, want_gradient, atol=1e-7)
        share = number / train_ids.size  # with the other normaliser those that are left out are 0 in the mean
        value, gradient = loss_and_gradient(segmentation_loss, logits, nd.array(train_ids), hard_examples, "pixels")
        assert value == pytest.approx(share * want, rel=1e-5)
        np.testing.assert_allclose(gradient, share * want_gradient, atol=1e-7)
    assert {"by 0.6": 256 < number < count, "256": number == 256 < count, "all": number == count < 256}[kept]


def test_hard_examples_of_a_map_smaller_than_256():
    logits = np.array([5, 0, 0, 0], np.float32).reshape(1, 2, 1, 2)  # the first pixel is easy, and counts all the same
    value, _ = loss_and_gradient(segmentation_loss, logits, nd.zeros((1, 1, 2)), True)
    assert value == pytest.approx((np.log1p(np.exp(-5)) + np.log(2)) / 2, rel=1e-5)


def test_extreme_logits_stay_finite():
    logits = np.array([1e4, -1e4], np.float32).reshape(1, 2, 1, 1)
    for hard_examples in (False, True):
        value, gradient = loss_and_gradient(segmentation_loss, logits, nd.ones((1, 1, 1)), hard_examples)
        assert value == pytest.approx(2e4)
        np.testing.assert_allclose(gradient.ravel(), [1, -1])


def test_hard_examples_of_the_original(original):
    train_ids = original["hard_train_ids"]
    _, gradient = loss_and_gradient(segmentation_loss, original["hard_logits"], nd.array(train_ids), True)
    kept = (train_ids != 255).sum() - 1  # in this part of the original's batch one pixel is above 0.6
    share = original["hard_kept"] / kept  # the original divided by the count in the whole batch
    np.testing.assert_allclose(gradient, original["hard_gradient"] * share, atol=1e-7)
    assert np.count_nonzero(gradient.any(axis=1)) == kept


@pytest.mark.parametrize("hard_examples", [False, True])
def test_few_valid_pixels_of_the_original(original, hard_examples):
    train_ids = nd.array(original["few_train_ids"])
    _, gradient = loss_and_gradient(segmentation_loss, original["few_logits"], train_ids, hard_examples)
    np.testing.assert_allclose(gradient, original["few_gradient"], atol=1e-7)


def test_weak_label_loss_by_hand():
    weak_logits = np.log(np.array([[1, 3], [4, 1 / 9]], np.float32))  # sigmoids 1/2, 3/4, 4/5, 1/10
    weak_labels = nd.array([[1, 0], [1, 0]])
    value, gradient = loss_and_gradient(weak_label_loss, weak_logits, weak_labels)
    assert value == pytest.approx(np.log(2 * 4 * 5 / 4 * 10 / 9) / 4, rel=1e-5)
    np.testing.assert_allclose(gradient, np.array([[-0.5, 0.75], [-0.2, 0.1]]) / 4, atol=1e-6)


@pytest.mark.parametrize("logit", [0.0, 1e-3, 15.0, 25.0, 90.0, 1e4])
def test_weak_label_loss_is_stable(logit):
    for x, label in ((logit, 0), (logit, 1), (-logit, 0), (-logit, 1)):
        value, gradient = loss_and_gradient(weak_label_loss, [[x]], nd.array([[label]]))
        wrong = x if label == 0 else -x
        assert value == pytest.approx(np.logaddexp(0, wrong), rel=1e-5, abs=1e-6)
        assert gradient.item() == pytest.approx(np.exp(-np.logaddexp(0, -x)) - label, rel=1e-5, abs=1e-6)


def test_weak_label_gradient_of_the_original(original):
    weak_labels = nd.array(original["weak_labels"])
    _, gradient = loss_and_gradient(weak_label_loss, original["weak_logits"], weak_labels)
    np.testing.assert_allclose(0.04 * gradient, original["weak_gradient"], atol=1e-8)
