"""Which library computes on a device: read off the name that CTX gives it."""

from __future__ import annotations

import re
from typing import Any

OF_PYTORCH = re.compile(r"cuda(:\d+)?|mps|torch:cpu")


def library_of(device: Any) -> str:
    """ "torch" or "mxnet", of a device or of the first of several.

    Args:
        device: a name as CTX has it, or what `Engine.devices` made of one.

    >>> library_of("cuda:0,cuda:1"), library_of("gpu(0)")
    ('torch', 'mxnet')
    """
    return "torch" if OF_PYTORCH.fullmatch(str(device).split(",")[0].strip()) else "mxnet"
