"""The MXNet/Gluon engine: `mlsl_mx.engine.Engine`, made of the modules in network, pseudo_labels and training."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mxnet as mx
import numpy as np

from mlsl_mx.config.settings import Network
from mlsl_mx.data.transforms import normalise
from mlsl_mx.network.inference_net import check_precision, inference_net
from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.trunk_facts import check_width, find_trunk
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import segment_patches, single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps, PatchMaps
from mlsl_mx.pseudo_labels.selection import most_probable as most_probable_of
from mlsl_mx.pseudo_labels.selection import select_pseudo_labels
from mlsl_mx.pseudo_labels.store import as_stored
from mlsl_mx.system.device_shares import each_once
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.workers import join
from mlsl_mx.training import losses
from mlsl_mx.training.gluon_steps import GluonSteps as Steps

__all__ = ["Steps", "as_stored", "composite", "inference_net", "join", "losses", "segment_patches", "single_inference"]


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


timed = TimedNetwork
patch_batch = PatchBatch


def devices(names: str) -> tuple[mx.Context, ...]:
    """`cpu`, `gpu(0)` or several, `gpu(0),gpu(1)`, as MXNet contexts.

    Raises: InputError for another name, a GPU that this MXNet does not see, or one that is named twice.
    """
    return each_once(names, _device)


def _device(name: str) -> mx.Context:
    """`cpu`, `cpu(N)` or `gpu(N)` as an MXNet context."""
    match = re.fullmatch(r"(cpu|gpu)(?:\((\d+)\))?", name)
    if match is None:
        raise InputError(
            f"ctx {name!r} is not a device: use cpu, gpu(0), or several: gpu(0),gpu(1); "
            "with PyTorch cuda:0, mps or torch:cpu"
        )
    if match.group(1) == "cpu":
        return mx.cpu(int(match.group(2) or 0))
    number, found = int(match.group(2) or 0), mx.context.num_gpus()
    if number >= found:
        raise InputError(
            f"ctx {name}: this MXNet sees {found} GPUs: install mxnet-cu112 (make setup-gpu), or use cpu; "
            f"`mlsl doctor` tells more"
        )
    return mx.gpu(number)


def model(device: mx.Context) -> str | None:
    """Compute capability and memory of a GPU, e.g. "sm_86, 24 GB": MXNet 1.9.1 cannot tell its name.

    None for a CPU, or where MXNet cannot tell.
    """
    if device.device_type == "cpu":
        return None
    try:
        memory = mx.context.gpu_memory_info(device.device_id)[1]
        return f"sm_{mx.util.get_cuda_compute_capability(device)}, {memory / 1e9:.0f} GB"
    except (OSError, RuntimeError):  # MXNetError is one
        return None


def check_network(settings: Network, device: mx.Context) -> None:
    """Raises: InputError for a setting that does not work on the device."""
    if settings.training_precision != "float32":
        raise InputError(
            f"network.training_precision is {settings.training_precision}, which only PyTorch has: use CTX=cuda:0, or "
            "float32"
        )
    if settings.deterministic and device.device_type == "gpu":
        raise InputError("network.deterministic is true, which on GPUs only PyTorch has: use CTX=cuda:0, or false")
    find_trunk(settings.trunk)
    check_width(settings.trunk, settings.width)
    check_precision(settings.precision, device, settings.trunk)


def threads(device: mx.Context) -> int:
    """0: besides the network's thread only one more calls MXNet, in the order of the images."""
    return 0


def seed(number: int) -> None:
    """Of MXNet's generators on all devices."""
    mx.random.seed(number)


def network(classes: int, settings: Network, weak_label_head: bool, frozen_statistics: bool = True) -> MLSLNet:
    """The network, without weights, compiled for inputs of one shape, as each stage has."""
    net = MLSLNet(
        classes,
        settings.width,
        weak_label_head,
        trunk=settings.trunk,
        head_relu=settings.head_relu,
        dropout=settings.dropout,
        frozen_statistics=frozen_statistics,
    )
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def own_network(net: str, device: mx.Context) -> tuple[Callable, str]:
    """Raises: InputError: only PyTorch and onnxruntime run a user's own network."""
    raise InputError(f"--net {net}: is run by PyTorch: use --ctx torch:cpu, cuda:0 or mps instead of {device}")


def parameters(net: Callable) -> Iterator[np.ndarray]:
    """Of a Gluon network; not their names, as Gluon numbers them anew for each instance."""
    for parameter in (net.collect_params() if hasattr(net, "collect_params") else {}).values():
        yield parameter.list_data()[0].asnumpy()


def image(pixels: np.ndarray, device: mx.Context) -> mx.nd.NDArray:
    """(3, H, W) float32, normalised, on the device, from (H, W, 3) uint8 RGB."""
    return mx.nd.array(normalise(pixels), ctx=device)


def on_host(maps: ImageMaps) -> ImageMaps:
    """As they are: the maps were never kept on the device."""
    return maps


def is_finite(part: PatchMaps) -> bool:
    """Whether all probabilities are finite numbers."""
    return bool(np.isfinite(part.probabilities).all())


def to_numpy(array: mx.nd.NDArray) -> np.ndarray:
    """A copy, once the array is computed."""
    return array.asnumpy()


def most_probable(volume: mx.nd.NDArray) -> tuple[np.ndarray, np.ndarray]:
    """Class and probability of each pixel of a window."""
    return most_probable_of(np.maximum(volume.asnumpy(), 0))


def selected(volume: mx.nd.NDArray, thresholds: Sequence[float], rule: str) -> np.ndarray:
    """Labels of a window."""
    return select_pseudo_labels(np.maximum(volume.asnumpy(), 0), thresholds, rule)
