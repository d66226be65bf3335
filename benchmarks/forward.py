"""The forward pass beside what the machine could do, and beside the same network in PyTorch (CPU).

Calls of one shape are taken in turn. The floor of a call is its multiplications and additions at the rate of one large
convolution in the same turns. `mlsl` labels and evaluates with `inference_net`; `hybridized` is the network as trained.

    PYTHONPATH=.torch .venv/bin/python benchmarks/forward.py                  # PyTorch: see torch_net.py; 10 minutes
    PYTHONPATH=.torch .venv/bin/python benchmarks/forward.py --batches 1 2 4  # 30 minutes on 2 cores
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import measure  # before MXNet: it sets the number of threads
import mxnet as mx
import numpy as np
import torch
from network_operations import multiply_adds
from torch_net import check_same, random_net, torch_copy

from mlsl_mx.network import MLSLNet
from mlsl_mx.network.inference_net import inference_net
from mlsl_mx.system.processor import has_bfloat16

SIDE = 512  # pixels
CONVOLUTION = "large convolution"
OURS = "inference_net"


def main() -> None:
    """Measure every width and batch, write the table."""
    parser = measure.option_parser(__doc__, repeats=5)
    parser.add_argument("--widths", type=float, nargs="+", default=[0.125, 0.5, 1.0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    torch.set_num_threads(measure.THREADS)
    rows = [measured(width, batch, options.repeats) for width in options.widths for batch in options.batches]
    measure.write_results("forward", {"side": SIDE, "threads": measure.THREADS, "rows": rows}, text(rows))


def measured(width: float, batch: int, repeats: int) -> dict[str, Any]:
    """One line of results: seconds of each call, and what follows from them."""
    net = random_net(width)
    images = np.random.RandomState(0).normal(size=(batch, 3, SIDE, SIDE)).astype(np.float32)
    model = torch_copy(net)
    differences = compared(net, model)
    convolution, convolution_operations = measure.large_convolution()
    calls = {CONVOLUTION: convolution, **network_calls(net, model, images)}
    seconds = measure.seconds_in_turn(calls, repeats)
    operations = 2 * batch * multiply_adds(width, SIDE)
    floor = operations * seconds[CONVOLUTION] / convolution_operations
    print(width, batch, {name: round(value, 4) for name, value in seconds.items()}, flush=True)
    return {
        "width": width,
        "batch": batch,
        "operations": operations,
        "gflops_of_convolution": convolution_operations / seconds[CONVOLUTION] / 1e9,
        "floor_seconds": floor,
        "seconds": seconds,
        "share_of_floor": floor / seconds[OURS],
        "against_pytorch": fastest(seconds, "PyTorch", "bfloat16") / seconds[OURS],
        "largest_differences": differences,
    }


def compared(net: MLSLNet, model) -> dict[str, float]:
    """The largest differences of logits from the plain network's. Raises: AssertionError if they are not rounding's."""
    images = np.random.RandomState(1).normal(size=(2, 3, 64, 96)).astype(np.float32)
    expected = net(mx.nd.array(images)).asnumpy()
    with torch.inference_mode():
        logits = model(torch.from_numpy(images)).numpy()
    ours = inference_net(net)(mx.nd.array(images)).asnumpy()
    return {"PyTorch": check_same(logits, expected), OURS: check_same(ours, expected)}


def network_calls(net: MLSLNet, model, images: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The forward pass in MXNet and PyTorch, each from an array in place to logits in place."""
    net.hybridize(static_alloc=True, static_shape=True)
    nets = {"hybridized": net, OURS: inference_net(net)}
    if has_bfloat16():
        nets[f"{OURS} bfloat16"] = inference_net(net, "bfloat16")
    own = mx.nd.array(images)
    calls = {name: lambda block=block: block(own).wait_to_read() for name, block in nets.items()}
    last = torch_copy(net).to(memory_format=torch.channels_last)
    plain = torch.from_numpy(images)
    variants = {
        "PyTorch": (model, plain),
        "PyTorch channels_last": (last, plain.to(memory_format=torch.channels_last)),
    }
    if has_bfloat16():
        reduced = torch_copy(net).to(torch.bfloat16, memory_format=torch.channels_last)
        variants["PyTorch channels_last bfloat16"] = reduced, variants["PyTorch channels_last"][1].to(torch.bfloat16)
    for name, (module, given) in variants.items():
        calls[name] = torch.inference_mode()(lambda module=module, given=given: module(given))
    return calls


def fastest(seconds: dict[str, float], start: str, without: str) -> float:
    """The smallest time of the calls whose name starts with one word and lacks another."""
    return min(value for name, value in seconds.items() if name.startswith(start) and without not in name)


def text(rows) -> str:
    """The tables as Markdown."""
    names = [name for name in rows[0]["seconds"] if name != CONVOLUTION]
    header = ["width, batch", "floor", *names]
    lines = [
        [f"{r['width']:g}, {r['batch']}", f"{r['floor_seconds']:.3f}", *(f"{r['seconds'][n]:.3f}" for n in names)]
        for r in rows
    ]
    shares = [
        [
            f"{r['width']:g}, {r['batch']}",
            f"{r['gflops_of_convolution']:.0f}",
            f"{100 * r['share_of_floor']:.0f} %",
            f"{r['against_pytorch']:.2f}",
            f"{max(r['largest_differences'].values()):.0e}",
        ]
        for r in rows
    ]
    return "\n".join(
        [
            f"Seconds of a forward pass of {SIDE}x{SIDE} images, {measure.THREADS} thread(s), median of calls in turn. "
            "Floor: the same operations at the rate of one large convolution.\n",
            measure.table(header, lines),
            "The rate of the convolution, the share of it that `inference_net` reaches in float32, and how many times "
            "as long the faster of PyTorch's two float32 passes takes.\n",
            measure.table(["width, batch", "GFLOP/s", "share", "PyTorch / ours", "largest difference"], shares),
        ]
    )


if __name__ == "__main__":
    main()
