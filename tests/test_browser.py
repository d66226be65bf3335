"""The reports in a real browser: at desktop and phone width, light and dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser import NAMES, find_browser, opened, page_faults
from PIL import Image
from run_directory import SOURCE_LIST, write_loss, write_run
from scene_files import write_cityscapes

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import Config, Selection
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.reports.compare import PAPER_TABLES
from mlsl_mx.reports.compare_document import write_comparison
from mlsl_mx.reports.report import write_report
from mlsl_mx.system.runs import prior_path

REASON = f"no browser ({', '.join(NAMES)}) or no libatomic: `make browser` installs Debian's as root"
pytestmark = pytest.mark.skipif(find_browser() is None, reason=REASON)
SETTINGS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
FINISHED = {"source-only": [35.0], "cbst-sp": [38, 40, 41.0], "sisc": [40, 44, 46.7], "lambda-0.005": [41, 45, 47.0]}


@pytest.fixture(scope="module")
def browser():
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The path of each kind of page: report of a finished run, of one that goes on, comparison of runs."""
    folder = tmp_path_factory.mktemp("pages")
    scenes = write_cityscapes(folder / "cityscapes", count=5, size=(80, 160))
    dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    return {
        "finished": report(folder / "finished", FINISHED, dataset),
        "going on": report(folder / "going_on", {"source-only": [35.0], "sisc-pwl": [41.0]}, dataset),
        "comparison": comparison(folder),
    }


def report(run: Path, mious: dict, dataset) -> Path:
    config = Config(miniature=True, selection=Selection(spatial_prior=True))
    write_run(run, mious, config, names=dataset.names)
    for method, rounds in mious.items():
        for index in range(len(rounds)):
            write_loss(run, method, index)
            sheet = run / method / f"round-{index}" / "pseudo_labels" / "contact_sheet.png"
            if sheet.parent.exists():
                Image.fromarray(np.full((300, 1280, 3), 90, np.uint8)).save(sheet)
    Image.new("RGB", (900, 300), (250, 0, 0)).save(prior_path(run, SOURCE_LIST).with_suffix(".png"))
    write_report(run, config, dataset, run / "report")
    return run / "report" / "report.html"


def comparison(folder: Path) -> Path:
    methods = PAPER_TABLES["table4"].methods
    runs = [
        write_run(folder / f"seed-{s}", {m: [30.0 + i + s] for i, m in enumerate(methods)}, seed=s) for s in range(2)
    ]
    write_comparison(runs, folder / "out", "table4")
    return folder / "out" / "comparison.html"


@pytest.mark.parametrize("width, scheme", SETTINGS)
@pytest.mark.parametrize("kind", ["finished", "going on", "comparison"])
def test_a_page_is_sound(browser, pages, kind, width, scheme):
    assert page_faults(browser, pages[kind], width, scheme) == []


FAULTS = {
    "page is 2": "<div style='width:2000px'>x</div>",
    "contrast 2.": "<p style='color:#aaa;background:#fff'>pale</p>",
    "contrast 1.": "<div style='background:#000'><p style='color:rgba(0,0,0,.5)'>dark on dark</p></div>",
    "text too small": "<svg viewBox='0 0 1000 600' width=300 height=180><text x=9 y=99>small</text></svg>",
    "cut off": "<svg viewBox='0 0 300 180' width=300 height=180><text x=280 y=99>longer</text></svg>",
    "chart of 20x": "<svg viewBox='0 0 20 20' width=20 height=20></svg>",
    "no picture": "<img alt=broken src='data:image/png;base64,AAAA'>",
    "from ": "<div style='overflow:hidden'><pre style='margin-left:-30px'>x</pre></div>",
    "table that cannot scroll": "<table><tr><td>x</table>",
    "hard to hit": "<button style='height:20px;color:#000;background:#fff'>x</button>",
    "asks for http://127.0.0.1:9/": "<img alt='' src='http://127.0.0.1:9/x.png'>",
    "says": "<script>console.error('oh')</script>",
    "fails: ": "<script>nothing.at.all</script>",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_found(browser, tmp_path, fault):
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body><p>sound</p>{FAULTS[fault]}")
    found = page_faults(browser, page, 1280, "light")
    assert any(one.startswith(fault) for one in found), found


def test_a_sound_page_has_no_fault(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><meta charset=utf-8><body><p>sound</p>")
    assert page_faults(browser, page, 390, "light") == []
