"""Image files that are sound but unusual: few or odd bits, cameras held otherwise, kinds that programs rarely write."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from scene_files import png_chunk, raw_png

from mlsl_mx.data.image_files import UnreadableFile, decode_channels, decode_with_mode, header, read_image
from mlsl_mx.data.image_structure import TURNS


def stored(path):
    """The numbers of a palette or grey file."""
    return decode_with_mode(path)[0]


GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 11  # 0 to 253
PHOTO = cv2.resize(np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8), (56, 40))
ROOMY = np.random.default_rng(1).integers(0, 1 << 16, (4, 6))


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of numbers of so many bits, each row from a byte's beginning."""
    rows = ("".join(format(value, f"0{bits}b") for value in row) for row in values.tolist())
    return b"".join(int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big") for row in rows)


def grey_png(values: np.ndarray, bits: int) -> bytes:
    rows = b"".join(b"\0" + packed(values[i : i + 1], bits) for i in range(len(values)))
    return raw_png(values.shape[1], values.shape[0], bits, 0, rows)


def grey_tiff(values: np.ndarray, bits: int, zero_is_white: bool = False, form: int = 1) -> bytes:
    """Little-endian, one strip, nothing compressed. `form`: 1 unsigned, 2 signed, 3 floats."""
    pixels = values.tobytes() if bits >= 16 else packed(values, bits)
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: int(not zero_is_white), 273: 8, 277: 1, 278: height}
    tags.update({279: len(pixels), 339: form})
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def near(found: np.ndarray, wanted: np.ndarray, most: float) -> None:
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    assert np.abs(found.astype(float) - wanted).max() <= most


def in_colour(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("most", [1, 3, 15, 100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("as_text", [True, False])
def test_netpbm_says_what_is_white(tmp_path, most, as_text):
    grey, colour = ROOMY % (most + 1), np.random.default_rng(2).integers(0, most + 1, (4, 6, 3))
    grey[0, :2] = colour[0, 0, :2] = 0, most
    for values, kind in ((grey, 2), (colour, 3)):
        head = b"P%d # of a camera\n6 # wide\n4 %d\n" % (kind if as_text else kind + 3, most)
        raw = values.astype(np.uint8 if most < 256 else ">u2").tobytes()
        text = " ".join(map(str, values.ravel())).encode()  # no newline at the end
        (tmp_path / "a.pnm").write_bytes(head + (text if as_text else raw))
        wanted = 255 * values / most
        near(read_image(tmp_path / "a.pnm"), in_colour(wanted) if kind == 2 else wanted, 1)
        assert header(tmp_path / "a.pnm").size == (4, 6)
        found = decode_channels(tmp_path / "a.pnm")
        assert np.array_equal(found if kind == 2 else found[..., ::-1], values)
        if kind == 2:
            assert np.array_equal(stored(tmp_path / "a.pnm"), values)


@pytest.mark.parametrize("content", [b"P4 6 4\n%b", b"P1\n6 4\n%b", b"P1 6 4 %b"], ids=["binary", "text", "no blanks"])
def test_masks_of_one_bit(tmp_path, content):
    """In PBM 1 is black, and of a label the number in the file counts."""
    bits = ROOMY % 2
    joint = b"" if b" 4 %b" in content else b" "
    raw = packed(bits, 1) if b"P4" in content else joint.join(b"%d" % bit for bit in bits.ravel())
    (tmp_path / "a.pbm").write_bytes(content % raw)
    assert np.array_equal(read_image(tmp_path / "a.pbm"), in_colour(255 * (1 - bits)))
    assert np.array_equal(stored(tmp_path / "a.pbm"), bits)


@pytest.mark.parametrize(
    "content",
    [
        *(b"P2 6 4", b"P2 6 4 0 " + b"0 " * 24, b"P2 6 4 70000 " + b"0 " * 24, b"P2 6 4 9 " + b"9 " * 23),
        *(
            b"P2 6 4 9 " + b"10 " * 24,
            b"P2 6 4 9 " + b"x " * 24,
            b"P5 6 4 255\n" + bytes(23),
            b"P5 6 4 256\n" + bytes(47),
        ),
        *(b"P4 6 4\n" + bytes(3), b"P1 6 4 " + b"2" * 24, b"Pf 6 4 -1.0\n" + bytes(96)),
    ],
)
def test_damaged_netpbm(tmp_path, content):
    (tmp_path / "a.pgm").write_bytes(content)
    for read in (read_image, stored):
        with pytest.raises(UnreadableFile, match=r"a\.pgm: cannot be read"):
            read(tmp_path / "a.pgm")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_are_shades_of_an_image_and_ids_of_a_label(tmp_path, bits):
    values = ROOMY % (1 << bits)
    shades = values * (255 // ((1 << bits) - 1))
    for name, content in (("a.png", grey_png(values, bits)), ("a.tif", grey_tiff(values, bits))):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_image(tmp_path / name), in_colour(shades))
        assert np.array_equal(stored(tmp_path / name), values)
    (tmp_path / "white.tif").write_bytes(grey_tiff(values, bits, zero_is_white=True))
    assert np.array_equal(read_image(tmp_path / "white.tif"), in_colour(255 - shades))
    assert np.array_equal(stored(tmp_path / "white.tif"), values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits(tmp_path, bits):
    indices = (ROOMY % (1 << bits)).astype(np.uint8)
    image, colours = Image.fromarray(indices), [(255 - i, i, 7) for i in range(1 << bits)]
    image.putpalette(np.ravel(colours).tolist())
    image.save(tmp_path / "a.png", bits=bits)
    assert np.array_equal(stored(tmp_path / "a.png"), indices)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.array(colours)[indices])


def test_twelve_bits_of_a_camera(tmp_path):
    """What says that it has 12 bits is scaled; what has them in 16 without a word is not made black in silence."""
    values = ROOMY % 4096
    (tmp_path / "a.tif").write_bytes(grey_tiff(values, 12))
    near(read_image(tmp_path / "a.tif"), in_colour(255 * values / 4095), 1)
    for name in ("a.png", "b.tif"):
        assert cv2.imwrite(str(tmp_path / name), values.astype(np.uint16))
        with pytest.raises(
            UnreadableFile, match=rf"16 bits, but no value is above {values.max()}, .*scale to 0\.\.65535"
        ):
            read_image(tmp_path / name)
        assert cv2.imwrite(str(tmp_path / name), (16 * values).astype(np.uint16))
        assert np.array_equal(read_image(tmp_path / name), in_colour(values >> 4))
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6), np.uint16))  # a lens cap
    assert not read_image(tmp_path / "a.png").any()


def rle_bmp() -> bytes:
    runs = (
        b"".join(b"".join(bytes([1, value // 11]) for value in row) + b"\0\0" for row in GREY[::-1].tolist()) + b"\0\1"
    )
    palette = b"".join(bytes([11 * index] * 3) + b"\0" for index in range(24))
    head = struct.pack("<IiiHHIIiiII", 40, 6, 4, 1, 8, 1, len(runs), 0, 0, 24, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 96 + len(runs), 0, 0, 54 + 96) + head + palette + runs


def top_down_bmp() -> bytes:
    content = bytearray(saved(Image.fromarray(np.ascontiguousarray(PHOTO[::-1])), "BMP"))
    struct.pack_into("<i", content, 22, -len(PHOTO))
    return bytes(content)


def motion_photo(kind: str) -> bytes:
    return saved(Image.fromarray(PHOTO), kind, quality=95) + b"\0\0\0\x18ftypmp42" + bytes(range(250)) * 80


ALPHA = np.dstack([PHOTO, PHOTO[..., 0]])
COLOURS = Image.fromarray(PHOTO)
LOGLUV = cv2.imencode(".tif", np.ones((4, 6, 3), np.float32), [cv2.IMWRITE_TIFF_COMPRESSION, 34676])[1].tobytes()
TIFF = {"compression": "tiff_adobe_deflate"}
# Content, the pixels as they were, and how far they may be.
UNUSUAL = {
    "cmyk.jpg": (saved(COLOURS.convert("CMYK"), "JPEG", quality=97), PHOTO, 25),
    "progressive.jpg": (saved(COLOURS, "JPEG", progressive=True, quality=97), PHOTO, 25),
    "grey.jpg": (
        saved(Image.fromarray(GREY.repeat(4, 0).repeat(4, 1)), "JPEG", quality=99),
        GREY.repeat(4, 0).repeat(4, 1),
        8,
    ),
    "motion.jpg": (motion_photo("JPEG"), PHOTO, 25),
    "more.png": (motion_photo("PNG"), PHOTO, 0),
    "grey-alpha.png": (saved(Image.fromarray(np.dstack([GREY, GREY]), "LA"), "PNG"), GREY, 0),
    "alpha.png": (saved(Image.fromarray(ALPHA), "PNG"), PHOTO, 0),
    "alpha.webp": (
        saved(Image.fromarray(np.dstack([PHOTO, np.full(PHOTO.shape[:2], 9, np.uint8)])), "WEBP", lossless=True),
        PHOTO,
        0,
    ),
    "moving.webp": (
        saved(COLOURS, "WEBP", lossless=True, save_all=True, append_images=[COLOURS.rotate(180)]),
        PHOTO,
        0,
    ),
    "colours16.png": (cv2.imencode(".png", PHOTO[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), PHOTO, 0),
    "colours16.tif": (cv2.imencode(".tif", PHOTO[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), PHOTO, 0),
    "lzw.tif": (saved(COLOURS, "TIFF", compression="tiff_lzw"), PHOTO, 0),
    "deflate.tif": (saved(COLOURS, "TIFF", **TIFF), PHOTO, 0),
    "jpeg.tif": (saved(COLOURS, "TIFF", compression="jpeg", quality=97), PHOTO, 25),
    "pages.tif": (saved(COLOURS, "TIFF", save_all=True, append_images=[COLOURS.convert("L")]), PHOTO, 0),
    "alpha.tif": (saved(Image.fromarray(ALPHA), "TIFF"), PHOTO, 0),
    "cmyk.tif": (saved(COLOURS.convert("CMYK"), "TIFF"), PHOTO, 1),
    "rle.bmp": (rle_bmp(), GREY, 0),
    "top-down.bmp": (top_down_bmp(), PHOTO, 0),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_but_sound(tmp_path, name):
    content, pixels, most = UNUSUAL[name]
    (tmp_path / name).write_bytes(content)
    near(read_image(tmp_path / name), in_colour(pixels) if pixels.ndim == 2 else pixels, most)
    assert header(tmp_path / name).size == pixels.shape[:2]


@pytest.mark.parametrize("name", UNUSUAL)
def test_no_cut_of_the_unusual_is_taken_for_a_whole_one(tmp_path, name):
    content = UNUSUAL[name][0]
    (tmp_path / name).write_bytes(content)
    whole = read_image(tmp_path / name)
    for length in {0, 1, 8, *range(40, len(content), max(1, len(content) // 40))}:
        (tmp_path / name).write_bytes(content[:length])
        try:
            found = read_image(tmp_path / name)
        except UnreadableFile:
            continue
        assert np.array_equal(found, whole)  # what is cut off is no part of the image


@pytest.mark.parametrize(
    "content, named",
    [
        (grey_tiff(np.ones((4, 6), np.float32), 32, form=3), "TIFF of 32-bit floats, 1 a pixel"),
        (grey_tiff(np.ones((4, 6), np.float64), 64, form=3), "TIFF of 64-bit floats, 1 a pixel"),
        (grey_tiff(np.ones((4, 6), np.int32), 32, form=2), "TIFF of 32-bit signed integers, 1 a pixel"),
        (LOGLUV, "TIFF of 32-bit floats as LogLuv, 3 a pixel"),
        (saved(COLOURS, "GIF"), "GIF, not PNG, JPEG"),
        (saved(COLOURS, "JPEG2000"), "JPEG 2000, not PNG, JPEG"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a video, not PNG, JPEG"),
        (b"<!DOCTYPE html><html></html>", "a web page, not PNG, JPEG"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, content, named):
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_image, header, stored, decode_channels):
        with pytest.raises(UnreadableFile, match=rf"a\.png: cannot be read as an image \({named}"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_images_are_seen_upright_however_the_camera_was_held(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif, "quality": 95, "lossless": True}
    COLOURS.save(tmp_path / "a", kind, **how)
    with Image.open(tmp_path / "a") as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    found = read_image(tmp_path / "a")
    near(found, wanted, 2)
    assert header(tmp_path / "a").upright_size == found.shape[:2]
    if kind != "TIFF":  # which every reader turns
        assert header(tmp_path / "a").orientation == orientation
        near(read_image(tmp_path / "a", upright=False), PHOTO, 25)
        assert header(tmp_path / "a").size == PHOTO.shape[:2]


@pytest.mark.parametrize("orientation", TURNS)
def test_an_orientation_that_a_program_added_behind_the_pixels(tmp_path, orientation):
    """In a PNG, as exiftool does it."""
    exif, content = Image.Exif(), saved(COLOURS, "PNG")
    exif[0x0112] = orientation
    end = content.index(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(content[:end] + png_chunk(b"eXIf", exif.tobytes()[6:]) + content[end:])
    assert header(tmp_path / "a.png").orientation == orientation
    wanted = COLOURS.copy()
    wanted.info["exif"] = exif.tobytes()
    assert np.array_equal(read_image(tmp_path / "a.png"), np.asarray(ImageOps.exif_transpose(wanted)))
