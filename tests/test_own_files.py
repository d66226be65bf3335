"""How a user's own images and labels are found and matched."""

from __future__ import annotations

import logging
import os
import re
import unicodedata

import pytest

from mlsl_mx.data.own.files import own_images, own_labels
from mlsl_mx.system.errors import InputError


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


@pytest.mark.parametrize("link", ["im/a", "im/z"])
def test_a_folder_keeps_its_own_name_whatever_links_lead_to_it(tmp_path, link):
    touch(tmp_path, "im/day/1.png", "lab/day/1.png")
    (tmp_path / link).symlink_to(tmp_path / "im/day")
    (tmp_path / "im/deep").mkdir()
    (tmp_path / "im/deep/self").symlink_to(tmp_path / "im/deep/self")
    assert own_images(tmp_path, "im", "images").entries == ("day/1.png",)
    assert labels(tmp_path, "lab", "im") == ["lab/day/1.png"]


def test_linked_files_count_as_files(tmp_path):
    touch(tmp_path, "disk/1.png")
    (tmp_path / "im").mkdir()
    (tmp_path / "im/x.png").symlink_to(tmp_path / "disk/1.png")
    assert own_images(tmp_path, "im", "images").entries == ("x.png",)


@pytest.mark.parametrize(
    "other",
    [
        *("@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.png", "a/$RECYCLE.BIN/S-1-5/1.png", "Recycler/1.png"),
        *("System Volume Information/1.png", "__MACOSX/._1.png", "a/._1.png", "lost+found/#7.png", ".Trash-0/1.png"),
    ],
)
def test_thumbnails_and_what_was_deleted_are_no_images(tmp_path, other):
    touch(tmp_path, "im/1.png", f"im/{other}", "im/thumbs/2.png", "im/@home/3.png")
    assert own_images(tmp_path, "im", "images").entries == ("1.png", "@home/3.png", "thumbs/2.png")
    touch(tmp_path, f"{other}/in/1.png")
    assert own_images(tmp_path, f"{other}/in", "images").entries == ("1.png",)  # a folder that was named is looked at


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "im/1.png", "im/locked/2.png")
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="im/locked: cannot be read .Permission denied.: check"):
        own_images(tmp_path, "im", "images")


def test_a_name_may_stand_in_the_middle_of_a_path(tmp_path):
    touch(
        tmp_path,
        *(f"d/{scene}/{kind}/{frame}.png" for scene in ("s1", "s2") for kind in ("rgb", "sem") for frame in "12"),
    )
    assert own_images(tmp_path, "d/{name}/rgb", "images").names == ("s1_1", "s1_2", "s2_1", "s2_2")
    expected = ["d/s1/sem/1.png", "d/s1/sem/2.png", "d/s2/sem/1.png", "d/s2/sem/2.png"]
    for place in ("d/{name}/sem", "d/{name}/sem/{name}.png", "d/s{name}/sem"):
        rgb = "d/s{name}/rgb" if place.startswith("d/s") else "d/{name}/rgb"
        assert labels(tmp_path, place, rgb) == expected


def test_a_scene_may_be_a_folder_of_its_own(tmp_path):
    touch(tmp_path, "d/s1/rgb.png", "d/s1/semantic.png", "d/more/s2/rgb.png", "d/more/s2/semantic.png", "d/s1/rgb.txt")
    assert own_images(tmp_path, "d/{name}/rgb.png", "images").names == ("s2", "s1")
    assert labels(tmp_path, "d/{name}/semantic.png", "d/{name}/rgb.png") == [
        "d/more/s2/semantic.png",
        "d/s1/semantic.png",
    ]


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


@pytest.mark.parametrize(
    "entry, remedy", [("im/2.png", "correct the list, or the link"), ("im\\1.png", "write / between folders")]
)
def test_a_listed_image_that_is_not_there_is_not_said_to_lack_a_label(tmp_path, entry, remedy):
    touch(tmp_path, "im/1.png", "lab/1.png", "lab/2.png.txt")
    (tmp_path / "images.txt").write_text(f"im/1.png\n{entry}\n")
    with pytest.raises(
        InputError, match=rf"the image {re.escape(repr(str(tmp_path / entry)))} is not there: {remedy}$"
    ):
        labels(tmp_path, "lab", "images.txt")


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


def test_a_list_may_lead_anywhere(tmp_path):
    touch(tmp_path, "disk/rgb/1.png", "disk/seg/1.png", "other/2.png", "disk/seg/2.png")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/images.txt").write_text(f"../disk/rgb/1.png\n{tmp_path}/other/2.png\n")
    found = own_images(tmp_path, "lists/images.txt", "images")
    assert found.names == ("1", "2") and all((found.root / entry).is_file() for entry in found.entries)
    assert labels(tmp_path, "disk/seg", "lists/images.txt") == ["disk/seg/1.png", "disk/seg/2.png"]
    (tmp_path / "lists/images.txt").write_text("../disk/rgb/1.png\n../disk/seg/1.png\n/1.png\n")
    assert own_images(tmp_path, "lists/images.txt", "images").names == ("disk_rgb_1", "disk_seg_1", "1")


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("img/{}.png", "lab/{}.png"),
        ("rgb/frame_{}.jpg", "seg/frame_{}_gt.png"),
        ("{}/rgb/7.png", "sem/{}/7.png"),
        ("x/{}.png", "y/000{}.png"),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_lists_in_another_order_are_refused(tmp_path, image, label, folder):
    place = image.partition("/")[0] if folder and not image.startswith("{") else "images.txt"
    touch(tmp_path, *(image.format(one) for one in (10, 11, 2)))
    (tmp_path / "images.txt").write_text("".join(image.format(one) + "\n" for one in (10, 11, 2)))
    (tmp_path / "labels.txt").write_text("".join(label.format(one) + "\n" for one in (2, 10, 11)))
    with pytest.raises(InputError, match=r"labels\.txt:1: .* would be the label of .*10.*, but .*2.* is an image too"):
        labels(tmp_path, "labels.txt", place)
    (tmp_path / "labels.txt").write_text("".join(label.format(one) + "\n" for one in (10, 11, 2)))
    assert labels(tmp_path, "labels.txt", place) == [label.format(one) for one in (10, 11, 2)]


def test_a_list_of_labels_that_is_shifted_by_a_line_is_refused(tmp_path):
    (tmp_path / "images.txt").write_text("img/1.png\nimg/2.png\nimg/3.png\n")
    (tmp_path / "labels.txt").write_text("lab/2.png\nlab/3.png\nlab/4.png\n")
    with pytest.raises(InputError, match=r"labels\.txt:1: 'lab/2\.png' would be the label of 'img/1', but 'img/2' is"):
        labels(tmp_path, "labels.txt", "images.txt")
    (tmp_path / "labels.txt").write_text("lab/c.png\nlab/a.png\nlab/b.png\n")  # names of their own: line by line
    assert labels(tmp_path, "labels.txt", "images.txt") == ["lab/c.png", "lab/a.png", "lab/b.png"]


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
        ("im/{name}_x.png", r"im: holds no image \(\{name\}_x\.png\)"),
        ("twice", "1.jpg and 1.png have one name: keep one, or write a pattern"),
        ("up.txt", r"up\.txt:1: '\.\.' is not the path of an image"),
        ("double.txt", r"double\.txt:2: 'im/1\.png' has the name of line 1"),
    ],
)
def test_places_that_cannot_be_used(tmp_path, place, said):
    touch(tmp_path, "im/1.png", "twice/1.png", "twice/1.jpg", "empty/notes.txt")
    (tmp_path / "up.txt").write_text("..\n")
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
        assert all(
            path.is_file() and (found.root / entry).is_file() for path, entry in zip(paths, found.entries, strict=True)
        )
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
