"""The one exception that means: the user's input, not our program, is at fault; and what MXNet's own errors mean."""

from __future__ import annotations

# How MXNet says that a GPU's memory is used up.
OUT_OF_MEMORY = ("out of memory", "Failed to find any forward convolution algorithm")

MXNET_ERRORS = {
    **dict.fromkeys(
        OUT_OF_MEMORY, "the device has not enough memory: lower self_training.batch or pseudo_labels.batch"
    ),
    "is not implemented for GPU": "this MXNet was built without CUDA: make CTX='gpu(0)' installs the one with it",
    "no kernel image is available": "this MXNet holds no code for this GPU: it knows Maxwell to Ada, no newer one",
}


class InputError(Exception):
    """Bad input in one line that names the file or key, the value, the limit and the remedy.

    The command line prints it without a traceback and exits with code 2; any other exception is a bug of ours.
    """


def meaning(problem: BaseException) -> str | None:
    """What to do about an error of MXNet that is the user's to mend; None for any other."""
    return next((text for key, text in MXNET_ERRORS.items() if key in str(problem)), None)
