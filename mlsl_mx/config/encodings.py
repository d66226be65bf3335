"""The encodings of label files by name; `data.label_files` knows how to read them."""

from __future__ import annotations

_CHANNELS = {f"{name}{16 if bits == 16 else ''}": (name, bits) for bits in (8, 16) for name in ("red", "green", "blue")}

BITS = {"ids": 8, "ids16": 16, "colours": 24, **{encoding: bits for encoding, (_, bits) in _CHANNELS.items()}}
MEANINGS = {
    "ids": "ids of 8 bits x 1 channel (grey or palette)",
    "ids16": "ids of 16 bits x 1 channel",
    "colours": "colours of 8 bits x 3 channels",
    **{
        name: f"ids in the {channel} channel of {bits} bits x 3 channels" for name, (channel, bits) in _CHANNELS.items()
    },
}
