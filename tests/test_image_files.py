"""Image files that are damaged, endless or much larger than they look."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scene_files import raw_png, write_palette_png, write_png

from mlsl_mx.data.image_files import UnreadableFile, decode_palette, decode_with_mode, header, read_image


def stored(path):
    """The numbers of a palette or grey file."""
    return decode_with_mode(path)[0]


READERS = (read_image, stored, header)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("side", [8193, 12_000, 100_000])
def test_an_image_that_claims_too_many_pixels(tmp_path, read, side):
    (tmp_path / "x.png").write_bytes(raw_png(side, side, 8, 2, bytes(1000)))  # a few bytes
    with pytest.raises(UnreadableFile, match=r"x\.png: cannot be read .*pixels.*: download or write it again"):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_no_cut_of_an_image_is_taken_for_a_whole_one(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    write_png(path, np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))
    whole = path.read_bytes()
    assert read_image(path).shape == (24, 40, 3) and header(path)[::2] == ((24, 40), "RGB", None)
    for length in {0, 1, 8, 30, *range(40, len(whole) - 12, 97), len(whole) - 12}:
        path.write_bytes(whole[:length])
        for read in (read_image, header):
            with pytest.raises(UnreadableFile):
                read(path)


def test_no_cut_of_a_label_is_taken_for_a_whole_one(tmp_path):
    path = tmp_path / "x.png"
    write_palette_png(path, np.random.default_rng(0).integers(0, 19, (24, 40)).astype(np.uint8))
    whole = path.read_bytes()
    # Without its last chunk alone, which holds nothing, Pillow has all pixels.
    for length in range(0, len(whole) - 20, 31):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile):
            stored(path)


def test_a_palette_image_without_a_palette(tmp_path):
    path = tmp_path / "x.png"
    write_palette_png(path, np.zeros((24, 40), np.uint8))
    content = path.read_bytes()
    start = content.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    path.write_bytes(content[:start] + content[end:])
    for read in (header, decode_palette, read_image):
        with pytest.raises(UnreadableFile, match="x.png: cannot be read"):
            read(path)


def test_what_some_cameras_write_after_the_end(tmp_path):
    path = tmp_path / "x.jpg"
    assert cv2.imwrite(str(path), np.full((16, 16, 3), 90, np.uint8))
    pixels = read_image(path)
    path.write_bytes(path.read_bytes() + bytes(100))
    assert np.array_equal(read_image(path), pixels) and header(path)[::2] == ((16, 16), "RGB", None)


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_image_file(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "x.eps")  # which Pillow would give to another program
    for endless in (tmp_path / "pipe.png", Path("/dev/zero"), tmp_path):
        with pytest.raises(UnreadableFile, match="not a file"):
            read(endless)
    with pytest.raises(UnreadableFile, match="not PNG, JPEG, BMP, PPM, TIFF, WEBP"):
        read(tmp_path / "x.eps")


@pytest.mark.parametrize(
    ("read", "module", "problem"),
    [
        (read_image, "cv2.imdecode", cv2.error("OpenCV: alloc.cpp:73: error: (-4:Insufficient memory)")),
        (decode_with_mode, "numpy.array", MemoryError()),
    ],
)
def test_a_file_is_not_blamed_for_memory_that_is_used_up(tmp_path, monkeypatch, read, module, problem):
    write_png(tmp_path / "a.png", np.zeros((8, 8), np.uint8))

    def full(*_, **__):
        raise problem

    monkeypatch.setattr(module, full)
    with pytest.raises(type(problem)):
        read(tmp_path / "a.png")
