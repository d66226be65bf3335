"""TensorBoard's event files read back, record by record.

events = read_events(folder)                # of all event files in a folder, as TensorBoard reads them
scalar_points(events)["loss/total"]         # [(step, value), ...]
"""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from pathlib import Path

from PIL import Image
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


def read_events(folder: Path) -> list:
    """All events but the files' versions; the start of a session makes those before it forgotten, from its step on."""
    events = []
    for path in sorted(folder.glob("*tfevents*")):
        for event in _records(path.read_bytes()):
            if event.session_log.status == SessionLog.START:
                events = [before for before in events if before.step < event.step]
            events.append(event)
    return events


def _records(content: bytes) -> list:
    """Up to the first that is torn or has a wrong checksum: from there on nothing of a file is read."""
    events, place = [], 0
    while place + 12 <= len(content):
        length, check = struct.unpack_from("<QI", content, place)
        data, end = content[place + 12 : place + 12 + length], place + 16 + length
        if check != masked_crc32c(content[place : place + 8]):
            break
        if content[end - 4 : end] != struct.pack("<I", masked_crc32c(data)):
            break
        events.append(Event.FromString(data))
        place = end
    assert events[0].file_version == "brain.Event:2"
    return events[1:]


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
