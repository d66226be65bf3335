"""The miniature world: formats of the three data sets, determinism, classes, no target training labels."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scene_files import write_lists

from mlsl_mx.config.classes import IGNORE, class_set
from mlsl_mx.config.published_data import PUBLISHED, SYNTHIA_NAMES
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.data.lists import read_list
from mlsl_mx.data.miniature import datasets as miniature
from mlsl_mx.data.miniature.datasets import draw, make_miniature, write_preview
from mlsl_mx.data.miniature.geometry import GROUND, STANDING, Camera, Scene, frustum, quad
from mlsl_mx.data.miniature.render import render
from mlsl_mx.data.miniature.scene import GRASS, build_scene
from mlsl_mx.data.miniature.style import CITYSCAPES
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import read_json, write_json

ENTRIES = {
    "gta5": ["images/00001.png", "images/00002.png"],
    "synthia": ["RGB/0000000.png", "RGB/0000001.png"],
    "cityscapes_train": ["leftImg8bit/train/minstadt/minstadt_000000_000019_leftImg8bit.png"],
    "cityscapes_val": ["leftImg8bit/val/winzdorf/winzdorf_000000_000019_leftImg8bit.png"],
}


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniature")
    lists = write_lists(folder / "lists", ENTRIES)
    make_miniature(folder / "data", lists, 0)
    return folder / "data", lists


def test_exactly_the_listed_files_and_no_target_training_labels(made):
    assert sorted(files(made[0])) == [
        "cityscapes/gtFine/val/winzdorf/winzdorf_000000_000019_gtFine_labelIds.png",
        "cityscapes/leftImg8bit/train/minstadt/minstadt_000000_000019_leftImg8bit.png",
        "cityscapes/leftImg8bit/val/winzdorf/winzdorf_000000_000019_leftImg8bit.png",
        "gta5/images/00001.png",
        "gta5/images/00002.png",
        "gta5/labels/00001.png",
        "gta5/labels/00002.png",
        "miniature.json",
        "synthia/GT/LABELS/0000000.png",
        "synthia/GT/LABELS/0000001.png",
        "synthia/RGB/0000000.png",
        "synthia/RGB/0000001.png",
    ]


def test_gta5_labels_are_palette_indices(made):
    with Image.open(made[0] / "gta5/labels/00001.png") as label:
        assert label.mode == "P"
        assert np.array_equal(np.array(label), draw("gta5", "images/00001.png", 0)[1])
        palette = np.array(label.getpalette()).reshape(-1, 3)
    assert tuple(palette[7]) == (128, 64, 128)  # road


def test_synthia_labels_are_16_bit_with_the_class_in_red(made):
    path = str(made[0] / "synthia/GT/LABELS/0000000.png")
    label = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    _, ids, instances = draw("synthia", "RGB/0000000.png", 0)
    assert label.dtype == np.uint16 and label.shape == (190, 320, 3)
    assert np.array_equal(label[..., 2], ids)
    assert np.array_equal(label[..., 1], instances)
    assert not np.array_equal(cv2.imread(path)[..., 2], ids), (
        "a reader that decodes to 8 bits is wrong, as with the original"
    )


def test_images_and_cityscapes_labels(made):
    root = made[0] / "cityscapes"
    image = cv2.imread(str(root / ENTRIES["cityscapes_val"][0]), cv2.IMREAD_UNCHANGED)
    label_path = root / "gtFine/val/winzdorf/winzdorf_000000_000019_gtFine_labelIds.png"
    label = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
    drawn, ids, _ = draw("cityscapes", ENTRIES["cityscapes_val"][0], 0)
    assert image.shape == (256, 512, 3) and image.dtype == np.uint8
    assert np.array_equal(image[..., ::-1], drawn)
    assert label.shape == (256, 512) and label.dtype == np.uint8
    assert np.array_equal(label, ids)
    assert {1, 2, 3} <= set(np.unique(label)), "bonnet and borders are void"


@pytest.mark.parametrize("kind, size", [("gta5", (264, 480)), ("synthia", (190, 320)), ("cityscapes", (256, 512))])
def test_sizes_ids_and_classes(kind, size):
    # 24 scenes: the rarest class, the train, is then all but certain (0.8 ** 24 = 0.5 %), and the seed is fixed
    seen, sizes = set(), set()
    for number in range(24):
        image, ids, _ = draw(kind, f"{number:05d}.png", 3)
        assert image.shape == (*ids.shape, 3)
        seen |= set(np.unique(ids).tolist())
        sizes.add(ids.shape)
    assert seen <= PUBLISHED[kind].known_ids
    assert size in sizes and sizes <= {size, (size[0] - 2, size[1])}
    classes = class_set(16 if kind == "synthia" else 19)
    train_ids = set(classes.train_id_lookup(kind)[sorted(seen)].tolist())
    assert train_ids == {*range(classes.num_classes), IGNORE}
    if kind == "synthia":
        names = {SYNTHIA_NAMES[i] for i in seen}
        assert {"lanemarking", "parking-slot"} <= names and not {"terrain", "truck", "train"} & names


def test_committed_lists_hold_each_split_once():
    folder = Path(__file__).parents[1] / "data_lists/miniature"
    lists = {name: read_list(folder / f"{name}.txt") for name in ENTRIES}
    assert [len(lists[name]) for name in ENTRIES] == [160, 160, 120, 40]
    cities = [{entry.split("/")[2] for entry in lists[f"cityscapes_{split}"]} for split in ("train", "val")]
    assert [len(c) for c in cities] == [3, 3] and not cities[0] & cities[1]


def test_pictures_do_not_depend_on_order_or_company(made, tmp_path):
    fewer = {name: lines[::-1][:1] for name, lines in ENTRIES.items()}
    make_miniature(tmp_path / "data", write_lists(tmp_path / "lists", fewer), 0)
    whole, part = files(made[0]), files(tmp_path / "data")
    del part["miniature.json"]
    assert len(part) == 7
    assert all(whole[name] == content for name, content in part.items())


def test_another_seed_or_name_gives_another_picture():
    first = draw("synthia", "RGB/0000000.png", 0)
    assert not np.array_equal(first[1], draw("synthia", "RGB/0000000.png", 1)[1])
    assert not np.array_equal(first[1], draw("synthia", "RGB/0000001.png", 0)[1])


def test_a_complete_set_is_left_alone_and_an_incomplete_one_is_made_whole(made, tmp_path):
    lists = write_lists(tmp_path / "lists", ENTRIES)
    root = tmp_path / "data"
    make_miniature(root, lists, 0)
    victim = root / "gta5/images/00001.png"
    victim.write_bytes(b"mine")
    make_miniature(root, lists, 0)
    assert victim.read_bytes() == b"mine"
    (root / "synthia/RGB/0000000.png").unlink()
    make_miniature(root, lists, 0)
    assert files(root) == files(made[0])
    make_miniature(root, lists, 5)
    assert files(root).keys() == files(made[0]).keys()
    assert files(root)["gta5/images/00001.png"] != files(made[0])["gta5/images/00001.png"]


def test_files_of_others_are_not_replaced(tmp_path):
    lists, frame = write_lists(tmp_path / "lists", ENTRIES), tmp_path / "data/gta5/images/00001.png"
    frame.parent.mkdir(parents=True)
    frame.write_bytes(b"a frame of GTA-V")
    with pytest.raises(InputError, match="00001.png: was not rendered by this program, it seems"):
        make_miniature(tmp_path / "data", lists, 0)
    assert list(files(tmp_path / "data").values()) == [b"a frame of GTA-V"]


def test_an_interrupted_run_is_not_taken_for_complete(tmp_path, monkeypatch):
    lists, root = write_lists(tmp_path / "lists", ENTRIES), tmp_path / "data"
    make_miniature(root, lists, 0)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(miniature, "draw", fail)
    with pytest.raises(KeyboardInterrupt):
        make_miniature(root, lists, 1)
    assert not (root / "miniature.json").exists()


def test_pictures_of_another_generator_are_not_replaced_under_the_runs_on_them(made, tmp_path):
    root = shutil.copytree(made[0], tmp_path / "data")
    write_json(root / "miniature.json", {**read_json(root / "miniature.json"), "generator": 1})
    before = files(root)
    with pytest.raises(InputError, match="was rendered by version 1 of the generator, which is now"):
        make_miniature(root, made[1], 0)
    assert files(root) == before


@pytest.mark.parametrize("entry", ["pictures/00001.png", "images/00001.jpg"])
def test_a_list_of_another_layout_is_refused(tmp_path, entry):
    lists = write_lists(tmp_path / "lists", {**ENTRIES, "gta5": [entry]})
    with pytest.raises(InputError, match=f"gta5.txt: '{entry}' does not follow"):
        make_miniature(tmp_path / "data", lists, 0)


def test_missing_list_and_bad_seed_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds none of gta5.txt"):
        make_miniature(tmp_path / "data", tmp_path, 0)
    with pytest.raises(InputError, match="seed is -1"):
        make_miniature(tmp_path / "data", write_lists(tmp_path / "lists", ENTRIES), -1)


def test_the_loader_reads_what_was_written(made):
    root, lists = made
    for kind, name, count in (("gta5", "gta5", 19), ("synthia", "synthia", 16), ("cityscapes", "cityscapes_val", 19)):
        dataset = open_dataset(kind, root / kind, lists / f"{name}.txt", class_set(count), None, labels=True)
        entry = ENTRIES[name][0]
        image, ids, _ = draw(kind, entry, 0)
        assert np.array_equal(dataset.image(0), image)
        assert np.array_equal(dataset.label(0), class_set(count).train_id_lookup(kind)[ids])


def test_preview_is_one_small_picture(made, tmp_path):
    write_preview(made[0], tmp_path / "preview.png")
    content = (tmp_path / "preview.png").read_bytes()
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (3 * 324, 2 * 182)
    assert len(content) < 400_000
    with pytest.raises(InputError, match="miniature.json"):
        write_preview(tmp_path, tmp_path / "other.png")


@pytest.mark.parametrize("kind, grassy", [("gta5", True), ("synthia", False), ("cityscapes", True)])
def test_grass_is_terrain_and_never_sidewalk(kind, grassy):
    world = miniature.WORLDS[kind]
    for seed in range(8):
        scene = build_scene(world.style, np.random.default_rng(seed), world.size, frozenset(world.ids))
        ground = [face for face in scene.faces if face.layer == GROUND]
        under_all = ground[0]
        assert under_all.points[:, 0].min() == -300 and under_all.points[:, 0].max() == 300
        assert under_all.label == ("terrain" if grassy else "sidewalk")
        assert {face.label for face in ground if face.texture == GRASS} == ({"terrain"} if grassy else set())


def scene_of(*things):
    """A camera 1.5 m up, focal length 100 px, horizon at row 50 of 100 x 200, and upright plates facing it."""
    scene = Scene(Camera((100, 200), 100.0, 50.0, 1.5, 0.0), frozenset())
    scene.begin(0)
    scene.add(quad(-900, 900, -900, 900) + [0.0, 0.0], "sky", (200, 200, 200))
    scene.faces[0] = scene.faces[0]._replace(pose=(0.0, 100.0, 0.0))
    for x, z, half, height, label in things:
        scene.begin(STANDING, x, z)
        scene.add(quad(-half, half, 0, height), label, (90, 90, 90))
    return scene


def painted(scene):
    return render(scene, CITYSCAPES, {"sky": 1, "near": 2, "far": 3}, np.random.default_rng(0))[1]


def test_perspective_and_occlusion():
    # at 10 m a metre is 10 px and the ground is at row 50 + 15; at 20 m 5 px and row 57.5
    labels = painted(scene_of((0.0, 10.0, 1.0, 3.0, "near"), (1.0, 20.0, 4.0, 1.5, "far")))
    assert labels[60, 91] == labels[60, 108] == labels[36, 100] == 2
    assert labels[33, 100] == 1 and labels[60, 88] == 1 and labels[67, 100] == 1
    assert labels[55, 100] == 2, "the near plate hides the far one, which was added later"
    assert labels[55, 123] == labels[55, 87] == 3
    assert labels[55, 127] == labels[48, 123] == labels[60, 123] == 1


def test_what_is_behind_or_reaches_behind_the_camera():
    scene = scene_of((0.0, -5.0, 1.0, 3.0, "near"))
    scene.begin(STANDING)
    scene.add([(-300, 0, -50), (-300, 0, 1000), (300, 0, 1000), (300, 0, -50)], "far", (90, 90, 90))
    labels = painted(scene)
    assert (labels[:49] == 1).all(), "nothing above the horizon"
    assert (labels[52:] == 3).all(), "ground from below the camera to the horizon"


def test_faces_that_look_away_are_dropped():
    scene = scene_of()
    for side, corners in frustum((2, 3, 10, 12), 0, (2, 3, 10, 12), 4).items():
        scene.begin(STANDING, near=10)
        scene.add(corners, "near" if side in ("front", "left") else "far", (90, 90, 90), one_sided=True)
    labels = painted(scene)
    assert (labels == 2).any() and not (labels == 3).any(), "a box on the right shows its front and its left side"
