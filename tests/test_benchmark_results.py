"""What benchmarks/README.md and README.md say of the goals is what the result files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture(scope="module")
def goals():
    return (ROOT / "benchmarks" / "README.md").read_text()


def test_sisc(goals):
    found = read_json(RESULTS / "sisc.json")
    alone, runs = found["without_network"], found["with_network"]
    seconds, rate = alone["seconds"], alone["copy_bytes_per_second"]
    floor = sum(alone["floor_bytes"].values()) / rate
    whole, numpy = (seconds[name] / floor for name in ("first pass", "patches at full size, NumPy"))
    reached = "reached" if whole <= 3 else "not reached"
    assert f"| {whole:.2f} times; the same in NumPy: {numpy:.2f} | {reached} |" in goals
    assert f"takes {seconds['first pass'] * rate / alone['accumulation_bytes']:.1f} times as long" in goals
    volumes = read_json(RESULTS / "sisc_memory.json")["volumes"]
    ours, numpy = volumes["first pass"], volumes["patches at full size, NumPy"]
    assert f"| {ours:.2f}; in NumPy {numpy:.2f} (" in goals and ours <= 2.2
    narrow, wide = runs
    measured = narrow["whole"] / narrow["bare"] - 1
    counted = (seconds["first pass"] + seconds["second pass"]) / (50 * wide["bare"] / wide["patches"])
    assert (narrow["width"], wide["width"]) == (0.125, 1.0) and counted <= 0.02
    said = f"{100 * measured:.1f} %, {100 * counted:.1f} % (the latter by arithmetic)"
    assert f"| {said} | {'reached' if measured <= 0.1 else 'not reached, reached'} |" in goals
    readme = (ROOT / "README.md").read_text()
    assert f"adds {100 * measured:.1f} % to SISC's time" in readme and f"and {100 * counted:.1f} % at full" in readme


def test_forward(goals):
    rows = read_json(RESULTS / "forward.json")["rows"]
    assert {(row["width"], row["batch"]) for row in rows} == {(w, b) for w in (0.125, 0.5, 1.0) for b in (1, 2, 4)}
    full = [row["share_of_floor"] for row in rows if row["width"] == 1]
    assert f"{100 * min(full):.0f} to {100 * max(full):.0f} %, in batches" in goals and min(full) >= 0.85
    against = [row["against_pytorch"] for row in rows]
    assert f"takes {min(against):.2f} to {max(against):.2f} times as long" in goals and min(against) >= 1
    faster = [row["seconds"]["inference_net"] / row["seconds"]["inference_net bfloat16"] for row in rows]
    assert f"{min(faster):.1f} to {max(faster):.1f} times in a forward pass" in goals


def test_reader(goals):
    shares = [row["share_of_bare"] for row in read_json(RESULTS / "reader.json")["crops"]]
    assert f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %" in goals and min(shares) >= 0.8


def test_selection(goals):
    few, some, many = rows = read_json(RESULTS / "selection.json")["rows"]
    assert [row["images"] for row in rows] == [10, 100, 1000]
    tens, hundreds, thousands = (f"{row['peak_bytes'] / 1e6:.0f} MB" for row in (few, some, many))
    (row,) = [line for line in goals.splitlines() if f"{thousands} against {tens}, and {hundreds} for 100" in line]
    assert row.endswith("| reached |") == (many["peak_bytes"] <= 1.1 * few["peak_bytes"])


def test_workers():
    assert read_json(RESULTS / "workers.json")["identical"] == {"pseudo-label": True, "evaluate": True}


def test_fuzz():
    found = read_json(RESULTS / "fuzz.json")
    assert len(found["kinds"]) == 7 and found["failures"] == 0 and found["peak_extra_bytes"] < 1e9
    kinds = found["kinds"].values()
    assert found["tried"] == sum(kind["accepted"] + kind["refused"] for kind in kinds) >= 3000
    text = (RESULTS / "fuzz.md").read_text()
    assert f"| all | {found['tried']} | " in text and f" | 0 | {found['peak_extra_bytes'] / 1e6:.0f} |" in text
