"""The segmentation network as it runs fastest, for labelling and evaluation, where no gradient is needed.

The same function of the weights as MLSLNet's segmentation, as another graph: where the trunk has a fused form, a batch
normalisation that follows a convolution is folded into its weights; there is no dropout and no weak-label head; on CPUs
oneDNN then does a convolution, its bias, its ReLU and the residual sum in one go.
"""

from __future__ import annotations

import mxnet as mx
import numpy as np
from mxnet.gluon import SymbolBlock, nn

from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.resnet38 import BATCH_NORM_EPSILON, BatchNormReLU
from mlsl_mx.network.trunk_facts import DEFAULT, find_trunk
from mlsl_mx.network.trunks import Trunk
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import has_bfloat16

# MXNet knows bfloat16 by this name inside a NumPy type.
DTYPES = {"float32": np.float32, "bfloat16": np.dtype([("bfloat16", np.uint16)]), "float16": np.float16}


def inference_net(net: MLSLNet, precision: str = "float32") -> SymbolBlock:
    """A copy of `net` for inference alone: images (B, 3, H, W) float32 -> logits (B, C, H/8, W/8) float32.

    Any B, H and W; each change of shape costs one planning of memory. On CPUs an image's logits are bit for bit the
    same in any batch (measured, and a test). Later changes of `net` do not reach the copy.

    Args:
        net: with its weights, on one device; it stays as it is.
        precision: "float32": within 1e-4 of `net`; "bfloat16", for CPUs, and "float16", for GPUs: weights and feature
            maps are rounded to it, but for the first and the last layer. Normalisation always has float32 factors.

    Raises: InputError as `check_precision`.
    """
    ctx = net.segmentation_head[0].weight.list_ctx()[0]
    check_precision(precision, ctx, net.trunk_name)
    logits, values = segmentation_symbol(net, precision)
    copy = SymbolBlock(logits, mx.sym.var("images", dtype=np.float32))
    for name, parameter in copy.collect_params().items():
        parameter.cast(values[name].dtype)
    copy.collect_params().load_dict(values, ctx=ctx)
    static = {"static_alloc": True, "static_shape": True}
    if ctx.device_type == "cpu":
        copy.optimize_for(mx.nd.zeros((1, 3, 8, 8), ctx=ctx), backend="MKLDNN", **static)
    else:
        copy.hybridize(**static)
    return copy


def segmentation_symbol(net: MLSLNet, precision: str) -> tuple[mx.sym.Symbol, dict[str, mx.nd.NDArray]]:
    """The graph of `inference_net`, from the variable `images` to the logits, and the values of its parameters."""
    layers = FusedLayers(net.prefix, precision)
    return layers.logits(net, mx.sym.var("images", dtype=np.float32)), layers.values


def check_precision(precision: str, ctx: mx.Context, trunk: str = DEFAULT) -> None:
    """Raises: InputError for a precision that is unknown, that the trunk's inference graph does not support, or that
    the device has no fast convolutions for."""
    if precision not in DTYPES:
        raise InputError(f"network.precision is {precision!r}: use one of {', '.join(DTYPES)}")
    if precision != "float32" and find_trunk(trunk).fused is None:
        raise InputError(f"network.precision is {precision}, but the trunk {trunk} has no fused form: use float32")
    if precision == "float16" and ctx.device_type == "cpu":
        raise InputError("network.precision is float16, which is for GPUs: on a CPU use bfloat16 or float32")
    if precision == "bfloat16" and ctx.device_type != "cpu":
        raise InputError(f"network.precision is bfloat16, which is for CPUs: on {ctx} use float16 or float32")
    if precision == "bfloat16" and not has_bfloat16():
        raise InputError("network.precision is bfloat16, but this CPU has no avx512_bf16 instructions: use float32")


class FusedLayers:
    """Symbols of layers for inference; `values` gets the parameters that they name, as NDArray of their types.

    Args:
        prefix: of the network, which the names of `parameter` go without.
        precision: of weights and feature maps, but for what a caller says.
    """

    def __init__(self, prefix: str, precision: str):
        self.prefix = prefix
        self.precision = precision
        self.values: dict[str, mx.nd.NDArray] = {}

    def logits(self, net: MLSLNet, images):
        """(B, 3, H, W) -> (B, C, H/8, W/8)."""
        hidden, _, classes = net.segmentation_head
        fused = net.trunk.fused
        x = self.as_it_is(net.trunk, images) if fused is None else fused(self, images)  # (B, F, H/8, W/8)
        x = mx.sym.Activation(self.convolution(x, hidden), act_type="relu")
        return self.convolution(self.cast(x, "float32"), classes, precision="float32")

    def as_it_is(self, trunk: Trunk, images):
        """The feature map (B, F, H/8, W/8) of a trunk without a fused form: by the graph that is trained."""
        features, parameters = trunk(images), trunk.collect_params()
        for name in (name for name in features.list_inputs() if name in parameters):
            self.keep(name, parameters[name].data().asnumpy(), "float32")
        return features

    def convolution(self, x, layer: nn.Conv2D, normal: BatchNormReLU | None = None, precision: str | None = None):
        """The convolution with, if given, the BN and ReLU behind it."""
        weight = layer.weight.data().asnumpy().astype(np.float64)  # (O, I, k, k)
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.data().asnumpy()
        if normal is not None:
            gamma, beta, mean, variance = (p.data().asnumpy().astype(np.float64) for p in _parameters(normal))
            scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
            weight, bias = weight * scale[:, None, None, None], beta + (bias - mean) * scale
        precision = precision or self.precision
        parameters = [self.parameter(f"{layer.name}_weight", weight, precision)]
        parameters += [self.parameter(f"{layer.name}_bias", bias, precision)]
        out = mx.sym.Convolution(x, *parameters, **{**layer._kwargs, "no_bias": False})
        return out if normal is None else mx.sym.Activation(out, act_type="relu")

    def normalised(self, x, layer: BatchNormReLU):
        """BN + ReLU of a residual sum, which other layers read too."""
        parameters = [self.parameter(p.name, p.data().asnumpy(), "float32") for p in _parameters(layer)]
        kept = {"eps": BATCH_NORM_EPSILON, "fix_gamma": False, "use_global_stats": True}
        return mx.sym.Activation(mx.sym.BatchNorm(x, *parameters, **kept), act_type="relu")

    def cast(self, x, precision: str):
        """x in that precision; x itself where everything is float32."""
        return x if self.precision == "float32" else mx.sym.amp_cast(x, dtype=DTYPES[precision])

    def parameter(self, name: str, value: np.ndarray, precision: str):
        """The symbol of a parameter with that value, named as in the release."""
        name = name[len(self.prefix) :]
        self.keep(name, value, precision)
        return mx.sym.var(name)

    def keep(self, name: str, value: np.ndarray, precision: str) -> None:
        """Note what the symbol `name` stands for."""
        self.values[name] = mx.nd.amp_cast(mx.nd.array(value, ctx=mx.cpu(), dtype="float32"), dtype=DTYPES[precision])


def _parameters(layer: BatchNormReLU):
    return layer.gamma, layer.beta, layer.moving_mean, layer.moving_var
