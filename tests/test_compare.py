"""Runs side by side against hand-computed values; runs that must not stand side by side."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from run_directory import write_run

from mlsl_mx.cli import main
from mlsl_mx.config import load_config
from mlsl_mx.config.settings import Config, PseudoLabels
from mlsl_mx.reports.compare import PAPER_TABLES
from mlsl_mx.reports.compare_document import write_comparison
from mlsl_mx.reports.results import METHODS
from mlsl_mx.system.errors import InputError

ROOT = Path(__file__).parents[1]


def three_runs(folder, config=None):
    """Seeds 1, 2, 3: source 34, 35, 36; CBST 40, 44, 42; SISC 43, 45, 50, and no SISC in the third run."""
    values = [
        {"source-only": [34.0], "cbst": [38.0, 40.0], "sisc": [50.0, 43.0]},
        {"source-only": [35.0], "cbst": [38.0, 44.0], "sisc": [39.0, 45.0]},
        {"source-only": [36.0], "cbst": [38.0, 42.0]},
    ]
    config = config or Config()
    return [write_run(folder / f"seed-{i}", mious, config, seed=i) for i, mious in enumerate(values, start=1)]


def table_runs(folder, table, config=None):
    """Every method of a table of the paper in two runs: 30, 31, 32, ... and one more in the second."""
    spec = PAPER_TABLES[table]
    config = config or load_config(
        ROOT / "experiments" / ("gta2city.yaml" if spec.source == "gta5" else "synthia2city.yaml")
    )
    values = [{method: [30.0 + i + seed] for i, method in enumerate(spec.methods)} for seed in (0, 1)]
    return [write_run(folder / f"seed-{seed}", mious, config, seed=seed) for seed, mious in enumerate(values)]


def compare(folder, runs, table=None):
    text = write_comparison(runs, folder / "out", table)
    return text, (folder / "out/comparison.md").read_text(), json.loads((folder / "out/comparison.json").read_text())


def by_title(content):
    return {row["title"]: row for row in content["rows"]}


def test_mean_spread_and_gains(tmp_path):
    runs = three_runs(tmp_path)
    text, markdown, content = compare(tmp_path, runs)
    rows = by_title(content)
    assert list(rows) == ["source only", "CBST", "SISC"]
    assert rows["CBST"]["miou"] == {"mean": pytest.approx(42), "std": pytest.approx(2), "n": 3}
    # The last round counts, not the 50 of round 0.
    assert rows["SISC"]["miou"] == {"mean": pytest.approx(44), "std": pytest.approx(math.sqrt(2)), "n": 2}
    assert rows["SISC"]["miou_by_run"] == {str(runs[0]): 43, str(runs[1]): 45, str(runs[2]): None}
    assert rows["source only"]["per_class"]["road"] == {"mean": pytest.approx(55), "std": pytest.approx(1), "n": 3}
    roads = {run: classes["road"] for run, classes in rows["source only"]["per_class_by_run"].items()}
    assert roads == {str(run): pytest.approx(road) for run, road in zip(runs, (54, 55, 56), strict=True)}
    assert rows["source only"]["per_class"]["train"] == {"mean": None, "std": None, "n": 0}
    assert list(content["gains"]["CBST"]["by_run"].values()) == [6, 9, 6]
    assert content["gains"]["SISC"]["published"] == 13.3 and content["gains"]["CBST"]["published"] is None
    first, last = rows["SISC"]["rounds"]
    assert first["miou"]["mean"] == pytest.approx(44.5) and last["miou"]["mean"] == pytest.approx(44)
    assert last["coverage"] == {"mean": pytest.approx(0.2), "std": pytest.approx(0), "n": 2}
    assert last["precision"]["mean"] == pytest.approx(0.88)
    assert "| SISC | 1 | 20.0 ± 0.0 | 88.0 ± 0.0 | 44.0 ± 1.4 |" in markdown
    assert "| CBST | 42.0 ± 2.0 |" in markdown and "| train | - | 7.7 | - | - | 41.9 |" in markdown
    page = (tmp_path / "out/comparison.html").read_text()
    assert "SISC, seed 2: 45.0 %" in page and "road, SISC: 64.0 %" in page and "http" not in page
    assert "+7.0 ± 1.7" in text and "seed 2" in text
    assert "48.7" in next(line for line in text.splitlines() if line.startswith("SISC"))


def test_table_1_beside_the_paper(tmp_path):
    text, markdown, content = compare(tmp_path, table_runs(tmp_path, "table1"), "table1")
    assert [row["method"] for row in content["rows"]] == list(PAPER_TABLES["table1"].methods)
    # source-only 30 and 31; SISC 35 and 36; SISC+PWL 36 and 37
    assert content["gains"]["SISC+PWL"] == {
        "mean": 6, "std": 0, "n": 2, "by_run": {run: 6 for run in content["runs"]}, "published": 13.6
    }  # fmt: skip
    assert content["differences"]["baseline"] == "CBST" and content["differences"]["rows"]["SISC"]["mean"] == 3
    summary = text.split("\n\n")[1]
    assert re.search(r"^SISC\+PWL +36\.5 ± 0\.7 +49\.0 ", summary, re.M)
    assert re.search(r"^CBST +32\.5 ± 0\.7 +- ", summary, re.M)  # only CBST-SP is in Table 1
    assert re.search(r"^All Structure \(paper only\) +- +45\.4 ", summary, re.M)
    readme = text.split("\n\n")[2]  # apart from the paper's
    assert readme.startswith("CBST's README") and re.search(r"^CBST +32\.5 ± 0\.7 +45\.2$", readme, re.M)
    road = next(line for line in markdown.splitlines() if line.startswith("| road |"))
    assert road.count("|") == 2 + len(content["rows"]) + 4 and "| 91.0 |" in road  # 4 rows have the paper's classes
    assert "| SISC | +5.0 ± 0.0 | +13.3 |" in markdown


def test_table_2_counts_gains_in_miou_over_13_classes(tmp_path):
    _, markdown, content = compare(tmp_path, table_runs(tmp_path, "table2"), "table2")
    assert "Gain in mIoU*(13)" in markdown and content["gains"]["CBST"]["published"] == 14.8
    assert "| 36.5 ± 0.7 | 45.2 |" in markdown


def test_table_4_has_the_papers_numbers(tmp_path):
    text, _, content = compare(tmp_path, table_runs(tmp_path, "table4"), "table4")
    published = {row["method"]: row["published"].get("19") for row in content["rows"]}
    assert published == {
        "source-only": 35.4, "sisc-pwl": 49.0, "lambda-0.1": 46.0, "lambda-0.05": 48.1, "lambda-0.001": 48.24,
        "eta-0.0": 45.5, "eta-0.1": 46.0, "eta-0.025": 47.33,
    }  # fmt: skip
    assert re.search(r"^SISC\+PWL, lambda 0.001 .* 48\.24 ", text, re.M)
    assert "mIoU minus that of SISC+PWL" in text and "(paper only)" not in text


@pytest.mark.parametrize("table", sorted(PAPER_TABLES))
def test_every_method_of_a_table_has_a_file_and_a_name(table):
    for method in PAPER_TABLES[table].methods:
        assert method in METHODS and load_config(ROOT / "experiments/gta2city.yaml", method).method == method


def test_the_makefile_runs_the_methods_of_each_table():
    lines = dict(re.findall(r"^(TABLE[124]|ABLATIONS) := (.+)$", (ROOT / "Makefile").read_text(), re.M))
    for name, methods in lines.items():
        assert sorted(["source-only", *methods.split()]) == sorted(PAPER_TABLES[name.lower()].methods)
    assert {name.lower() for name in lines} == set(PAPER_TABLES)


def test_runs_of_other_settings_are_rows_of_their_own(tmp_path):
    few = dataclasses.replace(Config(), pseudo_labels=PseudoLabels(patches=25))
    runs = [write_run(tmp_path / f"k50-{s}", {"sisc": [40.0 + s]}, seed=s) for s in (0, 1)]
    runs.append(write_run(tmp_path / "k25", {"sisc": [35.0]}, few, seed=0))
    _, markdown, content = compare(tmp_path, runs)
    rows = by_title(content)
    assert rows["SISC (pseudo_labels.patches=50)"]["miou"]["n"] == 2
    assert rows["SISC (pseudo_labels.patches=25)"]["miou"] == {"mean": 35, "std": None, "n": 1}
    assert "k25" in markdown  # columns bear the runs' names, as seed 0 is there twice


def test_a_method_of_ones_own_is_shown_by_its_name(tmp_path):
    _, _, content = compare(tmp_path, [write_run(tmp_path / "one", {"sisc": [40.0], "mine": [41.0]})])
    assert list(by_title(content)) == ["SISC", "mine"]


def test_only_rounds_that_every_run_has_are_averaged(tmp_path):
    runs = [write_run(tmp_path / f"{seed}", {"cbst": [10.0, 20.0, 30.0 + seed]}, seed=seed) for seed in (0, 1)]
    (runs[1] / "cbst/round-0/evaluation.json").unlink()
    rounds = by_title(compare(tmp_path, runs)[2])["CBST"]["rounds"]
    assert [(one["round"], one["miou"]["mean"]) for one in rounds] == [(1, 20), (2, 30.5)]


def test_other_start_weights_are_other_settings(tmp_path):
    runs = [write_run(tmp_path / f"{seed}", {"source-only": [9.0], "cbst": [10.0]}, seed=seed) for seed in (0, 1)]
    for run, weights in zip(runs, "ab", strict=True):
        with open(run / "source/config.yaml", "a") as settings:
            settings.write(f"start: {{weights: {weights}}}\n")
    rows = by_title(compare(tmp_path, runs)[2])
    assert list(rows) == [f"{m} (start.weights={w})" for m in ("source only", "CBST") for w in "ab"]


def test_evaluations_that_differ_in_flip_are_refused(tmp_path):
    runs = [write_run(tmp_path / f"{seed}", {"source-only": [9.0]}, seed=seed) for seed in (0, 1)]
    for run, flip in zip(runs, (True, False), strict=True):
        path = run / "source/evaluation.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "flip": flip}))
    with pytest.raises(InputError, match="other flip averaging"):
        compare(tmp_path, runs)


def test_nothing_measured_is_shown_as_such(tmp_path):
    run = write_run(tmp_path / "one", {"source-only": [9.0]})
    path = run / "source/evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "miou": None}))
    assert by_title(compare(tmp_path, [run])[2])["source only"]["miou"] == {"mean": None, "std": None, "n": 0}


def test_an_evaluation_of_another_program_is_refused(tmp_path):
    run = write_run(tmp_path / "one", {"source-only": [9.0]})
    (run / "source/evaluation.json").write_text('{"miou": 9.0, "per_class": {}}')
    with pytest.raises(InputError, match="no key 'mious'"):
        compare(tmp_path, [run])


@pytest.mark.parametrize("table", sorted(PAPER_TABLES))
def test_rows_of_a_chart_have_colours_of_their_own_and_names_that_fit(tmp_path, table):
    compare(tmp_path, table_runs(tmp_path, table), table)
    page = (tmp_path / "out/comparison.html").read_text()
    legend = page.split("IoU of each class, mean")[1].split("</svg>")[0]
    colours = re.findall(r'<i style="background:var\(--(c\d)\)">', legend)
    assert len(set(colours)) == len(colours) == len(PAPER_TABLES[table].methods)
    assert all(0 < float(x) < 430 for x in re.findall(r'cx="(-?[\d.]+)"', page))


def test_the_papers_own_disagreements_are_noted(tmp_path):
    text, markdown, _ = compare(tmp_path, table_runs(tmp_path, "table1"), "table1")
    for output in (text, markdown):
        assert "- The paper prints 48.7 for SISC; its 19 classes average 48.77." in output
        assert "- The paper prints 42.3 for MinEnt; its 19 classes average 40.66." in output  # no method of ours


def test_one_run_has_no_spread(tmp_path):
    text, _, content = compare(tmp_path, three_runs(tmp_path)[:1])
    assert by_title(content)["CBST"]["miou"] == {"mean": 40, "std": None, "n": 1}
    assert "±" not in text


def test_miniature_is_marked(tmp_path):
    text, markdown, _ = compare(tmp_path, three_runs(tmp_path, Config(miniature=True)))
    for output in (text, markdown):
        lines = output.strip().splitlines()
        assert lines[0] == lines[-1] == "miniature: not comparable with the paper"


def test_runs_that_cannot_stand_side_by_side(tmp_path):
    one = write_run(tmp_path / "one", {"sisc": [40.0, 41.0]}, seed=1)
    same_seed = write_run(tmp_path / "same", {"sisc": [40.0, 41.0]}, seed=1)
    shorter = write_run(tmp_path / "shorter", {"sisc": [40.0]}, seed=2)
    synthia = load_config(ROOT / "experiments/synthia2city.yaml")
    other = write_run(tmp_path / "other", {"sisc": [40.0, 41.0]}, synthia, seed=2)
    relabelled = write_run(tmp_path / "relabelled", {"sisc": [40.0, 41.0]}, seed=2)
    scores = relabelled / "sisc/round-1/evaluation.json"
    content = json.loads(scores.read_text())
    content["confusion"][0][0] += 1
    scores.write_text(json.dumps(content))
    for runs, table, message in (
        ([one, same_seed], None, "sisc has seed 1, like .*one: a spread needs"),
        ([one, shorter], None, "ends at round 1 and 0"),
        ([one, other], None, "evaluated with other classes"),
        ([one, relabelled], None, "evaluated with other labels"),
        ([one, one], None, "named twice"),
        ([], None, "no run is given"),
        ([one], "table1", "no run has the method source-only"),
        (table_runs(tmp_path, "table2"), "table1", "is about the source gta5, but the runs' is synthia"),
    ):
        with pytest.raises(InputError, match=message):
            compare(tmp_path, runs, table)


def test_command_line(tmp_path, capsys):
    runs = list(map(str, three_runs(tmp_path)))
    assert main(["report", "--compare", *runs, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/comparison.json").exists() and "CBST" in capsys.readouterr().out
    assert main(["report", "--compare", *runs]) == 2 and "needs --out" in capsys.readouterr().err
    assert main(["report"]) == 2 and "--experiment FILE" in capsys.readouterr().err
