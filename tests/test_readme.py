"""The README's numbers are the published ones, and those of the committed results."""

from __future__ import annotations

import ast
import re
import statistics
from importlib import import_module
from pathlib import Path

import pytest

from mlsl_mx.reports.published import CBST_README, published_row
from mlsl_mx.reports.results import METHODS
from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]


def table_rows() -> dict[str, list[str]]:
    """Method's name -> the cells of its row under "The paper's numbers"."""
    section = (ROOT / "README.md").read_text().split("## The paper's numbers")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def printed(source: str, method: str) -> str:
    row = published_row(source, method)
    if row is not None:
        return " / ".join(f"{value:.1f}" for value in row.means.values())
    return f"{CBST_README[source][method]} †" if method in CBST_README[source] else "-"


@pytest.mark.parametrize("name", list(table_rows()))
def test_a_row_of_the_table(name):
    method = {title: method for method, title in METHODS.items()}[name]
    assert table_rows()[name] == [printed("gta5", method), printed("synthia", method)]


def test_the_table_has_all_methods():
    others = "lambda|eta|patch|votes|sliding|released"
    assert list(table_rows()) == [title for method, title in METHODS.items() if not re.match(others, method)]


def test_a_fresh_machine_runs_the_two_commands_and_nothing_else(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    assert import_module("fresh_machine").readme_commands() == ["make gta2city", "make test"]


RESULTS = ROOT / "experiments" / "results" / "miniature"


@pytest.mark.parametrize("experiment", ["gta2city", "synthia2city"])
def test_the_miniature_table(experiment):
    column = ["gta2city", "synthia2city"].index(experiment)
    lines = (ROOT / "README.md").read_text().split("## Seen to work")[1].split("\n## ")[0].splitlines()
    cells = {
        line.strip("|").split("|")[0].strip(): line.strip("|").split("|")[1 + column].strip()
        for line in lines
        if "|" in line
    }
    comparisons = sorted(RESULTS.glob(f"{experiment}*-seeds/comparison.json"))
    rows = {row["title"]: row["miou"] for path in comparisons for row in read_json(path)["rows"]}
    for title, miou in rows.items():
        spread = f" ± {miou['std']:.1f}" if miou["std"] else ""
        assert cells[title] == f"{miou['mean']:.1f}{spread}", title
    assert {title for title in cells if title in METHODS.values()} == set(rows)


@pytest.mark.parametrize("experiment", ["gta2city", "synthia2city"])
def test_each_row_of_the_miniature_by_round(experiment):
    text = (ROOT / "docs" / "MINIATURE.md").read_text()
    text = text.split("## What came out")[1].split("**From the SYNTHIA-like source**")[experiment == "synthia2city"]
    for path in sorted(RESULTS.glob(f"{experiment}*-seeds/comparison.json")):
        for row in read_json(path)["rows"][1:]:
            miou, rounds = row["miou"], row["rounds"]
            by_round = ", ".join(f"{one['miou']['mean']:.1f}" for one in rounds)
            right, labelled = ([one[of]["mean"] for one in (rounds[0], rounds[-1])] for of in ("precision", "coverage"))
            assert f"| {row['title']} | {miou['mean']:.1f} ± {miou['std']:.1f} | {by_round} | " in text
            if None not in right:
                first, last = (f"{100 * value:.1f} %" for value in right)
                assert f"| {first}, {last} of {100 * labelled[0]:.0f} %, {100 * labelled[1]:.0f} % " in text


def test_the_gain_of_each_seed_on_the_miniature():
    text = " ".join((ROOT / "docs" / "MINIATURE.md").read_text().split())
    for experiment in ("gta2city", "synthia2city"):
        rows = {row["method"]: row for row in read_json(RESULTS / f"{experiment}-seeds" / "comparison.json")["rows"]}
        before, after = (list(rows[method]["miou_by_run"].values()) for method in ("source-only", "sisc-pwl"))
        gains = ", ".join(f"{new - old:+.1f}" for old, new in zip(before, after, strict=True))
        assert gains in text, experiment


def of_seeds(found: list[float], start: float) -> str:
    """The cells of a row: what each seed reaches, and its gain."""
    gains = ", ".join(f"{miou - start:+.1f}" for miou in found)
    return f"{', '.join(f'{miou:.1f}' for miou in found)} | {gains}"


def test_the_table_of_real_pictures():
    text, results = (ROOT / "docs" / "REAL_PICTURES.md").read_text(), ROOT / "experiments" / "results" / "real"
    source, *rows = read_json(results / "idda2camvid-original-files" / "comparison.json")["rows"]
    start = source["miou"]["mean"]
    for row in rows:
        assert f"| {row['title']} | {of_seeds(list(row['miou_by_run'].values()), start)} |" in text, row["title"]
    adapted = rows[-1]["miou"]["mean"]
    assert f"({start:.1f} to {adapted:.1f} mIoU on the test pictures)" in (ROOT / "README.md").read_text()
    truth = "true labels of other target images"
    controls = {
        "source training continued for as many steps, 333": ("_ceiling", "source continued"),
        "**true labels** of the 367 pictures, 333 steps: the ceiling": ("_ceiling", truth),
        "**true labels** of the 101 validation pictures, 135 steps": ("", truth),
        "source training continued for 135 steps": ("", "source continued"),
    }
    for title, (name, control) in controls.items():
        seeds = read_json(ROOT / "benchmarks" / "results" / f"controls_idda2camvid{name}.json")["seeds"].values()
        assert [found[control][0] for found in seeds] == pytest.approx([start] * 3, abs=0.05)
        assert f"| control: {title} | {of_seeds([found[control][1] for found in seeds], start)} |" in text


def test_the_rates_on_real_pictures():
    text = " ".join((ROOT / "docs" / "REAL_PICTURES.md").read_text().split())
    results = ROOT / "experiments" / "results" / "real"
    for name in ("validation", "constant-rate"):
        row = read_json(results / f"idda2camvid-{name}" / "comparison.json")["rows"][1]
        *most, last = (f"{miou:.1f}" for miou in row["miou_by_run"].values())
        result = f"([result](../experiments/results/real/idda2camvid-{name}/comparison.md))"
        assert f"{', '.join(most)} and {last} {result}" in text, name
    source, *rows = read_json(results / "idda2camvid-seeds" / "comparison.json")["rows"]
    assert f"starts at {source['miou']['mean']:.1f};" in text
    for row in rows:
        *most, last = (f"{miou - source['miou']['mean']:.1f}" for miou in row["miou_by_run"].values())
        gains = f"{', '.join(most)} and {last}".replace("-0.0", "0.0")
        assert re.search(rf"{re.escape(row['title'])} (adds )?{re.escape(gains)}", text), row["title"]


def test_the_ablations_of_the_miniature():
    content = read_json(RESULTS / "gta2city-ablations" / "comparison.json")
    lines = (ROOT / "docs" / "MINIATURE.md").read_text(encoding="utf-8").split("**The ablations of")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    lost = {title: entry["by_run"] for title, entry in content["differences"]["rows"].items()}
    order = ("sisc", "patches-25", "patches-100", "patch-256", "votes", "sliding")
    rows = {row["method"]: row for row in content["rows"]}
    for method, (_, miou, differences, labelled, _) in zip(order, cells[: len(order)], strict=True):
        row = rows[method]
        assert miou == f"{row['miou']['mean']:.1f} ± {row['miou']['std']:.1f}"
        assert labelled == f"{100 * row['rounds'][0]['coverage']['mean']:.0f} %"
        assert differences == ", ".join(f"{value:+.1f}" for value in lost.get(row["title"], {}).values())


def test_table_4_of_the_miniature():
    content = read_json(RESULTS / "gta2city-table4" / "comparison.json")
    text = (ROOT / "docs" / "MINIATURE.md").read_text(encoding="utf-8")
    for row in content["rows"][1:]:
        miou, own = row["miou"], content["differences"]["rows"].get(row["title"], {"by_run": {}})["by_run"]
        differences = ", ".join(re.sub(r"[+-]0\.0", "0.0", f"{one:+.1f}") for one in own.values())
        cells = f"| {row['title']} | {miou['mean']:.1f} ± {miou['std']:.1f} | {differences}".rstrip()
        assert f"{cells} | " in text, row["title"]


def test_what_right_weak_labels_are_worth():
    rows = read_json(ROOT / "benchmarks" / "results" / "weak_labels_ceiling.json")["miou"].values()
    text = (ROOT / "docs" / "MINIATURE.md").read_text(encoding="utf-8").split("**Even right weak labels")[1]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1 : 1 + len(rows)]
    for line, seeds in zip(lines, rows, strict=True):
        ends = [rounds[-1] for rounds in seeds.values()]
        assert line.endswith(f"| {statistics.mean(ends):.1f} | {', '.join(f'{end:.1f}' for end in ends)} |")


def test_the_example_of_ones_own_data():
    source, adapted = read_json(ROOT / "experiments" / "results" / "own" / "report.json")["methods"]
    text = (ROOT / "docs" / "YOUR_OWN_DATA.md").read_text()
    for name, iou in {**source["per_class"], "mIoU(6)": source["miou"]}.items():
        other = adapted["per_class"].get(name, adapted["miou"])
        assert re.search(rf"^{re.escape(name)} +{iou:.1f} +{other:.1f}$", text, re.MULTILINE), name
    assert f"from {source['miou']:.1f} to {adapted['miou']:.1f} mIoU" in (ROOT / "README.md").read_text()
    for name in ("seeds", "seeds-three-rounds", "seeds-constant-rate"):
        rows = read_json(ROOT / "experiments" / "results" / "own" / name / "comparison.json")["rows"]
        first, second, third = (f"{miou:.1f}" for miou in rows[1]["miou_by_run"].values())
        link = f"](../experiments/results/own/{name}/comparison.md)"
        assert f"[{first}, {second} and {third}{link}" in " ".join(text.split()), name


def names_of(path: str) -> set[str]:
    """Functions, classes and `Class.method` of a file, which need not be importable here."""
    found = set()
    for node in ast.parse((ROOT / "mlsl_mx" / path).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_the_table_of_files_names_what_there_is():
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("| in the paper |")[1].split("\n\n")[0]
    named = re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", section)
    assert len(named) > 25 and section.count("`") == 2 * len(named)
    assert [f"{path}:{name}" for path, name in named if name not in {"", *names_of(path)}] == []


@pytest.mark.parametrize("experiment", ["gta2city", "synthia2city"])
def test_the_controls_of_the_miniature(experiment):
    seeds = read_json(ROOT / "benchmarks" / "results" / f"controls_{experiment}.json")["seeds"].values()
    text = " ".join((ROOT / "docs" / "MINIATURE.md").read_text().split())
    for control in ("source continued", "true labels"):
        ends = [rounds[control][-1] for rounds in seeds]
        mean = f"{statistics.mean(ends):.1f} ± {statistics.stdev(ends):.1f}"
        assert f"{mean} ({', '.join(f'{end:.1f}' for end in ends)})" in text
    row = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| control: true labels")
    )
    assert mean in row
