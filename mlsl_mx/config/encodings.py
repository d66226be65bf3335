"""The encodings of label files by name, and the bits of a value in each; `data.label_files` knows how to read them."""

from __future__ import annotations

BITS = {
    "ids": 8,
    "ids16": 16,
    "colours": 24,
    **{f"{name}{16 if bits == 16 else ''}": bits for bits in (8, 16) for name in ("red", "green", "blue")},
}
