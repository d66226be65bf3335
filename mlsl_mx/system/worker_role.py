"""Whether this process is one of several that share a stage, and which stages are shared: known before any starts."""

from __future__ import annotations

import os

from mlsl_mx.system.errors import InputError

TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what it tells each process
SHARED = ("train-source", "train-head", "pseudo-label", "self-train", "evaluate")


def is_worker() -> bool:
    """Whether a launcher started this process as one of several: MXNet's, or torchrun and its like."""
    return os.environ.get("DMLC_ROLE") == "worker" or set(TORCHRUN) <= set(os.environ)


def check_shared(command: str) -> None:
    """Raises: InputError for a command whose work is not shared by workers."""
    if command not in SHARED:
        raise InputError(
            f"{command or 'no stage'}: only {', '.join(SHARED)} are shared by workers: run it in one process"
        )
