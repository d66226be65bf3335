"""The one exception that means: the user's input, not our program, is at fault; and what errors of others mean."""

from __future__ import annotations

# How MXNet says that a device's memory is used up.
OUT_OF_MEMORY = (
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Failed to find any forward convolution algorithm",
    "Failed to allocate CPU Memory",
)

DOCTOR = "`mlsl doctor` tells more"
TOO_LARGE = "not enough memory: lower self_training.batch, source_training.batch, pseudo_labels.batch or the sizes"
ERRORS_OF_OTHERS = {
    **dict.fromkeys(OUT_OF_MEMORY, TOO_LARGE),
    "larger than 2^31 elements": TOO_LARGE,
    "std::bad_alloc": TOO_LARGE,
    "Insufficient memory": TOO_LARGE,  # OpenCV
    "is not implemented for GPU": "this MXNet was built without CUDA: make CTX='gpu(0)' installs the one with it",
    "no kernel image is available": "this MXNet holds no code for this GPU: it knows Maxwell to Ada, no newer one",
    "libcuda.so.1": f"mxnet-cu112 needs NVIDIA's driver: install it, or use CTX=cpu; {DOCTOR}",
    "cannot open shared object file": f"a library is not installed; {DOCTOR}",
    "driver version is insufficient": f"NVIDIA's driver is too old for CUDA 11: update it to 450.80.02; {DOCTOR}",
    "unsupported display driver / cuda driver combination": "NVIDIA's driver was updated: restart the machine",
    "PTX was compiled with an unsupported toolchain": "update NVIDIA's driver to 520.61.05, or set MXNET_USE_FUSION=0",
    "GPU usage requires at least 1 GPU": f"no GPU is visible: use CTX=cpu; {DOCTOR}",
    "API call is not supported in the installed CUDA driver": f"NVIDIA's driver does not answer as it should; {DOCTOR}",
    "no CUDA-capable device is detected": f"no GPU is visible: use CTX=cpu, or in a container --gpus all; {DOCTOR}",
}


class InputError(Exception):
    """Bad input in one line that names the file or key, the value, the limit and the remedy.

    The command line prints it without a traceback and exits with code 2; any other exception is a bug of ours.
    """


def meaning(problem: Exception) -> str | None:
    """What to do about an error of MXNet, OpenCV or the system that is the user's to mend; None for any other."""
    if isinstance(problem, MemoryError):
        return TOO_LARGE
    if isinstance(problem, OSError) and problem.filename is not None:
        return (
            f"{problem.filename}: {problem.strerror}: see that it can be read and written, and that the disk has space"
        )
    return next((text for key, text in ERRORS_OF_OTHERS.items() if key in str(problem)), None)
