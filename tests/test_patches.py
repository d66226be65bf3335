"""Patch corners."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from mlsl_mx.pseudo_labels import patch_positions, patches


def covered(height, width, patch, corners):
    count = np.zeros((height, width), int)
    for top, left in corners:
        count[top : top + patch, left : left + patch] += 1
    return count


def test_worked_example_in_the_docstring():
    result = doctest.testmod(patches)
    assert result.attempted == 2 and result.failed == 0


def test_random_corners_stay_inside_and_reach_every_one():
    corners = patch_positions(10, 12, patch=8, count=2000, seed=3, name="a")
    assert corners.shape == (2000, 2) and corners.dtype == np.int64
    assert {tuple(c) for c in corners.tolist()} == {(top, left) for top in range(3) for left in range(5)}


def test_random_corners_depend_on_seed_and_name_alone():
    first = patch_positions(100, 200, 32, 5, seed=1, name="a")
    np.random.seed(7)
    np.testing.assert_array_equal(first, patch_positions(100, 200, 32, 5, seed=1, name="a"))
    assert (first != patch_positions(100, 200, 32, 5, seed=2, name="a")).any()
    assert (first != patch_positions(100, 200, 32, 5, seed=1, name="b")).any()
    # Frozen: other corners would make other pseudo-labels from the same seed.
    assert first.tolist() == [[48, 33], [4, 31], [63, 8], [52, 136], [58, 30]]


@pytest.mark.parametrize("placement", ["random", "sliding", "released"])
def test_a_patch_as_large_as_the_image_has_one_corner(placement):
    assert {tuple(c) for c in patch_positions(16, 16, 16, 4, 0, "a", placement).tolist()} == {(0, 0)}


@pytest.mark.parametrize(
    "height, width, patch, count",
    [(1024, 2048, 512, 50), (128, 256, 64, 12), (100, 333, 64, 7), (64, 300, 64, 9), (300, 64, 64, 9), (65, 66, 64, 1)],
)
def test_sliding_covers_every_pixel_with_about_count_patches(height, width, patch, count):
    corners = patch_positions(height, width, patch, count, 0, "a", "sliding")
    assert covered(height, width, patch, corners).min() >= 1
    assert len({tuple(c) for c in corners.tolist()}) == len(corners)
    assert corners.min() >= 0 and (corners <= [height - patch, width - patch]).all()
    fewest = -(-height // patch) * -(-width // patch)
    assert len(corners) >= fewest
    assert abs(len(corners) - max(count, fewest)) <= 0.2 * max(count, fewest) + 1


@pytest.mark.parametrize("count", [1, 5, 7, 8])
def test_fewer_than_cover_the_image_are_not_slid(count):
    """2x4 patches of 512 are the fewest that leave no pixel of 1024x2048 out."""
    corners = patch_positions(1024, 2048, 512, count, 0, "a", "sliding")
    assert corners.tolist() == [[top, left] for top in (0, 512) for left in (0, 512, 1024, 1536)]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="512 does not fit into an image of 400x300"):
        patch_positions(300, 400, 512, 50, 0, "a")
    with pytest.raises(ValueError, match="placement 'grid'"):
        patch_positions(300, 400, 64, 50, 0, "a", "grid")
    with pytest.raises(ValueError, match="count is 0"):
        patch_positions(300, 400, 64, 0, 0, "a")
