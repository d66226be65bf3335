"""The network of the paper: a trunk, ResNet-38 if none is named, and its heads."""

from __future__ import annotations

from collections.abc import Mapping

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.gluon import nn

from mlsl_mx.network.heads import SegmentationHead, WeakLabelHead
from mlsl_mx.network.trunk_facts import DEFAULT
from mlsl_mx.network.trunks import make_trunk
from mlsl_mx.network.upsampling import upsample


class MLSLNet(nn.HybridBlock):
    """A trunk with a segmentation head and, if wanted, a weak-label head (Sec. 4.1.2, Fig. 2).

    All shapes are known at construction, and `initialize(ctx=...)` draws what the recipe asks for: weights from a
    normal of variance 2 / fan_in, biases and betas 0, gammas 1. Biases and betas learn at twice the rate and do not
    decay (`lr_mult` 2, `wd_mult` 0).

    Hybridized with `static_shape=True`, record one forward pass for each backward pass: after two in one recording
    MXNet 1.9.1 silently computes wrong gradients, from then on. `static_alloc=True` alone has no such limit.

    Args:
        num_classes: C.
        width: factor of every channel count of trunk and heads; 1 is the paper's network of 124 M parameters (171 M
            with the weak-label head), 0.125 the miniature's of 2.0 M (2.7 M).
        weak_label_head: whether there is one.
        trunk: a key of TRUNKS, or `package.module:Name`.
        head_relu: "every_layer", a ReLU after each layer of the weak-label head but the last (the paper), or
            "released", after the first alone.
        dropout: rates before the last convolution of ResNet-38's levels 6 and 7, while training.
        frozen_statistics: normalise with the running statistics while training too. False estimates them from the
            batches, for training from scratch.

    Raises: ValueError for a `head_relu` that is neither; InputError as `make_trunk`.
    """

    def __init__(
        self,
        num_classes: int = 19,
        width: float = 1.0,
        weak_label_head: bool = True,
        *,
        trunk: str = DEFAULT,
        head_relu: str = "every_layer",
        dropout: tuple[float, float] = (0.3, 0.5),
        frozen_statistics: bool = True,
    ):
        super().__init__()
        if head_relu not in ("every_layer", "released"):
            raise ValueError(f"head_relu is {head_relu!r}: use 'every_layer' (the paper) or 'released'")
        self.trunk_name = trunk
        with self.name_scope():
            self.trunk = make_trunk(trunk, width, dropout, frozen_statistics)
            features = self.trunk.channels
            self.segmentation_head = SegmentationHead(features, num_classes, width)
            self.weak_label_head = None
            if weak_label_head:
                self.weak_label_head = WeakLabelHead(features, num_classes, width, head_relu == "every_layer")
        biases = self.collect_params(".*_(bias|beta)$")
        biases.setattr("lr_mult", 2.0)
        biases.setattr("wd_mult", 0.0)

    def hybrid_forward(self, F, images):
        """images (B, 3, H, W), normalised RGB -> logits (B, C, H/8, W/8), or (logits, weak_logits (B, C)).

        H and W are multiples of 8 (else the output is rounded up); no softmax, no sigmoid, no up-sampling.
        """
        features = self.trunk(images)  # (B, F, H/8, W/8)
        logits = self.segmentation_head(features)
        return logits if self.weak_label_head is None else (logits, self.weak_label_head(features))

    def named_parameters(self) -> dict[str, gluon.Parameter]:
        """All parameters by their names in weights files: the heads' are those of the release."""
        named = self.trunk.named_parameters()
        for head in (head for head in (self.segmentation_head, self.weak_label_head) if head is not None):
            named.update({name[len(self.prefix) :]: parameter for name, parameter in head.collect_params().items()})
        return named

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all parameters by their names in weights files."""
        return {name: tuple(parameter.shape) for name, parameter in self.named_parameters().items()}

    def tensors(self) -> dict[str, np.ndarray]:
        """Copies of all parameters by their names in weights files, float32, from the first device."""
        return {name: parameter.list_data()[0].asnumpy() for name, parameter in self.named_parameters().items()}

    def set_tensors(self, values: Mapping[str, np.ndarray], ctx=None) -> None:
        """Give parameters these values, by their names in weights files; the others stay as they are.

        Args:
            values: float32, of the right shapes.
            ctx: device or devices of parameters not yet initialised; MXNet's current one by default.
        """
        for name, parameter in self.named_parameters().items():
            if not _is_initialised(parameter):
                parameter.initialize(init=mx.init.Zero() if name in values else None, ctx=ctx)
            if name in values:
                parameter.set_data(mx.nd.array(values[name], dtype="float32"))

    def evaluate(self, images: mx.nd.NDArray) -> mx.nd.NDArray:
        """Logits at the images' own size, as gluoncv's evaluators and metrics want them.

        Heights and widths that are no multiple of 8 are padded with the mean colour; the logits are up-sampled
        bilinearly (half-pixel centres) and cropped. `mlsl evaluate` up-samples probabilities instead, so some pixels
        near borders are of another class there (docs/INTERCHANGE.md).

        Args:
            images: (B, 3, H, W), normalised RGB.

        Returns: (B, C, H, W) float32.
        """
        height, width = images.shape[2:]
        below, right = -height % self.trunk.stride, -width % self.trunk.stride
        padded = mx.nd.pad(images, mode="constant", pad_width=(0, 0, 0, 0, 0, below, 0, right))
        output = self(padded)
        logits = output if self.weak_label_head is None else output[0]  # (B, C, h, w)
        return upsample(logits, height + below, width + right, "bilinear")[:, :, :height, :width]

    def freeze_all_but_head(self) -> None:
        """Freeze everything except the weak-label head; call it before the first forward pass."""
        self.collect_params().setattr("grad_req", "null")
        self.weak_label_head.collect_params().setattr("grad_req", "write")

    def redraw_head(self, ctx) -> None:
        """Draw the weak-label head's weights anew, on a device or several."""
        self.weak_label_head.initialize(ctx=ctx, force_reinit=True)

    def predict(self, images: mx.nd.NDArray) -> mx.nd.NDArray:
        """`evaluate` under the name by which gluoncv's demo scripts call it."""
        return self.evaluate(images)


def _is_initialised(parameter: gluon.Parameter) -> bool:
    try:
        parameter.list_ctx()
    except RuntimeError:
        return False
    return True
