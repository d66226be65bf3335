"""TensorBoard's event files read back, record by record.

events = read_events(folder)                # of all event files in a folder, in TensorBoard's order
scalar_points(events)["loss/total"]         # [(step, value), ...]
"""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from pathlib import Path

from PIL import Image
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c


def read_events(folder: Path) -> list:
    """All events but the files' versions. Fails if a record is torn or its checksum wrong."""
    return [event for path in sorted(folder.glob("*tfevents*")) for event in _records(path.read_bytes())[1:]]


def _records(content: bytes) -> list:
    events, stream = [], io.BytesIO(content)
    while True:
        header = stream.read(12)
        if not header:
            assert events[0].file_version == "brain.Event:2"
            return events
        length, check = struct.unpack("<QI", header)
        data = stream.read(length)
        assert check == masked_crc32c(header[:8])
        assert struct.unpack("<I", stream.read(4))[0] == masked_crc32c(data)
        events.append(Event.FromString(data))


def scalar_points(events: list) -> dict:
    """Tag -> (step, value) of each scalar, in their order."""
    points = defaultdict(list)
    for event in events:
        for value in event.summary.value:
            if value.HasField("simple_value"):
                points[value.tag].append((event.step, value.simple_value))
    return dict(points)


def pictures(events: list) -> dict:
    """Tag -> the decoded picture of the last event that has it."""
    found = {}
    for event in events:
        for value in event.summary.value:
            if value.HasField("image"):
                found[value.tag] = Image.open(io.BytesIO(value.image.encoded_image_string))
                assert found[value.tag].size == (value.image.width, value.image.height)
    return found
