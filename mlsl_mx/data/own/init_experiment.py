"""Write an experiment file for one's own data from what its folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsl_mx.config.classes import LabelClass
from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.data.own.contents import Contents, Places, look
from mlsl_mx.data.own.experiment_text import experiment_text
from mlsl_mx.data.own.given_classes import read_class_file
from mlsl_mx.data.own.guessed_classes import class_table
from mlsl_mx.data.own.label_survey import Survey
from mlsl_mx.system import next_step
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import write_bytes

# What their source models start from: a file that the original release had, and ours.
TRUNKS = {False: "ilsvrc-cls_rna-a1_cls1000_ep-0001.params", True: "experiments/miniature/pretrained.params"}
# Pixels of a shorter side, three of the small recipe's patches: it was chosen on images of 270 and 360.
LARGE_FOR_SMALL = 480


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
        raise InputError(f"{out}: make would interpret the $: choose another --out")
    if bool(places.val) != bool(places.val_labels):
        raise InputError("--val and --val-labels belong together: give both, or neither, and nothing will be measured")
    contents = look(places)
    given = read_class_file(class_file) if class_file else None
    classes, ignored = class_table(contents.source.labels, contents.val and contents.val.labels, given)
    if classes and len(_absent(classes, contents.source.labels)) == len(classes):
        raise InputError(f"{class_file}: no source label holds a value of any class: correct its column `source`")
    steps = next_steps(out, small)
    write_bytes(out, experiment_text(out, places, contents, classes, ignored, steps=steps, small=small).encode())
    try:
        load_config(out)
    except InputError as problem:
        out.unlink()
        raise InputError(f"{problem} (nothing was written)") from None
    void_rows = (
        [f"{class_file}: {name!r} is no class: what it lists is ignored" for name in given.void_rows] if given else []
    )
    told = summary(contents, classes, ignored, small)
    written = f"{out}: {len(classes)} classes; read it, correct it, then"
    return "\n".join([*void_rows, *told, written, *(f"  {step}" for step in steps)])


def next_steps(out: Path, small: bool) -> list[str]:
    """The commands that follow, and what they need."""
    needs = "" if small else "  # IMAGENET: a file of the original release; or start: scratch in the file, or WEIGHTS="
    return [next_step.check_data(out), f"{next_step.adapt(out, TRUNKS[small])}{needs}"]


def summary(contents: Contents, classes: Sequence[LabelClass], ignored: dict[str, tuple], small: bool) -> list[str]:
    """What the command prints of the files and what it made of them."""
    source, target, val = contents.source, contents.target, contents.val
    lines = [
        f"source: {len(source.headers)} images, {source.size_range()}; labels: {_contents(source.labels)}",
        f"target: {len(target.headers)} images, {target.size_range()}",
    ]
    if val:
        unused = "" if any(one.target for one in classes) else "; not used, as no class has a target"
        lines.append(f"validation: {len(val.headers)} images; labels: {_contents(val.labels)}{unused}")
    else:
        lines.append("validation: none, so no IoU will be measured")
    for option, part in (("--encoding", source), ("--val-encoding", val)):
        if part and part.labels.doubt:
            doubt, encoding = part.labels.doubt, part.labels.encoding
            lines.append(f"in doubt: {doubt} ({encoding} is written; {option} overrides it)")
    for side, part in (("source", source), ("target", val)):
        if part and part.turned:
            lines.append(f"{side}.label_orientation: {part.turned} labelled images are turned by EXIF: set it")
    lines += [f"{side}.ignore: {len(values)} values in no class" for side, values in ignored.items() if values]
    if absent := _absent(classes, source.labels):
        lines.append(f"classes: no source label shows {', '.join(absent)}: correct what `source` says of them")
    smallest, median = target.shorter_side(0), target.shorter_side(0.5)
    if smallest < median / 2:
        lines.append(
            f"pseudo_labels.patch is small: the shorter side of the smallest target image is {smallest} pixels (median "
            f"{median}): leave out such images to get larger patches"
        )
    sides = {"source": source.shorter_side(0.5), "target": median}
    lines += [
        f"{side}.size: {pixels} pixels on the shorter side are too many for the patches of --small: resize that "
        "side to 250 to 400, e.g. [270, 480]"
        for side, pixels in sides.items()
        if small and pixels > LARGE_FOR_SMALL
    ]
    return lines


def _absent(classes: Sequence[LabelClass], labels: Survey) -> list[str]:
    """Names of classes of which no source label that was looked at holds a pixel."""
    return [one.name for one in classes if not any(labels.shares.get(value) for value in one.source)]


def _contents(labels: Survey) -> str:
    return f"{labels.encoding}, {len(labels.shares)} values"
