from __future__ import annotations

import cv2
import numpy as np
import pytest
from scene_files import write_cityscapes, write_gta5, write_palette_png, write_png, write_synthia, write_synthia_label

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.image_files import MissingFile, UnreadableFile
from mlsl_mx.data.label_files import (
    WrongLabels,
    published_format,
    read_file_values,
    read_pseudo_label,
    read_train_ids,
)
from mlsl_mx.system.errors import InputError


def train_ids(path, dataset, count=19):
    return read_train_ids(path, published_format(dataset, class_set(count)))


def label_ids(path, dataset):
    return read_file_values(path, published_format(dataset, class_set(19)))[0]


ALL = np.arange(23, dtype=np.uint8).reshape(1, 23)


def test_gta5_ids_are_palette_indices(tmp_path):
    scenes = write_gta5(tmp_path, count=2)
    np.testing.assert_array_equal(label_ids(tmp_path / "labels/00002.png", "gta5"), scenes.ids[1])


def test_gta5_ids_become_train_ids(tmp_path):
    ids = np.array([[7, 8, 33, 34, 0, 24]], np.uint8)
    write_palette_png(tmp_path / "a.png", ids)
    assert train_ids(tmp_path / "a.png", "gta5", 19).tolist() == [[0, 1, 18, 255, 255, 11]]
    assert train_ids(tmp_path / "a.png", "gta5", 16).tolist() == [[0, 1, 15, 255, 255, 10]]


def test_gta5_label_of_colours_is_refused(tmp_path):
    write_png(tmp_path / "a.png", np.full((4, 4, 3), 7, np.uint8))
    with pytest.raises(
        WrongLabels, match=r"a\.png: is 8 bits x 3 channels, but labels of GTA-V are ids of 8 bits x 1 channel"
    ):
        label_ids(tmp_path / "a.png", "gta5")


def test_synthia_class_survives_16_bits(tmp_path):
    scenes = write_synthia(tmp_path, count=1)
    path = tmp_path / "GT/LABELS/0000000.png"
    assert cv2.imread(str(path)).max() < 10  # what the default decoding leaves of ids and instances
    np.testing.assert_array_equal(label_ids(path, "synthia"), scenes.ids[0])


def test_synthia_ids_become_train_ids(tmp_path):
    write_synthia_label(tmp_path / "a.png", ALL)
    # void sky building road sidewalk fence vegetation pole car sign person bicycle motorcycle parking work light ...
    expected = [255, 9, 2, 0, 1, 4, 8, 5, 12, 7, 10, 15, 14, 255, 255, 6, 255, 11, 255, 13, 255, 3, 255]
    assert train_ids(tmp_path / "a.png", "synthia", 16).tolist() == [expected]


def test_synthia_grey_copy_is_accepted_and_8_bit_colours_are_not(tmp_path):
    write_png(tmp_path / "grey.png", ALL)
    np.testing.assert_array_equal(label_ids(tmp_path / "grey.png", "synthia"), ALL)
    write_synthia_label(tmp_path / "a.png", ALL)
    write_png(tmp_path / "decoded.png", cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_COLOR))
    with pytest.raises(
        WrongLabels, match="8 bits x 3 channels, but labels of SYNTHIA are ids in the red channel of 16 bits"
    ):
        label_ids(tmp_path / "decoded.png", "synthia")


def test_cityscapes_label_ids(tmp_path):
    scenes = write_cityscapes(tmp_path, count=1)
    path = tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png"
    np.testing.assert_array_equal(label_ids(path, "cityscapes"), scenes.ids[0])
    write_png(tmp_path / "colour.png", scenes.pixels[0])
    with pytest.raises(WrongLabels, match="labelIds.png"):
        label_ids(tmp_path / "colour.png", "cityscapes")


def test_cityscapes_255_is_ignored(tmp_path):
    write_png(tmp_path / "a.png", np.array([[255, 7]], np.uint8))
    assert train_ids(tmp_path / "a.png", "cityscapes", 19).tolist() == [[255, 0]]


@pytest.mark.parametrize(
    "dataset, write, ids, named",
    [
        ("gta5", write_palette_png, np.array([[7, 35, 200]], np.uint8), r"35 \(1 pixels\), 200 \(1 pixels\)"),
        ("synthia", write_synthia_label, np.array([[3, 23]], np.uint8), r"23 \(1 pixels\)"),
        ("synthia", write_synthia_label, np.array([[3, 256]], np.uint16), r"256 \(1 pixels\)"),
        ("cityscapes", write_png, np.array([[34]], np.uint8), r"34 \(1 pixels\)"),
    ],
)
def test_unknown_ids_are_named(tmp_path, dataset, write, ids, named):
    write(tmp_path / "a.png", ids)
    with pytest.raises(WrongLabels, match=rf"a\.png: holds ids {named}, which"):
        train_ids(tmp_path / "a.png", dataset)


@pytest.mark.parametrize("dataset", ["gta5", "synthia", "cityscapes"])
def test_each_of_256_ids_is_taken_or_refused_as_the_data_set_says(tmp_path, dataset):
    last = {"gta5": 34, "synthia": 22, "cityscapes": 33}[dataset]
    write = {"gta5": write_palette_png, "synthia": write_synthia_label, "cityscapes": write_png}[dataset]
    taken = []
    for value in range(256):
        ids = np.array([[0, value], [last, 0]], np.uint8)
        write(tmp_path / "a.png", ids)
        try:
            train_ids(tmp_path / "a.png", dataset)
            np.testing.assert_array_equal(label_ids(tmp_path / "a.png", dataset), ids)
            taken.append(value)
        except WrongLabels as problem:
            assert f"holds ids {value} (1 pixels), which" in str(problem)
    assert taken == [*range(last + 1), *([255] if dataset == "cityscapes" else [])]


def test_pseudo_label_palette_png(tmp_path):
    ids = np.array([[0, 15, 255]], np.uint8)
    write_palette_png(tmp_path / "a.png", ids)
    np.testing.assert_array_equal(read_pseudo_label(tmp_path / "a.png", class_set(16)), ids)
    write_palette_png(tmp_path / "a.png", np.array([[18]], np.uint8))
    with pytest.raises(WrongLabels, match="ids 18"):
        read_pseudo_label(tmp_path / "a.png", class_set(16))


@pytest.mark.parametrize("dataset", ["gta5", "synthia", "cityscapes"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_truncated_and_missing_files_are_named(tmp_path, dataset, keep):
    ids = np.random.default_rng(0).integers(0, 23, (64, 64)).astype(np.uint8)
    write = {"gta5": write_palette_png, "synthia": write_synthia_label, "cityscapes": write_png}[dataset]
    write(tmp_path / "a.png", ids)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: int(keep * len(content))])
    with pytest.raises(UnreadableFile, match=r"a\.png: cannot be read as an image"):
        label_ids(tmp_path / "a.png", dataset)
    with pytest.raises(MissingFile, match=r"b\.png: no such file"):
        label_ids(tmp_path / "b.png", dataset)


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        label_ids(tmp_path, "gta5")
