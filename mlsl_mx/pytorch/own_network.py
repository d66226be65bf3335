"""A segmentation network of the user's own in the place of the project's: a PyTorch module, or an ONNX file."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mlsl_mx.pytorch.devices import Device
from mlsl_mx.pytorch.inference import parameters
from mlsl_mx.system.errors import InputError, first_line
from mlsl_mx.system.own_code import called_for, code_files, imported

CUDA = "CUDAExecutionProvider"  # onnxruntime's name


def own_network(net: str, device: Device) -> tuple[Callable, str]:
    """What `--net` names.

    Args:
        net: `package.module:function`, of what gives a network when it is called without arguments; or FILE.onnx.

    Returns: the network, images (B, 3, H, W) float32 on the device -> logits (B, C, h, w), alone or first; and a hash
        of the code's files and a module's tensors, or of the ONNX file and the FILE.onnx.data beside it.
    Raises: InputError as `imported` and `OnnxNetwork`, or if what is named gives no network.
    """
    digest = hashlib.sha256()
    if net.endswith(".onnx"):
        path = Path(net)
        network = OnnxNetwork(path, device)
        for file in filter(Path.exists, (path, Path(f"{net}.data"))):
            digest.update(file.read_bytes())
        return _watched(network, net), digest.hexdigest()
    network = _made(net)
    if isinstance(network, nn.Module):
        network = network.eval().requires_grad_(False).to(device.torch)
    for file in code_files(net, "--net"):
        digest.update(file.read_bytes())
    for values in parameters(network):
        digest.update(values)
    return _watched(network, net), digest.hexdigest()


def _watched(network: Callable, net: str) -> Callable:
    """The network, whose errors are the user's."""

    def called(images: torch.Tensor):
        height, width = images.shape[2:]
        with called_for(f"--net {net}", f" with images of {width}x{height}", "pseudo-label"):
            return network(images)

    return called


def _made(net: str) -> Callable:
    """Raises: InputError if it cannot be made, or cannot be called."""
    function = imported(net, "--net")
    with called_for(f"--net {net}", " when it was called without arguments"):
        network = function()
    if not callable(network):
        raise InputError(f"--net {net}: gave a {type(network).__name__}: it must give a torch.nn.Module or a function")
    return network


class OnnxNetwork:
    """An ONNX file as a network, run by onnxruntime on a GPU of NVIDIA, else on the CPU.

    Its one input is (B, 3, H, W) float32, and its first output is taken. Sizes may be fixed in the file; batches are
    cut, and the last one filled up, to a fixed B.

    Raises: InputError without onnxruntime, or its part for CUDA if the device is one, or for a file of another kind.
    """

    def __init__(self, path: Path, device: Device):
        self.path = path
        try:
            import onnxruntime
        except ImportError as problem:
            raise InputError(
                f"--net {path}: needs the package onnxruntime ({problem}), or onnxruntime-gpu for CUDA: "
                f"{sys.executable} -m pip install onnxruntime"
            ) from None
        cuda = [(CUDA, {"device_id": device.index})] if device.kind == "cuda" else []
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=[*cuda, "CPUExecutionProvider"])
        except Exception as problem:  # its classes have no common one
            raise InputError(f"--net {path}: onnxruntime cannot read it ({first_line(problem)})") from None
        if cuda and CUDA not in self.session.get_providers():
            raise InputError(
                f"--net {path}: this onnxruntime cannot compute on {device}: install onnxruntime-gpu, or use "
                "--ctx torch:cpu"
            )
        self.input, self.batch, self.size = self._described()

    def _described(self) -> tuple[str, int | None, tuple[int | None, ...]]:
        """Name, B and (H, W) of the input; None for what the file leaves open."""
        inputs = self.session.get_inputs()
        fixed = [[side if isinstance(side, int) else None for side in one.shape] for one in inputs]
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(fixed[0]) != 4 or fixed[0][1] not in (3, None):
            found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise InputError(f"--net {self.path}: takes {found}: it must take only images, (B, 3, H, W) float32")
        return inputs[0].name, fixed[0][0], tuple(fixed[0][2:])

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Raises: InputError for images of another size than the file's; RuntimeError if onnxruntime fails."""
        given = images.cpu().numpy()
        if any(fixed not in (None, own) for fixed, own in zip(self.size, given.shape[2:], strict=True)):
            height, width = (side or "any" for side in self.size)
            raise InputError(
                f"--net {self.path}: takes only images of {width}x{height} (width x height), not "
                f"{given.shape[3]}x{given.shape[2]}: set pseudo_labels.patch to that, or export it with open sizes"
            )
        batch = self.batch or len(given)
        rows = [self._run(given[start : start + batch], batch) for start in range(0, len(given), batch)]
        return torch.from_numpy(np.concatenate(rows)).to(images.device)

    def _run(self, some: np.ndarray, batch: int) -> np.ndarray:
        filled = np.resize(some, (batch, *some.shape[1:]))  # repeats what there is
        try:
            return self.session.run(None, {self.input: filled})[0][: len(some)]
        except Exception as problem:  # as PyTorch, whose batches are halved where memory ends
            raise RuntimeError(str(problem)) from problem
