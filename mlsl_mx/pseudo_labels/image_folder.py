"""Pseudo-labels of a folder of images by any network, for trainings other than ours: no run, no experiment file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.config.setting import check_each, own_code_in
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.data.datasets import open_own
from mlsl_mx.data.experiment_data import check_sheet
from mlsl_mx.engine import one_device
from mlsl_mx.pseudo_labels.labelling import STORE, SUMMARY, THRESHOLDS, generate_pseudo_labels, labelling_settings
from mlsl_mx.pseudo_labels.prior_files import read_prior
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.pseudo_labels.weak_label_file import WEAK_LABELS, write_weak_labels
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import code_hashes
from mlsl_mx.system.runs import begin_stage, record_of
from mlsl_mx.system.whole_files import read_json


def label_images(
    net: Callable | str,
    images: str | Path,
    out: str | Path,
    classes: ClassSet,
    ctx: str,
    *,
    pseudo_labels: PseudoLabels | None = None,
    selection: Selection | None = None,
    h_s: Sequence[float] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write pseudo-labels of all images of a folder (Sec. 3.2), and their weak labels (Sec. 3.3.1) if h_s is given.

    A folder that holds selection.json, made with these settings from these images, is done, whatever network made it;
    an interrupted call goes on. If `net` is a plain function, which has no parameters to compare, and has changed,
    delete the unfinished output first.

    Args:
        net: on the device and in the mode in which it is to label: normalised images (B, 3, H, W) float32 -> logits
            (B, C, h, w), alone or first, with MXNet at stride 8; or, with PyTorch, what `--net` takes.
        images: as `target.train` of an experiment file has it: a folder, or a list of images.
        out: gets NAME.png (train ids), contact_sheet.png, selection.json, weak_labels.json, and what they were made
            from, label_images.inputs.json.
        classes: `class_set(19)`, or `numbered_classes(C)`.
        ctx: the device: "cuda:0", "mps", "torch:cpu"; or one of MXNet's.
        pseudo_labels, selection: None: the paper's.
        h_s: (C,) from ClassSizes.mean() of source labels, or RELEASED_SIZES.
        seed: of the patches' positions.

    Returns: the content of selection.json.
    Raises: InputError as `generate_pseudo_labels`, and for several devices, an unknown one, a folder that is missing,
        settings out of their limits, an `h_s` of another length, an image with the name of the contact sheet, a file
        in `out` where a label would be written over it, labels of other images there, or a prior as `_prior`.
    """
    (engine, device), out, identity = one_device(ctx, "label_images computes"), Path(out), ""
    if isinstance(net, str):
        net, identity = engine.own_network(net, device)
    dataset = open_own(Path(), str(images), "", ("images", ""), classes, size=None, form=None)
    check_sheet(dataset, str(images))
    record = record_of(out, "label_images")
    _check_out(record, dataset.names)
    pseudo_labels, selection = pseudo_labels or PseudoLabels(), selection or Selection()
    check_each(pseudo_labels, "pseudo_labels.")
    check_each(selection, "selection.")
    if h_s is not None and len(h_s) != classes.num_classes:
        raise InputError(f"h_s has {len(h_s)} sizes, but there are {classes.num_classes} classes: give one for each")
    made_from = {
        "images": str(Path(images).resolve()),
        "list": dataset.fingerprint,
        "names": list(dataset.names),
        "seed": seed,
    }
    prior = _prior(selection, classes)
    made_from.update(labelling_settings(pseudo_labels, selection), **code_hashes(own_code_in(selection)))
    begin_stage(record, made_from, [out / SUMMARY, out / WEAK_LABELS, out / STORE / THRESHOLDS])
    segmenter = Segmenter(net, device, pseudo_labels, patch_seed(seed, 0), prior, identity=identity)
    found = generate_pseudo_labels(segmenter, dataset, selection, 0, out)
    if h_s is not None:
        write_weak_labels(out, dataset, h_s)
    return found


def _check_out(record: Path, names: Sequence[str]) -> None:
    """Raises: InputError if labels of other images would stay in the record's folder, or a file would be overwritten
    that is no label of an earlier call."""
    before = set(read_json(record, "names")["names"]) if record.exists() else set()
    there = {name for name in before.union(names) if (record.parent / f"{name}.png").exists()}
    if others := there - set(names):
        files = f"{min(others)}.png and {len(others) - 1} others" if len(others) > 1 else f"{min(others)}.png"
        raise InputError(
            f"{record.parent}: holds labels of images that are not given, {files}: remove them, or give another `out`"
        )
    if foreign := there - before:
        path = record.parent / f"{min(foreign)}.png"
        raise InputError(f"{path}: was not written by label_images, and would be overwritten: give another `out`")


def _prior(selection: Selection, classes: ClassSet) -> SpatialPrior | None:
    """Of `selection.prior_file`. Raises: InputError if a prior is asked for without one, or as `read_prior`."""
    if not selection.spatial_prior:
        return None
    if not selection.prior_file:
        raise InputError("selection.spatial_prior needs selection.prior_file: there are no source labels to count")
    return read_prior(Path(selection.prior_file), classes.num_classes)
