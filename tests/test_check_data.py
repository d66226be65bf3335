from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from scene_files import write_cityscapes, write_gta5, write_palette_png, write_png, write_synthia

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.jpeg_damage import DamageFinder
from mlsl_mx.system.errors import InputError


def gta5(tmp_path, count=12, size=(32, 48)):
    scenes = write_gta5(tmp_path, count)
    for i, ids in enumerate(scenes.ids):
        ids[:8] = 7  # so that no label of random blocks happens to be void
        write_palette_png(tmp_path / f"labels/{i + 1:05d}.png", ids)
    return open_dataset("gta5", tmp_path, scenes.images, class_set(19), size, labels=True)


@pytest.mark.parametrize("quick", [False, True])
def test_a_good_data_set(tmp_path, quick):
    report = check_dataset(gta5(tmp_path), "source", quick)
    assert report.findings == () and report.faults == ()
    assert report.lines() == ["source: 12 images with labels: ok"]
    assert report.fault() is None


@pytest.mark.parametrize("quick", [False, True])
def test_missing_and_truncated_files_are_counted_and_the_first_named(tmp_path, quick):
    dataset = gta5(tmp_path)
    for i in (0, 3, 4, 9):
        dataset.image_path(i).unlink()
    dataset.label_path(5).unlink()
    for path in (dataset.image_path(6), dataset.label_path(7)):
        path.write_bytes(path.read_bytes()[:-30])
    report = check_dataset(dataset, "source", quick)
    assert report.faults == ("missing image", "missing label", "unreadable image", "unreadable label")
    lines = report.lines()
    assert lines[0] == "source: 12 images with labels: NOT usable"
    assert lines[1] == "  missing image: 4 (not on disk): 00001, 00004, 00005, ..."
    assert "  unreadable image: 1 (truncated, damaged or not an image): 00007" in lines
    assert lines[-1].startswith("  obtain GTA-V from") and "from_games" in lines[-1]
    assert re.match(r"source: missing image: 4 of 12; first: .*00001\.png", report.fault())


def test_a_check_that_cannot_go_on_blames_no_image(tmp_path, monkeypatch):
    def ended(finder, path):
        raise InputError(f"{path}: the process that looks for damage has ended")

    monkeypatch.setattr(DamageFinder, "complaint", ended)
    with pytest.raises(InputError, match="looks for damage has ended"):
        check_dataset(gta5(tmp_path), "source", quick=False)


@pytest.mark.parametrize("quick", [False, True])
def test_sizes_are_notes(tmp_path, quick):
    dataset = gta5(tmp_path, size=(32, 48))
    write_png(dataset.image_path(2), np.zeros((30, 48, 3), np.uint8))
    write_palette_png(dataset.label_path(2), np.full((30, 48), 7, np.uint8))
    write_palette_png(dataset.label_path(4), np.full((32, 40), 7, np.uint8))
    report = check_dataset(dataset, "source", quick)
    found = [(f.kind, f.name) for f in report.findings]
    assert found == [("other size", "00003"), ("label of another size than its image", "00005")]
    assert "48x30 instead of 48x32" in report.findings[0].detail
    assert "40x32, its image 48x32" in report.findings[1].detail
    assert report.faults == () and report.lines()[0].endswith("ok")


@pytest.mark.parametrize("quick", [False, True])
def test_sizes_are_faults_where_nothing_is_resized(tmp_path, quick):
    dataset = gta5(tmp_path, size=None)
    write_png(dataset.image_path(2), np.zeros((48, 30, 3), np.uint8))  # portrait, as its label
    write_palette_png(dataset.label_path(2), np.full((48, 30), 7, np.uint8))
    write_palette_png(dataset.label_path(4), np.full((48, 32), 7, np.uint8))
    report = check_dataset(dataset, "source", quick)
    assert [(f.kind, f.name) for f in report.findings] == [("label does not fit its image", "00005")]
    assert "32x48, its image 48x32" in report.findings[0].detail
    assert report.faults == ("label does not fit its image",)


@pytest.mark.parametrize("quick", [False, True])
def test_photographs_that_lie_on_their_side_are_measured_as_they_are_read(tmp_path, quick):
    dataset, exif = gta5(tmp_path, size=None), Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    pixels = np.zeros((30, 48, 3), np.uint8)
    for index, kind in enumerate(("JPEG", "PNG", "WEBP")):
        Image.fromarray(pixels).save(dataset.image_path(index), kind, exif=exif)
        assert dataset.image(index).shape[:2] == (48, 30)
        write_palette_png(dataset.label_path(index), np.full((48, 30), 7, np.uint8))
    Image.fromarray(pixels).save(dataset.image_path(3), "JPEG", exif=b"Exif\0\0damaged")
    write_palette_png(dataset.label_path(3), np.full((30, 48), 7, np.uint8))
    assert check_dataset(dataset, "source", quick).findings == ()


def test_wrong_labels(tmp_path):
    dataset = gta5(tmp_path)
    write_palette_png(dataset.label_path(1), np.full((32, 48), 77, np.uint8))
    write_png(dataset.label_path(2), np.zeros((32, 48, 3), np.uint8))
    report = check_dataset(dataset, "source")
    assert [(f.kind, f.name) for f in report.findings] == [("wrong label", "00002"), ("wrong label", "00003")]
    assert "77" in report.findings[0].detail and report.faults == ("wrong label",)


def test_one_void_label_is_a_note_and_many_are_a_fault(tmp_path):
    dataset = gta5(tmp_path)
    void = np.zeros((32, 48), np.uint8)
    void[0, :40] = 7  # 97.4 % void
    write_palette_png(dataset.label_path(0), void)
    report = check_dataset(dataset, "source")
    assert report.count("nearly all void") == 1 and report.faults == ()
    assert "97% void after mapping" in report.findings[0].detail
    write_palette_png(dataset.label_path(1), void)
    assert check_dataset(dataset, "source").faults == ("nearly all void",)


def test_synthia_decoded_at_8_bits(tmp_path):
    scenes = write_synthia(tmp_path, count=2)
    for i in range(2):  # the high byte of each class id
        write_png(tmp_path / f"GT/LABELS/{i:07d}.png", np.zeros((32, 48), np.uint8))
    dataset = open_dataset("synthia", tmp_path, scenes.images, class_set(16), None, labels=True)
    report = check_dataset(dataset, "source")
    assert report.faults == ("nearly all void",)
    assert "SYNTHIA-RAND-CITYSCAPES" in report.lines()[-1]


@pytest.mark.parametrize("quick", [False, True])
def test_labels_of_a_target_to_adapt_to_stay_closed(tmp_path, quick):
    scenes = write_cityscapes(tmp_path, split="train", count=2)
    for path in tmp_path.glob("gtFine/**/*.png"):
        path.write_bytes(b"must not be opened")
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), (32, 64), labels=False)
    report = check_dataset(dataset, "target", quick)
    assert report.lines() == ["target: 2 images, labels not opened: ok"]


def test_quick_reads_headers_only(tmp_path):
    dataset = gta5(tmp_path)
    path = dataset.image_path(0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255  # damage between header and end
    path.write_bytes(bytes(content))
    assert check_dataset(dataset, "source", quick=True).faults == ()
    assert check_dataset(dataset, "source").faults == ("unreadable image",)


def test_something_else_under_an_image_name(tmp_path):
    dataset = gta5(tmp_path, count=3)
    dataset.image_path(0).write_text("<html>404</html>")
    dataset.image_path(1).write_bytes(b"")
    dataset.image_path(2).unlink()
    dataset.image_path(2).mkdir()
    for quick in (False, True):
        assert check_dataset(dataset, "source", quick).count("unreadable image") == 3


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("quick", [False, True])
def test_labels_of_images_that_a_camera_notes_as_turned(tmp_path, orientation, quick):
    """Square, so that no size tells what the label belongs to."""
    dataset, exif = gta5(tmp_path, count=2, size=None), Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(dataset.image_path(1), exif=exif)
    write_palette_png(dataset.label_path(1), np.full((32, 32), 7, np.uint8))
    report = check_dataset(dataset, "source", quick)
    assert report.faults == ("unknown orientation",) and [one.name for one in report.findings] == ["00002"]
    assert f"EXIF orientation is {orientation}" in report.fault() and "set label_orientation of" in report.fault()
    for said in ("upright", "stored"):
        known = open_dataset(
            "gta5", tmp_path, tmp_path / "list.txt", class_set(19), None, labels=True, orientation=said
        )
        assert check_dataset(known, "source", quick).findings == ()
        assert np.array_equal(known.image(1), pixels) == (said == "stored")
    target = open_dataset("gta5", tmp_path, tmp_path / "list.txt", class_set(19), None, labels=False)
    assert check_dataset(target, "target", quick).findings == ()  # upright, as are its pseudo-labels
    assert with_pseudo_labels(target, tmp_path).upright and with_pseudo_labels(target, tmp_path).label_orientation


def test_a_label_that_is_noted_as_turned_itself(tmp_path):
    dataset, exif = gta5(tmp_path, count=1, size=None), Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.full((32, 48), 7, np.uint8)).save(dataset.label_path(0), exif=exif)
    assert check_dataset(dataset, "source").faults == ("unknown orientation",)


def test_damage_inside_is_noticed(tmp_path):
    """Of a JPEG libjpeg says it on stderr alone; of a TIFF Pillow notices it, OpenCV does not."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    dataset = gta5(tmp_path, count=4)
    for index, (kind, options) in enumerate(
        [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("TIFF", {"compression": "tiff_lzw"})]
    ):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind, **options)
        damaged = bytearray(content.getvalue())
        dataset.image_path(index).write_bytes(damaged)
        middle = slice(len(damaged) // 2, len(damaged) // 2 + 60)
        damaged[middle] = bytes(60) if kind == "TIFF" else bytes(one ^ 0x55 for one in damaged[middle])
        if index:
            dataset.image_path(index).write_bytes(damaged)
    report = check_dataset(dataset, "source")
    assert [(one.kind, one.name) for one in report.findings] == [
        ("damaged image", "00002"),
        ("unreadable image", "00003"),
    ]
    assert "00002.png: libjpeg says: Corrupt JPEG data" in report.findings[0].detail
    assert report.faults == ("unreadable image", "damaged image")
    assert check_dataset(dataset, "source", quick=True).findings == ()  # headers show nothing of it
