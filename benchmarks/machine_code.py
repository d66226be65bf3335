"""For which compute capabilities an MXNet holds CUDA machine code, and PTX: counted in its libmxnet.so.

    .venv-gpu/bin/python benchmarks/machine_code.py                 # no GPU and no driver needed; some seconds
    .venv-gpu/bin/python benchmarks/machine_code.py libmxnet.so     # of another wheel, which is a zip file

NVIDIA's fat binaries, little-endian: uint32 magic, uint16 version, uint16 bytes of this header, uint64 bytes after it;
then entries: uint16 kind (1 PTX, 2 machine code), uint16 version, uint32 bytes of this header, uint64 bytes of code; 28
bytes from the entry's beginning there is, as uint32, the compute capability times ten.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

MAGIC = struct.pack("<I", 0xBA55ED50)
KINDS = {1: "PTX", 2: "machine code"}
CAPABILITY_AT = 28


def entries(content: bytes) -> Iterator[tuple[str, int]]:
    """(kind, compute capability times ten) of each entry of each fat binary in a file's bytes."""
    start = content.find(MAGIC)
    while start >= 0:
        _, header, size = struct.unpack_from("<HHQ", content, start + 4)
        entry, end = start + header, start + header + size
        while entry < end:
            kind, _, entry_header, code = struct.unpack_from("<HHIQ", content, entry)
            yield KINDS.get(kind, f"kind {kind}"), struct.unpack_from("<I", content, entry + CAPABILITY_AT)[0]
            entry += entry_header + code
        start = content.find(MAGIC, end)


def main() -> None:
    """Print the counts of a libmxnet.so, or of the MXNet that is installed."""
    given = sys.argv[1:] or [Path(find_spec("mxnet").submodule_search_locations[0], "libmxnet.so")]
    path = Path(given[0])
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = Counter(entries(content))
    for (kind, capability), count in sorted(found.items()):
        print(f"{kind} for {capability / 10}: {count}")
    if not found:
        print("none: this MXNet is the build for CPUs")


if __name__ == "__main__":
    main()
