"""What a trunk is: the part of the network from images to the feature map that the heads are on.

A trunk of one's own needs no entry here: `network.trunk: package.module:Name` names it (docs/EXTENDING.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import gluon

from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.network.trunk_facts import check_width, find_trunk
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import called_for

TRIED = (1, 3, 8 * STRIDE, 8 * STRIDE)  # images that a trunk is tried with


class Trunk(gluon.HybridBlock):
    """The contract: images (B, 3, H, W) -> feature map (B, channels, H / stride, W / stride).

    Images are RGB / 255, less ImageNet's mean, over its deviation (`transforms.normalise`); a trunk that wants them
    otherwise begins with a layer that makes them so. Heights and widths are multiples of `stride`, which is 8. The
    constructor takes all three arguments by name, whether it has a use for them or not.

    Args:
        width: factor of every channel count; 1 if not `scalable`.
        dropout: `network.dropout`.
        frozen_statistics: normalise with the running statistics while training too, and leave them alone. False
            estimates them from the batches, for training from scratch.

    Attributes:
        channels: of the feature map, whatever the image.
        stride: of the feature map.
        scalable: whether there are other widths than 1.
        classifier: names of the tensors that an ImageNet classifier's file has besides the trunk's.
        gluoncv: its name in GluonCV's model store, which has weights of it; None: there are none.
        fused: its form for inference: (layers, images) -> feature map, by an `inference_net.FusedLayers`; images and
            feature map are symbols. None: inference uses the trunk as it is.
    """

    channels: int
    stride: int
    scalable = False
    classifier: tuple[str, ...] = ()
    gluoncv: str | None = None
    fused: Callable | None = None

    def named_parameters(self) -> dict[str, gluon.Parameter]:
        """Its parameters by their names in weights files; here those of `save_parameters`: `layer1.0.conv1.weight`."""
        return self._collect_params_with_prefix()

    @classmethod
    def shapes_at(cls, width: float) -> tuple[dict[str, tuple[int, ...]], int]:
        """Shapes of its tensors by their names in weights files, and its channels."""
        made = _made(cls, width, (0.0, 0.0), frozen_statistics=True)
        return {name: tuple(parameter.shape) for name, parameter in made.named_parameters().items()}, made.channels


def make_trunk(name: str, width: float, dropout: tuple[float, float], frozen_statistics: bool) -> Trunk:
    """The trunk, not initialised, with all shapes known.

    Raises: InputError as `check_width`, for a stride other than that of the labels, or for a trunk of the user's own
        that cannot be made or breaks the contract.
    """
    check_width(name, width)
    return _made(find_trunk(name), width, dropout, frozen_statistics)


def _made(trunk: type[Trunk], width: float, dropout: tuple[float, float], frozen_statistics: bool) -> Trunk:
    how = {"width": width, "dropout": dropout, "frozen_statistics": frozen_statistics}
    if trunk.__module__.startswith("mlsl_mx."):
        return _constructed(trunk, how)
    what = f"network.trunk {trunk.__module__}:{trunk.__name__}"
    with called_for(what):
        made = _constructed(trunk, how)
        _, shapes, _ = made(mx.sym.Variable("images")).infer_shape(images=TRIED)
    if made.stride != STRIDE:
        raise InputError(
            f"{what}, of stride {made.stride}: labels and patches need stride {STRIDE}: beyond that, "
            "dilate its convolutions instead of striding"
        )
    wanted = (1, made.channels, *(side // STRIDE for side in TRIED[2:]))
    if shapes != [wanted]:
        raise InputError(f"{what}: images of {TRIED} give {shapes}, not {wanted}: correct its channels or its strides")
    return made


def _constructed(trunk: type[Trunk], how: dict[str, Any]) -> Trunk:
    made = trunk(**how)
    if not all(all(parameter.shape) for parameter in made.collect_params().values()):
        made.infer_shape(mx.nd.zeros(TRIED))
    return made
