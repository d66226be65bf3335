"""Fat binaries made by hand are read as what they hold."""

import runpy
import struct
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "machine_code.py"))


def entry(kind: int, capability: int, code: bytes) -> bytes:
    header = struct.pack("<HHIQ12xI", kind, 1, 64, len(code), capability)
    return header.ljust(64, b"\0") + code


def fat_binary(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return SCRIPT["MAGIC"] + struct.pack("<HHQ", 1, 16, len(body)) + body


def test_entries_of_several_fat_binaries_between_other_bytes():
    inside = b"code" + SCRIPT["MAGIC"] + b"that only looks like one"
    content = (
        b"ELF..." + fat_binary(entry(2, 50, inside), entry(1, 86, b"ptx")) + b"\0" * 40 + fat_binary(entry(2, 80, b"x"))
    )
    assert list(SCRIPT["entries"](content)) == [("machine code", 50), ("PTX", 86), ("machine code", 80)]
    assert list(SCRIPT["entries"](b"no CUDA")) == []
