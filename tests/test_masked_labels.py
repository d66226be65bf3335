"""`mlsl mask-labels`: an id in the lower rows of label files is ignored in copies of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mlsl_mx.cli import main
from mlsl_mx.data.image_files import decode_with_mode

IDS = np.array([[10, 1], [10, 10], [1, 10]], np.uint8)


def masked(*words: str) -> int:
    return main(["mask-labels", "--labels", "labels", "--out", "masked", *words])


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """A grey file, and one with a palette in a folder below."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels" / "town").mkdir(parents=True)
    Image.fromarray(IDS).save("labels/a.png")
    palette = Image.fromarray(IDS)
    palette.putpalette([7, 8, 9] * 256)
    palette.save("labels/town/b.png")
    return tmp_path


def test_the_id_is_ignored_from_the_row_on(labels, capsys):
    assert masked("--value", "10", "--below", "1") == 0
    for name in ("a.png", "town/b.png"):
        ids, _ = decode_with_mode(labels / "masked" / name)
        assert ids.tolist() == [[10, 1], [255, 255], [1, 255]]
        assert decode_with_mode(labels / "labels" / name)[0].tolist() == IDS.tolist()
    assert "2 label files; 10 from row 1 on is 255 now, 50.00 % of the pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--value", "10", "--below", "3"), "has rows 0 to 2, but --below is 3"),
        (("--value", "10", "--below", "-1"), "has rows 0 to 2, but --below is -1"),
        (("--value", "1", "--below", "0", "--out", "labels"), "name another folder"),
        (("--value", "1", "--below", "0", "--out", "labels/masked"), "name another folder"),
        (("--value", "9", "--below", "0"), "no file holds 9 in row 0 or below: nothing was written"),
        (("--value", "300", "--below", "0"), "--value 300: is no id that can be masked: give one from 0 to 254"),
    ],
)
def test_what_cannot_be_masked_is_refused(labels, capsys, words, said):
    assert masked(*words) == 2
    assert said in capsys.readouterr().err
    assert decode_with_mode(labels / "labels" / "a.png")[0].tolist() == IDS.tolist()
    assert not (labels / "masked").exists()


@pytest.mark.parametrize("form", ["{}/labels/a.png", "../labels/a.png"])
def test_a_list_never_leads_to_the_labels_themselves(labels, capsys, form):
    (labels / "lists").mkdir()
    (labels / "lists" / "some.txt").write_text(form.format(labels) + "\n")
    assert masked("--value", "10", "--below", "0", "--labels", "lists/some.txt", "--out", "lists/masked") == 2
    assert "does not lie below lists" in capsys.readouterr().err
    assert decode_with_mode(labels / "labels" / "a.png")[0].tolist() == IDS.tolist()


def test_files_of_others_are_not_replaced(labels, capsys):
    (labels / "masked").mkdir()
    (labels / "masked" / "a.png").write_bytes(b"a photograph")
    assert masked("--value", "10", "--below", "1") == 2
    assert "a.png: another file is there: name another --out" in capsys.readouterr().err
    assert (labels / "masked" / "a.png").read_bytes() == b"a photograph"
    (labels / "masked" / "a.png").unlink()
    assert masked("--value", "10", "--below", "1") == masked("--value", "10", "--below", "1") == 0


def test_a_jpeg_is_refused(labels, capsys):
    Image.fromarray(IDS).save("labels/0.jpg")
    assert masked("--value", "10", "--below", "0") == 2
    assert "0.jpg: is a JPEG" in capsys.readouterr().err


def test_colours_are_refused(labels, capsys):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save("labels/c.png")
    assert masked("--value", "10", "--below", "0") == 2
    assert "c.png: is of mode RGB" in capsys.readouterr().err
