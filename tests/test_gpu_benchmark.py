"""benchmarks/gpu.py runs to its end without a GPU, and says that it saw none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-torch" / "bin" / "python"

# Runs it where nothing can be imported that the check on a card does without.
WITHOUT = """
import runpy, sys

sys.modules.update(dict.fromkeys(("mxnet", "gluoncv", "scipy", "tensorboardX", "tqdm", "shtab")))  # None: there is none
sys.path[0], sys.argv = "benchmarks", ["gpu.py", *sys.argv[1:]]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-torch: make setup-torch")
def test_it_runs_without_a_card(tmp_path):
    out = tmp_path / "gpu.json"
    command = [PYTHON, "-c", WITHOUT, "--small", "--device", "torch:cpu", "--out", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["card"] is None and not found["judged"]
    rows = {row["what"]: row for row in found["rows"]}
    assert all(row["reached"] is None for row in rows.values())
    goals = {what: row["goal"] for what, row in rows.items() if row["goal"]}
    assert goals == {
        "its rate, of the matrix product's": "at least 0.6",
        "images labelled in a second, by the difference": "at least 3.3 images/s",
        "labelling, of bare forward passes": "at least 0.85",
        "a step of 1 crop, both heads": "at most 25 ms",
        "a step of 2 crops, one head": "at most 25 ms",
        "505 images: the row SISC+PWL, put together": "at most 30 min",
        "2975 images: the row SISC+PWL, put together": "at most 120 min",
        "labels in bfloat16 that are those in float32": "at least 99.5 %",
    }
    for images, steps in ((505, 16920), (2975, 46560)):  # docs/FIDELITY.md
        assert f"{images} images: {steps} steps of training" in rows
    assert 99 < rows["labels in bfloat16 that are those in float32"]["value"] <= 100
    text = out.with_suffix(".md").read_text()
    assert text.startswith("**No card was seen**: nothing is judged.") and "PASS" not in text
