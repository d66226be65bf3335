"""Damage inside a JPEG: libjpeg says it on stderr alone, and OpenCV gives what it made of the file.

`answer` decodes the JPEG files whose paths come on stdin, one JSON text a line, and answers each with a line: what
libjpeg said, or null. It is a process of its own because a process has one stderr, on which others write.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.surroundings import python

# How lines of libjpeg begin that are about lost pixels. Others are about unusual headers.
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression")
_START = b"\xff\xd8\xff"


class DamageFinder:
    """Looks for damage while its block runs, in a process that starts with the first JPEG; threads may share it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> DamageFinder:
        return self

    def __exit__(self, *raised) -> None:
        if self._process is not None:
            with suppress(OSError):  # it is gone
                self._process.stdin.close()  # which ends it
            self._process.wait()

    def complaint(self, path: Path) -> str | None:
        """What libjpeg says of the pixels of a file that can be read; None for nothing, or another kind of image.

        Raises: InputError if the process has ended.
        """
        with open(path, "rb") as content:
            if content.read(len(_START)) != _START:
                return None
        with self._lock:
            if self._process is None:
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                self._process = subprocess.Popen(python(f"from {__name__} import answer; answer()"), **pipes)
            said = b""
            with suppress(OSError):
                self._process.stdin.write(f"{json.dumps(str(path))}\n".encode())
                self._process.stdin.flush()
                said = self._process.stdout.readline()
            if not said:
                raise InputError(f"{path}: the process that looks for damage has ended: start again with more memory")
            return json.loads(said)


def answer() -> None:
    """Be that process, until stdin ends."""
    with tempfile.TemporaryFile(buffering=0) as said:
        os.dup2(said.fileno(), 2)
        for line in sys.stdin.buffer:
            said.seek(0)
            said.truncate()
            # An eighth of the pixels: all of the file is read for them too.
            cv2.imdecode(np.fromfile(json.loads(line), np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            print(json.dumps(next((one for one in lines if one.startswith(_DAMAGE)), None)), flush=True)
