from __future__ import annotations

import json

import numpy as np
import pytest
from scene_files import write_gta5, write_palette_png

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.label_images import train_id_png
from mlsl_mx.data.statistics import label_maps, source_class_sizes
from mlsl_mx.pseudo_labels import ClassSizes
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import write_bytes


def written(tmp_path, size=(2, 4)):
    scenes = write_gta5(tmp_path, count=2, size=(2, 4))
    write_palette_png(tmp_path / "labels/00001.png", np.array([[7, 7, 7, 7], [8, 0, 0, 0]], np.uint8))
    write_palette_png(tmp_path / "labels/00002.png", np.array([[7, 7, 0, 0], [0, 0, 0, 0]], np.uint8))
    return open_dataset("gta5", tmp_path, scenes.images, class_set(19), size, labels=True)


def test_class_sizes_are_computed_once(tmp_path):
    dataset, cache = written(tmp_path), tmp_path / "run/class_sizes.json"
    expected = [(4 / 8 + 2 / 8) / 2, 1 / 8] + [np.nan] * 17
    np.testing.assert_allclose(source_class_sizes(dataset, ClassSizes(19), cache).mean(), expected)
    kept = json.loads(cache.read_text())
    assert (kept["share_sum"][:3], kept["images"][:3]) == ([0.75, 0.125, 0], [2, 1, 0])
    for i in range(2):
        dataset.label_path(i).unlink()
    again = source_class_sizes(dataset, ClassSizes(19), cache)
    np.testing.assert_allclose(again.mean(), expected)
    assert again.share_sum.tolist() == kept["share_sum"]


def test_classes_that_no_label_shows_are_told(tmp_path, caplog):
    dataset, cache = written(tmp_path), tmp_path / "class_sizes.json"
    source_class_sizes(dataset, ClassSizes(19), cache)
    assert "no source label shows building, wall, fence" in caplog.text and "road" not in caplog.text
    for name in dataset.names:
        write_bytes(tmp_path / "void" / f"{name}.png", train_id_png(np.full((2, 4), 255, np.uint8), dataset.classes))
    with pytest.raises(InputError, match="no source label shows any class: correct what `source` says"):
        source_class_sizes(with_pseudo_labels(dataset, tmp_path / "void"), ClassSizes(19), cache)


def test_a_cache_of_something_else_is_not_used(tmp_path):
    dataset, cache = written(tmp_path), tmp_path / "class_sizes.json"
    source_class_sizes(dataset, ClassSizes(19), cache)
    np.testing.assert_allclose(
        source_class_sizes(dataset.subset([1]), ClassSizes(19), cache).mean()[:2], [0.25, np.nan]
    )
    np.testing.assert_allclose(source_class_sizes(dataset, ClassSizes(19), cache).mean()[:2], [0.375, 0.125])
    for name in dataset.names:
        write_bytes(tmp_path / "others" / f"{name}.png", train_id_png(np.ones((2, 4), np.uint8), dataset.classes))
    others = with_pseudo_labels(dataset, tmp_path / "others")  # of the same images
    np.testing.assert_allclose(source_class_sizes(others, ClassSizes(19), cache).mean()[:2], [np.nan, 1])


def test_a_damaged_cache_is_named(tmp_path):
    dataset, cache = written(tmp_path), tmp_path / "class_sizes.json"
    cache.write_text("{")
    with pytest.raises(InputError, match="class_sizes.json"):
        source_class_sizes(dataset, ClassSizes(19), cache)


def test_labels_come_in_order(tmp_path):
    scenes = write_gta5(tmp_path, count=20, size=(8, 8))
    dataset = open_dataset("gta5", tmp_path, scenes.images, class_set(19), None, labels=True)
    read = list(label_maps(dataset))
    assert len(read) == 20
    for i, train_ids in enumerate(read):
        np.testing.assert_array_equal(train_ids, dataset.label(i))
