"""The report of a run as a document, from the content of report.json and the pictures in the run's folders."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.reports.cells import number
from mlsl_mx.reports.document import Bullets, Charts, Document, Section, Text, Verbatim, present, section
from mlsl_mx.reports.panels import label_sheet, panels, priors
from mlsl_mx.reports.report_charts import ReportCharts
from mlsl_mx.reports.report_tables import (
    class_round_table,
    class_table,
    label_overview,
    label_table,
    paper_table,
    readme_table,
    round_table,
    source_class_table,
    source_table,
    summary_table,
    trained_methods,
)
from mlsl_mx.reports.results import MINIATURE, MethodResults

Content = dict[str, Any]


def report_document(content: Content, methods: Sequence[MethodResults], dataset, config: Config) -> Document:
    """The result and pictures of it first, then charts and details.

    Args:
        content: of report.json.
        methods: whose folders the pictures come from.
        dataset: the validation SceneDataset, for the pictures' images and truth, or None.
    """
    charts = ReportCharts(content)
    means = [(method["method"], method["title"], number(method["miou"])) for method in content["methods"]]
    over_rounds = charts.classes_over_rounds()
    by_round = [class_round_table(content, method) for method in trained_methods(content)] if over_rounds else []
    parts = present(
        _status(content),
        summary_table(content),
        section("Segmentations", panels(methods, config.class_set, dataset, config.evaluation.panels)),
        readme_table(content["source"], means),
        Section("Charts", (Charts(charts.overview()),)),
        class_table(content),
        round_table(content),
        source_table(content),
        source_class_table(content),
        section("Classes over the rounds", Charts(over_rounds, wide=True) if over_rounds else None),
        section("IoU of each class by round", *by_round, folded=True),
        label_overview(content),
        *_labels_by_class(content, methods),
        section("Spatial prior", *priors(Path(content["run"]), methods)),
        Section("Notes", (Bullets(content["notes"]),)),
        section("The paper's table", paper_table(content), folded=True),
        Section("Settings", (Verbatim(yaml.safe_dump(to_dict(config), sort_keys=False)),), folded=True),
        Section("Environment", (Verbatim(json.dumps(content["environment"], indent=1)),), folded=True),
    )
    seed = "" if content["seed"] is None else f", seed {content['seed']}"
    subtitle = f"{content['images']} validation images, IoU in percent{seed}"
    notice = MINIATURE if content["miniature"] else None
    return Document(f"{content['experiment']}: {content['direction']}", subtitle, parts, notice)


def _status(content: Content) -> Text | None:
    """How far the run is, and when that was; None if it is finished."""
    text = f"{time.strftime('%Y-%m-%d %H:%M')}: {'; '.join(content['status'])}"
    return Text(text, strong=True) if content["status"] else None


def _labels_by_class(content: Content, methods: Sequence[MethodResults]) -> Iterator[Section]:
    for method, results in zip(content["methods"], methods, strict=True):
        labelled = [one for one in results.rounds if one.selection]  # one that is being labelled has no sheet yet
        if labelled:
            last = labelled[-1]
            title = f"Pseudo-labels of {method['title']}: by class, and a sheet of round {last.index}"
            yield Section(title, present(label_table(content, method), label_sheet(results, last.folder)), folded=True)
