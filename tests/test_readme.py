"""The README's numbers are those of the committed results and of the paper's tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlsl_mx.evaluation.published import CBST_README, published_row
from mlsl_mx.evaluation.results import METHODS
from mlsl_mx.runs import read_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results" / "miniature"


def table_rows() -> dict[str, list[str]]:
    """Method's name -> the cells of its row under "What comes out"."""
    section = (ROOT / "README.md").read_text().split("## What comes out")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def measured(table: str, method: str, counts: tuple[str, ...]) -> str:
    rows = {row["method"]: row for row in read_json(RESULTS / table / "comparison.json")["rows"]}
    means = (rows[method]["mious"][count] for count in counts)
    return " / ".join(f"{m['mean']:.1f} ± {m['std']:.1f}" for m in means)


def printed(source: str, method: str) -> str:
    row = published_row(source, method)
    if row is not None:
        return " / ".join(f"{value:.1f}" for value in row.means.values())
    return f"{CBST_README[source][method]} †" if method in CBST_README[source] else "-"


@pytest.mark.parametrize("name", list(table_rows()))
def test_a_row_of_the_table(name):
    method = {title: method for method, title in METHODS.items()}[name]
    paper, full, miniature, paper_2, full_2, miniature_2 = table_rows()[name]
    assert (paper, paper_2) == (printed("gta5", method), printed("synthia", method))
    assert miniature == measured("table1", method, ("19",))
    assert miniature_2 == measured("table2", method, ("16", "13"))
    assert full == full_2 == "not measured"


def test_the_table_has_all_methods():
    assert list(table_rows()) == [METHODS[m] for m in METHODS if not re.match("lambda|eta|patch|votes|released", m)]


@pytest.mark.parametrize("table", ["table1", "table2", "table4"])
def test_committed_results_are_of_three_seeds_or_more(table):
    content = read_json(RESULTS / table / "comparison.json")
    assert content["miniature"] and len(set(content["runs"].values())) >= 3
    assert all(row["miou"]["n"] == len(content["runs"]) for row in content["rows"])
    assert all(environment["revision"] for environment in content["made_with"])


def test_the_example_of_ones_own_data():
    source, adapted = read_json(ROOT / "experiments" / "results" / "own" / "report.json")["methods"]
    text = (ROOT / "docs" / "YOUR_OWN_DATA.md").read_text()
    for name, iou in {**source["per_class"], "mIoU(6)": source["miou"]}.items():
        other = adapted["per_class"].get(name, adapted["miou"])
        assert re.search(rf"^{re.escape(name)} +{iou:.1f} +{other:.1f}$", text, re.MULTILINE), name
    assert f"from {source['miou']:.1f} to {adapted['miou']:.1f} mIoU" in (ROOT / "README.md").read_text()
