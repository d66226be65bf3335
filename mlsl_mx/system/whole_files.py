"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.text_files import read_text

TEMPORARY = re.compile(r"\.mlsl-[0-9a-f]{16}(\..*)?")  # nobody else's: see `temporary_name`


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
        raise unwritable(path, problem) from None
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as problem:
        if problem.errno is None:  # of a library, about what it was given to write: a bug of ours
            raise
        raise unwritable(path, problem) from None
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def unwritable(path: Path, problem: OSError) -> InputError:
    """The error of a file that could not be written."""
    remedy = "free some space, or choose another folder"
    if problem.errno == errno.ENAMETOOLONG:
        remedy = "shorten the image's or method's name, or choose a folder with a shorter path"
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


def write_new(path: Path, content: bytes, foreign: str) -> None:
    """Write a file unless it is there, whole or not at all.

    Args:
        foreign: what is said of a file of other content, which may be anything.

    Raises: InputError if there is one, or as `write_bytes`.
    """
    if not path.exists():
        write_bytes(path, content)
    elif path.read_bytes() != content:
        raise InputError(f"{path}: {foreign}")


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


def file_hash(*paths: Path) -> str:
    """First 16 hex digits of `sha256`: enough to see that a list or weights file is another one.

    Raises: InputError if it cannot be read.
    """
    return sha256(*paths)[:16]


def sha256(*paths: Path) -> str:
    """A file's SHA-256 as 64 hex digits, as `sha256sum` prints it; of several, that of one after the other.

    Raises: InputError if one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as content:
                for block in iter(lambda: content.read(1 << 20), b""):
                    digest.update(block)
        except OSError as problem:
            raise InputError(f"{path}: cannot be read ({problem.strerror}): check the path") from None
    return digest.hexdigest()
