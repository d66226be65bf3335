"""Which NVIDIA cards the official MXNet wheels hold machine code for.

Machine code of compute capability X.y runs on every X.z with z >= y, and on no other X. The wheels hold no PTX, from
which a driver could make code for newer cards.
"""

from __future__ import annotations

Capability = tuple[int, int]

# Wheel, as pip calls it -> compute capabilities of its machine code: counted by benchmarks/machine_code.py.
# The newest, mxnet-cu117, has what mxnet-cu112 has.
CODE: dict[str, tuple[Capability, ...]] = dict.fromkeys(
    ("mxnet-cu112", "mxnet-cu117"), ((5, 0), (6, 0), (7, 0), (8, 0), (8, 6))
)
GPU_WHEEL = "mxnet-cu112"  # what `make setup-gpu` installs

OLDEST_CUDA = (11, 0)  # that a driver must support for libraries of CUDA 11: NVIDIA's 450.80.02
OLDEST_CUDA_FOR_FUSION = (11, 8)  # 520.61.05: older ones cannot load what NVRTC 11.8 compiles while running

# First capability -> the architecture up to the next one.
ARCHITECTURES = {
    (3, 0): "Kepler",
    (5, 0): "Maxwell",
    (6, 0): "Pascal",
    (7, 0): "Volta",
    (7, 5): "Turing",
    (8, 0): "Ampere",
    (8, 9): "Ada",
    (9, 0): "Hopper",
    (10, 0): "Blackwell",
}


def architecture(capability: Capability) -> str:
    """NVIDIA's name of it.

    >>> architecture((8, 6)), architecture((12, 0)), architecture((2, 1))
    ('Ampere', 'Blackwell', 'older than Kepler')
    """
    names = [name for first, name in ARCHITECTURES.items() if first <= tuple(capability)]
    return names[-1] if names else "older than Kepler"


def has_code(wheel: str | None, capability: Capability) -> bool | None:
    """Whether a wheel holds code that such a card runs; None for a wheel that is not known here.

    >>> has_code("mxnet-cu112", (8, 9)), has_code("mxnet-cu117", (9, 0)), has_code("mxnet", (9, 0))
    (True, False, None)
    """
    if wheel not in CODE:
        return None
    major, minor = capability
    return any(major == code_major and minor >= code_minor for code_major, code_minor in CODE[wheel])
