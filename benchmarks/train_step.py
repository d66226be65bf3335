"""A training step, forward, backward and SGD, beside what the machine could do and beside PyTorch; and its memory.

Segmentation alone (Eq. 1) on one crop, without dropout, so that both programs' gradients can be compared. The floor is
three times the forward pass's operations, less the unneeded gradient of the images, at the rate of one large
convolution in the same turns. Memory is measured in processes of their own.

    PYTHONPATH=.torch .venv/bin/python benchmarks/train_step.py   # PyTorch: see torch_net.py; 5 minutes on 2 cores
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import measure  # before MXNet: it sets the number of threads
import mxnet as mx
import numpy as np
import torch
from mxnet import autograd, gluon
from network_operations import multiply_adds
from torch_net import check_same, random_net, torch_copy

from mlsl_mx.network import MLSLNet
from mlsl_mx.training import segmentation_loss

CROP = 504  # pixels
CONVOLUTION = "large convolution"
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-6, 0.9, 5e-4  # so low a rate that random weights stay finite
LARGEST_GRADIENT_DIFFERENCE = 1e-2  # of a gradient's largest entry: a ReLU input near 0 may differ in sign
MEMORY = {  # name -> program, environment
    "mlsl": ("mlsl", {}),
    "mlsl, MXNET_BACKWARD_DO_MIRROR=1": ("mlsl", {"MXNET_BACKWARD_DO_MIRROR": "1"}),
    "PyTorch": ("PyTorch", {}),
}


def main() -> None:
    """Measure every width, write the table."""
    parser = measure.option_parser(__doc__, repeats=5)
    parser.add_argument("--widths", type=float, nargs="+", default=[0.125, 0.5, 1.0])
    parser.add_argument("--memory-of", choices=["mlsl", "PyTorch"], help="print the bytes of a step of the first width")
    options = parser.parse_args()
    torch.set_num_threads(measure.THREADS)
    if options.memory_of:
        print(step_bytes(options.memory_of, options.widths[0]))
        return
    rows = [measured(width, options.repeats) for width in options.widths]
    measure.write_results("train_step", {"crop": CROP, "threads": measure.THREADS, "rows": rows}, text(rows))


def measured(width: float, repeats: int) -> dict[str, Any]:
    """One line of results."""
    net = random_net(width, dropout=(0, 0))
    model = torch_copy(net, dropout=(0, 0)).train()
    difference = compared(net, model)
    images, train_ids = crop()
    convolution, convolution_operations = measure.large_convolution()
    steps = {"mlsl": mlsl_step(net, images, train_ids), "PyTorch": torch_step(model, images, train_ids)}
    seconds = measure.seconds_in_turn({CONVOLUTION: convolution, **steps}, repeats)
    first = 2 * CROP**2 * model.trunk.first.weight.numel()
    operations = 3 * 2 * multiply_adds(width, CROP) - first
    floor = operations * seconds[CONVOLUTION] / convolution_operations
    print(width, {name: round(value, 3) for name, value in seconds.items()}, flush=True)
    return {
        "width": width,
        "operations": operations,
        "gflops_of_convolution": convolution_operations / seconds[CONVOLUTION] / 1e9,
        "floor_seconds": floor,
        "seconds": seconds,
        "share_of_floor": floor / seconds["mlsl"],
        "against_pytorch": seconds["PyTorch"] / seconds["mlsl"],
        "largest_gradient_difference": difference,
        "bytes": {name: in_a_process(program, width, added) for name, (program, added) in MEMORY.items()},
    }


def crop(size: int = CROP) -> tuple[np.ndarray, np.ndarray]:
    """Random images (1, 3, size, size) and train ids (1, size / 8, size / 8) of all classes and 255, both float32."""
    generator = np.random.RandomState(0)
    train_ids = generator.choice([*range(19), 255], size=(1, size // 8, size // 8))
    return generator.normal(size=(1, 3, size, size)).astype(np.float32), train_ids.astype(np.float32)


def mlsl_step(net: MLSLNet, images: np.ndarray, train_ids: np.ndarray) -> Callable[[], Any]:
    """A step as the stages train. Hybridizes `net`."""
    net.hybridize(static_alloc=True, static_shape=True)
    settings = {"learning_rate": LEARNING_RATE, "momentum": MOMENTUM, "wd": WEIGHT_DECAY}
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings, kvstore=None)
    own, labels = mx.nd.array(images), mx.nd.array(train_ids)

    def call():
        with autograd.record():
            loss = segmentation_loss(net(own), labels)
        loss.backward()
        trainer.step(1)
        mx.nd.waitall()

    return call


def torch_step(model, images: np.ndarray, train_ids: np.ndarray) -> Callable[[], Any]:
    """The same step in PyTorch, eager. (In the layout channels_last 2.13.0 crashes in some of these convolutions.)"""
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    own, labels = torch.from_numpy(images), torch.from_numpy(train_ids).long()

    def call():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(own), labels, ignore_index=255).backward()
        optimizer.step()

    return call


def compared(net: MLSLNet, model) -> float:
    """The largest difference of gradients. Raises: AssertionError if logits or gradients are not the same."""
    images, train_ids = crop(64)
    with autograd.record():
        logits = net(mx.nd.array(images))
        loss = segmentation_loss(logits, mx.nd.array(train_ids))
    loss.backward()
    found = model(torch.from_numpy(images))
    check_same(found.detach().numpy(), logits.asnumpy())
    torch.nn.functional.cross_entropy(found, torch.from_numpy(train_ids).long(), ignore_index=255).backward()
    ours, theirs = net.trunk, model.trunk
    pairs = [
        (ours[0].weight, theirs.first.weight),
        (ours[9].preactivation.beta, theirs.blocks[8].preactivation.bias),
        (net.segmentation_head[0].weight, model.segmentation_head[0].weight),
    ]
    differences = []
    for own, other in pairs:
        expected = other.grad.numpy()
        differences.append(float(np.abs(own.grad().asnumpy() - expected).max() / np.abs(expected).max()))
    assert max(differences) <= LARGEST_GRADIENT_DIFFERENCE, f"gradients differ by {differences}"
    return max(differences)


def step_bytes(program: str, width: float) -> int:
    """By how much memory rises in a process's first two steps: feature maps, gradients, momentum and work space."""
    net = random_net(width, dropout=(0, 0))
    images, train_ids = crop()
    if program == "mlsl":
        step = mlsl_step(net, images, train_ids)
    else:
        model = torch_copy(net, dropout=(0, 0)).train()
        step = torch_step(model, images, train_ids)
    return measure.peak_extra_bytes(lambda: [step(), step()])


def in_a_process(program: str, width: float, added: dict[str, str]) -> int:
    """`step_bytes` in a process with these environment variables."""
    command = [sys.executable, __file__, "--memory-of", program, "--widths", str(width)]
    done = subprocess.run(command, env={**os.environ, **added}, stdout=subprocess.PIPE, check=True)
    return int(done.stdout)


def text(rows) -> str:
    """The tables as Markdown."""
    times = [
        [
            f"{r['width']:g}",
            f"{r['floor_seconds']:.2f}",
            f"{r['seconds']['mlsl']:.2f}",
            f"{r['seconds']['PyTorch']:.2f}",
            f"{100 * r['share_of_floor']:.0f} %",
            f"{r['against_pytorch']:.2f}",
        ]
        for r in rows
    ]
    memory = [[f"{r['width']:g}", *(f"{r['bytes'][name] / 1e9:.2f}" for name in MEMORY)] for r in rows]
    return "\n".join(
        [
            f"Seconds of a training step on one crop of {CROP}x{CROP}, {measure.THREADS} thread(s), median of steps in "
            "turn. Floor: the same operations at the rate of one large convolution; share: the floor's of our time.\n",
            measure.table(["width", "floor", "mlsl", "PyTorch", "share", "PyTorch / ours"], times),
            "Memory that a step needs beside the weights, GB. Mirroring is a switch of MXNet's older interface; Gluon "
            "does not look at it.\n",
            measure.table(["width", *MEMORY], memory),
        ]
    )


if __name__ == "__main__":
    main()
