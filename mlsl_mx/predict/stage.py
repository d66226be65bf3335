"""`mlsl predict`: files, folders and videos through a network, into a folder of pictures."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlsl_mx.data.image_files import read_image
from mlsl_mx.network.weights.published_weights import describe_segmentation
from mlsl_mx.predict.inputs import Input, Unreadable, check_inputs, find_inputs
from mlsl_mx.predict.pictures import ENDINGS, picture
from mlsl_mx.predict.predictor import Predictor
from mlsl_mx.predict.record import Record, note
from mlsl_mx.predict.setup import Setup
from mlsl_mx.predict.videos import video_facts, video_frames, video_writer
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.system.background import Background
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.progress import progress
from mlsl_mx.system.progress_bar import rate_text
from mlsl_mx.system.result import Result
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.system.runs import keep_settings, locked, read_settings, remove_leftovers
from mlsl_mx.system.whole_files import check_lengths, file_hash, write_bytes

LOGGER = logging.getLogger(__name__)
SETTINGS = "settings.yaml"


def predict(
    weights: Path,
    given: Sequence[Path],
    out: Path,
    setup: Setup,
    *,
    kinds: Sequence[str],
    strength: float,
    ctx: str,
    keep_going: bool = False,
) -> Result:
    """Segment images and videos, and write what is asked for below `out`, in a folder for each kind.

    An image FOLDER/a/b.png of a given FOLDER becomes OUT/KIND/a/b.png, or .jpg; a video an overlay video of the same
    frame rate. Started again, it does what is missing or was made from a file that has changed since. All results in
    `out` have the weights and settings that OUT/settings.yaml holds; OUT/log.jsonl says what each was made from.

    Args:
        given: images, videos and folders of them.
        kinds: keys of `pictures.ENDINGS`.
        strength: of the classes' colours in overlays, 0 to 1.
        ctx: as of `Predictor`.
        keep_going: leave out files that cannot be read, or are smaller than a patch, and end with a fault.

    Returns: the numbers of images and frames, the time, and its share in the network; as `content` the same: images,
        videos, frames, seconds and network_seconds of this start; there_already, left_out, unreadable; and out.
    Raises: InputError, before anything is written, for wrong weights or settings, for a file that cannot be read
        (unless it keeps going), or if `out` holds results of other settings or of other files of the same names.
    """
    inputs, others = find_inputs(given, out)
    describe_segmentation(weights)
    _check_kinds(inputs, kinds)
    _check_out(out)
    check_lengths(out, (f"{one.name}{ENDINGS[kind]}" for one in inputs for kind in kinds))
    unreadable = Unreadable(keep_going)
    sound = check_inputs(inputs, setup.patch, kinds, unreadable)
    how = {"settings": setup.inference, "precision": setup.precision, "seed": setup.seed, "ctx": ctx}
    predictor = Predictor(weights, setup.classes, **how)
    classes = {one.name: list(one.colour) for one in predictor.classes.classes}
    kept = {"weights": file_hash(weights), **setup.described(), "strength": strength, "classes": classes}
    with locked(out / ".lock"):
        record = Record(out)
        keep_settings(out / SETTINGS, kept, len(record) > 0, "choose another --out")
        remove_leftovers(out)
        todo = record.missing(sound, kinds)
        record.remove_outdated(todo)
        gpu = predictor.segmenter.engine.model(predictor.ctx)
        about = {"weights": str(weights), "ctx": str(predictor.ctx), "gpu": gpu}
        with RunLog(out / "log.jsonl", "predict").timed(**about) as log:
            made = _Results(predictor, out, kinds, strength, log, unreadable).make(todo)
    faults = unreadable.faults
    content = {**made, "there_already": len(sound) - len(todo), "left_out": others, "unreadable": len(faults)}
    content["out"] = str(out)
    fault = f"{len(faults)} of {len(inputs)} files are left out, e.g. {faults[0]}" if faults else None
    return Result(_in_words(content), content, fault)


def _check_kinds(inputs: Sequence[Input], kinds: Sequence[str]) -> None:
    videos = [one.path for one in inputs if one.is_video]
    if videos and "overlay" not in kinds:
        raise InputError(f"{videos[0]}: a video gives only an overlay: add it to --write, or leave the video out")


def _check_out(out: Path) -> None:
    """Raises: InputError for a folder with pictures or settings of somebody else, e.g. of an evaluation."""
    settings = out / SETTINGS
    if settings.exists() and not {"weights", "inference", "strength"} <= set(read_settings(settings)):
        raise InputError(f"{settings}: was not written by mlsl predict, which would overwrite it: choose another --out")
    others = [out / kind for kind in ENDINGS if (out / kind).exists() and not (out / SETTINGS).exists()]
    if others:
        raise InputError(f"{others[0]}: was not written by mlsl predict, which would add to it: choose another --out")


class _Results:
    """What one start writes into the folder `out`."""

    def __init__(
        self,
        predictor: Predictor,
        out: Path,
        kinds: Sequence[str],
        strength: float,
        log: RunLog,
        unreadable: Unreadable,
    ):
        self.predictor = predictor
        self.out = out
        self.kinds = kinds
        self.strength = strength
        self.log = log
        self.unreadable = unreadable

    def make(self, todo: Sequence[Input]) -> dict[str, Any]:
        """All of them, images before videos. Returns: how many there were, and how long that took."""
        net, started = self.predictor.segmenter.net, time.monotonic()
        before = net.seconds
        images, videos = ([one for one in todo if one.is_video == wanted] for wanted in (False, True))
        count = self._make_images(images) if images else 0
        frames = sum(map(self._make_video, videos))
        seconds, in_network = time.monotonic() - started, net.seconds - before
        counts = {"images": count, "videos": len(videos), "frames": frames}
        return {**counts, "seconds": round(seconds, 3), "network_seconds": round(in_network, 3)}

    def _make_images(self, images: Sequence[Input]) -> int:
        """Returns: how many could be read."""
        count = 0
        with Background() as background:  # pictures are made beside the network's work on the next image
            for one in progress(images, "predict", "image", network=self.predictor.segmenter.net):
                read = None
                with self.unreadable.left_out():
                    read = read_image(one.path), file_hash(one.path)
                if read is not None:
                    image, content = read
                    background.run(self._write, one, content, image, self.predictor.maps(image, one.path.stem))
                    count += 1
        return count

    def _write(self, one: Input, content: str, image: np.ndarray, maps: ImageMaps) -> None:
        predicted, files = self.predictor.segmenter.predicted(maps), {}
        for kind in self.kinds:
            files[kind] = Path(f"{self.out / kind / one.name}{ENDINGS[kind]}")
            write_bytes(files[kind], picture(kind, image, *predicted, self.predictor.classes, self.strength))
        note(self.log, one, content, files, self.out)

    def _make_video(self, one: Input) -> int:
        """Returns: the number of frames, which may be fewer than the file says that it has: then it was cut off."""
        facts, content, net = video_facts(one.path), file_hash(one.path), self.predictor.segmenter.net
        shown, made = progress(video_frames(one.path), f"predict {one.name}", "frame", facts.frames, network=net), 0
        if facts.rate != facts.claimed_rate:
            told = "%s: claims %g frames a second, but their times differ: the overlay has %g a second"
            LOGGER.warning(told, one.path, facts.claimed_rate, facts.rate)
        with video_writer(self.out / "overlay" / one.name, facts) as (path, write):
            with Background() as background:
                for frame in shown:
                    # One name for all frames: patches stay where they are, or borders would flicker.
                    background.run(self._write_frame, write, frame, self.predictor.maps(frame, one.path.stem))
                    made += 1  # not `shown.n`: a bar that is not shown counts nothing
        if facts.is_longer_than(made):
            LOGGER.warning(
                "%s: claims %d frames, but only %d can be read, so the overlay has only these: check whether the "
                "file is complete",
                *(one.path, facts.frames, made),
            )
        note(self.log, one, content, {"overlay": path}, self.out)
        return made

    def _write_frame(self, write, frame: np.ndarray, maps: ImageMaps) -> None:
        train_ids, _ = self.predictor.segmenter.predicted(maps)
        write(self.predictor.overlay(frame, train_ids, self.strength))


def _in_words(content: dict[str, Any]) -> str:
    """The `content` of `predict` in one line."""
    images, frames, seconds = content["images"], content["frames"], content["seconds"]
    what = [_counted(images, "image")] * bool(images)
    what += [f"{_counted(content['videos'], 'video')} of {_counted(frames, 'frame')}"] * bool(content["videos"])
    text = " and ".join(what) or "nothing to do"
    if what and seconds:
        speed = rate_text((images + frames) / seconds, "image" if images else "frame")
        share = 100 * content["network_seconds"] / seconds
        text += f" in {seconds:.1f} s ({speed}, {share:.0f} % of the time in the network)"
    if content["there_already"]:
        text += f"; {content['there_already']} were there already"
    if content["left_out"]:
        text += f"; {_counted(content['left_out'], 'other file')} left out"
    return f"{content['out']}: {text}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
