"""The engine: what computes. It makes a network, segments with it, sums on its device, and makes training steps.

MXNet/Gluon, which this project is about, is the default and the reference. PyTorch is the second engine, for devices
and Python versions that MXNet does not support. All other code is NumPy and names no engine. The device decides which
engine is used, in `engine_of` and nowhere else; both read and write the same weights files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from mlsl_mx.system.device_shares import library_of
from mlsl_mx.system.errors import InputError

ENGINES = {"mxnet": "mlsl_mx.gluon.engine", "torch": "mlsl_mx.pytorch.engine"}
REMEDY = {
    "mxnet": "this environment has no MXNet: use CTX=torch:cpu, cuda:0 or mps, or make the environment of CTX=cpu",
    "torch": "this environment has no PyTorch: `make CTX=torch:cpu setup` builds .venv-torch, which has it",
}


def engine_of(device: Any) -> Engine:
    """The engine of a device, or of the first of several: a name as CTX has it, or what `Engine.devices` made of one.

    Raises: InputError if its library is not installed.
    """
    library = library_of(device)
    try:
        return import_module(ENGINES[library])
    except ModuleNotFoundError as missing:
        if missing.name != library:
            raise
        raise InputError(f"ctx {str(device)!r}: {REMEDY[library]}") from None


def one_device(ctx: str, what: str) -> tuple[Engine, Any]:
    """The engine of a name as CTX has it, and its device.

    Args:
        what: what is done on it, for the error, as "label_images computes".

    Raises: InputError as `engine_of` and `Engine.devices`, or if several devices are named.
    """
    engine = engine_of(ctx)
    devices = engine.devices(ctx)
    if len(devices) > 1:
        raise InputError(f"ctx is {ctx}: {what} on one device: name one")
    return engine, devices[0]


class Engine(Protocol):
    """What an engine has; the two are modules with these names.

    Types from other packages are only described, so that this module imports none of them: settings
    (`config.settings.Network`, `Optimizer`), maps (`pseudo_labels.maps`), batches (`training.batches`), arrays of NumPy
    or of the device.
    """

    Steps: Callable[..., Steps]  # (net, optimizer, loss, devices, workers)
    losses: Losses

    def devices(self, names: str) -> tuple[Any, ...]:
        """The devices of CTX, one or several with commas. Raises: InputError for one that is not there."""

    def model(self, device: Any) -> str | None:
        """What is known of a GPU's model; None of a CPU."""

    def check_network(self, settings: Any, device: Any) -> None:
        """Raises: InputError for a setting that does not work on the device."""

    def seed(self, number: int) -> None:
        """Make what is drawn from now on, as first weights or the dropout of a step, follow from this number."""

    def network(self, classes: int, settings: Any, weak_label_head: bool, frozen_statistics: bool = True) -> Any:
        """A network to be trained, without weights: `initialize(ctx=devices)`, `redraw_head(devices)`,
        `freeze_all_but_head()`, and what `load_original` and `save_original` use: `trunk_name`, `tensor_shapes()`,
        `tensors()`, `set_tensors(values, ctx)`."""

    def inference_net(self, net: Any, precision: str) -> Callable:
        """A copy for inference alone, without the weak-label head: images on the device -> logits at stride 8."""

    def own_network(self, net: str, device: Any) -> tuple[Callable, str]:
        """A network of the user's own for inference, and its hash; see `pytorch.own_network`.

        Raises: InputError if there is none, or the engine takes none.
        """

    def threads(self, device: Any) -> int:
        """How many may each read, compose and write an image at the same time; 0: one, beside the network."""

    def parameters(self, net: Any) -> Iterator[Any]:
        """All values of an inference net in a fixed order; nothing of another callable."""

    def timed(self, net: Callable) -> Any:
        """The same callable, with `net` and the `seconds` of its calls so far."""

    def patch_batch(self, size: int, device: Any) -> Any:
        """How many patches a call takes: `size`, or if 0 what `batching.PatchBatch` finds."""

    def image(self, pixels: Any, device: Any) -> Any:
        """(3, H, W) float32, normalised, on the device, from (H, W, 3) uint8 RGB."""

    def single_inference(self, net: Callable, image: Any, flip: bool) -> Any:
        """An image in one piece: `maps.PatchMaps` of N = 1; see `pseudo_labels.inference`."""

    def segment_patches(self, net: Callable, image: Any, corners: Any, patch: int, flip: bool, batch: Any) -> Any:
        """Patches, each on its own: `maps.PatchMaps` of N = len(corners); see `pseudo_labels.inference`."""

    def as_stored(self, part: Any) -> Any:
        """Rounded as `store.as_stored` does."""

    def on_host(self, maps: Any) -> Any:
        """With probabilities as NumPy arrays."""

    def is_finite(self, part: Any) -> bool:
        """Whether all probabilities are finite numbers."""

    def composite(self, image: Any, device: Any, upsampling: str, votes: bool = False) -> Iterator[Any]:
        """Windows of the composite output, `maps.Window` each; see `pseudo_labels.composition`."""

    def to_numpy(self, array: Any) -> Any:
        """A NumPy copy of an array of the device."""

    def most_probable(self, volume: Any) -> tuple[Any, Any]:
        """`selection.most_probable` of a window of the device, values below 0 taken for 0."""

    def selected(self, volume: Any, thresholds: Sequence[float], rule: str) -> Any:
        """`selection.select_pseudo_labels` of a window of the device, values below 0 taken for 0."""

    def join(self) -> Any:
        """Become one of the processes that a launcher started; ALONE if none did."""


class Losses(Protocol):
    """Functions of (outputs, train_ids, weak_labels, is_target) -> terms by name; see `training.losses`."""

    def composite_loss(
        self, outputs: Any, train_ids: Any, weak_labels: Any, is_target: Any, *, weight: float, **settings: Any
    ) -> dict[str, Any]:
        """Eq. 6."""

    def head_loss(self, outputs: Any, train_ids: Any, weak_labels: Any, is_target: Any) -> dict[str, Any]:
        """Eq. 5 alone."""


class Steps(Protocol):
    """The engine's part of a training: gradients, steps and momentum."""

    def __init__(self, net: Any, optimizer: Any, loss: Callable, devices: Sequence[Any], workers: Any): ...

    def gradients(self, batch: Any) -> dict[str, float]:
        """Terms of the loss, by name, of a batch of which this worker has its part; their gradients are kept."""

    def update(self, learning_rate: float) -> None:
        """One step of SGD by the gradients that are kept."""

    def momentum(self) -> dict[str, Any]:
        """Float32, by the names of parameters in weights files; empty before the first step."""

    def set_momentum(self, saved: Mapping[str, Any]) -> None:
        """Go on with what `momentum` gave."""

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
