"""How many patches go through the network at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlsl_mx.system.errors import is_out_of_memory

# CPU: one at a time, as more gain nothing. GPU: start with this many, halve when out of memory.
FIRST_TRIED = {"cpu": 1, "gpu": 16}


class PatchBatch:
    """A batch size that the device can take: found at the first images, then kept.

    Args:
        size: patches in one network call (`pseudo_labels.batch`); 0: FIRST_TRIED, halved until they fit.
        ctx: the network's device.

    Attributes:
        size: what is used now.
    """

    def __init__(self, size: int, ctx: Any):
        self.automatic = size == 0
        self.size = size or FIRST_TRIED[ctx.device_type]

    def run(self, call: Callable[[Sequence], Any], inputs: Sequence) -> np.ndarray:
        """`call` on all inputs, batch by batch; the last one is filled up, so that the network sees one shape.

        An automatic size is halved as long as the device has not enough memory.

        Args:
            call: gives the device's array, (B, ...), of B inputs.

        Returns: (N, ...), one row for each input.
        Raises: the engine's RuntimeError if a size that was asked for, or a single input, does not fit.
        """
        while True:
            try:
                return self._run(call, inputs)
            except RuntimeError as problem:
                tried = min(self.size, len(inputs))
                if not (self.automatic and tried > 1 and is_out_of_memory(problem)):
                    raise
                self.size = tried // 2

    def _run(self, call, inputs: Sequence) -> np.ndarray:
        size, rows = min(self.size, len(inputs)), []
        for start in range(0, len(inputs), size):
            some = [inputs[(start + i) % len(inputs)] for i in range(size)]
            rows.append(call(some).asnumpy()[: len(inputs) - start])
        return np.concatenate(rows)
