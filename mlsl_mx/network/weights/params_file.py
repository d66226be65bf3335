"""MXNet's parameter files, read and written here and not by MXNet, which believes every size that a file claims.

A file is an index of little-endian numbers between the tensors' bytes; nothing in it is executed or unpickled:

    uint64 0x112, 0, number of tensors; the tensors; uint64 number of names; for each uint64 length and UTF-8 bytes
    tensor:  uint32 version, int32 storage (0 is dense), uint32 axes, int64 lengths     since MXNet 1.0
             uint32 version, uint32 axes, int64 lengths                                 MXNet 0.10 to 0.12
             uint32 axes, uint32 lengths                                                before, as of 2016
             then int32 device, its number, element type, and the elements

Every claimed size is checked against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import whole_file

LIST_MAGIC = 0x112
VERSION_1, VERSION_2 = 0xF993FAC8, 0xF993FAC9
DENSE, CPU, FLOAT32 = 0, 1, 0
ELEMENT_TYPES = {0: "<f4", 1: "<f8", 2: "<f2"}  # MXNet's numbers of those that weights may have
# Far above what a network has: ResNet-38 with both heads has 203 tensors.
MOST_TENSORS, MOST_AXES, LONGEST_NAME = 10_000, 8, 1000


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor stands in a file."""

    shape: tuple[int, ...]
    dtype: str  # as NumPy writes it
    offset: int  # of its first byte

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class _Damaged(Exception):
    """Says what is wrong."""


def read_index(path: Path) -> dict[str, StoredTensor]:
    """What a parameter file holds, by name, without reading a tensor; empty for a file of tensors without names.

    Raises: InputError for a file that is missing, is no MXNet parameter file, or is cut short or otherwise damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file: give the path of a .params file")
    try:
        with open(path, "rb") as content:
            return _Index(content, path.stat().st_size).read()
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror}): check the path") from None
    except _Damaged as problem:
        raise InputError(
            f"{path}: not an MXNet parameter file, or cut short ({path.stat().st_size} bytes): {problem}: download it "
            "again, and see that it is not a web page"
        ) from None


def read_params(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a parameter file by name, in their element type: what `mx.nd.load` gives, as NumPy arrays.

    Raises: InputError as `read_index`.
    """
    index = read_index(path)
    try:
        with open(path, "rb") as content:
            return {name: _elements(content, tensor) for name, tensor in index.items()}
    except (OSError, ValueError) as problem:  # the file became shorter in the meantime
        raise InputError(f"{path}: cannot be read ({problem}): check that no other program writes it") from None


def _elements(content: BinaryIO, tensor: StoredTensor) -> np.ndarray:
    content.seek(tensor.offset)
    return np.frombuffer(content.read(tensor.size), tensor.dtype).reshape(tensor.shape)


def write_params(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write float32 tensors whole, in the bytes of `mx.nd.save`, which takes no notice if the disk is full at the end.

    Raises: InputError if the file cannot be written.
    """
    with whole_file(path) as temporary, open(temporary, "wb") as content:
        content.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(tensors)))
        for array in tensors.values():
            shape = struct.pack(f"<IiI{array.ndim}q", VERSION_2, DENSE, array.ndim, *array.shape)
            content.write(shape + struct.pack("<iii", CPU, 0, FLOAT32))
            content.write(np.ascontiguousarray(array, ELEMENT_TYPES[FLOAT32]).data)
        content.write(struct.pack("<Q", len(tensors)))
        for name in map(str.encode, tensors):
            content.write(struct.pack("<Q", len(name)) + name)


class _Index:
    """Goes through a file from its beginning to its end."""

    def __init__(self, content: BinaryIO, size: int):
        self.content, self.size, self.position = content, size, 0

    def read(self) -> dict[str, StoredTensor]:
        magic, reserved, count = self._take("QQQ")
        if (magic, reserved) != (LIST_MAGIC, 0):
            raise _Damaged("it begins otherwise")
        if count > MOST_TENSORS:
            raise _Damaged(f"it claims {count} tensors, at most {MOST_TENSORS} are read")
        tensors = [self._tensor() for _ in range(count)]
        (named,) = self._take("Q")
        if named not in (0, count):
            raise _Damaged(f"it claims {named} names for {count} tensors")
        names = [self._name() for _ in range(named)]
        if len(set(names)) < len(names):
            raise _Damaged("a name is there twice")
        if self.position != self.size:
            raise _Damaged(f"{self.size - self.position} bytes follow its end")
        return dict(zip(names, tensors, strict=False))  # without names there are none

    def _tensor(self) -> StoredTensor:
        shape = self._shape()
        _, _, kind = self._take("iii")  # the device that it was saved on does not matter
        if kind not in ELEMENT_TYPES:
            raise _Damaged(f"a tensor of element type {kind}, which weights do not have")
        tensor = StoredTensor(shape, ELEMENT_TYPES[kind], self.position)
        self._skip(tensor.size, f"a tensor claims shape {shape}")
        return tensor

    def _shape(self) -> tuple[int, ...]:
        (version,) = self._take("I")
        if version == VERSION_2 and self._take("i") != (DENSE,):
            raise _Damaged("a sparse tensor")
        (axes,) = self._take("I") if version in (VERSION_1, VERSION_2) else (version,)
        if not 1 <= axes <= MOST_AXES:
            raise _Damaged(f"a tensor claims {axes} axes, 1 to {MOST_AXES} are read")
        shape = self._take(f"{axes}{'q' if version in (VERSION_1, VERSION_2) else 'I'}")
        if min(shape) < 1:
            raise _Damaged(f"a tensor claims shape {shape}")
        return shape

    def _name(self) -> str:
        (length,) = self._take("Q")
        if length > LONGEST_NAME:
            raise _Damaged(f"a name claims {length} bytes, at most {LONGEST_NAME} are read")
        (name,) = self._take(f"{length}s")
        try:
            text = name.decode()
        except UnicodeDecodeError:
            text = ""
        if not text.isprintable() or not text:
            raise _Damaged(f"{name[:20]!r} is no name")
        return text

    def _take(self, layout: str) -> tuple:
        start, length = self.position, struct.calcsize(f"<{layout}")
        self._skip(length, "its index should go on")
        self.content.seek(start)
        return struct.unpack(f"<{layout}", self.content.read(length))

    def _skip(self, length: int, claim: str) -> None:
        if length > self.size - self.position:
            raise _Damaged(f"{claim}, but {self.size - self.position} bytes are left")
        self.position += length
