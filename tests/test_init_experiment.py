"""`mlsl init-experiment`: what it finds out, what it writes, and that the file works."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from own_data import write_own
from PIL import Image
from scene_files import write_palette_png, write_png
from test_makefile import ROOT, outside_make

from mlsl_mx.cli import main
from mlsl_mx.config import load_config
from mlsl_mx.data.own.given_classes import read_class_file
from mlsl_mx.data.own.init_experiment import TRUNKS
from mlsl_mx.data.own.worlds import GROUPS, class_file, make_worlds
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.next_step import SIGNS

PLACES = {
    "--source-images": "sim/frames",
    "--source-labels": "sim/labels/{name}_seg.png",
    "--target": "cams/train",
    "--val": "cams/val",
    "--val-labels": "cams/val_labels",
}
CLASSES = "name,colour,source,target\nwarm,,#c80a0a,1\ncold,,#0ac80a #0a0ac8,2 3\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*more: str, leave_out=()) -> int:
    given = [word for key, value in PLACES.items() if key not in leave_out for word in (key, value)]
    return main(["init-experiment", "--out", "exp/my.yaml", *given, *more])


def test_everything_is_found_and_the_file_can_be_used(here, capsys):
    (here / "c.csv").write_text(CLASSES)
    assert init("--classes", "c.csv", "--small") == 0
    assert "labels: colours, 4 values" in capsys.readouterr().out
    config = load_config(here / "exp/my.yaml")
    assert (config.source.images, config.source.labels) == ("../sim/frames", "../sim/labels/{name}_seg.png")
    assert (config.source.encoding, config.target.encoding) == ("colours", "ids")
    assert (config.source.ignore, config.target.ignore) == (((0, 0, 0),), (0,))
    assert [(c.name, c.source, c.target) for c in config.classes] == [
        ("warm", ((200, 10, 10),), (1,)),
        ("cold", ((10, 200, 10), (10, 10, 200)), (2, 3)),
    ]
    assert config.network.width == 0.125 and config.source.size is None
    assert config.pseudo_labels.patch == 8  # half of the shortest target side, 24, in steps of 8
    assert config.source_training.crops.size == config.self_training.crops.size == 24
    assert main(["check-data", "--experiment", "exp/my.yaml"]) == 0
    text = (here / "exp/my.yaml").read_text()
    assert "# 3: 3 sizes, 40x24 to 32x32, 1 of them portrait" in text


def test_what_a_recipe_asks_for_is_told_in_steps_and_images(here, capsys, monkeypatch):
    """3 source images are one batch of 16: 30 epochs of the paper's recipe are 30 steps."""
    assert init() == 0 and "source.size:" not in capsys.readouterr().out
    text = (here / "exp/my.yaml").read_text()
    assert "  epochs: 30  # 30 steps; with GTA-V's images 46,830" in text
    assert "  source_portion: 0.03  # source images in round 0: 1; raise it if too few" in text
    (here / "exp/my.yaml").unlink()
    monkeypatch.setattr("mlsl_mx.data.own.init_experiment.LARGE_FOR_SMALL", 23)
    assert init("--small") == 0
    said = capsys.readouterr().out
    assert "source.size: 24 pixels on the shorter side are too many for the patches of --small" in said
    assert "target.size: 24 pixels" in said
    assert "  epochs: 1000  # 1000 steps or more" in (here / "exp/my.yaml").read_text()


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("out", ["my.yaml", "a b/it's.yaml", "r&d; (1) 50%.yaml", "#1/new one.yaml"])
def test_the_commands_it_prints_are_understood_as_printed(here, capsys, out, small):
    words = [word for pair in PLACES.items() for word in pair]
    assert main(["init-experiment", "--out", out, *words, *["--small"] * small]) == 0
    check, adapt = (line.strip() for line in capsys.readouterr().out.splitlines()[-2:])
    assert f"# {check}\n# {adapt}\n" in (here / out).read_text()
    subprocess.run(check, shell=True, check=True, cwd=here, capture_output=True)
    plan = subprocess.run(
        adapt.replace("make adapt", "make -n adapt", 1),
        shell=True,
        cwd=here,
        env=outside_make(),
        capture_output=True,
        text=True,
    )
    assert plan.returncode == 0 and plan.stderr == ""
    begun = shlex.split(next(line for line in plan.stdout.splitlines() if "__main__.py begin" in line))
    given = dict(pairwise(begun))
    assert given["--experiment"] == out and given["--imagenet"] == TRUNKS[small]
    assert small == (main(["begin", "--imagenet", TRUNKS[small], "--experiment", out, "--run", "r"]) == 0)


def test_signs_that_make_does_not_take_are_those_of_the_makefile(here, capsys):
    (line,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("SIGNS := "))
    assert SIGNS == set(line[len("SIGNS := ") :].replace("\\#", "#").split())
    assert main(["init-experiment", "--out", "a$b.yaml", *[word for pair in PLACES.items() for word in pair]]) == 2
    assert "a$b.yaml: make would interpret the $" in capsys.readouterr().err


def test_it_never_overwrites(here, capsys):
    (here / "exp").mkdir()
    (here / "exp/my.yaml").write_text("mine")
    assert init() == 2
    assert "is there already" in capsys.readouterr().err and (here / "exp/my.yaml").read_text() == "mine"


def test_without_names_each_value_of_the_source_is_a_class(here):
    """Colours and ids have no counterpart here, so validation waits for the user."""
    assert init() == 0
    config = load_config(here / "exp/my.yaml")
    assert [c.source for c in config.classes] == [((10, 10, 200),), ((10, 200, 10),), ((200, 10, 10),)]
    assert config.classes[0].colour == (10, 10, 200) and config.target.val == ""
    assert "# val_labels:" in (here / "exp/my.yaml").read_text()


def test_same_ids_are_the_same_class(here):
    for index, size in enumerate(((24, 40), (32, 32), (40, 24))):
        ids = np.full(size, 5, np.uint8)
        ids[0], ids[1] = 9, 255
        write_png(here / f"sim/labels/f{index}_seg.png", ids)
        write_palette_png(here / f"cams/val_labels/v{index}.png", np.where(ids == 9, 3, ids).astype(np.uint8))
    assert init() == 0
    config = load_config(here / "exp/my.yaml")
    assert [(c.source, c.target) for c in config.classes] == [((5,), (5,)), ((9,), ())]
    assert (config.source.ignore, config.target.ignore) == ((255,), (3, 255))
    assert main(["check-data", "--experiment", "exp/my.yaml"]) == 0


def test_255_is_a_class_where_there_are_larger_ids(here):
    for index, size in enumerate(((24, 40), (32, 32), (40, 24))):
        ids = np.full(size, 255, np.uint16)
        ids[0], ids[1] = 300, 65535
        write_png(here / f"sim/labels/f{index}_seg.png", ids)
    assert init(leave_out=("--val", "--val-labels")) == 0
    config = load_config(here / "exp/my.yaml")
    assert [c.source for c in config.classes] == [(255,), (300,)] and config.source.ignore == (65535,)


def test_a_class_that_the_first_validation_file_lacks_is_found(here):
    """Its colour is in the palette of another one."""
    palette = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 10], [10, 10, 200]], np.uint8)
    files = sorted((here / "cams/val_labels").iterdir())
    for index, path in enumerate(files):
        image = Image.fromarray(np.full((24, 40), 2 if index == 0 else 3, np.uint8))
        image.paste(1, (0, 0, 20, 24))
        image.putpalette(palette.tobytes())
        image.save(path)
    assert len(files) > 1 and init() == 0
    targets = {one.source: one.target for one in load_config(here / "exp/my.yaml").classes}
    assert targets == {((200, 10, 10),): (1,), ((10, 200, 10),): (2,), ((10, 10, 200),): (3,)}


def test_without_validation(here):
    assert init(leave_out=("--val", "--val-labels")) == 0
    assert load_config(here / "exp/my.yaml").target.val == ""
    assert init(leave_out=("--val",)) == 2


@pytest.mark.parametrize("part", [slice(0, 60), slice(0, None)])
def test_a_damaged_palette_is_one_line(here, capsys, part):
    """Files after the first are opened for their palettes only."""
    for index in range(3):
        write_palette_png(
            here / f"sim/labels/f{index}_seg.png", (np.arange(24 * 40).reshape(24, 40) % 4).astype(np.uint8)
        )
    path = here / "sim/labels/f1_seg.png"
    content = bytearray(path.read_bytes())
    start = content.find(b"IDAT")
    content[start + 6 : start + 12] = bytes(6)
    path.write_bytes(content[part])
    assert init() == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("mlsl init-experiment: ") and "f1_seg.png: cannot be read as an image" in said


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda here: (here / "sim/labels/f0_seg.png").unlink(), "--source-labels: 1 of 3 images of"),
        (lambda here: (here / "sim/labels/f0_seg.png").write_text("x"), "cannot be read as an image"),
        (
            lambda here: [path.unlink() for path in (here / "cams/train").iterdir()],
            "--target: cams/train: holds no image",
        ),
        (lambda here: write_png(here / "sim/labels/f0_seg.png", np.zeros((4, 4), np.uint8)), "is 8 bits x"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(here, capsys, spoil, said):
    spoil(here)
    assert init() == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mlsl init-experiment: ")]
    assert len(lines) == 1 and said in lines[0] and not (here / "exp").exists()


def test_the_worlds_and_their_table(tmp_path, monkeypatch, capsys):
    make_worlds(tmp_path / "a", seed=3, counts=(4, 3, 2))
    make_worlds(tmp_path / "b", seed=3, counts=(4, 3, 2))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 4 + 4 + 3 + 2 + 2 + 2
    for path in files:  # a function of the seed alone
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path
    with pytest.raises(InputError, match="holds worlds of another seed or other counts"):
        make_worlds(tmp_path / "a", seed=3, counts=(3, 3, 2))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/classes.csv").write_text("name,mine\n")
    with pytest.raises(InputError, match="c/classes.csv: was not written by this program"):
        make_worlds(tmp_path / "c", seed=3, counts=(4, 3, 2))
    monkeypatch.chdir(tmp_path / "a")
    words = ["--source-images", "simulator/frames", "--source-labels", "simulator/labels/{name}_seg.png"]
    words += ["--target", "cameras/train", "--val", "cameras/val", "--val-labels", "cameras/val_labels"]
    assert main(["init-experiment", "--out", "my.yaml", "--classes", "classes.csv", "--small", *words]) == 0
    assert load_config(tmp_path / "a/my.yaml").class_set.names == tuple(GROUPS)
    assert main(["check-data", "--experiment", "my.yaml"]) == 0


def test_every_kind_of_thing_has_a_colour_of_its_own(tmp_path):
    (tmp_path / "c.csv").write_text(class_file())
    found = read_class_file(tmp_path / "c.csv")
    colours = [value for one in found.classes for value in one.source] + list(found.ignored["source"])
    assert len(colours) == len(set(colours)) == 19 and all(isinstance(one, tuple) for one in colours)
    assert [one.target for one in found.classes] == [(index,) for index in range(1, 7)]


def test_images_that_exif_turns_are_told(here, capsys):
    exif = Image.Exif()
    exif[0x0112] = 3
    for folder, name in (("frames", "f1.png"), ("labels", "f1_seg.png")):
        path = here / "sim" / folder / name
        with Image.open(path) as image:
            image.load()
        image.save(path, exif=exif if folder == "frames" else None)
    assert init("--small") == 0
    assert "source.label_orientation: 1 labelled images are turned by EXIF" in capsys.readouterr().out
    text = (here / "exp/my.yaml").read_text()
    assert text.count("label_orientation: unknown  # 1 images have an EXIF orientation") == 1
    assert main(["check-data", "--experiment", "exp/my.yaml"]) == 2
    assert "unknown orientation: 1 of 3" in capsys.readouterr().err
    (here / "exp/my.yaml").write_text(text.replace("label_orientation: unknown", "label_orientation: stored"))
    assert main(["check-data", "--experiment", "exp/my.yaml"]) == 0


def write_labels(here, *files) -> None:
    for index, pixels in enumerate(files):
        write_png(here / f"sim/frames/f{index}.png", np.zeros((*pixels.shape[:2], 3), np.uint8))
        write_png(here / f"sim/labels/f{index}_seg.png", pixels)


def halves(left, right, size=(24, 40)) -> np.ndarray:
    values = np.full(size, left, np.min_scalar_type(max(left, right)))
    values[:, size[1] // 2 :] = right
    return values


@pytest.mark.parametrize("bits", [np.uint8, np.uint16])
def test_masks_of_void_and_another_value_are_two_classes(here, bits):
    void = np.iinfo(bits).max
    write_labels(here, *(np.where(halves(0, 1), void, 0).astype(bits) for _ in range(3)))
    assert init(leave_out=("--val", "--val-labels")) == 0
    config = load_config(here / "exp/my.yaml")
    assert [one.source for one in config.classes] == [(0,), (void,)] and config.source.ignore == ()


def test_masks_in_black_and_white_are_two_classes(here):
    colours = np.array([[0, 0, 0], [255, 255, 250]], np.uint8)
    write_labels(here, *(colours[halves(0, 1)] for _ in range(3)))
    assert init(leave_out=("--val", "--val-labels")) == 0
    assert [one.source for one in load_config(here / "exp/my.yaml").classes] == [((0, 0, 0),), ((255, 255, 250),)]


def test_masks_that_were_smoothed_are_told(here, capsys):
    mask = halves(0, 255, (40, 600))
    mask[0, :256] = np.arange(256)
    write_labels(here, mask, mask, mask)
    assert init(leave_out=("--val", "--val-labels")) == 0
    assert "in doubt: 0 and 255 are 99% of the pixels, 254 other values" in capsys.readouterr().out


def channels(red, green, blue, bits=np.uint16) -> np.ndarray:
    return np.dstack([red, green, blue]).astype(bits)


def test_classes_in_red_beside_fewer_instances_in_green(here, capsys):
    """As of SYNTHIA."""
    ids = halves(1, 3)
    ids[0] = 5
    write_labels(here, *(channels(ids, halves(0, 900), 0 * ids) for _ in range(3)))
    assert init(leave_out=("--val", "--val-labels")) == 0
    assert "in doubt: red has 3 values, green has 2 values: red is taken for the classes" in capsys.readouterr().out
    assert load_config(here / "exp/my.yaml").source.encoding == "red16"


@pytest.mark.parametrize("order", [(2, 0, 1), (0, 0, 1), (1, 2, 0)])
def test_which_of_three_channels_holds_classes_is_asked_where_nobody_could_know(here, capsys, order):
    """Of 0, instances and classes, and one where all vary."""
    planes = (0 * halves(0, 1) if order[0] != 1 else halves(0, 9), halves(0, 90), halves(1, 3))
    files = [channels(0 * planes[0] if order[0] != 1 else planes[0], planes[1], planes[2]) for _ in range(3)]
    write_labels(here, *files)
    assert init(leave_out=("--val", "--val-labels")) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "green has 2 values, blue has 2 values: say which holds ids: --encoding" in said
    assert init("--encoding", "blue16", leave_out=("--val", "--val-labels")) == 0
    config = load_config(here / "exp/my.yaml")
    assert config.source.encoding == "blue16" and [one.source for one in config.classes] == [(1,), (3,)]


def test_ids_beside_instances_of_8_bits_are_told_and_can_be_asked_for(here, capsys):
    """As of CARLA's instance segmentation: classes in red, instances in green and blue."""
    write_labels(here, *(channels(halves(1, 14), halves(30, 200), halves(7, 99), np.uint8) for _ in range(3)))
    assert init(leave_out=("--val", "--val-labels")) == 0
    assert "in doubt: red holds only 0 to 14, as ids would (colours is written; --encoding overrides it)" in (
        capsys.readouterr().out
    )
    (here / "exp/my.yaml").unlink()
    assert init("--encoding", "red", leave_out=("--val", "--val-labels")) == 0
    assert [one.source for one in load_config(here / "exp/my.yaml").classes] == [(1,), (14,)]


def test_an_encoding_that_there_is_not_or_that_labels_have_not(here, capsys):
    assert init("--encoding", "rgb") == 2
    assert "source labels: 'rgb' is no encoding: use one of ids, ids16, colours" in capsys.readouterr().err
    assert init("--val-encoding", "red16") == 2
    assert "validation labels are ids in the red channel" in capsys.readouterr().err


def test_rows_of_a_table_that_are_no_classes(here, capsys):
    (here / "c.csv").write_text(CLASSES + "Un-labelled,,#000000,\nVOID,,,0\nbackground,,#010101,\n")
    assert init("--classes", "c.csv", "--small") == 0
    assert "c.csv: 'Un-labelled' is no class: what it lists is ignored" in capsys.readouterr().out
    config = load_config(here / "exp/my.yaml")
    assert [one.name for one in config.classes] == ["warm", "cold", "background"]
    assert (config.source.ignore, config.target.ignore) == (((0, 0, 0),), (0,))


def test_a_table_that_fits_no_label_or_not_all(here, capsys):
    (here / "c.csv").write_text(CLASSES.replace("#c80a0a", "#0a0ac9"))
    assert init("--classes", "c.csv", "--small") == 0
    assert "classes: no source label shows warm: correct what `source` says of them" in capsys.readouterr().out
    (here / "exp/my.yaml").unlink()
    (here / "c.csv").write_text("name,colour,source,target\nwarm,,#0a0ac9,1\ncold,,#0a0ac7,2\n")
    assert init("--classes", "c.csv", "--small") == 2
    assert "c.csv: no source label holds a value of any class" in capsys.readouterr().err
    (here / "c.csv").write_text("name,colour,source,target\nvoid,,#000000,0\n")
    assert init("--classes", "c.csv", "--small") == 2
    assert "c.csv: classes holds 0" in capsys.readouterr().err
    assert not (here / "exp/my.yaml").exists()


@pytest.mark.parametrize("target", ["cams/val", "cams"])
def test_what_is_to_validate_on_is_no_target(here, capsys, target):
    assert init("--target", target, leave_out=("--target",)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"--target: cams/val\S+ is a file to validate on, not to adapt to", said)


def test_one_small_image_among_large_ones_is_told(here, capsys):
    write_png(here / "cams/train/icon.png", np.zeros((8, 8, 3), np.uint8))
    assert init("--small") == 0
    assert "the shorter side of the smallest target image is 8 pixels (median 24)" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["exp", "link", "deep/../link"])
def test_the_file_finds_its_data_from_behind_links(here, given):
    """A path with `..` is taken from where the file really lies."""
    (here / "elsewhere/deep").mkdir(parents=True)
    (here / "link").symlink_to(here / "elsewhere/deep")
    (here / "deep").symlink_to(here / "elsewhere/deep")
    (here / "exp").symlink_to(here / "elsewhere/deep")
    (here / "elsewhere/link").symlink_to(here / "elsewhere")
    assert init("--out", f"{given}/other.yaml") == 0
    file = here / given / "other.yaml"
    config = load_config(file)
    assert (file.parent / config.source.images).samefile(here / "sim/frames")
    assert main(["check-data", "--experiment", str(file)]) == 0


def test_data_behind_a_link_and_back(here, monkeypatch):
    """What the system takes for LINK/.. is not what is left of the path without both."""
    (here / "a").mkdir()
    (here / "a/jump").symlink_to(here / "sim")
    monkeypatch.chdir(here / "a")
    words = ["--source-images", "jump/../sim/frames", "--source-labels", "jump/../sim/labels/{name}_seg.png"]
    assert main(["init-experiment", "--out", "my.yaml", *words, "--target", "jump/../cams/train"]) == 0
    assert main(["check-data", "--experiment", "my.yaml"]) == 0
