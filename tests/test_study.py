"""Mean and spread over runs against hand-computed values; runs that must not be averaged."""

from __future__ import annotations

import json
import math

import pytest
from run_directory import write_run

from mlsl_mx.config import Config
from mlsl_mx.errors import InputError
from mlsl_mx.evaluation.study import write_study


def three_runs(folder, config=None):
    """Seeds 1, 2, 3: source 34, 35, 36; CBST 40, 44, 42; SISC 43, 45, 50, and no SISC in the third run."""
    values = [
        {"source-only": [34.0], "cbst": [38.0, 40.0], "sisc": [50.0, 43.0]},
        {"source-only": [35.0], "cbst": [38.0, 44.0], "sisc": [39.0, 45.0]},
        {"source-only": [36.0], "cbst": [38.0, 42.0]},
    ]
    config = config or Config()
    return [write_run(folder / f"seed-{i}", mious, config, seed=i) for i, mious in enumerate(values, start=1)]


def study(folder, runs):
    text = write_study(runs, folder / "study")
    return text, (folder / "study/study.md").read_text(), json.loads((folder / "study/study.json").read_text())


def test_mean_spread_and_paired_differences(tmp_path):
    runs = three_runs(tmp_path)
    text, markdown, content = study(tmp_path, runs)
    methods = content["methods"]
    assert methods["cbst"]["miou"] == {"mean": pytest.approx(42), "std": pytest.approx(2), "n": 3}
    # The last round counts, not the 50 of round 0.
    assert methods["sisc"]["miou"] == {"mean": pytest.approx(44), "std": pytest.approx(math.sqrt(2)), "n": 2}
    assert methods["sisc"]["miou_by_run"] == {str(runs[0]): 43, str(runs[1]): 45, str(runs[2]): None}
    assert methods["source-only"]["per_class"]["road"] == {"mean": pytest.approx(55), "std": pytest.approx(1), "n": 3}
    assert methods["source-only"]["per_class"]["train"] == {"mean": None, "std": None, "n": 0}
    # SISC - CBST: 43 - 40 and 45 - 44; CBST - source: 6, 9, 6
    paired = content["differences"]["cbst"]["sisc"]
    assert (paired["mean"], paired["n"]) == (pytest.approx(2), 2) and paired["std"] == pytest.approx(math.sqrt(2))
    assert list(content["differences"]["source-only"]["cbst"]["by_run"].values()) == [6, 9, 6]
    assert "cbst" not in content["differences"]["cbst"]
    first, last = methods["sisc"]["rounds"]
    assert first["miou"]["mean"] == pytest.approx(44.5) and last["miou"]["mean"] == pytest.approx(44)
    assert last["coverage"] == {"mean": pytest.approx(0.2), "std": pytest.approx(0), "n": 2}
    assert last["precision"]["mean"] == pytest.approx(0.88)
    assert "| SISC | 1 | 20.0 ± 0.0 | 88.0 ± 0.0 | 44.0 ± 1.4 |" in markdown
    assert "| CBST | 42.0 ± 2.0 |" in markdown and "| train | - | - | - |" in markdown
    assert "+7.0 ± 1.7" in text and "seed 2" in text
    assert "48.7" in next(line for line in text.splitlines() if line.startswith("SISC"))


def test_one_run_has_no_spread(tmp_path):
    text, _, content = study(tmp_path, three_runs(tmp_path)[:1])
    assert content["methods"]["cbst"]["miou"] == {"mean": 40, "std": None, "n": 1}
    assert "±" not in text


def test_miniature_is_marked(tmp_path):
    text, markdown, _ = study(tmp_path, three_runs(tmp_path, Config(miniature=True)))
    for output in (text, markdown):
        lines = output.strip().splitlines()
        assert lines[0] == lines[-1] == "miniature: not comparable with the paper"


def test_runs_that_cannot_be_averaged(tmp_path):
    one = write_run(tmp_path / "one", {"sisc": [40.0, 41.0]}, seed=1)
    others = {
        "seed 1, as .*one has": dict(mious={"sisc": [40.0, 41.0]}, seed=1),
        "ends at round 1 and 0": dict(mious={"sisc": [40.0]}, seed=2),
        "other settings under 'name'": dict(mious={"sisc": [40.0, 41.0]}, seed=2, config=Config(name="mine")),
    }
    for number, (message, options) in enumerate(others.items()):
        with pytest.raises(InputError, match=message):
            study(tmp_path, [one, write_run(tmp_path / f"other-{number}", **options)])
    with pytest.raises(InputError, match="named twice"):
        study(tmp_path, [one, one])
    with pytest.raises(InputError, match="no run is given"):
        study(tmp_path, [])
