"""Rates as people read them."""

from __future__ import annotations

_RATES = {"s": 1, "min": 60, "h": 3600}


def rate_text(rate: float, unit: str) -> str:
    """`rate` items a second, per second, minute or hour, whichever gives a number to remember.

    >>> rate_text(0.21, "image"), rate_text(0.008, "image")
    ('0.21 image/s', '0.48 image/min')
    """
    per = next((per for per, seconds in _RATES.items() if rate * seconds >= 0.1), "h")
    return f"{rate * _RATES[per]:.2f} {unit}/{per}"
