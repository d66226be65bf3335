"""What is kept of an image between inference and its labels: what the network said of its patches, at stride 8.

The thresholds are known only after the last image, and labels need the probabilities of all classes. A float16 volume
of 19x1024x2048 is 80 MB; the maps that it is made from are 8 MB for 50 patches of 512x512, and making it again from
them takes a fraction of a second. So labels are exactly those of the whole volume.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Sequence

import numpy as np

from mlsl_mx.config import PseudoLabels
from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.pseudo_labels.inference import ImageMaps, PatchMaps, seen_size
from mlsl_mx.runs import whole_file

FORMAT = 3
STEPS = 65535  # a probability is stored as a whole number of 65535ths: finer than float16 where a class is likely


def as_stored(part: PatchMaps) -> PatchMaps:
    """The same with probabilities rounded as the store keeps them, so that no label depends on having been stored."""
    return replace(part, probabilities=np.rint(part.probabilities * np.float32(STEPS)) / np.float32(STEPS))


def stored_bytes(settings: PseudoLabels, num_classes: int, size: tuple[int, int]) -> int:
    """Bytes of the store of one image of (height, width)."""
    cells = 0
    if settings.inference == "sisc":
        cells += settings.patches * (settings.patch // STRIDE) ** 2
    if settings.inference == "single" or settings.start == "single":
        height, width = seen_size(size, settings.single_scale)
        cells += (height // STRIDE) * (width // STRIDE)
    return 2 * num_classes * cells


def write_store(path: Path, image: ImageMaps, key: str) -> None:
    """Write the maps of an image whole; `key` says what they were computed with."""
    arrays = [np.rint(part.probabilities * np.float32(STEPS)).astype("<u2") for part in image.parts]
    header = {
        "format": FORMAT,
        "key": key,
        "size": list(image.size),
        "parts": [
            {"corners": part.corners.tolist(), "size": list(part.size), "shape": list(array.shape)}
            for part, array in zip(image.parts, arrays)
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
            arrays.append(np.frombuffer(content, "<u2", count, start).reshape(part["shape"]))
            start += 2 * count
        if header.pop("checksum") != _checksum(header, arrays):
            return None
        return ImageMaps(tuple(header["size"]), tuple(map(_part, header["parts"], arrays)))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _part(described: dict, array: np.ndarray) -> PatchMaps:
    corners = np.array(described["corners"], np.int64)
    return PatchMaps(corners, tuple(described["size"]), array.astype(np.float32) / np.float32(STEPS))


def _checksum(header: dict, arrays: Sequence[np.ndarray]) -> int:
    digest = zlib.crc32(json.dumps(header).encode())
    for array in arrays:
        digest = zlib.crc32(array.data, digest)
    return digest
