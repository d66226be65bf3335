"""The segmentation network as an ONNX graph that takes images of any size and gives logits at full resolution.

MXNet's own exporter translates the network; around it the graph does what evaluation does: it pads the images below and
on the right with zeros (the mean colour) to multiples of 8, up-samples bilinearly with half-pixel centres
(`upsampling.py`), and crops. Imports `onnx`, which only the extra `onnx` installs.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import mxnet as mx
import numpy as np
import onnx
from mxnet.onnx import export_model
from onnx import TensorProto, helper, numpy_helper

from mlsl_mx.data.transforms import STRIDE
from mlsl_mx.network.mlsl_net import MLSLNet

# The newest operators that MXNet 1.9.1 writes, and the format that came with them: onnxruntime 1.6 (2020) reads both.
OPSET, IR_VERSION = 13, 7

INPUT, OUTPUT, STRIDE8_LOGITS = "images", "logits", "logits_stride8"
SYMBOL_INPUT = "padded_images"


def full_resolution_model(net: MLSLNet, num_classes: int, scratch: Path) -> onnx.ModelProto:
    """`images` (B, 3, H, W) float32, RGB, normalised -> `logits` (B, C, H, W) float32; B, H and W are free.

    Args:
        net: initialised, without a weak-label head.
        scratch: a path to write to: MXNet's exporter can only write files.

    Raises: onnx.checker.ValidationError if the graph is not valid ONNX.
    """
    network = _translated(net, scratch)
    network.node[-1].output[0] = STRIDE8_LOGITS
    graph = helper.make_graph(
        [*_padding(), *network.node, *_full_resolution()],
        "mlsl",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", num_classes, "height", "width"])],
        [*network.initializer, *_constants()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _translated(net: MLSLNet, scratch: Path) -> onnx.GraphProto:
    """The network alone, at stride 8, with the parameters' names in the release; all its operators are in opset 13.

    MXNet leaves out what `fix_gamma` and Dropout would do: our gammas are never fixed, and Dropout does nothing here.
    """
    onnx.mapping = _mapping()
    symbol = net(mx.sym.var(SYMBOL_INPUT))
    symbol = mx.sym.load_json(symbol.tojson().replace(net.prefix, ""))
    parameters = {name[len(net.prefix) :]: p.list_data()[0] for name, p in net.collect_params().items()}
    shape = (1, 3, 8 * STRIDE, 8 * STRIDE)  # MXNet wants one; the graph that it writes depends on it nowhere
    export_model(symbol, parameters, [shape], np.float32, str(scratch), dynamic=True)
    return onnx.load(str(scratch)).graph


def _mapping() -> SimpleNamespace:
    """What `onnx.mapping` was, which onnx 1.19 dropped and MXNet's exporter reads: NumPy's dtypes, ONNX's numbers."""
    numbers = [number for number in helper.get_all_tensor_dtypes() if number != TensorProto.UNDEFINED]
    dtypes = {number: helper.tensor_dtype_to_np_dtype(number) for number in numbers}
    return SimpleNamespace(TENSOR_TYPE_TO_NP_TYPE=dtypes, NP_TYPE_TO_TENSOR_TYPE={d: n for n, d in dtypes.items()})


def _padding() -> list[onnx.NodeProto]:
    """images -> padded_images, and size (H, W) for cropping later."""
    return [
        helper.make_node("Shape", [INPUT], ["shape"]),  # (B, 3, H, W)
        helper.make_node("Slice", ["shape", "two", "four"], ["size"]),  # (H, W)
        helper.make_node("Neg", ["size"], ["minus_size"]),
        helper.make_node("Mod", ["minus_size", "stride"], ["below_right"]),  # (-H mod 8, -W mod 8), of 0 to 7
        helper.make_node("Concat", ["no_padding", "below_right"], ["padding"], axis=0),
        helper.make_node("Pad", [INPUT, "padding"], [SYMBOL_INPUT], mode="constant"),
    ]


def _full_resolution() -> list[onnx.NodeProto]:
    """logits_stride8 -> logits."""
    return [
        helper.make_node(
            "Resize",
            [STRIDE8_LOGITS, "", "scales"],
            ["padded_logits"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Slice", ["padded_logits", "origin", "size", "height_width"], [OUTPUT]),
    ]


def _constants() -> list[onnx.TensorProto]:
    integers = {
        "two": [2],
        "four": [4],
        "stride": [STRIDE],
        "no_padding": [0] * 6,  # before and after, of (B, C, H, W), without the last two
        "origin": [0, 0],
        "height_width": [2, 3],  # axes
    }
    scales = np.array([1, 1, STRIDE, STRIDE], np.float32)
    return [
        *(numpy_helper.from_array(np.array(values, np.int64), name) for name, values in integers.items()),
        numpy_helper.from_array(scales, "scales"),
    ]
