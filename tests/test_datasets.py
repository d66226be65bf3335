from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from gluoncv.data.segbase import SegmentationDataset, ms_batchify_fn
from gluoncv.utils.metrics.segmentation import SegmentationMetric
from mxnet import nd
from mxnet.gluon.data import DataLoader
from scene_files import write_cityscapes, write_gta5, write_palette_png, write_png, write_synthia

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.lists import read_list
from mlsl_mx.gluon.scenes import GluonScenes
from mlsl_mx.system.errors import InputError

WRITERS = {"gta5": write_gta5, "synthia": write_synthia, "cityscapes": write_cityscapes}
FIRST = {"gta5": "00001", "synthia": "0000000", "cityscapes": "ulm_000000_000019"}
LABEL = {
    "gta5": "labels/00001.png",
    "synthia": "GT/LABELS/0000000.png",
    "cityscapes": "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png",
}


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_images_labels_and_names(tmp_path, kind):
    scenes = WRITERS[kind](tmp_path, count=3)
    classes = class_set(19)
    dataset = open_dataset(kind, tmp_path, scenes.images, classes, None, labels=True)
    assert len(dataset) == 3 and dataset.names[0] == FIRST[kind] and dataset.classes is classes
    assert dataset.label_path(0) == tmp_path / LABEL[kind]
    for i in range(3):
        np.testing.assert_array_equal(dataset.image(i), scenes.pixels[i])  # red first
        np.testing.assert_array_equal(dataset.label(i), classes.train_id_lookup(kind)[scenes.ids[i]])
        assert dataset.label(i).dtype == np.uint8


def test_files_of_another_size_are_resized_with_their_labels(tmp_path):
    scenes = write_gta5(tmp_path, count=1, size=(30, 48))
    stored = open_dataset("gta5", tmp_path, scenes.images, class_set(19), None, labels=True)
    dataset = open_dataset("gta5", tmp_path, scenes.images, class_set(19), (60, 96), labels=True)
    assert dataset.image(0).shape == (60, 96, 3)
    np.testing.assert_array_equal(dataset.label(0), stored.label(0).repeat(2, 0).repeat(2, 1))
    smaller = open_dataset("gta5", tmp_path, scenes.images, class_set(19), (15, 24), labels=True)
    means = scenes.pixels[0].reshape(15, 2, 24, 2, 3).mean((1, 3))  # (H/2, 2, W/2, 2, 3)
    assert np.abs(smaller.image(0) - means).max() <= 0.75
    assert smaller.label(0).shape == (15, 24)


def test_label_of_another_size_than_its_image(tmp_path):
    scenes = write_gta5(tmp_path, count=1, size=(32, 48))
    write_palette_png(tmp_path / "labels/00001.png", np.full((30, 44), 7, np.uint8))
    dataset = open_dataset("gta5", tmp_path, scenes.images, class_set(19), (32, 48), labels=True)
    np.testing.assert_array_equal(dataset.label(0), np.zeros((32, 48)))


def test_closed_labels_are_never_looked_for(tmp_path, monkeypatch):
    scenes = write_cityscapes(tmp_path, split="train", count=2)
    touched = []
    for owner, name in ((os, "stat"), (Path, "read_bytes"), (Path, "is_dir"), (Path, "exists"), (Path, "is_file")):
        original = getattr(owner, name)

        def spy(path, *args, _original=original, **kwargs):
            touched.append(str(path))
            return _original(path, *args, **kwargs)

        monkeypatch.setattr(owner, name, spy)
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), (32, 64), labels=False)
    images = [dataset.image(i) for i in range(len(dataset))] + [GluonScenes(dataset.subset([1]))[0]]
    assert len(images) == 3 and not dataset.has_labels
    assert any("leftImg8bit" in path for path in touched)
    assert not any("gtFine" in path for path in touched)
    for closed in (dataset.label, dataset.label_path, dataset.stored_label, dataset.subset([0]).label):
        with pytest.raises(RuntimeError, match="without labels"):
            closed(0)


def test_unlabelled_images_of_any_layout(tmp_path):
    write_png(tmp_path / "drive/a.png", np.zeros((8, 8, 3), np.uint8))
    assert cv2.imwrite(str(tmp_path / "drive/b.jpg"), np.full((8, 8, 3), 90, np.uint8))
    (tmp_path / "mine.txt").write_text("drive/a.png\r\n\r\n  drive/b.jpg  \n")
    dataset = open_dataset("cityscapes", tmp_path, tmp_path / "mine.txt", class_set(19), None, labels=False)
    assert dataset.names == ("a", "b") and dataset.image(1).shape == (8, 8, 3)
    with pytest.raises(InputError, match=r"mine\.txt: 'drive/a\.png' is not of the form leftImg8bit/NAME_leftImg8bit"):
        open_dataset("cityscapes", tmp_path, tmp_path / "mine.txt", class_set(19), None, labels=True)


def test_synthia_copy_with_lower_case_label_folder(tmp_path):
    scenes = write_synthia(tmp_path, count=1)
    (tmp_path / "GT/LABELS").rename(tmp_path / "GT/labels")
    dataset = open_dataset("synthia", tmp_path, scenes.images, class_set(16), None, labels=True)
    assert dataset.label_path(0) == tmp_path / "GT/labels/0000000.png" and dataset.label(0).shape == (32, 48)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "holds no image path"),
        (b"\n \n", "holds no image path"),
        (b"images/\xff.png\n", "not UTF-8"),
        (b"images/a.png\nimages/a.png\n", r"list:2: 'images/a.png' has the name of line 1"),
        (b"images/a.png\n\nother/a.jpg\n", r"list:3: 'other/a.jpg' has the name of line 1 \('images/a.png'\)"),
        (b"../a.png\n", "list:1: .* is not a path below"),
        (b"images/../../a.png\n", "is not a path below"),
        (b"/etc/passwd\n", "is not a path below"),
        (b"images/a\0.png\n", "is not the path of an image"),
    ],
)
def test_bad_lists_are_named(tmp_path, content, message):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_list(tmp_path / "list")


def test_missing_list_and_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such list"):
        read_list(tmp_path / "list")
    with pytest.raises(InputError, match="nowhere: no such folder: put GTA-V there .*from_games"):
        open_dataset("gta5", tmp_path / "nowhere", tmp_path / "list", class_set(19), None, labels=True)


def test_pseudo_labels_take_the_place_of_labels(tmp_path):
    scenes = write_cityscapes(tmp_path / "data", split="train", count=2, labels=False)
    target = open_dataset("cityscapes", tmp_path / "data", scenes.images, class_set(19), (32, 64), labels=False)
    ids = np.random.default_rng(0).choice(np.array([0, 5, 18, 255], np.uint8), (32, 64))
    write_palette_png(tmp_path / "out/ulm_000001_000019.png", ids)
    labelled = with_pseudo_labels(target, tmp_path / "out")
    np.testing.assert_array_equal(labelled.label(1), ids)
    np.testing.assert_array_equal(labelled.image(1), target.image(1))
    assert not target.has_labels
    with pytest.raises(InputError, match="ulm_000000_000019.png: no such file"):
        labelled.label(0)
    write_palette_png(tmp_path / "out/ulm_000000_000019.png", ids[:16])
    with pytest.raises(InputError, match="is 64x16, but images are 64x32"):
        labelled.label(0)


def test_subset_and_fingerprint(tmp_path):
    scenes = write_gta5(tmp_path, count=3)
    dataset = open_dataset("gta5", tmp_path, scenes.images, class_set(19), None, labels=True)
    subset = dataset.subset([2, 0])
    assert subset.names == ("00003", "00001")
    np.testing.assert_array_equal(subset.image(0), scenes.pixels[2])
    np.testing.assert_array_equal(subset.label(1), dataset.label(0))
    again = open_dataset("gta5", tmp_path, scenes.images, class_set(19), None, labels=True)
    fewer_classes = open_dataset("gta5", tmp_path, scenes.images, class_set(16), None, labels=True)
    resized = open_dataset("gta5", tmp_path, scenes.images, class_set(19), (16, 24), labels=True)
    assert dataset.fingerprint == again.fingerprint
    assert len({d.fingerprint for d in (dataset, subset, fewer_classes, resized)}) == 4


def test_gluoncv_tools_accept_it(tmp_path):
    scenes = write_cityscapes(tmp_path, count=2)
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), None, labels=True)
    view = GluonScenes(dataset)
    assert isinstance(view, SegmentationDataset) and view.num_class == 19 and view.pred_offset == 0
    metric = SegmentationMetric(view.num_class)
    for images, masks in DataLoader(view, 2, batchify_fn=ms_batchify_fn):
        for image, mask in zip(images, masks, strict=True):
            assert image.shape == (32, 64, 3)
            truth = nd.one_hot(nd.maximum(mask, 0), 19).transpose((2, 0, 1)).expand_dims(0)  # (1, C, H, W)
            metric.update([mask.expand_dims(0)], [truth])
    accuracy, _ = metric.get()
    assert accuracy == pytest.approx(1)  # ignored pixels, predicted as road here, do not count


@pytest.mark.parametrize(
    "name, first, last, count",
    [("gta5", "images/00001.png", "images/24966.png", 24966), ("synthia", "RGB/0000000.png", "RGB/0009399.png", 9400)],
)
def test_source_lists(name, first, last, count):
    entries = read_list(Path(__file__).parent.parent / f"data_lists/{name}.txt")
    assert (entries[0], entries[-1], len(entries)) == (first, last, count)
