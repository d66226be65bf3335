"""The report of a made-up run: what it says, and that its page needs nothing else."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from PIL import Image
from run_directory import SOURCE_LIST, write_loss, write_run
from scene_files import write_cityscapes

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import Config, Selection, SourceData
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.reports.cells import mean_name
from mlsl_mx.reports.compare_document import write_comparison
from mlsl_mx.reports.report import write_report
from mlsl_mx.reports.results import METHODS
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import prior_path
from mlsl_mx.system.whole_files import read_json, write_json

MINIATURE = "miniature: not comparable with the paper"
GTA = Config()
SYNTHIA = Config(name="synthia2city", classes=16, source=SourceData(dataset="synthia"))
ROUNDS = {
    "source-only": [35.0],
    "cbst": [38, 40, 41, 42, 43, 44.0],
    "sisc": [40, 44, 49, 48, 47, 46.7],
    "sisc-pwl": [41, 45.5],
}


class Page(HTMLParser):
    """Tags with their attributes, text, and whether every element that must be closed is."""

    VOID = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def report(run, config=GTA, dataset=None):
    text = write_report(run, config, dataset, run / "report")
    files = [(run / "report" / name).read_text() for name in ("report.md", "report.html")]
    return text, *files, json.loads((run / "report/report.json").read_text())


def row(text, title, name):
    """The cells of a line in the terminal table with that title."""
    table = text[text.index(title) :].split("\n\n")[0]
    line = next(line for line in table.splitlines() if line.startswith(name + "  "))
    return line[len(name) :].split()


def test_ours_beside_the_paper(tmp_path):
    text, markdown, page, content = report(write_run(tmp_path, ROUNDS))
    # The last round is the result, not the better round 2. The paper: ResNet-38 35.4, SISC 48.7, no CBST for GTA-V.
    assert row(text, "Result and paper", "source only")[:5] == ["-", "35.0", "-", "35.4", "-0.4"]
    assert row(text, "Result and paper", "SISC")[:5] == ["5", "46.7", "+11.7", "48.7", "-2.0"]
    assert row(text, "Result and paper", "CBST")[:5] == ["5", "44.0", "+9.0", "-", "-"]
    assert row(text, "Result and paper", "CBST-SP") == ["not", "run", "-", "-", "46.2", "-", "-", "-"]
    # Road is 20 above the mean of a made-up evaluation. Columns: source only (3), CBST (1), SISC (3), SISC+PWL (3)
    assert row(text, "IoU of each class", "road") == "55.0 70.0 -15.0 64.0 66.7 91.0 -24.3 65.5 89.0 -23.5".split()
    assert row(text, "IoU of each class", "train") == "- 7.7 - - - 41.9 - - 36.4 -".split()
    sisc = next(m for m in content["methods"] if m["method"] == "sisc")
    assert sisc["difference"]["mious"]["19"] == pytest.approx(46.7 - 48.7)
    assert sisc["difference"]["per_class"]["road"] == pytest.approx(66.7 - 91.0)
    assert sisc["difference"]["per_class"]["train"] is None
    assert "| SISC | 5 | 46.7 | +11.7 | 48.7 | -2.0 |" in markdown
    cells = '<td class="first">5</td><td class="first">46.7</td><td class="up">+11.7</td><td>48.7</td>'
    assert f"<th scope=row>SISC</th>{cells}" in page


def test_rounds_and_the_best_that_is_no_result(tmp_path):
    text, markdown, page, content = report(write_run(tmp_path, ROUNDS))
    assert row(text, "mIoU over all 19 classes by round", "SISC") == ["40.0", "44.0", "49.0*", "48.0", "47.0", "46.7"]
    for output in (text, markdown, page):
        assert "best, chosen on val: not a result" in output
        assert "SISC+PWL is not finished: round 1 of 0..5 stands for the result." in output
    assert [m["best_chosen_on_val"] for m in content["methods"]] == [None, None, {"round": 2, "miou": 49}, None]
    assert [m["finished"] for m in content["methods"]] == [True, True, True, False]


def test_rows_of_cbsts_readme_stand_apart_from_the_papers(tmp_path):
    for output in report(write_run(tmp_path, {"source-only": [35.0], "st": [40.0], "cbst": [44.0]}))[:3]:
        assert "CBST&#x27;s README" in output or "CBST's README" in output
        cells = re.sub(r"[\s|]|</?t[hdr][^>]*>", " ", output)
        assert re.search(r"CBST +44\.0 +45\.2 ", cells) and re.search(r"ST +40\.0 +41\.5 ", cells)


def test_the_release_settings_stand_beside_the_papers_row(tmp_path):
    _, markdown, _, _ = report(write_run(tmp_path, {"source-only": [35.0], "released-sisc": [47.0]}))
    assert "| SISC as released | 0 | 47.0 | +12.0 | 48.7 | -1.7 |" in markdown and "README" not in markdown


def test_no_gain_where_no_source_model_is_evaluated(tmp_path):
    _, markdown, _, _ = report(write_run(tmp_path, {"sisc": [46.7]}))
    assert "| SISC | 0 | 46.7 | 48.7 | -2.0 |" in markdown and "| gain |" not in markdown


def test_means_name_their_classes(tmp_path):
    text, markdown, _, content = report(write_run(tmp_path, ROUNDS))
    assert list(content["means_over"]) == ["19", "16", "13"]
    assert not {"terrain", "truck", "train"} & set(content["means_over"]["16"])
    assert not {"wall", "fence", "pole"} & set(content["means_over"]["13"])
    assert "mIoU(13) is the mean over road, sidewalk, building, traffic light" in markdown
    assert "train in neither truth nor prediction, so '-' and left out of the means" in " ".join(text.split())


def test_synthia_is_beside_table_2(tmp_path):
    run = write_run(tmp_path, {"source-only": [30.0], "cbst": [42.0] * 6, "sisc": [44.5] * 6}, SYNTHIA)
    text, _, _, content = report(run, SYNTHIA)
    cbst = row(text, "Result and paper", "CBST")
    assert cbst[:5] == ["5", "42.0", "+12.0", "42.5", "-0.5"] and cbst[6] == "48.4"
    assert row(text, "Result and paper", "SISC+PWL") == ["not", "run", "-", "-", "45.2", "-", "-", "51.0", "-"]
    assert "The paper prints 44.4 for SISC; its 16 classes average 44.59." in text
    assert "19" not in content["means_over"]


def test_pseudo_labels_by_round_and_class(tmp_path):
    text, markdown, page, content = report(write_run(tmp_path, ROUNDS))
    assert row(text, "Pseudo-labels by round", "SISC coverage") == ["15.0", "20.0", "25.0", "30.0", "35.0", "40.0"]
    assert row(text, "Pseudo-labels by round", "SISC+PWL precision") == ["90.0", "88.0", "-", "-", "-", "-"]
    assert row(text, "Pseudo-labels by round", "SISC portion") == ["15.0", "20.0", "25.0", "30.0", "35.0", "40.0"]
    assert row(text, "Pseudo-labels by round", "SISC agreement") == ["-", "83.0", "86.0", "89.0", "92.0", "95.0"]
    assert row(text, "Pseudo-labels by round", "SISC kept") == ["-", *["70.0"] * 5]
    assert row(text, "Pseudo-labels by round", "SISC patch disagreement") == ["6.0", "5.0", "4.0", "3.0", "2.0", "1.0"]
    assert "| SISC agreement | - | 83.0 |" in markdown and "<th scope=row>SISC agreement</th><td>-</td>" in page
    road = content["methods"][2]["rounds"][1]["labels_per_class"]["road"]
    assert road == {
        "threshold": pytest.approx(0.94),
        "coverage": pytest.approx(0.2 / 19),
        "agreement": pytest.approx(0.83),
        "kept": 0.7,
        "patch_disagreement": pytest.approx(0.05),
        "precision": pytest.approx(0.88),
        "recall": pytest.approx(0.15),
    }


def test_pseudo_labels_by_class_in_the_last_two_rounds(tmp_path):
    _, markdown, page, _ = report(write_run(tmp_path, ROUNDS))
    sisc = markdown[markdown.index("## Pseudo-labels of SISC (percent)") :].split("\n## ")[0]
    header = [f"{what} {r}" for r in (4, 5) for what in ("thr", "cov", "agree", "disagree", "prec", "rec")]
    assert f"| class | {' | '.join(header)} |" in sisc
    assert "| road | 79.00 | 1.84 | 92.0 | 2.0 | 82.0 | 30.0 | 74.00 | 2.11 | 95.0 | 1.0 | 80.0 | 35.0 |" in sisc
    assert "| bicycle | 79.00 | 1.84 | 92.0 | 2.0 | - | 0.0 |" in sisc  # 35 % / 19; no label: no precision
    assert "| all | - | 35.00 | 92.0 | 2.0 | 82.0 | - |" in sisc
    # Two rounds in all: in round 0 there is nothing to agree with.
    assert "| class | thr 0 | cov 0 | disagree 0 | prec 0 | rec 0 | thr 1 | cov 1 | agree 1 |" in markdown
    assert "measured on 8 validation images" in page and "measured on 6 target images" in page


def test_what_nobody_measured_is_not_shown(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "cbst": [38.0, 40.0]})
    for path in run.glob("cbst/round-*/diagnosis.json"):
        found = read_json(path)
        for values in (found, *found["per_class"].values()):
            values["patch_disagreement"] = None  # no patches
        write_json(path, {**found, "patch_images": None, "ground_truth": None})
    text, markdown, page, content = report(run)
    assert row(text, "Pseudo-labels by round", "CBST agreement") == ["-", "83.0"]
    for output in (text, markdown, page):
        output = output.replace("precision: float32", "")  # a setting, of the network
        assert "recision" not in output and "isagree" not in output and "validation images, which" not in output
    assert content["methods"][1]["rounds"][1]["precision"] is None
    (run / "cbst/round-1/diagnosis.json").unlink()
    assert row(report(run)[0], "Pseudo-labels by round", "CBST coverage") == ["15.0", "20.0"]
    assert "| class | thr 0 | cov 0 | thr 1 | cov 1 |" in report(run)[1]


def test_charts_of_the_diagnosis(tmp_path):
    page = report(write_run(tmp_path, ROUNDS))[2]
    for title, said in (
        ("Agreement with the labels of the round before (%)", "SISC: 95.0 %"),
        ("Patch votes against the label by round (%)", "SISC: 1.0 %"),
        ("Threshold of each class in the last round (%)", "road, SISC: 74.0 %"),
    ):
        chart = page[page.index(f"<figcaption>{title}") :].split("</figure>")[0]
        assert said in chart


def chart(page, title):
    """The part of a page that is the figure with that title."""
    return page[page.index(f"<figcaption>{title}") :].split("</figure>")[0]


def test_the_loss_of_each_training(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40, 44.0], "sisc-pwl": [41.0]})
    for method, index, steps in (("source-only", 0, 600), ("sisc", 0, 120), ("sisc", 1, 60), ("sisc-pwl", 0, 7)):
        write_loss(run, method, index, steps)
    *_, page, content = report(run)
    source, sisc, pwl = ([r["loss"] for r in m["rounds"]] for m in content["methods"])
    # 600 points are 24 means of 25 each; the loss is 1 + 2 (1 - step / steps)^2.
    assert [step for step, _ in source[0]] == list(range(25, 601, 25))
    means = [1 + 2 * sum((1 - (25 * i + j) / 600) ** 2 for j in range(1, 26)) / 25 for i in range(24)]
    assert [loss for _, loss in source[0]] == pytest.approx(means)
    assert [len(loss) for loss in (*sisc, *pwl)] == [24, 20, 7]
    assert chart(page, "Loss of source training by step").count("<polyline") == 1
    drawn = chart(page, "Loss of self-training by round")
    paths = re.findall(r'points="([^"]+)"', drawn)
    lines = [[tuple(map(float, p.split(","))) for p in path.split()] for path in paths]
    assert [len(line) for line in lines] == [24, 20, 7]
    assert lines[0][-1][0] < lines[1][0][0] and lines[2][-1][0] == lines[0][-1][0]  # round 1 is beside round 0
    assert all(below[1] >= above[1] for line in lines for above, below in pairwise(line))  # it falls


def test_each_term_of_a_loss_has_a_chart(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40.0], "mine": [41.0]})
    write_loss(run, "source-only", 0)
    write_loss(run, "sisc", 0, steps=24)
    write_loss(run, "mine", 0, steps=24, shares={"segmentation": 0.5, "weak_labels": 0.375, "<entropy>": 0.125})
    *_, page, content = report(run)
    (one,) = content["methods"][-1]["rounds"]
    for name, share in (("segmentation", 0.5), ("weak_labels", 0.375), ("<entropy>", 0.125)):
        assert one["losses"][name] == [[step, pytest.approx(share * loss)] for step, loss in one["loss"]]
    title = "Loss of self-training by round"
    drawn = {name: chart(page, f"{title}{name}").count("<polyline") for name in ("", ": segmentation", ": weak_labels")}
    assert drawn == {"": 2, ": segmentation": 2, ": weak_labels": 1}
    assert chart(page, f"{title}: &lt;entropy&gt;").count("<polyline") == 1
    # That of the source model is its one term.
    assert page.count("<figcaption>Loss of source training") == 1 and page.count(f"<figcaption>{title}") == 4


def test_a_report_says_how_far_the_run_is(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40.0, 41.0]})
    (run / "sisc/round-1/evaluation.json").unlink()
    write_loss(run, "sisc", 1, steps=50)
    (run / "log.jsonl").write_text("".join((run / "log.jsonl").read_text().splitlines(keepends=True)[:20]))
    *_, page, content = report(run, Config(method="cbst"))
    assert content["status"] == [
        "SISC: 1 of 6 rounds done, 20 of 50 training steps of round 1",
        "CBST: 0 of 6 rounds done",
    ]
    assert all(line in page for line in content["status"])
    *_, page, content = report(
        write_run(tmp_path / "whole", {"source-only": [35.0], "sisc": [40.0] * 6}), Config(method="sisc")
    )
    assert content["status"] == [] and "class=status" not in page


def test_while_a_round_is_labelled_the_labels_of_the_one_before_are_shown(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40.0, 41.0]})
    Image.new("RGB", (1500, 40), (1, 2, 3)).save(run / "sisc/round-1/pseudo_labels/contact_sheet.png")
    (run / "sisc/round-2/pseudo_labels").mkdir(parents=True)
    page = report(run, Config(method="sisc"))[2]
    assert "SISC: by class, and a sheet of round 1</summary>" in page and "<img class=sheet" in page
    assert chart(page, "Threshold of each class in the last round (%)")


def test_each_class_over_the_rounds(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40, 44.0]})
    *_, page, content = report(run)
    assert content["methods"][1]["rounds"][0]["per_class"]["road"] == pytest.approx(60.0)
    for title, said in (
        ("IoU of each class by round (%)", ["55.0", "60.0", "64.0"]),
        ("Threshold of each class by round (%)", ["99.0", "94.0"]),
        ("Coverage of each class by round", ["0.8", "1.1"]),
    ):
        assert re.findall("<title>road, SISC: ([\\d.]+) %</title>", chart(page, title)) == said
    assert "<title>train, " not in chart(page, "IoU of each class")  # in neither truth nor prediction
    table = page[page.index("SISC: IoU of each class by round") :].split("</table>")[0]
    assert "<th scope=row>road</th><td>55.0</td><td>60.0</td><td>64.0</td>" in table


def test_collapsed_classes_are_noted(tmp_path):
    run = write_run(tmp_path, ROUNDS)
    path = run / "sisc/round-5/evaluation.json"
    content = read_json(path)
    content["confusion"][11][11], content["confusion"][11][12] = 0, 9  # person taken for rider
    write_json(path, content)
    path = run / "sisc/round-5/pseudo_labels/selection.json"
    write_json(
        path, {**read_json(path), "collapsed": ["fence"], "loose": ["pole", "wall"], "mining_left_out": {"rider": 1e-4}}
    )
    text = report(run)[0]
    assert "SISC: person in the truth, but predicted nowhere." in text
    assert "SISC: in round 5 no target crop was centred on rider, which had too few labels" in " ".join(text.split())
    assert "SISC: no pseudo-label of fence in round 5." in text
    assert "SISC: pole, wall: threshold below 1/19 in round 5" in text


@pytest.mark.parametrize("miniature", [True, False])
def test_miniature_is_marked_first_and_last(tmp_path, miniature):
    config = Config(miniature=miniature)
    text, markdown, page, _ = report(write_run(tmp_path, ROUNDS, config), config)
    for output in (text, markdown):
        lines = output.strip().splitlines()
        assert [lines[0] == MINIATURE, lines[-1] == MINIATURE] == [miniature, miniature]
    banners = [attrs for tag, attrs in Page(page).tags if attrs.get("class") == "banner"]
    assert len(banners) == (2 if miniature else 0)
    assert (MINIATURE in page) == miniature
    # No difference from a row that is no measure for it.
    assert ("| method | round | mIoU(19) | gain | paper | mIoU(16)" in markdown) == miniature
    assert ("| diff |" in markdown) != miniature


def test_page_needs_nothing_else(tmp_path):
    scenes = write_cityscapes(tmp_path / "cityscapes", count=5, size=(40, 64))
    dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    run = write_run(tmp_path / "run", ROUNDS, names=dataset.names)
    Image.new("RGB", (1500, 40), (1, 2, 3)).save(run / "sisc/round-5/pseudo_labels/contact_sheet.png")
    page = report(run, dataset=dataset)[2]
    parsed = Page(page)
    assert parsed.open == []
    addresses = [attrs[key] for _, attrs in parsed.tags for key in ("src", "href") if key in attrs]
    assert all(address.startswith("data:image/") for address in addresses)
    assert "http" not in page and "url(" not in page and "@import" not in page and "<script" not in page
    assert "prefers-color-scheme:dark" in page and "width=device-width" in page
    # 4 images with image, truth, source only, CBST, SISC and SISC+PWL; one contact sheet
    assert len(addresses) == 4 * 6 + 1
    first_row = page.split("<div class=panels>")[1].split("</div>")[0]
    captions = re.findall("<figcaption>(.*?)</figcaption>", first_row)
    assert captions == ["image", "truth", "source only", "CBST", "SISC", "SISC+PWL"]
    truth = base64.b64decode(addresses[1].split(",")[1])
    ids = dataset.label(0)
    with Image.open(io.BytesIO(truth)) as image:
        assert (image.size, image.convert("RGB").tobytes()) == ((64, 40), class_set(19).palette[ids].tobytes())
    # 7 charts, and IoU, threshold and coverage of each class
    assert parsed.text.count("bicycle") >= 6 and len([t for t, _ in parsed.tags if t == "svg"]) == 7 + 3 * 19


def test_pictures_are_right_below_the_result(tmp_path):
    scenes = write_cityscapes(tmp_path / "cityscapes", count=2, size=(40, 64))
    dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    run = write_run(tmp_path / "run", {"source-only": [35.0], "sisc": [40.0]}, names=dataset.names[1:])
    _, markdown, page, _ = report(run, dataset=dataset)
    assert re.findall("^## (.*)$", markdown, re.M)[:2] == ["Result and paper", "Segmentations"]
    assert re.findall("<h2>(.*?)</h2>", page)[:3] == ["Result and paper", "Segmentations", "Charts"]
    header, _, first, second = markdown.split("## Segmentations\n\n")[1].split("\n\n")[0].splitlines()
    assert header == "|  | image | truth | source only | SISC |" and first.endswith("| - | - |")  # not predicted
    links = re.findall(r"!\[.*?\]\((pictures/.*?)\)", second)
    assert len(links) == 4
    with Image.open(run / "report" / links[1]) as truth:
        assert truth.convert("RGB").tobytes() == class_set(19).palette[dataset.label(1)].tobytes()


def test_the_spatial_prior_is_shown_once_where_methods_use_it(tmp_path):
    title = "<h2>Spatial prior</h2>"
    for used, shown in ((True, 1), (False, 0)):
        run = tmp_path / str(used)
        config = Config(selection=Selection(spatial_prior=used))
        write_run(run, {"source-only": [35.0], "cbst": [40.0], "cbst-sp": [41.0]}, config)
        assert title not in report(run, config)[2]  # there is no picture
        Image.new("RGB", (60, 30), (250, 0, 0)).save(prior_path(run, SOURCE_LIST).with_suffix(".png"))
        page = report(run, config)[2]
        assert page.count(title) == shown
        pictures = [attrs for _, attrs in Page(page).tags if attrs.get("alt") == "spatial prior of each class"]
        assert len(pictures) == shown
    # An imported one is under the hash of its file.
    path = tmp_path / "True" / "cbst-sp" / "config.yaml"
    path.write_text(path.read_text().replace("selection:\n", "selection:\n  prior: 0f0f\n"))
    Image.new("RGB", (60, 30), (0, 0, 250)).save(prior_path(tmp_path / "True", "0f0f").with_suffix(".png"))
    page = report(tmp_path / "True", Config())[2]
    colours = []
    for _, attrs in Page(page).tags:
        if attrs.get("alt") == "spatial prior of each class":
            with Image.open(io.BytesIO(base64.b64decode(attrs["src"].split(",")[1]))) as image:
                colours.append(image.getpixel((30, 15)))
    assert [colour[0] > 200 for colour in colours] == [True, False]


@pytest.mark.parametrize("count", [3, 19])
def test_every_method_has_a_colour_of_the_page(tmp_path, count):
    mious = {method: [30.0 + i] for i, method in enumerate([*METHODS, "mine", "also-mine"][:count])}
    *_, page, _ = report(write_run(tmp_path, mious))
    used = set(re.findall(r"var\(--([\w.-]+)\)", page))
    assert used <= set(re.findall(r"--([\w.-]+):#", page))
    # A dot of IoU for each method, one of a threshold for all but the source model, and for these IoU at the start and
    # after the round.
    assert page.count("<title>road, ") == 2 * count - 1 + 2 * (count - 1)


def test_each_method_of_ones_own_has_a_colour_of_its_own(tmp_path):
    def shown(*methods):
        page = report(write_run(tmp_path / str(len(methods)), {method: [30.0] for method in methods}))[2]
        return dict(re.findall(r'style="fill:var\(--(\w+)\)" class=dot><title>road, ([\w, -]+): 50', page))

    few = {title: colour for colour, title in shown("source-only", "sisc", "mine", "theirs").items()}
    more = {title: colour for colour, title in shown("source-only", "sisc", "theirs", "votes", "mine").items()}
    assert len(few) == 4 and len(more) == 5  # a dict by colour: none was overwritten
    assert few == {title: colour for title, colour in more.items() if title in few}


def test_without_a_data_set_the_predictions_are_shown(tmp_path):
    run = write_run(tmp_path, {"source-only": [35.0]}, names=("a", "b"))
    text, _, page, content = report(run)
    assert page.count("<div class=panels>") == 2 and "truth:" not in page
    assert "by round" not in text
    assert content["methods"][0]["rounds_planned"] == 1


def test_hostile_names_are_escaped(tmp_path):
    run = write_run(tmp_path / "<b>run", {"source-only": [35.0]}, names=("x&<i>y",))
    page = report(run)[2]
    assert "<b>run" not in page and "<i>y" not in page and "x&amp;&lt;i&gt;y" in page


def test_other_lists_and_image_counts_are_noted(tmp_path):
    run = write_run(tmp_path, ROUNDS)
    path = run / "sisc-pwl/round-1/evaluation.json"
    write_json(path, {**read_json(path), "images": 100, "list_hash": "fedc"})
    text = " ".join(report(run)[0].split())
    assert "Evaluated on 100 images, the paper on 500" in text
    assert "evaluated on different image lists" in text


def test_the_size_at_which_iou_was_measured_is_noted_where_it_is_not_the_labels(tmp_path):
    run = write_run(tmp_path, ROUNDS)
    path = run / "sisc-pwl/round-1/evaluation.json"
    resized = {"images": 500, "scored": [512, 1024], "labels": [1024, 2048]}
    assert "IoU was measured at" not in report(run)[0]
    write_json(path, {**read_json(path), "resized": resized})
    note = "IoU was measured at 1024x512, to which 500 of 500 labels were resized (from 2048x1024)"
    text, markdown, page, content = report(run)
    assert note in " ".join(text.split()) and note in markdown and note in page
    assert sum(note in one for one in content["notes"]) == 1
    comparison = write_comparison([run], tmp_path / "compared", None)
    assert note in " ".join(str(comparison).split())


def test_wrong_runs(tmp_path):
    with pytest.raises(InputError, match="evaluate first"):
        report(tmp_path)
    run = write_run(tmp_path / "run", {"source-only": [35.0]})
    with pytest.raises(InputError, match="source/evaluation.json: 19 classes, but the settings ask for 16"):
        report(run, SYNTHIA)
    (run / "source/evaluation.json").write_text("{}")
    with pytest.raises(InputError, match="evaluation.json: no key 'miou'"):
        report(run)


def test_what_became_worse_is_named(tmp_path):
    """Evaluations of a made-up run differ by their mean alone, so all classes lose, or none."""
    text, *_ = report(write_run(tmp_path / "lost", {"source-only": [35.0], "sisc": [33.5], "cbst": [34.5]}))
    (note,) = [note for note in notes(text) if "worse than the source model" in note]
    assert note.startswith("SISC: worse than the source model: the mean of all classes 35.0 -> 33.5, road 55.0 -> 53.5")
    text, *_ = report(write_run(tmp_path / "gained", {"source-only": [35.0], "sisc": [35.5]}))
    assert not [note for note in notes(text) if "worse" in note]


def test_a_round_is_suggested_where_labels_drift(tmp_path):
    """The one before the first whose labels drift; the last round is the result all the same."""
    run = write_run(tmp_path, {"source-only": [35.0], "sisc": [40.0, 41.0, 39.0]}, GTA)
    assert not [note for note in notes(report(run)[0]) if "would keep" in note]
    for index in (1, 2):
        path = run / "sisc" / f"round-{index}" / "diagnosis.json"
        write_json(path, {**read_json(path), "drift": {"wall": [0.026, 0.078]}})
    text, _, _, content = report(run)
    (note,) = [note for note in notes(text) if "would keep" in note]
    assert note == (
        "SISC: without target labels one would keep round 0: from round 1 on its labels drift (wall 2.6 -> 7.8 "
        "%). This is only a suggestion: the last round stays the result."
    )
    sisc = content["methods"][1]
    assert (sisc["suggested_round"], sisc["result_round"]) == (0, 2)


def notes(text):
    """The sentences under Notes, each in one line."""
    listed = text.split("\nNotes\n")[1].split("\n\n")[0]
    return [" ".join(note.split()) for note in listed.removeprefix("- ").split("\n- ")]


def test_only_the_papers_mean_over_13_classes_has_a_star():
    assert [mean_name("13", 16), mean_name(16, 16), mean_name(13, 13)] == ["mIoU*(13)", "mIoU(16)", "mIoU(13)"]
