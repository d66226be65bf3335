"""Experiment files: `experiments/*.yaml` and the `key=value` settings of a command line, read into a `Config`.

A file says only what differs: `inherit:` names the file it starts from, the file of a METHOD is laid over it, then the
settings of the command line. Unknown or ill-typed keys are errors that name the nearest key.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from mlsl_mx.config.class_table import as_settings, plain
from mlsl_mx.config.limits import check_values
from mlsl_mx.config.settings import Config
from mlsl_mx.config.values import build, nearest, shown
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import METHOD_FILES, packaged
from mlsl_mx.system.text_files import MOST_YAML_BYTES, parse_yaml, read_text

TAKEN = ("source", "report", "tensorboard", "data_lists")  # names in a run directory, beside those of methods: runs.py


def load_config(path: Path, method: str | None = None, settings: tuple[str, ...] = ()) -> Config:
    """Read an experiment file, lay the method's file and the `key=value` settings over it, check everything.

    Args:
        path: the experiment file.
        method: stem of one of METHOD_FILES, e.g. "cbst"; None takes the experiment's own `method`, if any.
        settings: `pseudo_labels.patches=25` and the like; values are YAML.

    Raises:
        InputError: a file that is missing or not YAML, or names another method; an unknown key, a wrong type, a value
            outside its limits.
    """
    values = _read_inherited(Path(path), seen=())
    own = values.pop("method", None)
    named = own if method is None else method
    if own not in (None, named) and named != "source-only":
        raise InputError(
            f"{path}: method is {own}, but METHOD is {method} (Make's default if none is given): give METHOD={own}, "
            "or remove `method:` from the file"
        )
    if named is not None:
        values = {**_merged(values, _read_inherited(_method_file(Path(path), named), seen=())), "method": named}
    for text in settings:
        setting = _parse_setting(text)
        build(Config(), setting, prefix="", origin=f"setting {shown(text)}")  # alone: its faults are not the file's
        if "method" in setting:
            raise InputError("setting method: a method is a file, read before settings: use --method (make METHOD=)")
        values = _merged(values, setting)
    config = _with_paper_batch(build(Config(), values, prefix="", origin=str(path)))
    check_values(config)
    return config


def _with_paper_batch(config: Config) -> Config:
    """`self_training.batch` in numbers: where no file gives it, the paper's (Sec. 4.1.3)."""
    if config.self_training.batch is not None:
        return config
    paper = 1 if config.weak_labels.enabled else 2
    return dataclasses.replace(config, self_training=dataclasses.replace(config.self_training, batch=paper))


def to_dict(config: Config) -> dict[str, Any]:
    """The resolved settings as plain values, for `config.yaml` in the run directory."""

    def as_plain(value):
        if isinstance(value, dict):
            return {k: as_plain(v) for k, v in value.items()}
        return plain(value) if isinstance(value, tuple) else value

    return {**as_plain(dataclasses.asdict(config)), "classes": as_settings(config.classes)}


def data_config(settings: dict[str, Any]) -> Config:
    """The classes, source and target of settings that `to_dict` gave.

    Raises: InputError if they are not that.
    """
    groups = ("classes", "source", "target")
    values = {key: settings[key] for key in groups if key in settings}
    return build(Config(), values, prefix="", origin="config.yaml")


def _method_file(path: Path, method: Any) -> Path:
    """The file of a method, for the experiment file `path`: below its folder or the one above, or else ours.

    Raises: InputError if there is none, with the nearest name; or for a name that a run directory uses otherwise.
    """
    files: dict[str, Path] = {}
    for folder in (*path.resolve().parents[:2], packaged("experiments")):
        for pattern in METHOD_FILES:
            for file in sorted(folder.glob(pattern)):
                files.setdefault(file.stem, file)
    if method not in tuple(files):
        near = nearest(method, files)
        hint = f"did you mean {near}? Known are" if near else "use one of"
        raise InputError(f"METHOD {shown(method)} is not known: {hint} {', '.join(files)}")
    if method in TAKEN or method.startswith("."):
        raise InputError(f"METHOD {method}: a run directory uses this name for something else: rename {files[method]}")
    return files[method]


def _read_inherited(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    try:
        place, values = path.resolve(), parse_yaml(read_text(path, MOST_YAML_BYTES))
    except FileNotFoundError:
        raise InputError(f"{path}: no such experiment file: see experiments/") from None
    except (OSError, ValueError, RuntimeError) as problem:  # RuntimeError: links in a circle
        raise InputError(f"{path}: not a readable YAML file: {problem}") from None
    if place in seen:
        raise InputError(f"{path}: inherits from itself by way of {seen[-1]}: break the circle")
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds a {type(values).__name__}, not `key: value` lines")
    parent = values.pop("inherit", None)
    if parent is None:
        return values
    beside = path.parent / str(parent)
    ours = packaged("experiments") / str(parent)
    use_ours = os.path.exists(ours) and not os.path.exists(beside)  # of pathlib, `exists` raises for long names
    return _merged(_read_inherited(ours if use_ours else beside, (*seen, place)), values)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _parse_setting(setting: str) -> dict[str, Any]:
    key, separator, text = setting.partition("=")
    if not separator:
        raise InputError(f"setting {shown(setting)} is not of the form key=value, e.g. pseudo_labels.patches=25")
    try:
        value = parse_yaml(text)
    except ValueError as problem:
        raise InputError(f"setting {shown(setting)} has no YAML value: {problem}") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return value
