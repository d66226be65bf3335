"""How the settings of an experiment must fit each other; the limits of each alone are in its field (`setting.py`)."""

from __future__ import annotations

from mlsl_mx.config.class_table import OWN, REST
from mlsl_mx.config.encodings import BITS
from mlsl_mx.config.setting import check_each
from mlsl_mx.system.errors import InputError


def check_values(config) -> None:
    """Raises: InputError for a value that no stage can use, naming its key and the limit."""
    check_each(config)
    labels, size = config.pseudo_labels, config.target.size
    if labels.inference == "sisc" and size is not None and labels.patch > min(size):
        raise InputError(
            f"pseudo_labels.patch is {labels.patch}, larger than a side of target.size {list(size)}: lower it"
        )
    if labels.inference == "single" and labels.votes:
        raise InputError(
            "pseudo_labels.votes counts patches, but pseudo_labels.inference is single: each pixel would have one vote "
            "and all would be labelled; use pseudo_labels.inference=sisc"
        )
    weak = config.weak_labels
    if weak.enabled and weak.sizes == "released" and config.classes != 19:
        raise InputError(
            f"weak_labels.sizes is released, but the release has sizes of 19 classes, not of {config.num_classes}: "
            "use weak_labels.sizes=source"
        )
    for group, key in (("selection", "portion"), ("self_training", "source_portion")):
        first, most = (getattr(getattr(config, group), name) for name in (key, f"{key}_max"))
        if first > most:
            raise InputError(f"{group}.{key} is {first}, above {group}.{key}_max={most}: raise that, too")
    _check_places(config)
    _check_tables(config)


def _check_places(config) -> None:
    """Raises: InputError if own data lacks a path, or other data has one that only own data has."""
    source, target = config.source, config.target
    if source.dataset == OWN and not (source.images and source.labels):
        missing = "labels" if source.images else "images"
        raise InputError(f"source.{missing} is empty: name the folder, pattern or list of the source's {missing}")
    if target.dataset == OWN and not target.train:
        raise InputError("target.train is empty: name the folder, pattern or list of the target's training images")
    if target.dataset == OWN and bool(target.val) != bool(target.val_labels):
        given, missing = ("val", "val_labels") if target.val else ("val_labels", "val")
        raise InputError(
            f"target.{given} is given without target.{missing}: give both, or neither, and nothing will be measured"
        )
    for side, keys in (("source", ("labels", "encoding", "ignore")), ("target", ("val_labels", "encoding", "ignore"))):
        data, usual = getattr(config, side), type(getattr(config, side))()
        for key in keys:
            if data.dataset != OWN and getattr(data, key) != getattr(usual, key):
                raise InputError(
                    f"{side}.{key} belongs to own data, but {side}.dataset is {data.dataset}: set that to {OWN}, or "
                    f"leave out {key}"
                )


def _check_tables(config) -> None:
    """Raises: InputError if a class table and label files cannot belong together."""
    labelled = {"source": config.source, "target": config.target}
    if not config.target.val:
        del labelled["target"]
    if isinstance(config.classes, int):
        for side, data in labelled.items():
            if data.dataset == OWN:
                raise InputError(
                    f"classes is {config.classes}, but {side}.dataset is {OWN}: write `classes` as a list that says "
                    f"what stands for each class in the {side}'s labels"
                )
        return
    for side, data in labelled.items():
        _check_labels(config.classes, side, data)
    without = [c.name for c in config.classes if not c.source]
    if without:
        raise InputError(f"classes: {without[0]} has no source ids or colours, so it cannot be learnt: add some")
    if "target" in labelled and not any(c.target for c in config.classes):
        raise InputError("classes: none has target ids or colours, so validation labels cannot be read: add them")


def _check_labels(classes, side: str, data) -> None:
    """Raises: InputError for what the side's label files cannot hold, or what is ignored although it has a class."""
    encoding = data.encoding if data.dataset == OWN else "ids"
    ignored = () if data.ignore == REST else data.ignore
    owners = {value: one.name for one in classes for value in getattr(one, side)}
    for value in (*owners, *ignored):
        where = f"class {owners[value]}: {side}" if value in owners else f"{side}.ignore"
        if isinstance(value, tuple) != (encoding == "colours"):
            wanted = "colours, [red, green, blue]" if encoding == "colours" else "ids"
            raise InputError(f"{where} has {value}, but {side}.encoding is {encoding}: its labels hold {wanted}")
        if encoding != "colours" and value >= 1 << BITS[encoding]:
            raise InputError(f"{where} has {value}, but {side}.encoding {encoding} has {BITS[encoding]} bits")
    both = [value for value in ignored if value in owners]
    if both:
        raise InputError(f"{side}.ignore has {both[0]}, which is class {owners[both[0]]} too: take it out of one")
