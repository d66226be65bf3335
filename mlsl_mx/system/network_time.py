"""How long a stage is in the network: what tells a slow network from a slow disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class TimedNetwork:
    """A network that adds up the time of its calls; it waits for its input before, and for its result.

    Attributes: `net`, the network; `seconds`, so far in its calls.
    """

    def __init__(self, net: Callable[[Any], Any]):
        self.net = net
        self.seconds = 0.0

    def __call__(self, images: Any) -> Any:
        """What the network returns of an NDArray, computed."""
        images.wait_to_read()
        started = time.monotonic()
        output = self.net(images)
        for array in output if isinstance(output, (tuple, list)) else (output,):
            array.wait_to_read()
        self.seconds += time.monotonic() - started
        return output
