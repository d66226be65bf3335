"""Palettes of label files: where ids are indices, an index must have one colour in all files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlsl_mx.data.image_files import decode_palette, header


def colours_of_ids(path: Path) -> dict[int, tuple[int, int, int]]:
    """Colours of the indices that a palette file holds; empty for a file of another kind.

    Raises: MissingFile, UnreadableFile.
    """
    if header(path).palette is None:
        return {}
    indices, colours = decode_palette(path)
    return {index: colours[index] for index in np.unique(indices).tolist() if index < len(colours)}


def other_palettes(paths: Sequence[Path]) -> dict[Path, str]:
    """The files in which an index has another colour than in the files with the palette that most have.

    Colours of indices that a file does not hold do not count: editors leave anything there.

    Returns: file -> what is amiss.
    Raises: MissingFile, UnreadableFile.
    """
    palettes = {path: palette for path in paths if (palette := header(path).palette) is not None}
    usual, found = {}, {}
    if len(set(palettes.values())) > 1:  # else no pixel is decoded
        counts = Counter(palettes.values())
        for path in sorted(palettes, key=lambda path: -counts[palettes[path]]):
            colours = colours_of_ids(path)
            other = [index for index in colours if usual.setdefault(index, colours[index]) != colours[index]]
            if other:
                shown, theirs = list(colours[other[0]]), list(usual[other[0]])
                found[path] = f"its palette has {shown} for {other[0]}, other files {theirs}"
    return found
