"""The charts of a report, from the content of report.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mlsl_mx.reports.cells import percent
from mlsl_mx.reports.charts import Curve, Series, class_charts, curve_chart, dot_chart, line_chart
from mlsl_mx.reports.colours import colour
from mlsl_mx.reports.document import Chart
from mlsl_mx.reports.report_tables import source_model, trained_methods
from mlsl_mx.reports.results import METHODS

Content = dict[str, Any]
Method = dict[str, Any]
Round = dict[str, Any]

# What is known of a round -> title of its chart, and the factor that makes it percent.
OVER_ROUNDS = {
    "miou": ("mIoU by round (%)", 1),
    "coverage": ("Pseudo-label coverage by round (%)", 100),
    "precision": ("Pseudo-label precision by round (%)", 100),
    "agreement": ("Agreement with the labels of the round before (%)", 100),
    "patch_disagreement": ("Patch votes against the label by round (%)", 100),
}
# What is known of a class's labels -> title of its chart, and the top of the scale (None: each class has its own).
OF_LABELS = {
    "threshold": ("Threshold of each class by round (%)", 100),
    "coverage": ("Coverage of each class by round: share of all target pixels (%), each on its own scale", None),
}


class ReportCharts:
    """The charts of a content; each method has one colour in all of them.

    One of METHODS has its own, whatever else is shown; a user's own come after them, in their order.
    """

    def __init__(self, content: Content):
        methods = dict.fromkeys([*METHODS, *(method["method"] for method in content["methods"])])
        self.colours = {method: colour(index) for index, method in enumerate(methods)}
        self.methods: list[Method] = content["methods"]
        self.trained = trained_methods(content)
        self.source = source_model(content)
        self.classes: list[str] = content["classes"]
        self.rounds = sorted({one["round"] for method in self.trained for one in method["rounds"]})

    def overview(self) -> list[Chart]:
        """IoU of each class, mIoU and loss, then what is known of the pseudo-labels."""
        ious = [self._series(m, [m["per_class"][name] for name in self.classes]) for m in self.methods]
        charts = [dot_chart("IoU of each class (%)", "%", self.classes, ious)]
        miou, *labels = (self._by_round(what) for what in OVER_ROUNDS)
        charts += [*miou, *self._losses(), *(chart for group in labels for chart in group)]
        thresholds = [
            self._series(method, [100 * labels[name]["threshold"] for name in self.classes])
            for method in self.trained
            for labels in [r["labels_per_class"] for r in method["rounds"] if r["labels_per_class"]][-1:]
        ]
        if thresholds:
            charts.append(dot_chart("Threshold of each class in the last round (%)", "%", self.classes, thresholds))
        return charts

    def _series(self, method: Method, values: Sequence[float | None]) -> Series:
        return Series(self.colours[method["method"]], method["title"], values)

    def _by_round(self, what: str) -> list[Chart]:
        """A chart with one line a method; those of mIoU begin at the source model. No chart if nothing is known."""
        title, factor = OVER_ROUNDS[what]
        start = [self.source and self.source["miou"]] if what == "miou" else []
        lines = []
        for method in self.trained:
            known = {one["round"]: factor * one[what] for one in method["rounds"] if one[what] is not None}
            lines.append(self._series(method, [*start, *map(known.get, self.rounds)]))
        lines = [line for line in lines if any(value is not None for value in line.values)]
        labels = [*(["start"] if start else []), *map(str, self.rounds)]
        return [line_chart(title, "%", labels, lines)] if lines else []

    def _losses(self) -> list[Chart]:
        """The source model's training by step, and the rounds of each method one after the other."""
        charts, steps = [], self.source and self.source["rounds"][0]["steps"]
        if steps:
            ticks = [(step / steps, str(step)) for step in (0, steps // 2, steps)]
            charts += self._terms("Loss of source training by step", ticks, [self.source])
        last = max((1 + r["round"] for m in self.trained for r in m["rounds"] if r["loss"]), default=0)
        if last:
            ticks = [(r, str(r)) for r in range(last)] + [(last, "end")]
            charts += self._terms("Loss of self-training by round", ticks, self.trained)
        return charts

    def _terms(self, title: str, ticks: Sequence[tuple[float, str]], methods: Sequence[Method]) -> list[Chart]:
        """The loss and, if it has several terms in one of the trainings, each of them."""
        terms = [one["losses"] for method in methods for one in method["rounds"] if len(one["losses"]) > 1]
        charts = []
        for term in (None, *dict.fromkeys(name for names in terms for name in names)):
            curves = [curve for curve in (self._curve(method, term) for method in methods) if curve.parts]
            charts.append(curve_chart(title if term is None else f"{title}: {term}", ticks, curves))
        return charts

    def _curve(self, method: Method, term: str | None) -> Curve:
        """A round is as wide as another, however many steps it has."""
        parts = []
        for one in method["rounds"]:
            means = one["loss"] if term is None else one["losses"].get(term)
            if means:
                parts.append([(one["round"] + step / one["steps"], value) for step, value in means])
        return Curve(self.colours[method["method"]], method["title"], parts)

    def classes_over_rounds(self) -> list[Chart]:
        """IoU, threshold and coverage of each class over the rounds, a chart each, if there are two points or more."""
        charts = []
        if self.source and self.rounds:
            rows = self._class_rows(lambda one, name: (one["per_class"] or {}).get(name), self.source["per_class"])
            labels = ["start", *map(str, self.rounds)]
            charts.append(class_charts("IoU of each class by round (%)", "%", labels, rows, top=100))
        for what, (title, top) in OF_LABELS.items() if len(self.rounds) > 1 else ():
            rows = self._class_rows(partial(_of_labels, what))
            charts.append(class_charts(title, "%", list(map(str, self.rounds)), rows, top))
        return charts

    def _class_rows(
        self, value: Callable[[Round, str], float | None], start: dict[str, float | None] | None = None
    ) -> list[tuple[str, list[Series]]]:
        """Each class with a line a method; with `start`, lines begin at the source model's."""
        rows = []
        for name in self.classes:
            first, series = [start[name]] if start else [], []
            for method in self.trained:
                by_round = {one["round"]: value(one, name) for one in method["rounds"]}
                series.append(self._series(method, [*first, *map(by_round.get, self.rounds)]))
            rows.append((name, series))
        return rows


def _of_labels(what: str, one: Round, name: str) -> float | None:
    return percent(one["labels_per_class"].get(name, {}).get(what))
