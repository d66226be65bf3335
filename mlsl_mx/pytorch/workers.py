"""The processes that torchrun starts, joined by torch.distributed: NCCL between GPUs of NVIDIA, gloo else."""

from __future__ import annotations

import atexit
import os
from datetime import timedelta

import numpy as np
import torch
from torch import distributed

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.worker_role import TORCHRUN
from mlsl_mx.system.workers import ALONE, Workers

PATIENCE = timedelta(days=30)  # while another process works on what this one waits for


class TorchWorkers(Workers):
    """One of the processes that share a stage; counts and values go through the CPU, over gloo."""

    def __init__(self):
        super().__init__()
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        self._group = distributed.new_group(backend="gloo", timeout=PATIENCE)

    def _added(self, values: np.ndarray) -> np.ndarray:
        total = torch.from_numpy(values.copy())
        distributed.all_reduce(total, group=self._group)
        return total.numpy()

    def part(self) -> None:
        """Leave, when all workers are here."""
        distributed.destroy_process_group()


def join() -> Workers:
    """Become one of the processes that torchrun started; ALONE if it did not. Waits for the others.

    Raises: InputError if the environment has RANK and not torchrun's other variables.
    """
    if "RANK" not in os.environ:
        return ALONE
    if missing := [name for name in TORCHRUN if name not in os.environ]:
        raise InputError(f"RANK is set without {', '.join(missing)}: take torchrun or `mlsl launch`, or unset it")
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    workers = TorchWorkers()
    atexit.register(workers.part)
    return workers
