"""The run directory: what lies where, the settings that bind it, and its locks.

RUN/source/             the source model, shared by all methods: config.yaml, weights.params, evaluation.json, ...
RUN/source/model_card.json, .md           and those of each method beside its config.yaml
RUN/source/spatial_prior-KEY.npz, .png    for the methods that use it
RUN/source/head/        weights.params before round 0, if a method needs a weak-label head and the source model has none
RUN/METHOD/             config.yaml, model_card.md, head.json (whether round 0 starts from that head), ...
RUN/METHOD/round-0/     pseudo_labels/, weights.params, evaluation.json, diagnosis.json, ...
RUN/METHOD/round-1/     ...
RUN/report/             report.html, report.md and its pictures/, report.json
RUN/tensorboard/        event files of each method, see event_file.py
RUN/log.jsonl           what every stage did
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlsl_mx.system.errors import InputError, shortened
from mlsl_mx.system.text_files import MOST_YAML_BYTES, dump_yaml, parse_yaml, read_text
from mlsl_mx.system.whole_files import TEMPORARY, read_json, unwritable, write_bytes, write_json

LOGGER = logging.getLogger(__name__)
MOST_SHOWN = 10  # settings that differ, in one line
# What a stage needs no more once the file beside it is there, in folders of a run directory.
NEEDED_BEFORE = {
    "source/.checkpoint": "weights.params",
    "source/head/.checkpoint": "weights.params",
    "*/round-*/.checkpoint": "weights.params",
    "*/round-*/pseudo_labels/.store": "selection.json",
}


def remove_leftovers(run: Path) -> None:
    """Remove what killed processes left in a folder and below: the temporary files of `whole_file`, but none that is
    being written; and a finished stage's stores and checkpoint, if there was no time to remove them."""
    for place, _, names in os.walk(run):
        for name in filter(TEMPORARY.fullmatch, names):
            with suppress(OSError), open(Path(place, name), "rb+") as left:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(left.name)
    for pattern, result in NEEDED_BEFORE.items():
        for folder in Path(run).glob(pattern):
            if folder.with_name(result).exists():
                shutil.rmtree(folder, ignore_errors=True)


def check_settings(path: Path, settings: dict[str, Any], results: bool, remedy: str = "choose another RUN") -> None:
    """See that the settings that a folder's results come from are these.

    Args:
        results: whether there are any; if not, settings may be others.
        remedy: what to do if they are others.

    Raises: InputError naming each setting that differs, its old and its new value; or if nobody knows the old ones.
    """
    if not results:
        return
    if not path.exists():
        raise InputError(f"{path}: no such file, so the settings of the results beside it are not known: {remedy}")
    old, new = dict(flat(read_settings(path))), dict(flat(settings))
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    changed = [f"{key}: {shortened(str(old.get(key)))} -> {shortened(str(new.get(key)))}" for key in keys]
    if changed:
        more = f"; and {len(changed) - MOST_SHOWN} more" * (len(changed) > MOST_SHOWN)
        shown = "; ".join(changed[:MOST_SHOWN]) + more
        raise InputError(f"{path}: holds results of other settings ({shown}): {remedy}")


def keep_settings(path: Path, settings: dict[str, Any], results: bool, remedy: str = "choose another RUN") -> None:
    """Write the settings that a folder's results come from; once there are results, they must be the same as before.

    Raises: InputError as `check_settings`.
    """
    check_settings(path, settings, results, remedy)
    if not results:
        write_bytes(path, dump_yaml(settings).encode())


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that `keep_settings` wrote.

    Raises: InputError if the file is damaged.
    """
    try:
        values = parse_yaml(read_text(path), 4 * MOST_YAML_BYTES)  # we write a table longer than its file has it
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: not a readable YAML file ({problem}): damaged; choose another folder") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no settings: damaged; choose another folder")
    return values


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as (`group.key`, value) pairs; of a list of groups, as a class table is one, `groups[0].key`."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)) and any(isinstance(one, dict) for one in value):
            yield from flat({f"{key}[{index}]": one for index, one in enumerate(value)}, prefix)
        else:
            yield f"{prefix}{key}", value


def record_of(folder: Path, stage: str) -> Path:
    """Where a stage notes what its result in this folder is made from."""
    return folder / f"{stage.replace('-', '_')}.inputs.json"


def begin_stage(record: Path, inputs: dict[str, Any], outputs: Sequence[Path]) -> None:
    """Note what a stage starts from, e.g. the hash of the weights before it.

    Outputs that an earlier start left behind are kept if it started from the same, and removed if not: a round is made
    anew when the round before it was.
    """
    if is_done(record, inputs, record):
        return
    Path(record).unlink(missing_ok=True)  # first: it must never stand beside outputs that are half removed
    for output in map(Path, outputs):
        if output.is_dir():
            shutil.rmtree(output)
        elif output.exists():
            output.unlink()
    write_json(record, inputs)


def is_done(record: Path, inputs: dict[str, Any], output: Path) -> bool:
    """Whether a stage has its output, made from the same as `begin_stage` noted."""
    return Path(output).exists() and Path(record).exists() and read_json(record) == inputs


def prior_path(run: Path, key: str) -> Path:
    """Where a run keeps a spatial prior.

    Args:
        key: hash of the file that it was imported from, or the fingerprint of the source images whose labels gave it.
    """
    return run / "source" / f"spatial_prior-{key}.npz"


def own_list(run: Path, name: str) -> Path:
    """Where a run keeps which of a user's own images it used: those of "source", "target" or "val"."""
    return run / "data_lists" / f"{name}.txt"


def first_image(run: Path, name: str) -> Path:
    """Where a run keeps the hash of the first image of that list."""
    return own_list(run, name).with_suffix(".first")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A block that one process at a time enters; others wait for it. A crash leaves nothing locked.

    Raises: InputError if the lock file cannot be written or locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path, "w")
    except OSError as problem:
        raise unwritable(path, problem) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOGGER.warning("%s: another process is at this stage: waiting for it", path)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as problem:
            raise InputError(f"{path}: cannot be locked ({problem.strerror}): choose a RUN on another disk") from None
        yield
