from __future__ import annotations

import numpy as np
import pytest

from mlsl_mx.config.training_settings import Crops
from mlsl_mx.data.transforms import MEAN_COLOUR, labels_at_stride, normalise, training_crop

PLAIN = Crops(size=16, scale=(1.0, 1.0), flip=False)


def scene(height=40, width=56, seed=0):
    """An image whose pixels tell where they are: red = row, green = column; labels = (row + column) % 19."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, np.zeros_like(rows)], 2).astype(np.uint8)
    return image, ((rows + columns) % 19).astype(np.uint8)


def test_normalise_is_the_formula():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    expected = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    normalised = normalise(image)
    assert normalised.shape == (3, 5, 7) and normalised.dtype == np.float32 and normalised.flags.c_contiguous
    np.testing.assert_allclose(normalised, expected.transpose(2, 0, 1), atol=1e-6)


def test_mean_colour_is_nearly_zero_to_the_network():
    assert np.abs(normalise(np.full((1, 1, 3), MEAN_COLOUR, np.uint8))).max() < 0.5 / 255 / 0.224


def test_labels_at_stride_takes_cell_centres():
    train_ids = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
    assert labels_at_stride(train_ids).tolist() == [[4 * 16 + 4, 4 * 16 + 12], [12 * 16 + 4, 12 * 16 + 12]]


def test_scale_one_is_a_plain_window_anywhere_in_the_image():
    image, train_ids = scene()
    corners = set()
    for seed in range(300):
        crop, ids = training_crop(image, train_ids, np.random.default_rng(seed), PLAIN)
        top, left = int(crop[0, 0, 0]), int(crop[0, 0, 1])
        np.testing.assert_array_equal(crop, image[top : top + 16, left : left + 16])
        np.testing.assert_array_equal(ids, train_ids[top : top + 16, left : left + 16])
        corners.add((top, left))
    tops, lefts = zip(*corners, strict=True)
    assert (min(tops), max(tops), min(lefts), max(lefts)) == (0, 24, 0, 40)  # both borders are reached


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scale", [0.5, 0.7, 1.3, 2.0])
def test_each_pixel_of_a_scaled_crop_comes_from_where_it_lies_in_the_window(scale, axis):
    image, _ = scene(96, 96)
    train_ids = image[..., axis].copy()  # the row, or the column
    crop, ids = training_crop(
        image,
        train_ids,
        np.random.default_rng(0),
        Crops(32, (scale, scale), False),
        mined=((45,),),
        mining_probability=1.0,
    )
    side = round(32 / scale)
    expected = 45 - side // 2 + (np.arange(32) + 0.5) * side / 32 - 0.5  # centres of the crop's pixels in the image
    expected = np.expand_dims(expected, 1 - axis)
    assert np.abs(crop[..., axis] - expected).max() < 0.8  # rounding, and fixed-point weights in cv2
    inner = (slice(1, -1), slice(1, -1))
    assert np.abs(ids - np.broadcast_to(expected, (32, 32)))[inner].max() <= 0.51


def test_image_and_labels_stay_aligned_under_scaling():
    image = np.zeros((64, 64, 3), np.uint8)
    train_ids = np.zeros((64, 64), np.uint8)
    image[:, 32:], train_ids[:, 32:] = 255, 1
    for seed in range(40):
        crop, ids = training_crop(image, train_ids, np.random.default_rng(seed), Crops(32, (0.6, 1.6), True))
        np.testing.assert_array_equal(crop[ids == 1, 0] >= 120, True)
        np.testing.assert_array_equal(crop[ids == 0, 0] <= 135, True)


def test_padding_is_mean_colour_and_ignore():
    image, train_ids = scene(10, 12)
    crop, ids = training_crop(image, train_ids, np.random.default_rng(0), PLAIN)
    inside = ids != 255
    assert inside.sum() == 10 * 12
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    np.testing.assert_array_equal(crop[box], image)
    np.testing.assert_array_equal(ids[box], train_ids)
    assert (crop[~inside] == MEAN_COLOUR).all()


def test_a_sliver_of_an_image_keeps_a_pixel():
    image, train_ids = scene(8, 200)
    for seed in range(20):
        _, ids = training_crop(image, train_ids, np.random.default_rng(seed), Crops(8, (0.05, 0.05), False))
        assert (ids != 255).any()


def test_flip_mirrors_both_half_of_the_time():
    image, train_ids = scene(16, 16)
    flipped = 0
    for seed in range(200):
        crop, ids = training_crop(image, train_ids, np.random.default_rng(seed), Crops(16, (1.0, 1.0), True))
        step = -1 if crop[0, 0, 1] else 1
        flipped += step < 0
        np.testing.assert_array_equal(crop, image[:, ::step])
        np.testing.assert_array_equal(ids, train_ids[:, ::step])
    assert 70 < flipped < 130


def test_mined_pixel_is_at_the_centre_unless_the_border_is_near():
    image, _ = scene()
    train_ids = np.zeros((40, 56), np.uint8)
    train_ids[20, 30], train_ids[1, 2] = 7, 9
    crop, ids = training_crop(image, train_ids, np.random.default_rng(0), PLAIN, ((7,),), 1.0)
    assert ids[8, 8] == 7 and crop[0, 0].tolist() == [12, 22, 0]
    _, ids = training_crop(image, train_ids, np.random.default_rng(0), PLAIN, ((9,),), 1.0)
    assert ids[1, 2] == 9 and (ids != 255).all()


def test_mined_classes_are_chosen_equally_however_many_pixels_they_have():
    image, _ = scene()
    train_ids = np.full((40, 56), 3, np.uint8)
    train_ids[0, 0] = 4
    found = sum(
        4 in training_crop(image, train_ids, np.random.default_rng(seed), PLAIN, ((3, 4, 11),), 1.0)[1]
        for seed in range(200)
    )
    assert 60 < found < 140


def test_first_group_shuts_out_the_second_only_where_it_is_there():
    image, _ = scene()
    train_ids = np.zeros((40, 56), np.uint8)
    train_ids[20, 30] = 7
    crops = [training_crop(image, train_ids, np.random.default_rng(s), PLAIN, ((9,), (7,)), 1.0)[1] for s in range(9)]
    assert all(ids[8, 8] == 7 for ids in crops)
    train_ids[12, 12] = 9
    crops = [training_crop(image, train_ids, np.random.default_rng(s), PLAIN, ((9,), (7,)), 1.0)[1] for s in range(9)]
    assert all(ids[8, 8] == 9 for ids in crops)


def test_mining_probability():
    image, _ = scene(400, 400)
    train_ids = np.zeros((400, 400), np.uint8)
    train_ids[200, 200] = 7
    found = sum(
        7 in training_crop(image, train_ids, np.random.default_rng(seed), PLAIN, ((7,),), 0.8)[1] for seed in range(300)
    )
    assert 200 < found < 280


def test_crop_depends_on_the_generator_alone_and_leaves_its_input_alone():
    image, train_ids = scene()
    kept = image.copy(), train_ids.copy()
    crops = Crops(16, (0.7, 1.3), True)
    first = training_crop(image, train_ids, np.random.default_rng(3), crops, ((2,),), 0.5)
    second = training_crop(image, train_ids, np.random.default_rng(3), crops, ((2,),), 0.5)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(train_ids, kept[1])
    assert first[0].dtype == first[1].dtype == np.uint8


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="labels"):
        training_crop(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), np.uint8), np.random.default_rng(0), PLAIN)
