"""The run directory: whole files or none, the resolved settings, and the environment.

RUN/source/             the source model, shared by all methods: config.yaml, weights.params, evaluation.json, ...
RUN/source/model_card.json, .md           and those of each method beside its config.yaml
RUN/source/spatial_prior-KEY.npz, .png    for the methods that use it
RUN/METHOD/             config.yaml, model_card.md, ...
RUN/METHOD/head/        weights.params before round 0, if the source model has no weak-label head
RUN/METHOD/round-0/     pseudo_labels/, weights.params, evaluation.json, diagnosis.json, ...
RUN/METHOD/round-1/     ...
RUN/report/             report.html, report.md and its pictures/, report.json
RUN/tensorboard/        event files of each method, see event_file.py
RUN/log.jsonl           what every stage did
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlsl_mx
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import CPUINFO, cpu_model, usable_cores
from mlsl_mx.system.text_files import dump_yaml, parse_yaml, read_text

LOGGER = logging.getLogger(__name__)
MOST_SHOWN = 10  # settings that differ, in one line
LONGEST_SHOWN = 100  # characters of a value in it


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes when it does not.

    It has the same ending. File and name are on the disk when the block is left, for the case of a power failure. What
    a killed process leaves is for `remove_leftovers`. Permissions are those of any new file: the umask says them.

    Raises: InputError if the folder cannot be written, or a disk takes no name of such a length.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _new_temporary(path.parent, path.suffix)
    except OSError as problem:
        raise _unwritable(path, problem, "choose another folder") from None
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as problem:
        if problem.errno is None:  # of a library, about what it was given to write: a bug of ours
            raise
        raise _unwritable(path, problem, "free some space, or choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _unwritable(path: Path, problem: OSError, remedy: str) -> InputError:
    if problem.errno == errno.ENAMETOOLONG:
        remedy = "shorten the image's or method's name, or choose a folder less deep"
    return InputError(f"{path}: cannot be written ({problem.strerror}): {remedy}")


def check_lengths(folder: Path, names: Iterable[str]) -> None:
    """See that files of these names, or paths, below a folder are not too long for its disk: before any is written.

    Raises: InputError for the first that is; how long a name may be depends on the disk, as a rule 255 bytes.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    most = os.pathconf(there, "PC_NAME_MAX")
    for name in names:
        size = max(len(os.fsencode(part)) for part in name.split("/"))
        if size > most:
            raise InputError(
                f"{folder / name}: cannot be written: a name of {size} bytes, at most {most} are possible there: "
                "shorten the image's or method's name"
            )


TEMPORARY = re.compile(r"\.mlsl-[0-9a-f]{16}(\..*)?")  # nobody else's: see `temporary_name`
# What a stage needs no more once the file beside it is there, in folders of a run directory.
NEEDED_BEFORE = {
    "source/.checkpoint": "weights.params",
    "*/head/.checkpoint": "weights.params",
    "*/round-*/.checkpoint": "weights.params",
    "*/round-*/pseudo_labels/.store": "selection.json",
}


def temporary_name(folder: Path, ending: str) -> Path:
    """A path in the folder, as short for a file with a long name as for any other."""
    return folder / f".mlsl-{secrets.token_hex(8)}{ending}"


def _new_temporary(folder: Path, ending: str) -> tuple[int, Path]:
    """An empty file in a folder, locked as long as the handle is open: so others see that somebody is at it."""
    while True:
        path = temporary_name(folder, ending)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):  # a disk without locks: there `remove_leftovers` removes no temporary file
            fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():  # else `remove_leftovers` was faster than the lock
            return handle, path
        os.close(handle)


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


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole, with a trailing newline; NaN is not JSON and must be None by now."""
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path, *keys: str) -> Any:
    """Read a JSON file of ours; with `keys` it is an object that has them.

    Raises: InputError naming the file if it is missing, not JSON, or without one of the keys.
    """
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the stage that writes it first") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"{path}: not a readable JSON file ({problem}): delete it and run its stage again") from None
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f"{path}: no key {missing[0]!r}: delete the file and run its stage again")
    return content


def file_hash(path: Path) -> str:
    """First 16 hex digits of a file's SHA-256: enough to see that a list or weights file is another one.

    Raises: InputError if it cannot be read.
    """
    return sha256(path)[:16]


def sha256(path: Path) -> str:
    """A file's SHA-256 as 64 hex digits, as `sha256sum` prints it.

    Raises: InputError if it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as content:
            for block in iter(lambda: content.read(1 << 20), b""):
                digest.update(block)
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}): check the path") from None
    return digest.hexdigest()


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
    changed = [f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}" for key in keys]
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
        values = parse_yaml(read_text(path))
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: not a readable YAML file ({problem}): damaged; choose another folder") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no settings: damaged; choose another folder")
    return values


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as (`group.key`, value) pairs; of a list of groups, as a class table is one, `groups[0].key`."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)) and any(isinstance(one, dict) for one in value):
            yield from flat({f"{key}[{index}]": one for index, one in enumerate(value)}, prefix)
        else:
            yield f"{prefix}{key}", value


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


ENGINES = ("mxnet", "mxnet-cu112", "gluoncv", "torch")  # packages of which some are installed


def environment() -> dict[str, Any]:
    """Versions, code revision and machine: what one needs to know to compare two runs."""
    import cv2
    import numpy

    return {
        "mlsl_mx": mlsl_mx.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        **_installed(ENGINES),
        "machine": platform.machine(),
        "cpu": cpu_model(CPUINFO),
        "cpus": usable_cores(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "command": shlex.join(sys.argv[1:]),
    }


def _installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those that are installed, as the installation says: GluonCV 0.10.5.post0 calls itself 0.11.0."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def revision() -> str:
    """The code's revision by git, "-dirty" if files differ from it; "unknown" outside a checkout of this project."""
    folder = Path(mlsl_mx.__file__).parents[1]
    if not (folder / ".git").exists():  # git would look further up, and find somebody else's repository
        return "unknown"
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # as in a hook of another
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
        return subprocess.run(command, env=own, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def prior_path(run: Path, key: str) -> Path:
    """Where a run keeps a spatial prior.

    Args:
        key: hash of the file that it was imported from, or the fingerprint of the source images whose labels gave it.
    """
    return run / "source" / f"spatial_prior-{key}.npz"


def own_list(run: Path, name: str) -> Path:
    """Where a run keeps which of a user's own images it used: those of "source", "target" or "val"."""
    return run / "data_lists" / f"{name}.txt"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A block that one process at a time enters; others wait for it. A crash leaves nothing locked.

    Raises: InputError if the lock file cannot be written or locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path, "w")
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror}): choose another folder") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOGGER.warning("%s: another process is at this stage: waiting for it", path)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as problem:
            raise InputError(f"{path}: cannot be locked ({problem.strerror}): choose a RUN on another disk") from None
        yield
