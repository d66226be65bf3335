"""The processes that torchrun starts, joined by torch.distributed: NCCL between GPUs of NVIDIA, gloo else."""

from __future__ import annotations

import atexit
import os

import numpy as np
import torch
from torch import distributed

from mlsl_mx.system.workers import ALONE, Workers


class TorchWorkers(Workers):
    """One of the processes that share a stage; counts and values go through the CPU, over gloo."""

    def __init__(self):
        super().__init__()
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        self._group = distributed.new_group(backend="gloo")

    def _added(self, values: np.ndarray) -> np.ndarray:
        total = torch.from_numpy(values.copy())
        distributed.all_reduce(total, group=self._group)
        return total.numpy()

    def part(self) -> None:
        """Leave, when all workers are here."""
        distributed.destroy_process_group()


def join() -> Workers:
    """Become one of the processes that torchrun started; ALONE if it did not. Waits for the others."""
    if "RANK" not in os.environ:
        return ALONE
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    workers = TorchWorkers()
    atexit.register(workers.part)
    return workers
