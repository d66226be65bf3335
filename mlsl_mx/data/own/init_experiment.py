"""Write an experiment file for one's own data from what its folders hold."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.classes import FileValue, LabelClass
from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.config.settings import Config
from mlsl_mx.data.image_files import Header, header, size_text
from mlsl_mx.data.lists import ImageList
from mlsl_mx.data.own.files import own_images, own_labels
from mlsl_mx.data.own.given_classes import read_class_file
from mlsl_mx.data.own.guessed_classes import class_table
from mlsl_mx.data.own.label_survey import Survey, survey
from mlsl_mx.system import next_step
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import packaged
from mlsl_mx.system.progress import progress
from mlsl_mx.system.whole_files import write_bytes

BASES = {False: "own/base.yaml", True: "own/small.yaml"}
SMALL_STEPS = 1000  # of a small network's source training, whatever the number of images: docs/REAL_PICTURES.md
# What their source models start from: a file that the original release had, and ours.
TRUNKS = {False: "ilsvrc-cls_rna-a1_cls1000_ep-0001.params", True: "experiments/miniature/pretrained.params"}


@dataclass(frozen=True)
class Places:
    """Where the user says that images and labels are: each a folder, a pattern, or a list."""

    source_images: str
    source_labels: str
    target: str
    val: str = ""
    val_labels: str = ""
    encoding: str = ""  # of the source's labels and of those to validate on; empty: found out
    val_encoding: str = ""


@dataclass(frozen=True)
class Part:
    """What is there of the source, the target, or the images to validate on."""

    headers: list[Header]  # of all images
    labels: Survey | None


@dataclass(frozen=True)
class Found:
    """What is there."""

    source: Part
    target: Part
    val: Part | None


def init_experiment(out: Path, places: Places, class_file: Path | None, small: bool) -> str:
    """Look at the files and write `out`, a commented experiment file.

    Args:
        class_file: CSV table of names, as `given_classes.read_class_file` takes it; None names classes by number.
        small: inherit the recipe of the miniature's network instead of the paper's.

    Returns: what was found and what to do next.
    Raises: InputError if `out` is there already or no name for Make, or for files that are missing, damaged, without
        labels or no labels.
    """
    out = Path(out)
    if out.exists():
        raise InputError(f"{out}: is there already, and is never overwritten: choose another --out, or remove it")
    if "$" in str(out):
        raise InputError(f"{out}: make would take the $ for one of its own signs: choose another --out")
    if bool(places.val) != bool(places.val_labels):
        raise InputError("--val and --val-labels belong together: give both, or neither, and nothing will be measured")
    found = look(places)
    given = read_class_file(class_file) if class_file else None
    classes, ignored = class_table(found.source.labels, found.val and found.val.labels, given)
    if classes and len(_absent(classes, found.source.labels)) == len(classes):
        raise InputError(f"{class_file}: no source label holds a value of any class: correct its column `source`")
    base = load_base(small)
    write_bytes(out, experiment_text(out, places, found, classes, ignored, base=base, small=small).encode())
    try:
        load_config(out)
    except InputError as problem:
        out.unlink()
        raise InputError(f"{problem} (nothing was written)") from None
    void_rows = (
        [f"{class_file}: {name!r} is no class: what it lists is ignored" for name in given.void_rows] if given else []
    )
    steps = [f"  {step}" for step in next_steps(out, small)]
    return "\n".join([*void_rows, *summary(out, found, classes, ignored), *steps])


def load_base(small: bool) -> Config:
    """The recipe that the file will inherit."""
    return load_config(packaged("experiments") / BASES[small], settings=_PLACED)


# Enough for the recipe alone to be loaded.
_PLACED = (
    "source.images=x",
    "source.labels=x",
    "target.train=x",
    "classes=[{name: a, source: 0}, {name: b, source: 1}]",
)


def look(places: Places) -> Found:
    """Find all files and see what labels hold. Raises: InputError as `init_experiment`."""
    here = Path()
    source = own_images(here, places.source_images, "--source-images")
    labels = own_labels(here, places.source_labels, source, "--source-labels")
    target, val = own_images(here, places.target, "--target"), None
    if places.val:
        images = own_images(here, places.val, "--val")
        paths = own_labels(here, places.val_labels, images, "--val-labels")
        _check_apart(target, [*(images.root / entry for entry in images.entries), *paths])
        val = _part("validation", images, paths, places.val_encoding)
    return Found(_part("source", source, labels, places.encoding), _part("target", target), val)


def _check_apart(target: ImageList, validation: Sequence[Path]) -> None:
    """Raises: InputError if an image to adapt to is a validation image, or a label of one."""
    adapted = {os.path.realpath(target.root / entry) for entry in target.entries}
    for path in validation:
        if os.path.realpath(path) in adapted:
            raise InputError(f"--target: {path} is to validate on, and must not be adapted to: name a place without it")


def _part(title: str, images: ImageList, labels: Sequence[Path] | None = None, encoding: str = "") -> Part:
    paths = [images.root / entry for entry in images.entries]
    headers = [header(path) for path in progress(paths, f"{title} images", "image")]
    return Part(headers, None if labels is None else survey(labels, f"{title} labels", encoding))


def next_steps(out: Path, small: bool) -> list[str]:
    """The commands that follow, and what they need."""
    needs = "" if small else "  # IMAGENET: a file of the original release; or start: scratch in the file, or WEIGHTS="
    return [next_step.check_data(out), f"{next_step.adapt(out, TRUNKS[small])}{needs}"]


def summary(out: Path, found: Found, classes: Sequence[LabelClass], ignored: dict[str, tuple]) -> list[str]:
    """What the command prints of the files and what it made of them."""
    source, target, val = found.source, found.target, found.val
    lines = [
        f"source: {len(source.headers)} images, {_size_range(source.headers)}; labels: {_contents(source.labels)}",
        f"target: {len(target.headers)} images, {_size_range(target.headers)}",
    ]
    if val:
        unused = "" if any(one.target for one in classes) else "; not used, as no class has a target"
        lines.append(f"validation: {len(val.headers)} images; labels: {_contents(val.labels)}{unused}")
    else:
        lines.append("validation: none, so no IoU will be measured")
    for option, part in (("--encoding", source), ("--val-encoding", val)):
        if part and part.labels.doubt:
            doubt, encoding = part.labels.doubt, part.labels.encoding
            lines.append(f"in doubt: {doubt} ({encoding} is written; {option} says otherwise)")
    for side, part in (("source", source), ("target", val)):
        if part and _turned(part.headers):
            turned = _turned(part.headers)
            lines.append(f"{side}.label_orientation: {turned} labelled images are turned by EXIF: say it")
    lines += [f"{side}.ignore: {len(values)} values in no class" for side, values in ignored.items() if values]
    if absent := _absent(classes, source.labels):
        lines.append(f"classes: no source label shows {', '.join(absent)}: correct what `source` says of them")
    smallest, median = _shorter_side(target.headers, 0), _shorter_side(target.headers, 0.5)
    if smallest < median / 2:
        lines.append(
            f"pseudo_labels.patch: small, as the smallest target image has {smallest} pixels in its shorter side, half "
            f"of them {median} or more: leave such images out for patches that see more"
        )
    return [*lines, f"{out}: {len(classes)} classes; read it, correct it, then"]


def experiment_text(
    out: Path,
    places: Places,
    found: Found,
    classes: Sequence[LabelClass],
    ignored: dict[str, tuple[FileValue, ...]],
    *,
    base: Config,
    small: bool,
) -> str:
    """The content of the file."""
    compared = any(one.target for one in classes)
    parts = [
        [
            "# Written by `mlsl init-experiment`. What it found is in the comments; what it could not know is yours.",
            *(f"# {step}" for step in next_steps(out, small)),
            f"inherit: {BASES[small]}  # the recipe; own/base.yaml: the paper's, own/small.yaml: a small one, for CPUs",
            f"name: {_text(out.stem)}",
        ],
        _class_lines(found, classes),
        _source_lines(out, places, found, ignored["source"]),
        _target_lines(out, places, found, ignored["target"], compared),
        _recipe_lines(found, base, small),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _class_lines(found: Found, classes: Sequence[LabelClass]) -> list[str]:
    kind = "colours" if found.source.labels.encoding == "colours" else "ids"
    lines = [
        f"# Names and colours ([red, green, blue]) are yours to choose. `source`, `target`: the {kind} in label files",
        "# that make up the class; several may. Shares are of the pixels of the label files that were looked at.",
        "classes:",
    ]
    for one in classes:
        entry = f"  - {{name: {_text(one.name)}, colour: {list(one.colour)}, source: {_values(one.source)}"
        entry += f", target: {_values(one.target)}}}"
        shares = [f"source {_share(one.source, found.source.labels)}"]
        if found.val:
            shares.append(f"target {_share(one.target, found.val.labels)}")
        lines.append(f"{entry}  # {', '.join(shares)}")
    return lines


def _share(values: Sequence[FileValue], labels: Survey) -> str:
    return f"{100 * sum(labels.shares.get(value, 0) for value in values):.2f} %"


def _absent(classes: Sequence[LabelClass], labels: Survey) -> list[str]:
    """Names of classes of which no source label that was looked at holds a pixel."""
    return [one.name for one in classes if not any(labels.shares.get(value) for value in one.source)]


def _source_lines(out: Path, places: Places, found: Found, ignored: Sequence[FileValue]) -> list[str]:
    count, sizes = len(found.source.headers), _size_range(found.source.headers)
    return [
        "source:",
        f"  dataset: {OWN}",
        f"  images: {_path(out, places.source_images)}  # {count}: {sizes}",
        f"  labels: {_path(out, places.source_labels)}",
        f"  encoding: {found.source.labels.encoding}{_looked(found.source.labels)}",
        f"  ignore: {_values(ignored)}{_ignore_note(ignored, found.source.labels)}",
        *(f"  {line}" for line in _orientation_lines(found.source.headers)),
        "  size: null  # each file its own; [height, width] resizes all of them",
    ]


def _target_lines(out: Path, places: Places, found: Found, ignored: Sequence[FileValue], compared: bool) -> list[str]:
    count, sizes = len(found.target.headers), _size_range(found.target.headers)
    lines = [
        "target:",
        f"  dataset: {OWN}",
        f"  train: {_path(out, places.target)}  # {count}: {sizes}; no label is read",
    ]
    if found.val is None:
        lines.append('  val: ""  # with val_labels and encoding: labelled images to measure IoU on; none were given')
        return [*lines, "  size: null"]
    labelled = [
        f"val: {_path(out, places.val)}  # {len(found.val.headers)} images; never trained on",
        f"val_labels: {_path(out, places.val_labels)}",
        f"encoding: {found.val.labels.encoding}{_looked(found.val.labels)}",
        f"ignore: {_values(ignored)}{_ignore_note(ignored, found.val.labels)}",
        *_orientation_lines(found.val.headers),
    ]
    if compared:
        return [*lines, *(f"  {line}" for line in labelled), "  size: null"]
    lines.append("  # Once the classes above have target ids or colours, take off the # of these lines.")
    return [*lines, *(f"  # {line}" for line in labelled), '  val: ""', "  size: null"]


def _turned(headers: Sequence[Header]) -> int:
    return sum(one.orientation != 1 for one in headers)


def _orientation_lines(headers: Sequence[Header]) -> list[str]:
    """Nothing where no image needs it."""
    note = f"  # {_turned(headers)} images have an EXIF orientation; labels fit them `upright`, or `stored`: look"
    return [f"label_orientation: unknown{note}"] if _turned(headers) else []


def _shorter_side(headers: Sequence[Header], share: float) -> int:
    """The pixels of images' shorter sides, below which this share of them lies: 0 for the smallest, 0.5: the median."""
    return sorted(min(one.upright_size) for one in headers)[int(share * len(headers))]


def _recipe_lines(found: Found, base: Config, small: bool) -> list[str]:
    smallest = _shorter_side(found.target.headers, 0)
    patch = max(8, min(base.pseudo_labels.patch, smallest // 2 // 8 * 8))
    lines = [
        "pseudo_labels:",
        f"  patch: {patch}  # pixels of SISC's patches; the smallest target image has {smallest}",
    ]
    shortest = _shorter_side(found.source.headers, 0.5)
    crop = max(8, min(base.source_training.crops.size, shortest // 8 * 8))
    source_training = []
    if small:
        count, batch = len(found.source.headers), base.source_training.batch
        epochs = -(-SMALL_STEPS * batch // count)
        source_training.append(f"  epochs: {epochs}  # {SMALL_STEPS} steps or more: fewer do not learn the source")
    if crop < base.source_training.crops.size:
        source_training.append(
            f"  crops: {{size: {crop}}}  # pixels; a source image has {shortest} in its shorter side, in the median"
        )
    lines += ["source_training:", *source_training] if source_training else []
    training = f"  crops: {{size: {crop}}}" if crop < base.self_training.crops.size else None
    return [*lines, "self_training:", f"  rounds: {base.self_training.rounds}", *([training] if training else [])]


def _ignore_note(ignored: Sequence[FileValue], labels: Survey) -> str:
    if not ignored:
        return "  # `rest`: whatever belongs to no class; else that is an error"
    return f"  # {_share(ignored, labels)} of the pixels, in no class; `rest`: whatever belongs to no class"


def _contents(labels: Survey) -> str:
    return f"{labels.encoding}, {len(labels.shares)} values"


def _looked(labels: Survey) -> str:
    few = "" if labels.looked_at == labels.of else f", in {labels.looked_at} of {labels.of} files"
    return f"  # {len(labels.shares)} different{few}"


def _size_range(headers: Sequence[Header]) -> str:
    """Width x height, as people write it."""
    sizes = [one.upright_size for one in headers]
    different = sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
    portrait = sum(height > width for height, width in sizes)
    text = size_text(different[0])
    if len(different) > 1:
        text = f"{len(different)} sizes, {text} to {size_text(different[-1])}"
    return f"{text}, {portrait} of them portrait" if portrait else text


def _path(out: Path, place: str) -> str:
    """As the file will be read: relative to its own folder, whatever links lead there, unless given from the root."""
    relative = os.path.relpath(place, os.path.realpath(out.parent))
    there = os.path.realpath(out.parent / relative) == os.path.realpath(place)  # not so for LINK/..
    return _text(place if os.path.isabs(place) else relative if there else os.path.realpath(place))


def _text(value: str) -> str:
    """YAML that reads as this text."""
    return json.dumps(value, ensure_ascii=False)


def _values(values: Sequence[FileValue]) -> str:
    return str([list(value) if isinstance(value, tuple) else value for value in values])
