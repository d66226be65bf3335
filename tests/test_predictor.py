"""A weights file as a function from images to classes."""

from __future__ import annotations

import subprocess
import sys

import cv2
import mxnet as mx
import numpy as np
import pytest
from model_files import picture as noise
from model_files import write_model

from mlsl_mx.config.class_table import numbered_classes
from mlsl_mx.config.classes import ClassSet, class_set
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.transforms import normalise
from mlsl_mx.network import MLSLNet, load_original
from mlsl_mx.predict import Predictor
from mlsl_mx.predict.pictures import picture
from mlsl_mx.pseudo_labels import patch_positions
from mlsl_mx.system.errors import InputError

SLIDING = PseudoLabels(patches=6, patch=32, placement="sliding", flip=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("weights") / "weights.params", weak_label_head=True)


@pytest.fixture(scope="module")
def net(weights):
    net = MLSLNet(19, 0.02, weak_label_head=False)
    load_original(net, weights)
    return net


def naive_probabilities(net, image: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """(H, W, C): padded with the mean colour, then mirrored; softmax at stride 8, up-sampled by OpenCV, turned back."""
    height, width = image.shape[:2]
    padded = np.pad(normalise(image), ((0, 0), (0, -height % 8), (0, -width % 8)))
    turn = -1 if mirrored else 1
    seen = mx.nd.array(padded[None, ..., ::turn])
    low = mx.nd.softmax(net(seen), axis=1)[0].asnumpy().transpose(1, 2, 0)  # (h, w, C)
    full = cv2.resize(low, padded.shape[:0:-1], interpolation=cv2.INTER_LINEAR)
    return full[:, ::turn][:height, :width]


def assert_same_classes(train_ids: np.ndarray, probabilities: np.ndarray) -> None:
    """But where two are as good."""
    best = np.sort(probabilities, axis=2)
    clear = best[..., -1] - best[..., -2] > 1e-4
    assert clear.mean() > 0.98 and len(np.unique(train_ids)) > 3
    np.testing.assert_array_equal(train_ids[clear], probabilities.argmax(axis=2)[clear])


@pytest.mark.parametrize("size", [(40, 72), (93, 41), (5, 3), (70, 300)])
def test_single_inference_is_the_mean_of_an_image_and_its_mirror_image(weights, net, size):
    image = noise(*size)
    predictor = Predictor(weights)
    assert predictor.predict(image).shape == size and predictor.predict(image).dtype == np.uint8
    expected = (naive_probabilities(net, image) + naive_probabilities(net, image, mirrored=True)) / 2
    found = predictor.probabilities(image)
    np.testing.assert_allclose(found.transpose(1, 2, 0), expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(predictor.predict(image), found.argmax(0))


@pytest.mark.parametrize("size", [(64, 104), (93, 141)])
def test_without_flip_it_is_the_image_alone(weights, net, size):
    image, predictor = noise(*size), Predictor(weights, settings=PseudoLabels(inference="single", flip=False))
    expected = naive_probabilities(net, image)
    np.testing.assert_allclose(predictor.probabilities(image).transpose(1, 2, 0), expected, rtol=0, atol=1e-5)
    assert_same_classes(predictor.predict(image), expected)


def test_sisc_is_the_mean_of_the_patches(weights, net):
    image = noise(61, 90)
    total, count = np.zeros((61, 90, 19)), np.zeros((61, 90, 1))
    for top, left in patch_positions(61, 90, 32, 6, 0, "", "sliding"):
        window = slice(top, top + 32), slice(left, left + 32)
        total[window] += naive_probabilities(net, image[window])
        count[window] += 1
    predictor = Predictor(weights, settings=SLIDING)
    assert count.min() > 0
    np.testing.assert_allclose(predictor.probabilities(image).transpose(1, 2, 0), total / count, rtol=0, atol=1e-5)
    assert_same_classes(predictor.predict(image), total / count)


def test_random_patches_leave_pixels_without_a_class_and_follow_seed_and_name(weights):
    settings = PseudoLabels(patches=3, patch=32, flip=False)
    image, predictor = noise(64, 96), Predictor(weights, settings=settings, seed=5)
    train_ids = predictor.predict(image, "street")
    covered = np.zeros((64, 96), bool)
    for top, left in patch_positions(64, 96, 32, 3, 5, "street"):
        covered[top : top + 32, left : left + 32] = True
    np.testing.assert_array_equal(train_ids == 255, ~covered)
    assert not predictor.probabilities(image, "street")[:, ~covered].any()
    np.testing.assert_array_equal(Predictor(weights, settings=settings, seed=5).predict(image, "street"), train_ids)
    assert (predictor.predict(image, "lane") != train_ids).any()


def test_arrays_as_they_come(weights):
    predictor, image = Predictor(weights), noise(40, 64)
    np.testing.assert_array_equal(predictor.predict(image[..., ::-1]), predictor.predict(image[..., ::-1].copy()))
    for wrong in (image.astype(np.float32), image[..., 0], image[None], np.dstack([image, image]), image[:0]):
        with pytest.raises(ValueError, match=r"an image is \(H, W, 3\) uint8, not \("):
            predictor.predict(wrong)


def test_an_image_smaller_than_the_patch(weights):
    with pytest.raises(InputError, match="street is 90x31, smaller than pseudo_labels.patch=32"):
        Predictor(weights, settings=SLIDING).predict(noise(31, 90), "street")


@pytest.mark.parametrize("classes", [19, 16, 7])
def test_classes_are_those_of_the_file(tmp_path, classes):
    predictor = Predictor(write_model(tmp_path / "x.params", classes, width=1 / 44))
    assert predictor.classes == (numbered_classes(7) if classes == 7 else class_set(classes))
    assert predictor.probabilities(noise(16, 24)).shape == (classes, 16, 24)


def test_another_programs_config_beside_the_weights_is_no_run_directory(tmp_path):
    weights = write_model(tmp_path / "zoo" / "x.params", 7)
    for text in ("model: {depth: 38}\n", "classes: 80\n", "a: &b 1\n", "[1, 2]\n", "classes: [person]\nlists: {}\n"):
        for path in ("zoo/config.yaml", "config.yaml"):
            (tmp_path / path).write_text(text)
        assert Predictor(weights).classes == numbered_classes(7)


def test_a_damaged_config_of_our_own_is_refused(tmp_path):
    weights = write_model(tmp_path / "source" / "x.params", 7)
    (tmp_path / "source" / "environment.json").write_text("{}")
    (tmp_path / "source" / "config.yaml").write_text("classes: [a, b\n")
    with pytest.raises(InputError, match="config.yaml: not a readable YAML file"):
        Predictor(weights)


def test_a_table_of_ones_own_and_a_wrong_one(tmp_path):
    weights, table = write_model(tmp_path / "x.params", 3), ClassSet(class_set(19).classes[:3])
    assert Predictor(weights, table).classes.names == ("road", "sidewalk", "building")
    with pytest.raises(InputError, match="x.params: is of 3 classes, but the class table has 19"):
        Predictor(weights, class_set(19))


def test_numbered_classes_have_different_colours():
    classes = numbered_classes(255)
    assert classes.names[254] == "class 254" and len({c.colour for c in classes.classes}) == 255
    assert (0, 0, 0) not in {c.colour for c in classes.classes}  # which is where there is no class


def test_300_classes_have_16_bits(tmp_path):
    predictor = Predictor(write_model(tmp_path / "x.params", 300))
    train_ids = predictor.predict(np.random.RandomState(0).randint(0, 256, (24, 40, 3)).astype(np.uint8))
    volume = predictor.probabilities(np.random.RandomState(0).randint(0, 256, (24, 40, 3)).astype(np.uint8))
    assert train_ids.dtype == np.uint16 and train_ids.shape == (24, 40)
    np.testing.assert_array_equal(train_ids, volume.argmax(axis=0))


def test_files_and_devices_that_will_not_do(tmp_path, weights):
    with pytest.raises(InputError, match="none.params: no such file"):
        Predictor(tmp_path / "none.params")
    with pytest.raises(InputError, match="ctx 'tpu' is not a device"):
        Predictor(weights, ctx="tpu")
    with pytest.raises(InputError, match="float16, which is for GPUs"):
        Predictor(weights, precision="float16")


def test_a_confidence_above_1_is_white(weights):
    """Bicubic up-sampling goes above 1."""
    confidences = np.array([[0, 0.5], [1, 1.11]], np.float32)
    png = picture("confidence", None, None, confidences, None, 0.5)
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED).tolist() == [[0, 128], [255, 255]]


def test_overlay_mixes_and_leaves_what_has_no_class(weights):
    image, train_ids = np.full((2, 2, 3), 100, np.uint8), np.array([[0, 13], [255, 0]], np.uint8)
    predictor = Predictor(weights)  # road is (128, 64, 128), car (0, 0, 142)
    quarter = [[[107, 91, 107], [75, 75, 110]], [[100, 100, 100], [107, 91, 107]]]  # 110.5 is rounded to even
    np.testing.assert_array_equal(predictor.overlay(image, train_ids, 0.25), quarter)
    np.testing.assert_array_equal(predictor.overlay(image, train_ids, 0)[0, 0], [100, 100, 100])
    np.testing.assert_array_equal(predictor.overlay(image, train_ids, 1)[0, 1], [0, 0, 142])


def test_the_package_and_its_help_load_no_mxnet():
    code = "import sys, mlsl_mx, mlsl_mx.cli; mlsl_mx.cli.build_parser().format_help(); print('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
