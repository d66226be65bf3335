"""Stores of what the network says of an image."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps
from mlsl_mx.pseudo_labels.store import as_stored, read_store, stored_bytes, write_store


def part(count, rows, columns, seed=0):
    random = np.random.RandomState(seed)
    logits = random.normal(size=(count, rows, 5, columns)) * 6
    exponential = np.exp(logits - logits.max(axis=2, keepdims=True))
    probabilities = (exponential / exponential.sum(axis=2, keepdims=True)).astype(np.float32)
    return PatchMaps(random.randint(0, 99, (count, 2)), (8 * rows, 8 * columns), probabilities)


def maps():
    return ImageMaps((30, 44), (as_stored(part(1, 4, 6)), as_stored(part(7, 2, 2, seed=1))))


def test_rounding_is_small_and_rounding_again_changes_nothing():
    exact = part(3, 4, 4)
    stored = as_stored(exact)
    assert np.abs(stored.probabilities - exact.probabilities).max() <= 1.5 * 2**-24
    likely = exact.probabilities >= 0.5
    np.testing.assert_array_equal(stored.probabilities[likely], exact.probabilities[likely])
    np.testing.assert_array_equal(as_stored(stored).probabilities, stored.probabilities)


def test_the_ends_and_the_steps_beside_them(tmp_path):
    """The least step alone has no number; the float32 numbers below 1 all have."""
    step = 2.0**-24
    values = np.array([0, step / 4, step, 2 * step, 255 * step, 256 * step, 257 * step, 1 - 2 * step, 1 - step, 1])
    ends = PatchMaps(np.zeros((1, 2), int), (8, 80), values.astype(np.float32).reshape(1, 1, 1, 10))
    write_store(tmp_path / "a.maps", ImageMaps((8, 80), (ends,)), "key")
    for found in (as_stored(ends), read_store(tmp_path / "a.maps", "key").parts[0]):
        assert found.probabilities.ravel().tolist() == [0, 0, 0, *values[3:]]


def test_written_and_read(tmp_path):
    write_store(tmp_path / "a.maps", maps(), "key")
    again = read_store(tmp_path / "a.maps", "key")
    assert again.size == (30, 44) and [p.name for p in tmp_path.iterdir()] == ["a.maps"]
    for found, expected in zip(again.parts, maps().parts, strict=True):
        assert found.size == expected.size
        np.testing.assert_array_equal(found.corners, expected.corners)
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        assert found.probabilities.dtype == np.float32


def test_missing_foreign_and_damaged_stores_are_noticed(tmp_path):
    path = tmp_path / "a.maps"
    assert read_store(path, "key") is None
    write_store(path, maps(), "key")
    assert read_store(path, "another key") is None
    whole = path.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_store(path, "key") is None
    for position in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        assert read_store(path, "key") is None
    for content in (b"\x00\xff\n123", b"[1]\n", b"null\n", b"{}\n"):
        path.write_bytes(content)
        assert read_store(path, "key") is None


def test_a_header_with_wild_sizes_allocates_nothing(tmp_path):
    path = tmp_path / "a.maps"
    write_store(path, maps(), "key")
    header, content = path.read_bytes().split(b"\n", 1)
    path.write_bytes(header.replace(b"[1, 4, 5, 6]", b"[1, 4000000, 5000, 6]") + b"\n" + content)
    tracemalloc.start()
    assert read_store(path, "key") is None
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, 3 * 19 * 50 * 64 * 64),  # 11.7 MB
        ({"inference": "single"}, 3 * 19 * 128 * 256),
        ({"inference": "single", "single_scale": 0.9033}, 3 * 19 * 116 * 231),
        ({"placement": "sliding", "patches": 10, "patch": 256}, 3 * 19 * 32 * 32 * 32),  # 4 rows of 8 cover the image
        ({"start": "single", "patches": 25}, 3 * 19 * (25 * 64 * 64 + 128 * 256)),
    ],
)
def test_bytes_of_a_cityscapes_image(changes, expected):
    settings = dataclasses.replace(PseudoLabels(), **changes)
    assert stored_bytes(settings, 19, (1024, 2048)) == expected < 12e6


def test_a_file_is_as_large_as_foretold(tmp_path):
    settings = PseudoLabels(patches=7, patch=16, start="single")
    write_store(tmp_path / "a.maps", maps(), "key")
    data = len((tmp_path / "a.maps").read_bytes().split(b"\n", 1)[1])
    assert data == stored_bytes(settings, 5, (30, 44))
