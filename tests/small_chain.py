"""A complete chain of a few images as processes: what its stages are called with, and how they are started.

write_lists(folder / "lists", LISTS)
process = start(folder, *stages("run"))    # all of them, one after the other
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTS = {
    "gta5": ["images/00001.png", "images/00002.png"],
    "cityscapes_train": [f"leftImg8bit/train/alpha/alpha_00000{i}_000019_leftImg8bit.png" for i in range(2)],
    "cityscapes_val": ["leftImg8bit/val/beta/beta_000000_000019_leftImg8bit.png"],
}
SETTINGS = (
    "source.images=lists/gta5.txt target.train=lists/cityscapes_train.txt target.val=lists/cityscapes_val.txt "
    "network.width=0.03 source_training.start=scratch source_training.epochs=3 source_training.batch=1 "
    "pseudo_labels.patches=2 self_training.rounds=1 self_training.epochs=2 evaluation.diagnosed_images=1"
)
MAKE_MINIATURE = "make-miniature --root data --lists lists"
# Runs the command lines that it is given, one after the other, in one process.
RUN = """
import sys
from mlsl_mx.cli import main
for line in sys.stdin.read().splitlines():
    code = main(line.split())
    if code:
        sys.exit(code)
"""


def stages(run: str) -> list[str]:
    """The command lines of a chain from `begin` to `report`, as Make gives them."""
    given = f"--experiment {ROOT}/experiments/miniature/gta2city.yaml --method sisc-pwl --run {run} --data data"
    given += "".join(f" --set {setting}" for setting in SETTINGS.split())
    often = "--checkpoint-seconds 0"
    words = ["begin", f"train-source {often}", "evaluate --source", "pseudo-label --round 0"]
    words += [f"self-train --round 0 {often}", "evaluate --round 0", "diagnose --round 0 --with-ground-truth", "report"]
    return [f"{one} {given}" for one in words]


def start(folder: Path, lines: Sequence[str], program: str = RUN, prefix: Sequence[str] = ()) -> subprocess.Popen:
    """A process that runs the command lines in `folder`."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*prefix, sys.executable, "-c", program], cwd=folder, env=env, text=True, **pipes)
    process.stdin.write("\n".join(lines))
    process.stdin.close()
    process.stdin = None  # or `communicate` would flush it
    return process
