"""The processes that share a stage, on one or several machines, joined by MXNet's own parameter server.

A launcher (`mlsl launch`, or any other that sets the DMLC_* variables) starts the same command in each. Every worker
takes its share of the images or of a batch; what all must know is summed over them.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from mlsl_mx.system.errors import InputError

VARIABLES = ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER")
MOST_WORKERS = 256
COUNTS_BELOW = 2**53
# MXNet 1.9.1's server adds float32 as it should; it refuses integers, and rounds float64 to float32 or not by chance.
# 16 bits, added up to 256 times, fit float32's 24 exactly.
LIMB_BITS = 16
LIMBS = 4
FIRST_KEY = 10**5  # above the numbers of gluon.Trainer's parameters; 10**6 overflows in MXNet with several servers


class Workers:
    """One of the processes that share a stage.

    All of them call `sum`, `gather` and `barrier` in the same order, or they wait for each other for ever.

    Args:
        kvstore: MXNet's distributed key-value store; None for a process alone.

    Attributes:
        rank: this worker's number, 0..count-1. Rank 0 writes the files shared by all images.
        count: how many there are.
        kvstore: what gluon.Trainer is given.
    """

    def __init__(self, kvstore: Any = None):
        self.kvstore = kvstore
        self.rank: int = kvstore.rank if kvstore else 0
        self.count: int = kvstore.num_workers if kvstore else 1
        self._keys: dict[tuple, int] = {}  # of the store's arrays, one for each shape

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Exact elementwise sum over all workers, the same for all, in whatever order they come.

        Args:
            values: int64 counts from 0 to 2**53 - 1, of one shape in all workers.

        Raises: ValueError for a value outside these limits.
        """
        values = np.asarray(values, np.int64)
        if values.size and not 0 <= values.min() <= values.max() < COUNTS_BELOW:
            raise ValueError(f"counts are from {values.min()} to {values.max()}: they must be from 0 to 2**53 - 1")
        if self.count == 1 or not values.size:
            return values.copy()
        limbs = [values.ravel() >> LIMB_BITS * i & (1 << LIMB_BITS) - 1 for i in range(LIMBS)]
        sums = self._added(np.stack(limbs).astype(np.float32)).astype(np.int64)  # (LIMBS, values.size)
        return sum(limb << LIMB_BITS * i for i, limb in enumerate(sums)).reshape(values.shape)

    def gather(self, values: np.ndarray) -> np.ndarray:
        """The values of all workers one after another by rank, the same for all.

        Args:
            values: (n, ...) float32, the same shape in all workers.

        Returns: (count * n, ...) float32.
        """
        if self.count == 1:
            return values
        slots = np.zeros((self.count, values.size), np.float32)
        slots[self.rank] = values.ravel()  # each adds to nothing but zeros
        return self._added(slots).reshape((-1, *values.shape[1:]))

    def barrier(self) -> None:
        """Return when all workers are here."""
        self.sum(np.zeros(1, np.int64))

    def agreed(self, value: int) -> int:
        """What rank 0 says, a count or a truth value; the others wait for it, as files may reach them later."""
        return int(self.sum(np.array([0 if self.rank else value]))[0])

    def first_then_all(self, make: Callable[[], Any]) -> Any:
        """What `make` returns; the first worker calls it before the others, which then find the file it left."""
        if self.rank:
            self.barrier()
        made = make()
        if self.rank == 0:
            self.barrier()
        return made

    def shard(self, items: int) -> range:
        """The indices of this worker, out of `items`: every count-th, from its rank on."""
        return range(self.rank, items, self.count)

    def part(self) -> None:
        """End the parameter server, when all workers are here; for the way out of one that did not fail."""
        self.kvstore = None  # whose destructor waits for the others
        gc.collect()

    def _added(self, values: np.ndarray) -> np.ndarray:
        """Sum of a float32 array over all workers."""
        import mxnet as mx

        array = mx.nd.array(values)
        if values.shape not in self._keys:
            self._keys[values.shape] = FIRST_KEY + len(self._keys)
            self.kvstore.init(self._keys[values.shape], mx.nd.zeros_like(array))
        self.kvstore.push(self._keys[values.shape], array)
        self.kvstore.pull(self._keys[values.shape], out=array)
        return array.asnumpy()


ALONE = Workers()


def join() -> Workers:
    """Become one of the workers that a launcher started; ALONE if none did (DMLC_ROLE is not `worker`).

    Waits for the others. In the launcher's scheduler and servers, importing MXNet itself does their work and exits.

    Raises: InputError if a DMLC_* variable is missing or wrong.
    """
    if os.environ.get("DMLC_ROLE") != "worker":
        return ALONE
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise InputError(f"DMLC_ROLE is worker, but {', '.join(missing)} is not set: see docs/SCALING.md, or unset it")
    count = os.environ["DMLC_NUM_WORKER"]
    if not count.isdecimal() or not 1 <= int(count) <= MOST_WORKERS:
        raise InputError(f"DMLC_NUM_WORKER is {count!r}: it must be a number from 1 to {MOST_WORKERS}")
    import mxnet as mx

    workers = Workers(mx.kv.create("dist_sync"))
    atexit.register(workers.part)  # which also keeps the store until then
    return workers
