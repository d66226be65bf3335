"""The card that benchmarks/gpu.py measures, or the CPU where there is none: time, memory and versions."""

from __future__ import annotations

import gc
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from measure import seconds_in_turn

from mlsl_mx.pytorch.devices import Device
from mlsl_mx.system.environment import revision
from mlsl_mx.system.processor import CPUINFO, cpu_model, usable_cores


@dataclass
class Card:
    """A device of the second engine.

    Args:
        repeats: of each time.
    """

    device: Device
    repeats: int

    def median(self, call: Callable[[], Any], calls: int = 1) -> float:
        """Median seconds of a call, once the device is done; of several calls at a time where it may lag behind."""

        def several():
            for _ in range(calls):
                call()

        return seconds_in_turn({"": several}, self.repeats, wait=self.wait)[""] / calls

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.kind == "cuda":
            torch.cuda.synchronize(self.device.torch)
        elif self.device.kind == "mps":
            torch.mps.synchronize()

    def free(self) -> None:
        """Give back what nobody holds, and count the peak from here."""
        gc.collect()
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device.torch)

    def peaks(self) -> dict[str, float]:
        """Most GiB since `free`, by what is counted; of CUDA alone."""
        if self.device.kind != "cuda":
            return {}
        counts = {"": torch.cuda.max_memory_allocated, ", with what PyTorch keeps": torch.cuda.max_memory_reserved}
        return {what: count(self.device.torch) / 2**30 for what, count in counts.items()}

    def surroundings(self) -> dict[str, Any]:
        """Versions and machine."""
        on_cuda = self.device.kind == "cuda"
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        known = on_cuda and shutil.which(asked[0])
        return {
            "driver": subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[0] if known else None,
            "device": str(self.device),
            "torch": torch.__version__,
            "CUDA": torch.version.cuda if on_cuda else None,
            "cuDNN": torch.backends.cudnn.version() if on_cuda else None,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "cpu": cpu_model(CPUINFO),
            "cores": usable_cores(),
            "revision": revision(),
        }
