"""Do the packages that a stage needs import, what is this engine's library built with, and can it compute on its GPUs?

`python -m mlsl_mx.doctor.imports` prints a line of JSON for each answer as soon as it is there: a process of its own,
so that a crash or a hang loses nothing but the answers after it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from mlsl_mx.system.errors import first_line, meaning

# In the order in which one needs the other; libraries of MXNet and OpenCV are where imports fail.
MODULES = ("numpy", "cv2", "mxnet", "gluoncv")
OF_PYTORCH = ("numpy", "cv2", "torch")  # in an environment that has it and no MXNet


def answers() -> Iterator[dict[str, Any]]:
    """{"module", "version" or "error"} for each of MODULES or OF_PYTORCH; of an MXNet or PyTorch that imports
    {"features": names}, {"gpus": number or "error"} and for each GPU {"gpu": index, "error": None or why it does not
    compute}."""
    imported = {}
    for name in OF_PYTORCH if find_spec("torch") and not find_spec("mxnet") else MODULES:
        try:
            imported[name] = importlib.import_module(name)
            # GluonCV 0.10.5.post0 calls itself 0.11.0.
            found = version(name) if name == "gluoncv" else imported[name].__version__
            yield {"module": name, "version": found}
        except Exception as problem:
            yield {"module": name, "error": last_line(problem)}
    if "mxnet" in imported:
        yield from _of_mxnet(imported["mxnet"])
    if "torch" in imported:
        yield from _of_pytorch(imported["torch"])


def _of_mxnet(mx) -> Iterator[dict[str, Any]]:
    features = mx.runtime.Features()
    yield {"features": sorted(name for name in features if features.is_enabled(name))}
    try:
        count = mx.context.num_gpus()
    except Exception as problem:
        yield {"gpus": 0, "error": last_line(problem)}
        return
    yield {"gpus": count}
    for index in range(count):
        yield {"gpu": index, "error": _fault(mx, index)}


def _fault(mx, index: int) -> str | None:
    """What is wrong with a convolution of ones on a GPU; None if its result is right."""
    try:
        ones = mx.nd.ones((1, 8, 3, 3), ctx=mx.gpu(index))
        found = mx.nd.Convolution(ones, ones, kernel=(3, 3), num_filter=1, no_bias=True).asscalar()
    except Exception as problem:
        return in_a_line(problem)
    return None if found == 72 else f"a convolution gave {found} instead of 72"


def _of_pytorch(torch) -> Iterator[dict[str, Any]]:
    cuda, mps = torch.version.cuda, torch.backends.mps.is_available()
    yield {"features": [*([f"CUDA {cuda}"] if cuda else []), *(["MPS"] if mps else [])]}
    count = torch.cuda.device_count()
    yield {"gpus": count}
    for index in range(count):
        try:
            ones = torch.ones(1, 8, 3, 3, device=f"cuda:{index}")
            found = torch.nn.functional.conv2d(ones, ones).item()
            yield {"gpu": index, "error": None if found == 72 else f"a convolution gave {found} instead of 72"}
        except Exception as problem:
            yield {"gpu": index, "error": in_a_line(problem)}


def in_a_line(problem: Exception) -> str:
    """What an error says, with what to do where that is known."""
    remedy = meaning(problem)
    return f"{first_line(problem)}: {remedy}" if remedy else first_line(problem)


def last_line(problem: Exception) -> str:
    """What an error says that has its cause at the end, as those of imports and of MXNet."""
    return next((line.strip() for line in reversed(str(problem).splitlines()) if line.strip()), type(problem).__name__)


if __name__ == "__main__":
    for answer in answers():
        print(json.dumps(answer), flush=True)
