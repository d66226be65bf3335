"""Whole numbers for confidences, so that they can be counted: fine where a class is saturated.

A network that is sure says 0.999 of nearly all pixels of a class; what tells them apart is the *doubt* 1 - p. Code 0 is
the highest confidence, CODE_OF_ONE that of p = 1. With u the number of float32 steps from p to 1, a code stands for:

    u < 4096                                        one float32 number
    4096 (2^n - 1) <= u < 4096 (2^(n + 1) - 1)      2^n of them

For example p = 0.999: u = 16,777, so n = 2, and 4 neighbouring float32 numbers share a code.
So confidences within 2^-12 below 1 are told apart as float32 tells them, others at least to 1/4096 of their doubt, and
down to 0 (where u is about 2^23 log2(1 / p)) to log2(2 / p) / 4096 of their value. Above 1, where bicubic up-sampling
and priors lead, it is the same by distance from 1.
"""

from __future__ import annotations

import numpy as np

EXACT = 1 << 12  # codes on each side of 1 that stand for one float32 number
ONE = int(np.float32(1).view(np.int32))
MANTISSA_BITS = 52
SHIFT = MANTISSA_BITS - 12  # float64 bits beyond the 12 of the mantissa that are counted


def _logarithmic(distance):
    """Codes of distances from 1, int64 >= 0: exponent and 12 bits of the mantissa of distance + EXACT."""
    return ((distance + float(EXACT)).view(np.int64) >> SHIFT) - BASE


BASE = int(np.float64(EXACT).view(np.int64)) >> SHIFT
CODE_OF_ONE = int(_logarithmic(np.float64(1 << 30)))  # beyond every finite float32
CODES = 2 * CODE_OF_ONE + 1


def codes_of(confidences: np.ndarray) -> np.ndarray:
    """int64 codes in 0..CODES-1 of float32 confidences, finite and not negative."""
    below = ONE - confidences.view(np.int32)
    found = _logarithmic(np.abs(below))
    return np.where(below < 0, CODE_OF_ONE - found, CODE_OF_ONE + found)


def is_exact(code: np.ndarray | int) -> np.ndarray | bool:
    """Whether a code stands for one float32 number."""
    return abs(code - CODE_OF_ONE) < EXACT


def lowest(code: int) -> np.float32:
    """The lowest confidence that has the code."""
    below = _first_distance(code - CODE_OF_ONE + 1) - 1 if code >= CODE_OF_ONE else -_first_distance(CODE_OF_ONE - code)
    return np.int32(max(ONE - below, 0)).view(np.float32)


def _first_distance(found: int) -> int:
    """The smallest distance from 1 that `_logarithmic` takes to `found`."""
    return int(np.int64(found + BASE << SHIFT).view(np.float64)) - EXACT
