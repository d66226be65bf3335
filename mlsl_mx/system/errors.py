"""The one exception that means: the user's input, not our program, is at fault; and what errors of others mean."""

from __future__ import annotations

import errno

LONGEST_SHOWN = 100  # characters of a wrong value in an error
# How MXNet, OpenCV, the C++ library and the linker say that memory is used up.
OUT_OF_MEMORY = (
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Failed to find any forward convolution algorithm",
    "Failed to allocate CPU Memory",
    "larger than 2^31 elements",
    "std::bad_alloc",
    "std: :bad_alloc",  # as MXNet shortens it
    "Insufficient memory",
    "can't start new thread",
    "AlignedMallocPitch failed",
    "Resource temporarily unavailable",  # a thread's stack
    "failed to map segment from shared object",
    "cannot allocate memory",
)
# What lowers what a command needs; the network's part counts, so settings of what it sees at once.
LESS_MEMORY = {
    "train-source": "lower source_training.batch or source_training.crops.size",
    "train-head": "lower head_training.batch or head_training.crops.size",
    "self-train": "lower self_training.batch or self_training.crops.size",
    "pseudo-label": "lower pseudo_labels.batch; or, in another RUN, pseudo_labels.patch or target.size",
    "diagnose": "lower pseudo_labels.batch; or, in another RUN, pseudo_labels.patch or target.size",
    "evaluate": "set evaluation.flip=false, or lower target.size, in another RUN",
    "predict": "use --inference sisc with a small --patch, e.g. 256, --no-flip, or smaller images",
}

DOCTOR = "`mlsl doctor` tells more"
ERRORS_OF_OTHERS = {
    "is not implemented for GPU": "this MXNet was built without CUDA: make CTX='gpu(0)' installs the one with it",
    "no kernel image is available": "no code for this GPU: MXNet knows Maxwell to Ada, PyTorch (CTX=cuda:0) newer ones",
    "libcuda.so.1": f"mxnet-cu112 needs NVIDIA's driver: install it, or use CTX=cpu; {DOCTOR}",
    "cannot open shared object file": f"a library is not installed; {DOCTOR}",
    "driver version is insufficient": f"NVIDIA's driver is too old for CUDA 11: update it to 450.80.02; {DOCTOR}",
    "unsupported display driver / cuda driver combination": "NVIDIA's driver was updated: restart the machine",
    "PTX was compiled with an unsupported toolchain": "update NVIDIA's driver to 520.61.05, or set MXNET_USE_FUSION=0",
    "GPU usage requires at least 1 GPU": f"no GPU is visible: use CTX=cpu; {DOCTOR}",
    "API call is not supported in the installed CUDA driver": f"NVIDIA's driver does not answer as it should; {DOCTOR}",
    "Cannot find Engine": "MXNET_ENGINE_TYPE names an engine that MXNet does not have: unset it",
    "no CUDA-capable device is detected": f"no GPU is visible: use CTX=cpu, or in a container --gpus all; {DOCTOR}",
}


class InputError(Exception):
    """Bad input in one line that names the file or key, the value, the limit and the remedy.

    The command line prints it without a traceback and exits with code 2; any other exception is a bug of ours.
    """


def shortened(text: str) -> str:
    """At most LONGEST_SHOWN characters of a value, for an error's line, which it must not fill."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an error of whatever library means that there was not enough memory."""
    if isinstance(problem, MemoryError) or getattr(problem, "errno", None) == errno.ENOMEM:
        return True
    return any(text.lower() in str(problem).lower() for text in OUT_OF_MEMORY)


def meaning(problem: Exception, command: str = "") -> str | None:
    """What to do about an error of MXNet, OpenCV or the system that is the user's to mend; None for any other.

    Args:
        command: at which it was raised; what needs less memory depends on it.
    """
    if is_out_of_memory(problem):
        return f"not enough memory: {LESS_MEMORY.get(command, 'free some, or raise its limit')}"
    if isinstance(problem, OSError) and problem.filename is not None:
        return (
            f"{problem.filename}: {problem.strerror}: see that it can be read and written, and that the disk has space"
        )
    return next((text for key, text in ERRORS_OF_OTHERS.items() if key in str(problem)), None)


def first_line(problem: Exception) -> str:
    """What an error says, for a message of one line; of MXNet's, which begin with a traceback, the end."""
    lines = [line for line in str(problem).splitlines() if line.strip()] or ["no message"]
    return lines[-1].strip() if lines[0].startswith("Traceback") else lines[0]
