"""Label files that are sound but unusual: transparency, palettes of their own, few bits."""

import numpy as np
import pytest
from PIL import Image
from scene_files import write_png
from test_image_kinds import grey_png
from test_own_formats import COLOURS, IDS, TRAIN_IDS, form

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import open_own
from mlsl_mx.data.label_files import WrongLabels, read_train_ids
from mlsl_mx.data.own.label_survey import survey
from mlsl_mx.data.palettes import other_palettes

HIDDEN = [[0, 255, 1, 255]]  # of TRAIN_IDS, where the second pixel is transparent


def with_alpha(values: np.ndarray, alpha: list) -> Image.Image:
    return Image.fromarray(np.dstack([values, np.array([alpha], np.uint8)]))


def write_palette(path, indices, colours, **options) -> None:
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(np.array([indices], np.uint8))
    image.putpalette(np.ravel(colours).tolist())
    image.save(path, **options)


@pytest.mark.parametrize("encoding", ["colours", "red"])
def test_transparent_pixels_are_void_whatever_colour_is_below(tmp_path, encoding):
    pixels = np.array([[COLOURS[one] if encoding == "colours" else (one, 99, 98) for one in IDS[0]]], np.uint8)
    pixels[0, 1] = (77, 66, 55)
    with_alpha(pixels, [255, 0, 9, 255]).save(tmp_path / "a.png")
    assert read_train_ids(tmp_path / "a.png", form(encoding)).tolist() == HIDDEN
    with_alpha(pixels, [255, 0, 9, 255]).save(tmp_path / "a.webp", lossless=True, exact=True)
    assert read_train_ids(tmp_path / "a.webp", form(encoding)).tolist() == HIDDEN


def test_grey_with_alpha_holds_ids(tmp_path):
    ids = IDS.copy()
    ids[0, 1] = 99
    with_alpha(ids, [255, 0, 9, 255]).save(tmp_path / "a.png")
    assert read_train_ids(tmp_path / "a.png", form("ids")).tolist() == HIDDEN
    assert survey([tmp_path / "a.png"], "labels").encoding == "ids"


def test_a_file_that_is_all_transparent_says_what_it_holds(tmp_path):
    """As of renderers that leave alpha at 0."""
    with_alpha(np.array([[COLOURS[one] for one in IDS[0]]], np.uint8), [0] * 4).save(tmp_path / "a.png")
    assert read_train_ids(tmp_path / "a.png", form("colours")).tolist() == TRAIN_IDS


def test_a_palette_with_transparency(tmp_path):
    colours = [COLOURS[3], (77, 66, 55), COLOURS[12], COLOURS[200]]
    write_palette(tmp_path / "a.png", [0, 1, 2, 3], colours, transparency=bytes([255, 0, 255, 255]))
    assert read_train_ids(tmp_path / "a.png", form("colours")).tolist() == HIDDEN
    write_palette(tmp_path / "b.png", IDS[0].tolist(), [(one, 0, 0) for one in range(201)], transparency=7)
    assert read_train_ids(tmp_path / "b.png", form("ids")).tolist() == TRAIN_IDS  # of ids the indices count


def test_the_survey_leaves_out_what_lies_below_transparency(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    alpha = np.zeros((40, 40), np.uint8)
    noise[20:], alpha[20:] = (200, 0, 100), 255
    noise[30:] = (0, 0, 9)
    Image.fromarray(np.dstack([noise, alpha])).save(tmp_path / "a.png")
    assert survey([tmp_path / "a.png"], "labels").shares == {(0, 0, 9): 0.5, (200, 0, 100): 0.5}
    noise[20:] = (3, 0, 0)
    noise[30:] = (9, 0, 0)
    Image.fromarray(np.dstack([noise, alpha])).save(tmp_path / "a.png")
    found = survey([tmp_path / "a.png"], "labels")
    assert found.encoding == "red" and found.shares == {3: 0.5, 9: 0.5}


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_ids_of_few_bits(tmp_path, bits):
    ids = np.arange(1 << bits).reshape(1, -1)
    (tmp_path / "a.png").write_bytes(grey_png(ids, bits))
    found = survey([tmp_path / "a.png"], "labels")
    assert found.encoding == "ids" and list(found.shares) == list(range(1 << bits))


RGB = [(0, 0, 0), (200, 0, 0), (0, 200, 0)]


def test_one_palette_among_many_that_has_another_order(tmp_path):
    paths = [tmp_path / f"labels/{index:02d}.png" for index in range(20)]
    for path in paths:
        write_palette(path, [0, 1, 2, 1], RGB)
        write_png(tmp_path / f"images/{path.stem}.png", np.zeros((1, 4, 3), np.uint8))
    assert other_palettes(paths) == {} and survey(paths, "labels").encoding == "ids"
    write_palette(paths[3], [0, 1, 2, 1], [*RGB, (5, 5, 5)])  # other only where it holds no pixel
    write_palette(paths[4], [0, 0, 0, 0], [RGB[0], RGB[2], RGB[1]])
    assert other_palettes(paths) == {}
    write_palette(paths[7], [0, 2, 1, 2], [RGB[0], RGB[2], RGB[1]])  # the same picture
    wrong = {paths[7]: "its palette has [0, 200, 0] for 1, other files [200, 0, 0]"}
    assert other_palettes(paths) == wrong and survey(paths, "labels").encoding == "colours"
    known = form("ids", "rest")
    dataset = open_own(
        tmp_path, "images", "labels", ("source.images", "source.labels"), class_set(19), size=None, form=known
    )
    report = check_dataset(dataset, "source")
    (finding,) = (one for one in report.findings if one.kind == "other palette")
    assert finding.name == "07" and "07.png: its palette has [0, 200, 0] for 1" in finding.detail
    assert "other palette" in report.faults


def test_labels_as_jpeg_are_refused(tmp_path):
    """Grey ones have few values in the survey, and are wrong along every edge all the same."""
    write_png(tmp_path / "images/a.png", np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.arange(256).reshape(16, 16).astype(np.uint8) // 100).save(tmp_path / "labels/a.png", "JPEG")
    with pytest.raises(WrongLabels, match=r"a\.png: is a JPEG, .*: save labels as PNG"):
        survey([tmp_path / "labels/a.png"], "labels")
    known = form("ids", "rest")
    dataset = open_own(
        tmp_path, "images", "labels", ("source.images", "source.labels"), class_set(19), size=None, form=known
    )
    for quick in (False, True):
        assert check_dataset(dataset, "source", quick).faults == ("wrong label",)
