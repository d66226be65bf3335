"""What is kept of an image between inference and its labels: what the network said of its patches, at its stride.

The thresholds are known only after the last image, and labels need the probabilities of all classes. A float32 volume
of 19x1024x2048 is 159 MB; the maps that it is made from are 12 MB for 50 patches of 512x512 at stride 8, and making it
again from them takes a fraction of a second. So labels are exactly those of the whole volume.

A probability is kept as a whole number of steps of 2^-24, in 24 bits. Values in [1/2, 1] are stored exactly, so
storing does not saturate a class further. That makes 2^24 + 1 values: the smallest step is dropped (below 1.5 steps
is 0), so that 0 and 1 both fit into 24 bits.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps, seen_size
from mlsl_mx.pseudo_labels.patches import patch_positions
from mlsl_mx.system.whole_files import whole_file

FORMAT = 4
STEPS = np.float32(1 << 24)


def as_stored(part: PatchMaps) -> PatchMaps:
    """The same with probabilities rounded as the store keeps them, so that no label depends on having been stored."""
    return replace(part, probabilities=_probabilities(_numbers(part.probabilities)))


def _numbers(probabilities: np.ndarray) -> np.ndarray:
    """What is stored of probabilities, float32 in [0, 1]: 0 of 0 and of the least step, else steps - 1. float32."""
    steps = np.rint(probabilities * STEPS)
    return np.clip(steps, 1, STEPS, out=steps) - 1


def _probabilities(numbers: np.ndarray) -> np.ndarray:
    """float32 probabilities of what is stored, any numbers from 0 to 2^24 - 1."""
    steps = numbers + (numbers > 0)
    steps /= STEPS
    return steps


def stored_bytes(settings: PseudoLabels, num_classes: int, size: tuple[int, int]) -> int:
    """Bytes of the store of one image of (height, width)."""
    cells = 0
    if settings.inference == "sisc":
        cells += _patches(settings, size) * (settings.patch // STRIDE) ** 2
    if settings.inference == "single" or settings.start == "single":
        height, width = seen_size(size, settings.single_scale)
        cells += (height // STRIDE) * (width // STRIDE)
    return 3 * num_classes * cells


def _patches(settings: PseudoLabels, size: tuple[int, int]) -> int:
    """Of an image of (height, width); one that is too small for them is refused elsewhere."""
    if settings.placement != "sliding" or min(size) < settings.patch:
        return settings.patches
    return len(patch_positions(*size, settings.patch, settings.patches, seed=0, name="", placement="sliding"))


def write_store(path: Path, image: ImageMaps, key: str) -> None:
    """Write the maps of an image whole; `key` says what they were computed with."""
    arrays = [array for part in image.parts for array in _packed(part.probabilities)]
    header = {
        "format": FORMAT,
        "key": key,
        "size": list(image.size),
        "parts": [
            {"corners": part.corners.tolist(), "size": list(part.size), "shape": list(part.probabilities.shape)}
            for part in image.parts
        ],
    }
    header["checksum"] = _checksum(header, arrays)
    with whole_file(path) as temporary, open(temporary, "wb") as content:
        content.write(json.dumps(header).encode() + b"\n")
        content.writelines(array.data for array in arrays)


def read_store(path: Path, key: str) -> ImageMaps | None:
    """Read the maps of an image; None if they are missing, damaged, or of another key: they are then computed again."""
    try:
        header_line, content = Path(path).read_bytes().split(b"\n", 1)
        header = json.loads(header_line)
        if (header["format"], header["key"]) != (FORMAT, key):
            return None
        arrays, start = [], 0
        for part in header["parts"]:
            count = int(np.prod(part["shape"]))
            arrays.append(np.frombuffer(content, "<u2", count, start))
            arrays.append(np.frombuffer(content, "u1", count, start + 2 * count))
            start += 3 * count
        if header.pop("checksum") != _checksum(header, arrays):
            return None
        return ImageMaps(tuple(header["size"]), tuple(map(_part, header["parts"], arrays[::2], arrays[1::2])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _packed(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper 16 bits of all numbers, and the lower 8: faster than 3 bytes side by side."""
    numbers = _numbers(probabilities).astype(np.int32)
    return (numbers >> 8).astype("<u2"), (numbers & 0xFF).astype("u1")


def _part(described: dict, upper: np.ndarray, lower: np.ndarray) -> PatchMaps:
    numbers = upper.astype(np.float32)
    numbers *= 256
    numbers += lower
    corners = np.array(described["corners"], np.int64)
    return PatchMaps(corners, tuple(described["size"]), _probabilities(numbers).reshape(described["shape"]))


def _checksum(header: dict, arrays: Sequence[np.ndarray]) -> int:
    digest = zlib.crc32(json.dumps(header).encode())
    for array in arrays:
        digest = zlib.crc32(array.data, digest)
    return digest
