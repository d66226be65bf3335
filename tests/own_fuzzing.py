"""Fuzzing of data of a user's own: strange class tables, places, images and labels."""

from __future__ import annotations

import re
from typing import NamedTuple

from fuzzing import Change, Playground, changed, changes, command, pngs, values
from hypothesis import strategies as st
from own_data import EXPERIMENT, write_own

WORDS = re.split(r"([\w./#\"-]+)", EXPERIMENT)  # every second one, from the first on, is a word
NUMBER = len(WORDS) // 2
FILES = ("sim/frames/f0.png", "sim/labels/f1_seg.png", "cams/train/t0.jpg", "cams/val_labels/v2.png")


class OwnCase(NamedTuple):
    """Words of the experiment file to put others in place of, by their number; and a file, if one is spoilt."""

    words: list[tuple[int, str]]
    file: str | None
    content: bytes | list[Change]


other = st.one_of(values, st.sampled_from(WORDS[1::2]))
other_words = st.lists(st.tuples(st.integers(0, NUMBER - 1), other), max_size=2)
own_cases = st.one_of(
    st.builds(OwnCase, other_words, st.none(), st.just(b"")),
    st.builds(OwnCase, st.just([]), st.sampled_from(FILES), st.one_of(changes, pngs)),
)


def check_own(ground: Playground, case: OwnCase) -> bool:
    root, text = ground.fresh("own"), list(WORDS)
    write_own(root)
    for number, word in case.words:
        text[2 * number + 1] = word
    experiment = root / "toy.yaml"
    experiment.write_bytes("".join(text).encode("utf-8", "surrogatepass"))
    if case.file:
        file = root / case.file
        file.write_bytes(case.content if isinstance(case.content, bytes) else changed(file.read_bytes(), case.content))
    checked = command("check-data", "--experiment", str(experiment))
    checked.check()
    begun = command("begin", "--experiment", str(experiment), "--run", str(root / "run"))
    begun.check()
    assert checked.code == begun.code == 0 or case.words or case.file, checked.errors + begun.errors
    return checked.code == begun.code == 0
