"""Every encoding of a user's own label files, written by hand and read back; and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scene_files import write_palette_png, write_png

from mlsl_mx.config.class_table import read_classes
from mlsl_mx.config.classes import LabelClass, class_set
from mlsl_mx.config.settings import SourceData, TargetData
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import open_own
from mlsl_mx.data.image_files import Header
from mlsl_mx.data.label_files import WrongLabels, check_header, label_format, published_format, read_train_ids
from mlsl_mx.data.own.label_survey import survey
from mlsl_mx.evaluation.evaluate import evaluate_predictions
from mlsl_mx.system.errors import InputError

# a: 3 and 7; b: 12; ignored: 200
IDS = np.array([[3, 7, 12, 200]], np.uint8)
TRAIN_IDS = [[0, 0, 1, 255]]
COLOURS = {3: (10, 20, 30), 7: (30, 20, 10), 12: (0, 255, 0), 200: (1, 2, 3)}


def form(encoding: str, ignore=(200,)):
    """That of the source for the classes a and b."""
    colours = encoding == "colours"
    value = (lambda one: COLOURS[one]) if colours else int
    table = [{"name": "a", "source": [value(3), value(7)]}, {"name": "b", "source": [value(12)]}]
    ignore = ignore if isinstance(ignore, str) else tuple(map(value, ignore))
    return label_format(
        "source", SourceData("own", encoding=encoding, ignore=ignore), class_set(read_classes(table, ""))
    )


def in_channel(channel: int, dtype) -> np.ndarray:
    pixels = np.zeros((1, 4, 3), dtype)
    pixels[..., channel] = IDS
    pixels[..., (channel + 1) % 3] = 300 if dtype == np.uint16 else 99  # an instance, which 8 bits could not hold
    return pixels


def write(path: Path, encoding: str) -> None:
    if encoding == "ids":
        write_png(path, IDS)
    elif encoding == "ids16":
        write_png(path, IDS.astype(np.uint16))
    elif encoding == "colours":
        write_png(path, np.array([[COLOURS[one] for one in IDS[0]]], np.uint8))
    else:
        channel = ("red", "green", "blue").index(encoding.replace("16", ""))
        write_png(path, in_channel(channel, np.uint16 if encoding.endswith("16") else np.uint8))


ENCODINGS = ("ids", "ids16", "red", "green", "blue", "red16", "green16", "blue16", "colours")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_becomes_train_ids(tmp_path, encoding):
    write(tmp_path / "a.png", encoding)
    found = read_train_ids(tmp_path / "a.png", form(encoding))
    assert found.dtype == np.uint8 and found.tolist() == TRAIN_IDS


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_of_another_encoding_is_refused(tmp_path, encoding):
    for other in ENCODINGS:
        write(tmp_path / "a.png", other)
        same_file = {other.replace("16", ""), encoding.replace("16", "")} <= {"red", "green", "blue", "colours"}
        if other == encoding or (same_file and other.endswith("16") == encoding.endswith("16")):
            continue  # three channels of the same bits may be either
        with pytest.raises(WrongLabels, match=r"a\.png: is (8|16) bits x [13] channels?, but labels of source are"):
            read_train_ids(tmp_path / "a.png", form(encoding))


def test_palette_files_hold_indices_or_colours(tmp_path):
    write_palette_png(tmp_path / "ids.png", IDS)
    assert read_train_ids(tmp_path / "ids.png", form("ids")).tolist() == TRAIN_IDS
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8))
    image.putpalette([part for one in (3, 7, 12, 200) for part in COLOURS[one]])
    image.save(tmp_path / "colours.png")
    assert read_train_ids(tmp_path / "colours.png", form("colours")).tolist() == TRAIN_IDS


def test_colours_with_an_alpha_channel(tmp_path):
    pixels = np.array([[(*COLOURS[one][::-1], 128) for one in IDS[0]]], np.uint8)  # cv2's order
    assert cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert read_train_ids(tmp_path / "a.png", form("colours")).tolist() == TRAIN_IDS


def test_what_has_no_class_is_named_with_its_pixels(tmp_path):
    write(tmp_path / "a.png", "ids")
    with pytest.raises(WrongLabels, match=r"a\.png: holds ids 200 \(1 pixels\), which are in no class of source"):
        read_train_ids(tmp_path / "a.png", form("ids", ()))
    colours = np.full((3, 4, 3), COLOURS[3], np.uint8)
    colours[0] = (9, 8, 7)
    write_png(tmp_path / "b.png", colours)
    with pytest.raises(WrongLabels, match=r"b\.png: holds colours \[9, 8, 7\] \(4 pixels\), .*source\.ignore$"):
        read_train_ids(tmp_path / "b.png", form("colours"))


def test_rest_ignores_whatever_has_no_class(tmp_path):
    for encoding in ("ids", "ids16", "colours"):
        write(tmp_path / "a.png", encoding)
        assert read_train_ids(tmp_path / "a.png", form(encoding, "rest")).tolist() == TRAIN_IDS


def test_300_classes_are_16_bits_and_ignore_is_65535(tmp_path):
    table = [{"name": f"c{index}", "source": [1000 + index]} for index in range(300)]
    many = class_set(read_classes(table, ""))
    data = SourceData("own", encoding="ids16", ignore=(7,))
    write_png(tmp_path / "a.png", np.array([[1000, 1299, 1255, 7]], np.uint16))
    found = read_train_ids(tmp_path / "a.png", label_format("source", data, many))
    assert found.dtype == np.uint16 and found.tolist() == [[0, 299, 255, 65535]]


def test_the_header_alone_shows_a_wrong_kind(tmp_path):
    def head(mode):
        return Header((8, 8), "PNG", mode, 1, None)

    check_header(Path("a.png"), head("P"), form("ids"))
    check_header(Path("a.png"), head("I;16"), form("ids16"))
    with pytest.raises(
        WrongLabels, match=r"a\.png: is of mode RGB, but labels of source are ids of 8 bits x 1 channel"
    ):
        check_header(Path("a.png"), head("RGB"), form("ids"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_survey_finds_encoding_and_values(tmp_path, encoding):
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index}.png")
        write(paths[-1], encoding)
    found = survey(paths, "labels")
    values = {COLOURS[one] for one in IDS[0].tolist()} if encoding == "colours" else set(IDS[0].tolist())
    assert (found.encoding, found.looked_at, found.of) == (encoding, 3, 3)
    assert set(found.shares) == values and set(found.shares.values()) == {0.25}


def test_the_survey_sees_ids_in_three_equal_channels(tmp_path):
    write_png(tmp_path / "a.png", np.repeat(IDS[..., None], 3, axis=2))
    assert survey([tmp_path / "a.png"], "labels").encoding in ("red", "green", "blue")


def test_the_survey_takes_colours_where_each_file_has_a_palette_of_its_own(tmp_path):
    for index, palette in enumerate(([1, 2, 3, 4, 5, 6], [4, 5, 6, 1, 2, 3])):
        image = Image.fromarray(np.array([[0, 1]], np.uint8))
        image.putpalette(palette)
        image.save(tmp_path / f"{index}.png")
    paths = sorted(tmp_path.glob("*.png"))
    assert survey(paths[:1], "labels").encoding == "ids"
    found = survey(paths, "labels")
    assert found.encoding == "colours" and found.shares == {(1, 2, 3): 0.5, (4, 5, 6): 0.5}


def test_photographs_are_no_labels(tmp_path):
    write_png(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8))
    with pytest.raises(InputError, match=r"a\.png: with it there are \d+ different colours: these are photographs"):
        survey([tmp_path / "a.png"], "labels")


def test_check_data_counts_files_with_unknown_colours(tmp_path):
    for index in range(3):
        write_png(tmp_path / f"images/{index}.png", np.zeros((1, 4, 3), np.uint8))
        write(tmp_path / f"labels/{index}.png", "colours")
    write_png(tmp_path / "labels/1.png", np.full((1, 4, 3), 77, np.uint8))
    known = form("colours")
    dataset = open_own(
        tmp_path, "images", "labels", ("source.images", "source.labels"), class_set(19), size=None, form=known
    )
    report = check_dataset(dataset, "source", patch=8)
    assert report.count("wrong label") == 1 and report.count("smaller than a patch") == 3
    assert (
        "1.png: holds colours [77, 77, 77] (4 pixels)" in next(f for f in report.findings if "wrong" in f.kind).detail
    )
    assert report.lines()[-1].endswith("docs/YOUR_OWN_DATA.md")


def test_ones_own_classes_of_a_published_data_set(tmp_path):
    """GTA-V's ids joined otherwise: what has no class is ignored, what is no id of GTA-V is still refused."""
    table = [{"name": "flat", "source": [7, 8]}, {"name": "moves", "source": [24, 26]}]
    known = published_format("gta5", class_set(read_classes(table, "")))
    write_palette_png(tmp_path / "a.png", np.array([[7, 8, 11, 26, 0]], np.uint8))
    assert read_train_ids(tmp_path / "a.png", known).tolist() == [[0, 0, 255, 1, 255]]
    write_palette_png(tmp_path / "a.png", np.array([[7, 35]], np.uint8))
    with pytest.raises(WrongLabels, match=r"ids 35 \(1 pixels\), which are in no class of GTA-V .*its ids are 0\.\.34"):
        read_train_ids(tmp_path / "a.png", known)


def test_predictions_of_names_that_begin_alike(tmp_path):
    classes = class_set([LabelClass("a", (1, 1, 1), target=(0,)), LabelClass("b", (2, 2, 2), target=(1,))])
    for name, train_id in (("1", 0), ("1_left", 1)):
        pixels = np.full((8, 8), train_id, np.uint8)
        write_png(tmp_path / f"im/{name}.png", np.zeros((8, 8, 3), np.uint8))
        write_png(tmp_path / f"lab/{name}.png", pixels)
        write_palette_png(tmp_path / f"predicted/{name}_pred.png", pixels)
    meaning = label_format("target", TargetData(dataset="own"), classes)
    dataset = open_own(tmp_path, "im", "lab", ("target.val", "target.val_labels"), classes, size=None, form=meaning)
    assert evaluate_predictions(tmp_path / "predicted", dataset)["miou"] == 100
    (tmp_path / "predicted/1_pred.png").unlink()
    with pytest.raises(InputError, match=r"no prediction 1\*\.png"):
        evaluate_predictions(tmp_path / "predicted", dataset)
