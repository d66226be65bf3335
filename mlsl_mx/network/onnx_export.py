"""From a weights file to an ONNX file that onnxruntime is known to run as MXNet does: `mlsl export-onnx`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

import mlsl_mx
from mlsl_mx.config.class_table import classes_of_weights
from mlsl_mx.config.classes import ClassSet
from mlsl_mx.data.transforms import MEAN, STD
from mlsl_mx.network.mlsl_net import MLSLNet
from mlsl_mx.network.weights.original_weights import load_original
from mlsl_mx.network.weights.published_weights import describe_segmentation
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import file_hash, whole_file

# Several images, wide enough for convolutions of dilation 12 at stride 8; and a size that is no multiple of 8.
TRIED_SHAPES = ((2, 3, 136, 200), (1, 3, 93, 141))

# The largest difference: absolute up to logits of 10, as trained networks have; float32 cannot do better beyond.
ABSOLUTE_LIMIT, RELATIVE_LIMIT = 1e-4, 1e-5


def export_onnx(weights: Path, out: Path) -> str:
    """Write the segmentation network of a weights file as ONNX, whole or not at all. The weak-label head is left out.

    `images` (B, 3, H, W) float32, RGB, normalised -> `logits` (B, C, H, W) float32, any B, H and W. The file is kept if
    onnxruntime's logits of random images are MXNet's.

    Returns: one line with the largest difference.
    Raises: InputError for an `out` of another ending, without onnx and onnxruntime, for a file that is no segmentation
        network, or of unknown classes, if `out` cannot be written, or if the logits differ.
    """
    if Path(out).suffix.lower() != ".onnx":
        raise InputError(f"--out {out}: name a file that ends in .onnx, so that no other file is overwritten")
    _require_packages()
    from mlsl_mx.network.onnx_graph import full_resolution_model

    found = describe_segmentation(weights)
    classes = classes_of_weights(Path(weights), found.classes)
    net = MLSLNet(found.classes, found.width, weak_label_head=False, trunk=found.trunk)
    load_original(net, weights, ctx=mx.cpu())
    with whole_file(out) as temporary:
        model = full_resolution_model(net, found.classes, temporary)
        _describe(model, classes, weights)
        temporary.write_bytes(model.SerializeToString())
        del model  # 0.5 GB at width 1
        difference, limit = _difference(net, temporary)
        if not difference <= limit:  # nor if it is NaN
            raise InputError(
                f"{out}: not written: its logits differ by {difference:.1e} from MXNet's (limit {limit:.1e}): "
                "install the versions of constraints.txt"
            )
    shapes = " and ".join("x".join(map(str, shape)) for shape in TRIED_SHAPES)
    return (
        f"{out}: {found.classes} classes, {found.network}; logits differ by at most {difference:.1e} from "
        f"MXNet's (allowed: {limit:.1e}) on random images of {shapes}"
    )


def _require_packages() -> None:
    for module in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(module)
        except ImportError as problem:
            raise InputError(
                f"ONNX export needs the packages onnx and onnxruntime ({problem}): in the checkout, run "
                f"{sys.executable} -m pip install -c constraints.txt onnx onnxruntime"
            ) from None


def _describe(model, classes: ClassSet, weights: Path) -> None:
    """What one must know to use the file, in the file: values are JSON but for version and hash."""
    model.producer_name, model.producer_version = "mlsl-mx", mlsl_mx.__version__
    model.doc_string = "images: RGB / 255, minus mean, over std. logits: softmax over axis 1 gives probabilities."
    properties = {
        "classes": json.dumps(classes.names),
        "label_ids": json.dumps(classes.label_id_lookup[: classes.num_classes].tolist()),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "mlsl_mx_version": mlsl_mx.__version__,
        "weights": file_hash(weights),  # as in evaluation.json
    }
    for key, value in properties.items():
        model.metadata_props.add(key=key, value=value)


def _difference(net: MLSLNet, path: Path) -> tuple[float, float]:
    """The largest absolute difference of logits between onnxruntime and MXNet, and what is allowed."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    differences, largest = [], []
    for shape in TRIED_SHAPES:
        images = generator.normal(size=shape).astype(np.float32)
        expected = full_resolution_logits(net, images)
        (logits,) = session.run(["logits"], {"images": images})
        differences.append(np.abs(logits - expected).max())
        largest.append(np.abs(expected).max())
    return float(np.max(differences)), max(ABSOLUTE_LIMIT, RELATIVE_LIMIT * float(np.max(largest)))


def full_resolution_logits(net: MLSLNet, images: np.ndarray) -> np.ndarray:
    """What the ONNX graph computes, by MXNet: (B, 3, H, W) -> (B, C, H, W), both float32."""
    return net.evaluate(mx.nd.array(images)).asnumpy()
