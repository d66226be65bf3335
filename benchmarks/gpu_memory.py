"""Memory that each stage needs on a GPU: arithmetic on the shapes of the network's graph, no measurement.

    .venv/bin/python benchmarks/gpu_memory.py          # prints what docs/GPU.md holds

Labelling and evaluation: the weights, and the feature maps that are alive at the worst moment. Training: weights,
gradients and momentum, and at the worst moment of the backward pass what is still kept of the forward pass (what the
gradients of MXNet's operators read) with the gradients of feature maps. cuDNN's workspace and CUDA's own memory are
stated beside it, as no shape tells them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mlsl_mx.network import MLSLNet  # first: it lets MXNet be imported beside today's NumPy

# isort: split
import mxnet as mx
import numpy as np

from mlsl_mx.config import load_config
from mlsl_mx.config.settings import Config
from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]
EXPERIMENT = ROOT / "experiments" / "gta2city.yaml"
GIB = 2**30
FLOAT32, FLOAT16 = 4, 2  # bytes
WORKSPACE = 1.0  # GiB: the most that MXNet lets a convolution ask for; the layers share it
CUDA_ITSELF = 0.5  # GiB, assumed: context, code of MXNet and cuDNN
CARDS = (8, 11, 16, 24, 32, 40, 80)  # GiB

# Operators that can write their output over their input: their own gradient does not read it.
IN_PLACE = ("Activation", "elemwise_add", "_plus", "broadcast_add", "Flatten", "Reshape")
READ_INPUT = ("Convolution", "FullyConnected", "BatchNorm", "Pooling")
READ_OUTPUT = ("Activation", "Pooling")


class Node(NamedTuple):
    """One operator of the graph, or a variable (operator "null")."""

    operator: str
    inputs: tuple[int, ...]  # nodes whose outputs it reads, parameters left out
    numbers: int  # in its output


class Graph(NamedTuple):
    """Nodes in the order of the forward pass, and the numbers in all parameters."""

    nodes: tuple[Node, ...]
    parameters: int


def graph(batch: int, height: int, width: int, weak_label_head: bool, config: Config) -> Graph:
    """Of the full network for such an input."""
    net = MLSLNet(config.classes, config.network.width, weak_label_head, dropout=config.network.dropout)
    outputs = net(mx.sym.var("images"))
    symbol = mx.sym.Group(list(outputs)) if weak_label_head else outputs
    internals = symbol.get_internals()
    arguments, shapes, auxiliary = internals.infer_shape(images=(batch, 3, height, width))
    numbers = {name: int(np.prod(shape)) for name, shape in zip(internals.list_outputs(), shapes, strict=True)}
    described = json.loads(symbol.tojson())["nodes"]
    is_parameter = [node["op"] == "null" and node["name"] != "images" for node in described]
    nodes = []
    for node in described:
        inputs = tuple(source for source, *_ in node["inputs"] if not is_parameter[source])
        name = node["name"] if node["op"] == "null" else f"{node['name']}_output"
        nodes.append(Node(node["op"], inputs, 0 if node["op"] == "null" and name != "images" else numbers[name]))
    parameters = sum(int(np.prod(shape)) for shape in (*arguments, *auxiliary)) - numbers["images"]
    return Graph(tuple(nodes), parameters)


def inference_bytes(found: Graph, size: int = FLOAT32) -> int:
    """Weights, and the most feature maps that are alive at once; BatchNorm counts as folded into convolutions."""
    last_reader: dict[int, int] = {}
    for index, node in enumerate(found.nodes):
        last_reader.update({source: index for source in node.inputs})
    alive: dict[int, int] = {}
    peak = 0
    for index, node in enumerate(found.nodes):
        if node.numbers == 0:
            continue
        ending = [source for source in node.inputs if last_reader[source] == index]
        in_place = node.operator in (*IN_PLACE, "BatchNorm", "Dropout") and ending
        if in_place:
            del alive[ending[0]]
        alive[index] = node.numbers
        peak = max(peak, sum(alive.values()))
        for source in ending[1 if in_place else 0 :]:
            alive.pop(source, None)
    return size * (found.parameters + peak)


def training_bytes(found: Graph) -> int:
    """Weights, gradients, momentum, and the worst moment of the backward pass; float32."""
    kept = _kept(found.nodes)
    gradients: dict[int, int] = {}
    peak = 0
    for index in range(len(found.nodes) - 1, -1, -1):
        node = found.nodes[index]
        if node.operator == "null":
            continue
        own = gradients.setdefault(index, node.numbers)  # an output's gradient comes from the loss
        new = {source: found.nodes[source].numbers for source in node.inputs if source not in gradients}
        new = {source: numbers for source, numbers in new.items() if found.nodes[source].operator != "null"}
        in_place = node.operator in (*IN_PLACE, "Dropout") and new
        held = sum(numbers for _, numbers in kept[: index + 1])
        peak = max(peak, held + sum(gradients.values()) + sum(new.values()) - (own if in_place else 0))
        gradients.update(new)
        del gradients[index]
    return FLOAT32 * (3 * found.parameters + peak)


def _kept(nodes: Iterable[Node]) -> list[tuple[int, int]]:
    """For each node (its index, numbers) that its gradient is the first in the forward order to read: what is freed
    once the backward pass has come to it."""
    nodes = tuple(nodes)
    readers = defaultdict(list)
    for index, node in enumerate(nodes):
        if node.operator in READ_INPUT:
            readers[node.inputs[0]].append(index)
        if node.operator in READ_OUTPUT:
            readers[index].append(index)
    freed = [0] * len(nodes)
    for tensor, users in readers.items():
        freed[min(users)] += nodes[tensor].numbers
    for index, node in enumerate(nodes):
        if node.operator == "Dropout":
            freed[index] += node.numbers  # its mask
    return list(enumerate(freed))


def stages(config: Config, head_config: Config) -> list[tuple[str, int]]:
    """(what, bytes) of each stage with the paper's settings and smaller ones."""
    patch, crop = config.pseudo_labels.patch, config.self_training.crops.size
    height, width = config.target.size
    source, both = config.source_training.batch, config.self_training.batch
    rows = []
    for batch in (16, 8, 4, 1):
        found = graph(batch, patch, patch, False, config)
        for name, size in (("float32", FLOAT32), ("float16", FLOAT16)):
            rows.append(
                (
                    f"pseudo-label: {_counted(batch, 'patch', 'es')} of {patch}x{patch}, {name}",
                    inference_bytes(found, size),
                )
            )
    found = graph(1, height, width, False, config)
    for name, size in (("float32", FLOAT32), ("float16", FLOAT16)):
        rows.append((f"evaluate, single inference: {width}x{height}, {name}", inference_bytes(found, size)))
    for batch in (source, 8, 4, both, 1):
        rows.append(
            (
                f"training, {_counted(batch, 'crop', 's')} of {crop}x{crop}",
                training_bytes(graph(batch, crop, crop, False, config)),
            )
        )
    for batch, side in ((source, crop), (1, crop), (1, 400), (1, 304)):
        rows.append(
            (
                f"training, {_counted(batch, 'crop', 's')} of {side}x{side}, both heads",
                training_bytes(graph(batch, side, side, True, head_config)),
            )
        )
    return rows


def _counted(count: int, name: str, plural: str) -> str:
    return f"{count} {name}{plural if count > 1 else ''}"


def smallest_card(needed: float) -> str:
    """The smallest of CARDS that has so many GiB."""
    return next((f"{card} GB" for card in CARDS if card >= needed), f"more than {CARDS[-1]} GB")


def text() -> str:
    """The table as Markdown."""
    config, head_config = (load_config(EXPERIMENT, method) for method in ("sisc", "sisc-pwl"))
    lines = [
        f"On paper, not measured. Added to each: {WORKSPACE:.1f} GiB for cuDNN's workspace (MXNet's limit), "
        f"{CUDA_ITSELF:.1f} GiB assumed for CUDA.",
        "",
        "| stage | GiB by shapes | GiB in all | smallest card |",
        "|---|---:|---:|---:|",
    ]
    for name, size in stages(config, head_config):
        needed = size / GIB
        whole = needed + WORKSPACE + CUDA_ITSELF
        lines.append(f"| {name} | {needed:.1f} | {whole:.1f} | {smallest_card(whole)} |")
    return "\n".join([*lines, "", _beside_the_cpu(config)]) + "\n"


def _beside_the_cpu(config: Config) -> str:
    """The same arithmetic for what benchmarks/train_step.py measured."""
    measured = read_json(ROOT / "benchmarks" / "results" / "train_step.json")
    bytes_measured = next(row["bytes"]["mlsl"] for row in measured["rows"] if row["width"] == 1)
    found = graph(1, measured["crop"], measured["crop"], False, config)
    counted = training_bytes(found) - FLOAT32 * found.parameters
    return (
        f"On a CPU one crop of {measured['crop']}x{measured['crop']} took {bytes_measured / GIB:.2f} GiB beside the "
        f"weights (measured); the same arithmetic gives {counted / GIB:.2f} GiB."
    )


if __name__ == "__main__":
    print(text(), end="")
