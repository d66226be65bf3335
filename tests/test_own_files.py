"""How a user's own images and labels are found and matched."""

from __future__ import annotations

import logging
import unicodedata

import pytest

from mlsl_mx.data.own_files import own_images, own_labels
from mlsl_mx.errors import InputError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def labels(root, place, images):
    return [
        str(path.relative_to(root)) for path in own_labels(root, place, own_images(root, images, "images"), "labels")
    ]


def test_a_folder_with_folders_mirrored_by_labels_of_another_kind(tmp_path):
    touch(tmp_path, "im/b/2.JPG", "im/a/1.png", "im/.hidden.png", "im/notes.txt", "lab/a/1.png", "lab/b/2.png")
    found = own_images(tmp_path, "im", "images")
    assert found.entries == ("a/1.png", "b/2.JPG") and found.names == ("1", "2")
    assert labels(tmp_path, "lab", "im") == ["lab/a/1.png", "lab/b/2.png"]


def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "disk/1.png", "disk/2.png", "im/3.png", "im/.cache/3.png")
    (tmp_path / "im" / "day").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "im")
    assert own_images(tmp_path, "im", "images").entries == ("3.png", "day/1.png", "day/2.png")


def test_labels_in_one_folder_are_found_by_name(tmp_path):
    touch(tmp_path, "im/a/1.png", "im/b/2.png", "lab/1.png", "lab/2.png", "lab/more/3.png")
    assert labels(tmp_path, "lab", "im") == ["lab/1.png", "lab/2.png"]


def test_patterns_take_off_what_only_one_side_has(tmp_path):
    touch(tmp_path, "x/a_rgb.png", "x/a_seg.png", "x/b_rgb.png", "x/b_seg.png", "x/c_depth.png")
    assert own_images(tmp_path, "x/{name}_rgb.png", "images").names == ("a", "b")
    assert labels(tmp_path, "x/{name}_seg.png", "x/{name}_rgb.png") == ["x/a_seg.png", "x/b_seg.png"]


def test_one_name_in_several_folders_is_told_apart(tmp_path):
    touch(tmp_path, "im/s1/1.png", "im/s2/1.png", "im/s2/2.png", "lab/s1/1.png", "lab/s2/1.png", "lab/s2/2.png")
    assert own_images(tmp_path, "im", "images").names == ("s1_1", "s2_1", "2")
    assert labels(tmp_path, "lab", "im") == ["lab/s1/1.png", "lab/s2/1.png", "lab/s2/2.png"]


@pytest.mark.parametrize("present", ["lab/s1/1.png", "lab/1.png"])
def test_no_image_gets_the_label_of_another(tmp_path, present):
    touch(tmp_path, "im/s1/1.png", "im/s2/1.png", present)
    with pytest.raises(InputError, match="of 2 images of .* have no label"):
        labels(tmp_path, "lab", "im")


def test_lists_are_relative_to_their_folder(tmp_path):
    touch(tmp_path, "d/rgb/2.png", "d/rgb/1.png", "d/seg/1/label.png", "d/seg/2/label.png", "lab/1.png", "lab/2.png")
    (tmp_path / "d/images.txt").write_text("rgb/2.png\n\nrgb/1.png\n")
    (tmp_path / "d/labels.txt").write_text("seg/2/label.png\nseg/1/label.png\n")
    found = own_images(tmp_path, "d/images.txt", "images")
    assert (found.root, found.entries) == (tmp_path / "d", ("rgb/2.png", "rgb/1.png"))
    assert labels(tmp_path, "d/labels.txt", "d/images.txt") == ["d/seg/2/label.png", "d/seg/1/label.png"]
    assert labels(tmp_path, "lab", "d/images.txt") == ["lab/2.png", "lab/1.png"]
    (tmp_path / "d/labels.txt").write_text("seg/2/label.png\n")
    with pytest.raises(InputError, match=r"labels\.txt: 1 labels, but there are 2 images"):
        labels(tmp_path, "d/labels.txt", "d/images.txt")


def test_a_mismatch_is_one_line_with_examples_of_both_sides(tmp_path):
    touch(tmp_path, "im/1.png", "im/2.png", "im/3.png", "lab/1.png", "lab/2_seg.png", "lab/3_seg.png")
    with pytest.raises(InputError) as problem:
        labels(tmp_path, "lab", "im")
    text = str(problem.value)
    assert "\n" not in text and text.startswith("labels: 2 of 3 images of ")
    assert "e.g. 2.png; 2 labels have no image, e.g. 2_seg.png: name labels like their images" in text


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "nowhere: no such folder or list"),
        ("empty", r"empty: holds no image \(\.png, "),
        ("im/{name}_x.png", r"im: holds no image \(\*_x\.png\)"),
        ("twice", "1.jpg and 1.png have one name: keep one, or write a pattern"),
        ("up.txt", r"up\.txt:1: '\.\./im/1\.png' is not a path below"),
        ("double.txt", r"double\.txt:2: 'im/1\.png' has the name of line 1"),
    ],
)
def test_places_that_cannot_be_used(tmp_path, place, said):
    touch(tmp_path, "im/1.png", "twice/1.png", "twice/1.jpg", "empty/notes.txt")
    (tmp_path / "up.txt").write_text("../im/1.png\n")
    (tmp_path / "double.txt").write_text("im/1.png\nim/1.png\n")
    with pytest.raises(InputError, match=said):
        own_images(tmp_path, place, "source.images")


ACCENTS = ["Straße-é", "한국", "Å 1", "plain"]


def forms(form, pattern):
    return [unicodedata.normalize(form, pattern.format(name)) for name in ACCENTS]


@pytest.mark.parametrize("image_form, label_form", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_two_forms_of_unicode_are_one(tmp_path, image_form, label_form):
    """As when images come from a Mac and labels from elsewhere; folders, patterns and lists."""
    touch(tmp_path, *forms(image_form, "é/{}.jpg"), *forms(label_form, "lab/{}_é.png"))
    (tmp_path / "list.txt").write_text("\n".join(forms(label_form, "é/{}.jpg")), encoding="utf-8")
    for form in (image_form, label_form):
        found = own_images(tmp_path, unicodedata.normalize(form, "é"), "images")
        assert set(found.names) == {unicodedata.normalize("NFC", name) for name in ACCENTS}
        paths = own_labels(tmp_path, unicodedata.normalize(form, "lab/{name}_é.png"), found, "labels")
        assert all(path.is_file() and (found.root / entry).is_file() for path, entry in zip(paths, found.entries))
        in_order = [unicodedata.normalize("NFC", name)[:2] for name in found.entries]
        assert [unicodedata.normalize("NFC", path.name)[:2] for path in paths] == in_order == sorted(in_order)
    listed = own_images(tmp_path, "list.txt", "images")
    assert all((tmp_path / entry).is_file() for entry in listed.entries)
    assert own_labels(tmp_path, "list.txt", listed, "labels") == tuple(tmp_path / entry for entry in listed.entries)


def test_two_files_with_one_name_in_two_forms(tmp_path):
    touch(tmp_path, *(f"im/{unicodedata.normalize(form, 'é')}.png" for form in ("NFC", "NFD")))
    with pytest.raises(InputError, match="have one name"):
        own_images(tmp_path, "im", "images")


@pytest.mark.parametrize("name", ["a b", " a", "-a", "50%", "%s", "it's", 'say "a"', "#1", "a?", ";b", "$HOME", "a\\b"])
def test_names_that_mean_something_elsewhere(tmp_path, name):
    touch(tmp_path, f"im/{name}.png", f"lab/{name}_seg.png")
    assert own_images(tmp_path, "im", "images").names == (name,)
    assert labels(tmp_path, "lab/{name}_seg.png", "im") == [f"lab/{name}_seg.png"]


@pytest.mark.parametrize("ending", ["JPG", "jpe", "jfif", "pbm", "pnm", "DIB", "tiff", "webp", "mpo"])
def test_endings_of_images(tmp_path, ending):
    touch(tmp_path, f"im/a.{ending}")
    assert own_images(tmp_path, "im", "images").entries == (f"a.{ending}",)


def test_images_that_their_endings_leave_out_are_told(tmp_path, caplog):
    touch(tmp_path, "im/a.png", "im/a.txt", "im/b.txt")
    (tmp_path / "im/a.raw").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "im/b.raw").write_bytes(b"")
    (tmp_path / "im/clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    with caplog.at_level(logging.WARNING):
        own_images(tmp_path, "im", "images")
    told = sorted(record.getMessage() for record in caplog.records)
    assert len(told) == 2 and "files ending in '.raw' are left out (2), but a.raw holds PNG" in told[1]
    assert "files ending in '.mp4' are left out (1), but clip.mp4 holds a video" in told[0]
    caplog.clear()
    own_images(tmp_path, "im/{name}.png", "images")  # a pattern is to leave out others
    assert not caplog.records
