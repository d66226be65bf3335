"""Label files that hold train ids, or whatever else a data set has beside label ids, under the name of label ids."""

from __future__ import annotations

import numpy as np
import pytest
from scene_files import write_cityscapes, write_palette_png, write_png, write_synthia
from test_check_data import gta5

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels

TRAIN_IDS = {file_id: index for index, file_id in enumerate(PUBLISHED["cityscapes"].ids.values())}


def write_labels(dataset, kind) -> None:
    """Road, vegetation, sky, car and void in equal parts, as the kinds of files that Cityscapes has hold them."""
    ids = np.array([[7, 21, 23, 26, 3]], np.uint8).repeat(32, 0).repeat(8, 1)
    train_ids = np.vectorize(lambda one: TRAIN_IDS.get(one, 255))(ids).astype(np.uint8)
    kinds = {
        "labelIds": ids,
        "labelTrainIds": train_ids,
        "labelTrainIds without 255": np.where(train_ids == 255, 0, train_ids),
        "instanceIds": np.where(ids == 26, 26001, ids).astype(np.uint16),
        "color": class_set(19).palette[train_ids],
    }
    for index in range(len(dataset)):
        write_png(dataset.label_path(index), kinds[kind])


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        ("labelIds", ()),
        ("labelTrainIds", ("train ids",)),
        ("labelTrainIds without 255", ("train ids",)),
        ("instanceIds", ("wrong label",)),
        ("color", ("wrong label",)),
    ],
)
def test_files_of_other_kinds_under_the_name_of_label_ids(tmp_path, kind, faults, quick):
    scenes = write_cityscapes(tmp_path, count=12)
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), (32, 64), labels=True)
    write_labels(dataset, kind)
    assert check_dataset(dataset, "validation", quick).faults == faults


@pytest.mark.parametrize("quick", [False, True])
def test_train_ids_in_gta_v_and_synthia(tmp_path, quick):
    dataset = gta5(tmp_path / "gta")
    write_labels(dataset, "labelTrainIds without 255")
    assert check_dataset(dataset, "source", quick).faults == ("train ids",)
    scenes = write_synthia(tmp_path / "synthia", count=12)
    dataset = open_dataset("synthia", tmp_path / "synthia", scenes.images, class_set(16), (32, 48), labels=True)
    assert check_dataset(dataset, "source", quick).faults == ()
    write_labels(dataset, "labelTrainIds without 255")
    assert check_dataset(dataset, "source", quick).faults == ("train ids",)
    write_labels(dataset, "labelIds")
    assert "wrong label" in check_dataset(dataset, "source").faults  # 23 and 26 are none of SYNTHIA


def test_a_single_label_without_larger_ids_is_of_an_odd_scene(tmp_path):
    dataset = gta5(tmp_path)
    write_palette_png(dataset.label_path(0), np.repeat(np.array([[0, 7, 16, 16]], np.uint8), 32, 0).repeat(12, 1))
    assert check_dataset(dataset, "source").faults == ()


def test_255_among_train_ids_of_gta_v_is_explained(tmp_path):
    dataset = gta5(tmp_path)
    write_labels(dataset, "labelTrainIds")
    report = check_dataset(dataset, "source")
    assert report.faults[0] == "wrong label" and "255 is void among train ids" in report.fault()


def test_pseudo_labels_hold_train_ids_as_they_should(tmp_path):
    scenes = write_cityscapes(tmp_path, count=2)
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), (32, 64), labels=False)
    dataset = with_pseudo_labels(dataset, tmp_path / "labels")
    for index in range(2):
        write_palette_png(dataset.label_path(index), np.full((32, 64), 3, np.uint8))
    assert check_dataset(dataset, "pseudo-labels", quick=True).faults == ()
