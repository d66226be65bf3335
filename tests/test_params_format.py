"""The bytes of a saved file, parsed without MXNet: what MXNet 1.3 to 1.5 and so the original program can read."""

import struct

import numpy as np
import pytest
from original_params import original_parameters, values

from mlsl_mx.network import MLSLNet, load_original, save_original

LIST_MAGIC = 0x112
ARRAY_MAGIC = 0xF993FAC9  # version 2, not version 3 (0xF993FACA) of NumPy shapes, which older ones do not know
DENSE, CPU, FLOAT32 = 0, 1, 0


class Reader:
    """Little-endian values one after the other."""

    def __init__(self, content: bytes):
        self.content, self.position = content, 0

    def take(self, layout: str) -> tuple:
        found = struct.unpack_from(f"<{layout}", self.content, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return found

    def array(self) -> np.ndarray:
        """magic, storage, axes, their lengths, device and its number, element type, elements."""
        magic, storage, axes = self.take("IiI")
        assert (magic, storage) == (ARRAY_MAGIC, DENSE)
        shape = self.take(f"{axes}q")
        assert self.take("iii") == (CPU, 0, FLOAT32)
        count = int(np.prod(shape))
        elements = np.frombuffer(self.content, "<f4", count, self.position).reshape(shape)
        self.position += 4 * count
        return elements

    def name(self) -> str:
        (length,) = self.take("Q")
        return b"".join(self.take(f"{length}s")).decode()


def parse(content: bytes) -> dict:
    reader = Reader(content)
    magic, reserved, count = reader.take("QQQ")
    assert (magic, reserved) == (LIST_MAGIC, 0)
    arrays = [reader.array() for _ in range(count)]
    (names,) = reader.take("Q")
    assert names == count
    tensors = dict(zip([reader.name() for _ in range(count)], arrays, strict=True))
    assert reader.position == len(content)
    return tensors


def serialise(tensors: dict) -> bytes:
    """A file as MXNet 1.5 writes it."""
    content = struct.pack("<QQQ", LIST_MAGIC, 0, len(tensors))
    for array in tensors.values():
        content += struct.pack(f"<IiI{array.ndim}qiii", ARRAY_MAGIC, DENSE, array.ndim, *array.shape, CPU, 0, FLOAT32)
        content += array.astype("<f4").tobytes()
    content += struct.pack("<Q", len(tensors))
    return content + b"".join(struct.pack("<Q", len(name)) + name.encode() for name in tensors)


@pytest.mark.parametrize("weak_label_head", [False, True])
def test_from_the_original_and_back(tmp_path, weak_label_head):
    table = original_parameters(0.125, weak_label_head)
    theirs = {f"{p.kind}:{p.name}": values(p.name, p.shape) for p in table}
    (tmp_path / "theirs.params").write_bytes(serialise(theirs))
    net = MLSLNet(19, 0.125, weak_label_head)
    load_original(net, tmp_path / "theirs.params")
    save_original(net, tmp_path / "ours.params")
    ours = parse((tmp_path / "ours.params").read_bytes())
    assert {name: array.shape for name, array in ours.items()} == {f"{p.kind}:{p.name}": p.shape for p in table}
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
