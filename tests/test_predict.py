"""`mlsl predict` from the command line: which files it takes, what it leaves, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import picture, write_model
from PIL import Image
from scene_files import write_png
from tiny_run import EXPERIMENT, words, write_world

from mlsl_mx.cli import main
from mlsl_mx.commands.predict import KINDS
from mlsl_mx.config.classes import class_set
from mlsl_mx.predict import Predictor, read_image, videos
from mlsl_mx.predict.inputs import find_inputs
from mlsl_mx.predict.pictures import ENDINGS
from mlsl_mx.pseudo_labels.segmenter import Segmenter

SISC = ("--inference", "sisc", "--patch", "32", "--patches", "6")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("weights") / "weights.params")


@pytest.fixture(scope="module")
def predictor(weights):
    return Predictor(weights)


@pytest.fixture
def photos(tmp_path):
    """A folder of images of all kinds, with other files beside them."""
    folder = tmp_path / "photos"
    write_png(folder / "wide.png", picture(40, 96))
    write_png(folder / "b" / "tall.png", picture(70, 33, seed=1))
    write_png(folder / "b" / "deep er" / "tall.png", picture(48, 64, seed=2))
    write_png(folder / "grey.png", picture(40, 64, seed=3)[..., 0])
    Image.fromarray(picture(40, 48, seed=4)).save(folder / "photo.JPG", quality=95)
    (folder / "notes.txt").write_text("notes")
    (folder / "b" / "._tall.png").write_bytes(b"of another system")
    return folder


@pytest.fixture
def run(weights, tmp_path, capsys, monkeypatch):
    """Runs `mlsl predict` into tmp_path/out and gives its line; a refused one may have written nothing."""
    monkeypatch.chdir(tmp_path)

    def start(*words, code: int = 0, out: str = "out", weights=weights) -> str:
        before = files(tmp_path)
        assert main(["predict", "--weights", str(weights), "--out", out, *map(str, words)]) == code
        said = capsys.readouterr()
        if code == 0:
            return said.out.strip()
        assert files(tmp_path) == before
        line = said.err.splitlines()[-1]
        assert line.startswith("mlsl predict: ")
        return line

    return start


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def results(folder: Path) -> dict[str, bytes]:
    """The pictures of an output folder."""
    return {name: content for name, content in files(folder).items() if "/" in name}


def test_a_folder_keeps_its_structure(run, photos, tmp_path, predictor):
    line = run("photos", "--write", "overlay,palette,label_ids,confidence")
    assert line.startswith("out: 5 images in ") and line.endswith(" in the network); 1 other file left out")
    names = {"wide": "wide.png", "b/tall": "b/tall.png", "b/deep er/tall": "b/deep er/tall.png"}
    names.update({"grey": "grey.png", "photo": "photo.JPG"})
    assert set(results(tmp_path / "out")) == {f"{kind}/{name}{ENDINGS[kind]}" for kind in ENDINGS for name in names}
    for name, file in names.items():
        image = read_image(photos / file)
        train_ids, probabilities = predictor.predict(image), predictor.probabilities(image)
        palette, label_ids, confidence, overlay = (
            Image.open(tmp_path / "out" / kind / f"{name}{ENDINGS[kind]}")
            for kind in ("palette", "label_ids", "confidence", "overlay")
        )
        assert palette.mode == "P" and label_ids.mode == confidence.mode == "L" and overlay.mode == "RGB"
        np.testing.assert_array_equal(palette, train_ids)
        np.testing.assert_array_equal(palette.convert("RGB"), class_set(19).palette[train_ids])
        np.testing.assert_array_equal(label_ids, class_set(19).label_id_lookup[train_ids])
        np.testing.assert_array_equal(confidence, np.rint(255 * probabilities.max(axis=0)))
        difference = np.abs(np.asarray(overlay, int) - predictor.overlay(image, train_ids))
        assert difference.mean() < 12  # JPEG


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(run, photos, tmp_path):
    kinds = ("--write", "overlay,palette,confidence")
    for more in ((), SISC, (*SISC, "--placement", "random", "--seed", "3", "--no-flip")):
        shutil.rmtree(tmp_path / "moved", ignore_errors=True)
        for out in ("out", "again"):
            shutil.rmtree(tmp_path / out, ignore_errors=True)
        run("photos", *kinds, *more)
        shutil.copytree(photos, tmp_path / "moved")
        run(tmp_path / "moved", *kinds, *more, out="again")
        assert results(tmp_path / "again") == results(tmp_path / "out")


def test_the_random_patches_are_those_of_the_seed(run, photos, tmp_path):
    shares = []
    for seed in ("1", "2"):
        run("photos/wide.png", *SISC, "--placement", "random", "--patches", "2", "--seed", seed, out=seed)
        shares.append(np.array(Image.open(tmp_path / seed / "palette/wide.png")))
    assert (shares[0] == 255).any() and (shares[0] != shares[1]).any()


def test_a_finished_start_is_a_no_op_and_what_is_missing_or_changed_is_made(run, photos, tmp_path):
    run("photos")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/**/*.*")}
    before = results(tmp_path / "out")
    assert run("photos") == "out: nothing to do; 5 were there already; 1 other file left out"
    assert {path: path.stat().st_mtime_ns for path in times} == times
    (tmp_path / "out/palette/wide.png").unlink()
    assert run("photos").startswith("out: 1 image in ")
    assert results(tmp_path / "out") == before
    write_png(photos / "wide.png", picture(40, 96, seed=9))
    assert "out: 1 image in " in run("photos", "--write", "overlay")
    assert not (tmp_path / "out/palette/wide.png").exists()  # nor anything else of the old one
    assert "out: 1 image in " in run("photos")  # the others of wide.png are still those of the old one
    assert {name for name, content in results(tmp_path / "out").items() if before[name] != content} == {
        "overlay/wide.jpg",
        "palette/wide.png",
        "label_ids/wide.png",
    }
    assert "out: 5 images in " in run("photos", "--write", "confidence")


def test_what_a_script_is_told(run, photos):
    told = json.loads(run("photos/b", "photos/grey.png", "--json"))
    assert told["exit_code"] == 0 and told["text"].startswith("out: 3 images in ")
    result = told["result"]
    assert 0 < result.pop("network_seconds") <= result.pop("seconds")
    counts = {"images": 3, "videos": 0, "frames": 0, "there_already": 0, "left_out": 0, "unreadable": 0}
    assert result == {**counts, "out": "out"}


def test_an_interrupted_start_goes_on(run, photos, tmp_path, monkeypatch):
    run("photos", out="whole")
    maps, calls = Segmenter.exact_maps, []

    def interrupted(self, image, name):
        calls.append(name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return maps(self, image, name)

    monkeypatch.setattr(Segmenter, "exact_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("photos")
    assert 2 <= len(list((tmp_path / "out/label_ids").rglob("*.png"))) <= 3
    assert "3 were there already" in run("photos")
    assert results(tmp_path / "out") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--no-flip",), "flip: True -> False"),
        (("--strength", "0.7"), "strength: 0.5 -> 0.7"),
        (SISC, "inference: single -> sisc"),
    ],
)
def test_results_of_other_settings_are_kept(run, photos, changed, said):
    run("photos")
    line = run("photos", *changed, code=2)
    assert said in line and line.endswith("choose another --out")


def test_results_of_other_weights_and_of_other_files_are_kept(run, photos, tmp_path):
    run("photos/wide.png")
    other = write_model(tmp_path / "other.params", seed=1)
    assert "weights: " in run("photos/wide.png", weights=other, code=2)
    write_png(tmp_path / "elsewhere" / "wide.png", picture(40, 96, seed=7))
    line = run("elsewhere/wide.png", code=2)
    assert "elsewhere/wide.png: its results would be called wide, but out already holds those of" in line
    shutil.copy(photos / "wide.png", tmp_path / "elsewhere" / "wide.png")  # the same picture
    assert run("elsewhere/wide.png") == "out: nothing to do; 1 were there already"


def test_a_folder_of_others_is_left_alone(run, photos, tmp_path):
    write_png(tmp_path / "round-0/predictions/palette/a.png", picture(8, 8)[..., 0])
    assert "was not written by mlsl predict" in run("photos", out="round-0/predictions", code=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/settings.yaml").write_text("theme: dark\n")
    assert "settings.yaml: was not written by mlsl predict" in run("photos", out="mine", code=2)
    assert "photos: is --out, too: name another folder" in run("photos", out="photos", code=2)


def test_the_results_are_no_input(run, photos):
    assert "out: 5 images in " in run(".")
    assert run(".").startswith("out: nothing to do; 5 were there already")


def test_names_that_would_be_the_same(run, photos, tmp_path):
    Image.fromarray(picture(40, 48)).save(photos / "wide.jpg")
    run("photos", "--write", "palette")
    assert {"palette/wide.png.png", "palette/wide.jpg.png"} < set(results(tmp_path / "out"))
    line = run("photos/b", "photos/b/deep er", code=2, out="other")
    assert "photos/b/tall.png and photos/b/deep er/tall.png: the results of both would be called tall.png" in line
    assert "out2: 3 images in" in run("photos/wide.png", "photos/./wide.png", "photos/b", out="out2")


def test_results_whose_names_would_be_too_long(run, photos, tmp_path):
    longest = "街" * 83  # 249 bytes
    for ending in (".png", ".bmp"):
        Image.fromarray(picture(40, 48)).save(tmp_path / f"{longest}{ending}")
    assert "out: 1 image in" in run(f"{longest}.png")
    line = run(f"{longest}.png", f"{longest}.bmp", code=2, out="two")  # they keep their endings, and get another
    assert "a name of 257 bytes, at most 255 are possible there" in line


def test_hidden_folders_are_no_input(run, photos):
    write_png(photos / ".thumbnails" / "wide.png", picture(8, 8))
    assert "5 images" in run("photos")


def test_links_that_lead_back(run, photos, tmp_path):
    (photos / "b" / "loop").symlink_to(photos)
    (tmp_path / "link").symlink_to(photos)
    assert "5 images" in run("link")


@pytest.mark.parametrize("content", [b"", b"<html>", None])
def test_a_broken_image_is_told_before_anything_starts(run, photos, content):
    whole = (photos / "b" / "tall.png").read_bytes()
    (photos / "b" / "tall.png").write_bytes(whole[:-30] if content is None else content)
    assert "photos/b/tall.png: cannot be read as an image" in run("photos", code=2)


def test_what_cannot_be_read_is_left_out_and_told_if_asked_for(run, weights, photos, tmp_path, capsys):
    """One file that its header shows, and one that is damaged inside, which only reading it whole shows."""
    (photos / "b" / "tall.png").write_bytes(b"<html>")
    (photos / "clip.mp4").write_bytes(b"no video")
    noise = (photos / "wide.png").read_bytes()
    (photos / "wide.png").write_bytes(noise[:60] + bytes(20) + noise[80:])
    run("photos", code=2)
    assert main(["predict", "--weights", str(weights), "--out", "out", "photos", "--keep-going"]) == 2
    said, told = capsys.readouterr()
    assert said.startswith("out: 3 images in ") and told.count("left out: photos/") == 3
    assert told.splitlines()[-1].startswith("mlsl predict: 3 of 6 files are left out, e.g. photos/b/tall.png: cannot")
    assert sorted(path.stem for path in (tmp_path / "out/palette").rglob("*.png")) == ["grey", "photo", "tall"]
    write_png(photos / "b" / "tall.png", picture(70, 33))
    write_png(photos / "wide.png", picture(40, 96))
    (photos / "clip.mp4").unlink()
    assert "2 images" in run("photos") and (tmp_path / "out/palette/wide.png").exists()


def test_what_cannot_be_done(run, photos, tmp_path):
    assert "none.png: no such file or folder" in run("none.png", code=2)
    (tmp_path / "empty").mkdir()
    assert "empty: no image or video among 0 files" in run("empty", code=2)
    line = run("photos", "--inference", "sisc", "--patch", "40", "--patches", "4", code=2)
    assert "tall.png: is 33x70, smaller than a patch of SISC, 40 pixels: lower --patch, or use --inference" in line
    write_png(tmp_path / "panorama.png", np.zeros((8, 65501, 3), np.uint8))
    line = run("panorama.png", code=2)
    assert "panorama.png: is 65501x8, but an overlay is a JPEG, of at most 65500 pixels a side" in line
    assert "must be a multiple of 8" in run("photos", "--inference", "sisc", "--patch", "30", code=2)
    assert "patches is 0: it must be between 1" in run("photos", "--inference", "sisc", "--patches", "0", code=2)
    assert "are options of SISC: add --inference sisc" in run("photos", "--patches", "9", code=2)
    assert "no such experiment file" in run("photos", "--experiment", "none.yaml", code=2)
    assert "ctx 'tpu' is not a device" in run("photos", "--ctx", "tpu", code=2)
    assert "a prediction is made on one device: name one" in run("photos", "--ctx", "cpu(0),cpu(1)", code=2)
    assert "cannot be written" in run("photos", out="photos/notes.txt/out", code=2)
    wrong = write_model(tmp_path / "seven.params", classes=7)
    assert "is of 7 classes, but the class table has 19" in run(
        "photos", "--experiment", EXPERIMENT, weights=wrong, code=2
    )


@pytest.mark.parametrize("option", [("--write", "overlay,ids"), ("--strength", "1.5"), ("--strength", "nan")])
def test_options_that_are_wrong(option, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--weights", "x", "y", *option])
    assert ended.value.code == 2 and option[0] in capsys.readouterr().err


def test_kinds_of_the_command_line_are_those_that_there_are():
    assert KINDS == tuple(ENDINGS)


def test_predictions_are_those_of_evaluation(run, tmp_path, capsys):
    """The same bytes of palette and label id files, and the same numbers when they are scored."""
    world, trained = write_world(tmp_path / "world"), tmp_path / "run"
    for stage in (("train-source",), ("evaluate", "--source")):
        assert main(words(world, trained, *stage)) == 0
    evaluated = trained / "source" / "predictions"
    images = world / "data/cityscapes/leftImg8bit/val"
    weights = trained / "source" / "weights.params"
    write_model(weights, width=0.02)  # one whose predictions have more than a class
    shutil.rmtree(evaluated)
    assert main(words(world, trained, "evaluate", "--source")) == 0
    run(images, "--experiment", EXPERIMENT, weights=weights)
    for kind in ("palette", "label_ids"):
        ours = {name.replace("_leftImg8bit", ""): content for name, content in files(tmp_path / "out" / kind).items()}
        assert ours == files(evaluated / kind) and len(ours) == 2
    capsys.readouterr()
    assert main(words(world, trained, "evaluate", "--predictions", str(tmp_path / "out" / "palette"))) == 0
    said = capsys.readouterr().out
    scored = json.loads((trained / "source" / "evaluation.json").read_text())
    assert f"mIoU over 19 classes {scored['miou']:.1f}" in said
    run(images, "--flip", "--experiment", EXPERIMENT, out="flipped", weights=weights)
    assert files(tmp_path / "flipped" / "palette") != files(tmp_path / "out" / "palette")


def write_video(path: Path, frames: list, rate: float, code: str = "MJPG") -> None:
    height, width = frames[0].shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, (width, height))
    for frame in frames:
        video.write(np.ascontiguousarray(frame[..., ::-1]))
    video.release()


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / "clip.avi", [picture(48, 64, seed=i // 3) for i in range(7)], 12.5)
    return tmp_path / "clip.avi"


def test_a_video(run, clip, tmp_path, predictor):
    line = run("clip.avi")
    assert line.startswith("out: 1 video of 7 frames in ") and "frame/s" in line
    (made,) = results(tmp_path / "out")
    assert made in ("overlay/clip.mp4", "overlay/clip.avi")
    facts = videos.video_facts(tmp_path / "out" / made)
    assert facts.size == (48, 64) and facts.rate == pytest.approx(12.5) and facts.frames == 7
    pairs = list(zip(videos.video_frames(clip), videos.video_frames(tmp_path / "out" / made), strict=True))
    assert len(pairs) == 7
    for frame, written in pairs:
        expected = predictor.overlay(frame, predictor.predict(frame)).astype(int)
        assert np.abs(written - expected).mean() < 12 < np.abs(written - frame.astype(int)).mean()
    assert run("clip.avi") == "out: nothing to do; 1 were there already"


def test_a_video_that_ends_before_it_says(weights, clip, tmp_path, capsys):
    content = clip.read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) * 6 // 10])
    frames = len(list(videos.video_frames(tmp_path / "cut.avi")))
    assert 0 < frames < 7
    assert main(["predict", "--weights", str(weights), "--out", str(tmp_path / "out"), str(tmp_path / "cut.avi")]) == 0
    said = capsys.readouterr()
    assert f"1 video of {frames} frame" in said.out
    assert f"cut.avi: claims 7 frames, but only {frames} can be read" in said.err


def test_videos_in_a_folder_of_odd_size_and_by_sisc(run, photos, tmp_path):
    write_video(photos / "b" / "drive.avi", [picture(49, 67)] * 3, 30)
    line = run("photos", *SISC)
    assert "out: 5 images and 1 video of 3 frames in " in line and "image/s" in line
    (made,) = (tmp_path / "out/overlay/b").glob("drive.*")
    assert videos.video_facts(made).size == (48, 66) and videos.video_facts(made).frames == 3


def test_videos_that_cannot_be_read_or_written(run, clip, tmp_path, monkeypatch):
    assert "a video gives only an overlay" in run("clip.avi", "--write", "palette", code=2)
    assert "smaller than a patch of SISC" in run("clip.avi", "--inference", "sisc", "--patch", "56", code=2)
    (tmp_path / "broken.mp4").write_bytes(clip.read_bytes()[:300])
    assert "broken.mp4: cannot be read as a video: it is damaged, or of a codec" in run("broken.mp4", code=2)
    monkeypatch.setattr(videos, "CODECS", ((".xyz", "none"), (".avi", "MJPG")))
    assert "7 frames" in run("clip.avi") and (tmp_path / "out/overlay/clip.avi").exists()
    monkeypatch.setattr(videos, "CODECS", ((".xyz", "none"),))
    assert main(["predict", "--weights", str(write_model(tmp_path / "w")), "--out", "other", "clip.avi"]) == 2
    assert not list((tmp_path / "other/overlay").iterdir())


def test_a_video_that_a_full_disk_cut_is_no_result(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(videos, "_count", lambda path: 3)
    with pytest.raises(videos.InputError, match="overlay.*: cannot be written: free some space"):
        with videos.video_writer(tmp_path / "overlay", videos.video_facts(clip)) as (_, write):
            for frame in videos.video_frames(clip):
                write(frame)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.avi"]


@pytest.mark.parametrize("ending", [".m4v", ".MTS", ".m2ts", ".ts", ".vob"])
def test_endings_of_videos(clip, tmp_path, ending):
    content = {".MTS": b"\0\0\0\0G", ".ts": b"G"}.get(ending, b"")  # by which a stream is known
    (tmp_path / "shots").mkdir()
    (tmp_path / f"shots/a{ending}").write_bytes(content)
    (tmp_path / "shots/program.ts").write_text("export const a = 1;")
    (tmp_path / "shots/program.mts").write_text("export const a = 1;")
    found, others = find_inputs([tmp_path / "shots"], tmp_path / "out")
    assert [(one.name, one.is_video) for one in found] == [("a", True)] and others == 2


def test_images_that_their_endings_leave_out_are_told(weights, photos, tmp_path, capsys):
    (photos / "wide.png").rename(photos / "wide.thm")
    assert main(["predict", "--weights", str(weights), "--out", str(tmp_path / "out"), str(photos)]) == 0
    assert "files ending in '.thm' are left out (1), but wide.thm holds PNG" in capsys.readouterr().err
