"""The colours of charts: CSS variables --c0, --c1, ... in a light and a dark theme."""

from __future__ import annotations

# In the light theme / in the dark one. After the first ten, which were chosen by eye, each is the one that is farthest
# from all before it in both themes (CIE Lab) and can still be read as text; from the 21st on, those of a user's own
# methods, are the farthest.
PAIRS = """
#666d7a/#9aa1ab #7c3aed/#b294ff #a65a00/#f0a13c #c2256f/#f27ab0 #7a6a00/#d9c14a #1f66d1/#6ea8ff
#04855c/#3ccb98 #0e7490/#4fd1e8 #b91c1c/#ff8f8f #4d7c0f/#a3d65c #073d8d/#6189ff #811306/#ff544e
#067f2a/#0ac341 #826a34/#ffdc96 #66732e/#85973c #431b43/#ff6fff #2a2c1f/#bcc88c #794b06/#ffb270
#032e40/#0b99d5 #ca0aa4/#ff34d0 #4a0452/#e841ff #4d1a04/#ff5717 #1a3102/#85fc0d #970897/#ffd2ff
#342737/#ac80b7 #627350/#809669 #82072c/#ff506f #9f5c40/#ffd7cc #1d4840/#3f9e8b #6d3e9c/#b56cff
#05446d/#cfe1ff #7d064e/#ff44a5 #ad4599/#e35bc8 #8d6363/#b88181 #4e401f/#aa8b44 #2c6027/#4aa241
#bc0ad0/#f1a9ff #200786/#bfbcff #6b2b45/#ffabc7 #307871/#56d6c9
"""
COLOURS = len(PAIRS.split())


def colour(index: int) -> str:
    """CSS variable, without its dashes, of the index-th series of a chart."""
    return f"c{index % COLOURS}"


def colour_style() -> str:
    """The CSS of all of them."""
    light, dark = (
        ";".join(f"--c{index}:{one}" for index, one in enumerate(theme))
        for theme in zip(*(pair.split("/") for pair in PAIRS.split()), strict=True)
    )
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
