"""The text of the experiment file that `mlsl init-experiment` writes, with what it found in comments."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mlsl_mx.config.class_table import OWN, plain
from mlsl_mx.config.classes import FileValue, LabelClass
from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.data.lists import without_held_out
from mlsl_mx.data.own.contents import Contents, Part, Places
from mlsl_mx.data.own.label_survey import Survey
from mlsl_mx.data.sampling import source_count
from mlsl_mx.system.packaged_files import packaged

BASES = {False: "own/base.yaml", True: "own/small.yaml"}
# Of source training: a small network's, whatever the number of images (docs/REAL_PICTURES.md), and the full recipe's.
SMALL_STEPS, FULL_STEPS = 1000, 46_830


def experiment_text(
    out: Path,
    places: Places,
    contents: Contents,
    classes: Sequence[LabelClass],
    ignored: dict[str, tuple[FileValue, ...]],
    *,
    steps: Sequence[str],
    small: bool,
) -> str:
    """The content of the file.

    Args:
        steps: commands that come next.
    """
    compared = any(one.target for one in classes)
    parts = [
        [
            "# Written by `mlsl init-experiment`. What it found is in the comments; what it could not know is yours.",
            *(f"# {step}" for step in steps),
            f"inherit: {BASES[small]}  # the recipe; own/base.yaml: the paper's, own/small.yaml: a small one, for CPUs",
            f"name: {_text(out.stem)}",
        ],
        _class_lines(contents, classes),
        _source_lines(out, places, contents, ignored["source"]),
        _target_lines(out, places, contents, ignored["target"], compared),
        _recipe_lines(contents, small),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _class_lines(contents: Contents, classes: Sequence[LabelClass]) -> list[str]:
    kind = "colours" if contents.source.labels.encoding == "colours" else "ids"
    lines = [
        f"# Names and colours ([red, green, blue]) are yours to choose. `source`, `target`: the {kind} in label files",
        "# that make up the class; several may. Shares are of the pixels of the label files that were looked at.",
        "classes:",
    ]
    for one in classes:
        entry = f"  - {{name: {_text(one.name)}, colour: {list(one.colour)}, source: {plain(one.source)}"
        entry += f", target: {plain(one.target)}}}"
        shares = [f"source {_share(one.source, contents.source.labels)}"]
        if contents.val:
            shares.append(f"target {_share(one.target, contents.val.labels)}")
        lines.append(f"{entry}  # {', '.join(shares)}")
    return lines


def _share(values: Sequence[FileValue], labels: Survey) -> str:
    return f"{100 * sum(labels.shares.get(value, 0) for value in values):.2f} %"


def _source_lines(out: Path, places: Places, contents: Contents, ignored: Sequence[FileValue]) -> list[str]:
    count, sizes = len(contents.source.headers), contents.source.size_range()
    return [
        "source:",
        f"  dataset: {OWN}",
        f"  images: {_path(out, places.source_images)}  # {count}: {sizes}",
        f"  labels: {_path(out, places.source_labels)}",
        f"  encoding: {contents.source.labels.encoding}{_looked(contents.source.labels)}",
        f"  ignore: {plain(ignored)}{_ignore_note(ignored, contents.source.labels)}",
        *(f"  {line}" for line in _orientation_lines(contents.source)),
        "  size: null  # each file its own; [height, width] resizes all of them",
    ]


def _target_lines(
    out: Path, places: Places, contents: Contents, ignored: Sequence[FileValue], compared: bool
) -> list[str]:
    count, sizes = len(contents.target.headers), contents.target.size_range()
    lines = [
        "target:",
        f"  dataset: {OWN}",
        f"  train: {_path(out, places.target)}  # {count}: {sizes}; no label is read",
    ]
    if contents.val is None:
        lines.append('  val: ""  # with val_labels and encoding: labelled images to measure IoU on; none were given')
        return [*lines, "  size: null"]
    labelled = [
        f"val: {_path(out, places.val)}  # {len(contents.val.headers)} images; never trained on",
        f"val_labels: {_path(out, places.val_labels)}",
        f"encoding: {contents.val.labels.encoding}{_looked(contents.val.labels)}",
        f"ignore: {plain(ignored)}{_ignore_note(ignored, contents.val.labels)}",
        *_orientation_lines(contents.val),
    ]
    if compared:
        return [*lines, *(f"  {line}" for line in labelled), "  size: null"]
    lines.append("  # Once the classes above have target ids or colours, uncomment these lines.")
    return [*lines, *(f"  # {line}" for line in labelled), '  val: ""', "  size: null"]


def _orientation_lines(part: Part) -> list[str]:
    """Nothing where no image needs it."""
    note = f"  # {part.turned} images have an EXIF orientation: look whether labels fit them `upright` or `stored`"
    return [f"label_orientation: unknown{note}"] if part.turned else []


# Enough for the recipe alone to be loaded.
_PLACED = (
    "source.images=x",
    "source.labels=x",
    "target.train=x",
    "classes=[{name: a, source: 0}, {name: b, source: 1}]",
)


def _recipe_lines(contents: Contents, small: bool) -> list[str]:
    base = load_config(packaged("experiments") / BASES[small], settings=_PLACED)
    training, rounds = base.source_training, base.self_training
    images = len(without_held_out(len(contents.source.headers), base.source.held_out)[0])
    steps = -(-images // training.batch)  # of an epoch
    smallest, shortest = contents.target.shorter_side(0), contents.source.shorter_side(0.5)
    patch, crop = _fitting(base.pseudo_labels.patch, smallest // 2), _fitting(training.crops.size, shortest)
    cropped = f"  crops: {{size: {crop}}}  # pixels; the median of the source images' shorter sides is {shortest}"
    if small:
        epochs = -(-SMALL_STEPS // steps)
        told = f"{SMALL_STEPS} steps or more: fewer do not learn the source"
    else:
        epochs = training.epochs
        told = f"{epochs * steps} steps; with GTA-V's images {FULL_STEPS:,}: raise it if you have few images"
    share = rounds.source_portion
    portion = f"source_portion: {share}  # source images in round 0: {source_count(images, share)}; raise it if too few"
    return [
        "pseudo_labels:",
        f"  patch: {patch}  # pixels, side of SISC's patches; the shortest side of a target image is {smallest}",
        "source_training:",
        f"  epochs: {epochs}  # {told}",
        *([cropped] if crop < training.crops.size else []),
        "self_training:",
        f"  rounds: {rounds.rounds}",
        f"  {portion}",
        *([f"  crops: {{size: {crop}}}"] if crop < rounds.crops.size else []),
    ]


def _fitting(size: int, pixels: int) -> int:
    """A size in steps of 8, the network's cells, that fits into so many pixels."""
    return max(8, min(size, pixels // 8 * 8))


def _ignore_note(ignored: Sequence[FileValue], labels: Survey) -> str:
    if not ignored:
        return "  # a value of no class is an error; `rest` would ignore all such values"
    return f"  # of no class, {_share(ignored, labels)} of the pixels; `rest` would ignore whatever belongs to no class"


def _looked(labels: Survey) -> str:
    few = "" if labels.looked_at == labels.of else f", in {labels.looked_at} of {labels.of} files"
    return f"  # {len(labels.shares)} different{few}"


def _path(out: Path, place: str) -> str:
    """As the file will be read: relative to its own folder, whatever links lead there, unless given from the root."""
    relative = os.path.relpath(place, os.path.realpath(out.parent))
    there = os.path.realpath(out.parent / relative) == os.path.realpath(place)  # not so for LINK/..
    return _text(place if os.path.isabs(place) else relative if there else os.path.realpath(place))


def _text(value: str) -> str:
    """YAML that reads as this text."""
    return json.dumps(value, ensure_ascii=False)
