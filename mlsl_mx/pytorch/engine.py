"""The PyTorch engine: `mlsl_mx.engine.Engine`, made of the modules in this folder."""

from __future__ import annotations

import os

import torch

from mlsl_mx.config.settings import Network
from mlsl_mx.network.trunk_facts import DEFAULT
from mlsl_mx.pytorch import losses
from mlsl_mx.pytorch.composition import composite, most_probable, selected, to_numpy
from mlsl_mx.pytorch.devices import Device, devices, model
from mlsl_mx.pytorch.inference import (
    PatchBatch,
    TimedNetwork,
    as_stored,
    image,
    is_finite,
    on_host,
    parameters,
    segment_patches,
    single_inference,
)
from mlsl_mx.pytorch.inference_net import DTYPES, InferenceNet
from mlsl_mx.pytorch.network import MLSLNet
from mlsl_mx.pytorch.own_network import own_network
from mlsl_mx.pytorch.steps import TorchSteps as Steps
from mlsl_mx.pytorch.workers import join
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import threads_beside

__all__ = [
    "Steps",
    "as_stored",
    "composite",
    "devices",
    "image",
    "is_finite",
    "join",
    "losses",
    "model",
    "most_probable",
    "on_host",
    "own_network",
    "parameters",
    "segment_patches",
    "selected",
    "single_inference",
    "to_numpy",
]

inference_net = InferenceNet
timed = TimedNetwork
patch_batch = PatchBatch


def threads(device: Device) -> int:
    """That may each compose an image beside the others: none where the network itself needs the cores."""
    return threads_beside(device.device_type)


def check_network(settings: Network, device: Device) -> None:
    """Raises: InputError for a setting that does not work on the device."""
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS wants for it, before its first call
    if settings.deterministic != torch.are_deterministic_algorithms_enabled():  # setting it imports a compiler: seconds
        torch.use_deterministic_algorithms(settings.deterministic)
    torch.backends.cudnn.allow_tf32 = False  # PyTorch's default is True: float32 would not be what it says
    if settings.trunk != DEFAULT:
        raise InputError(
            f"network.trunk is {settings.trunk}: with PyTorch there is only {DEFAULT}: use CTX=cpu or gpu(0)"
        )
    if settings.precision not in DTYPES:
        raise InputError(f"network.precision is {settings.precision!r}: use one of {', '.join(DTYPES)}")
    if settings.precision in ("float16", "tf32") and device.kind == "cpu":
        raise InputError(f"network.precision is {settings.precision}, which is for GPUs: use bfloat16 or float32")
    if settings.precision == "tf32" and device.kind != "cuda":
        raise InputError(f"network.precision is tf32, which GPUs of NVIDIA have: on {device} use float16 or float32")


def seed(number: int) -> None:
    """Of PyTorch's generators on all devices."""
    torch.manual_seed(number)


def network(classes: int, settings: Network, weak_label_head: bool, frozen_statistics: bool = True) -> MLSLNet:
    """The network, its weights drawn from the seed, on the CPU until `initialize`."""
    return MLSLNet(
        classes,
        settings.width,
        weak_label_head,
        head_relu=settings.head_relu,
        dropout=settings.dropout,
        frozen_statistics=frozen_statistics,
        precision=settings.training_precision,
    )
