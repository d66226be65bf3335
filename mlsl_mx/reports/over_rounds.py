"""What the report shows of a run's course: the loss while networks were trained, and each class over the rounds.

The charts are of a page's content: that of report.json, and the `colour` of each method.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any, Callable, Dict, Sequence

from mlsl_mx.reports.charts import Curve, Series, class_charts, curve_chart
from mlsl_mx.reports.tables import Table, number
from mlsl_mx.training.loss_curve import LossPoint

Content = Dict[str, Any]
Round = Dict[str, Any]
MOST_MEANS = 24  # points of a training in a chart: the loss of a few crops jumps too much to be of use


def loss_means(points: Sequence[LossPoint], term: str | None = None) -> list[list[float]]:
    """[step, loss] of at most 24 parts of a training: the last step of each, and the mean of the loss or of a term."""
    size = -(-len(points) // MOST_MEANS) or 1
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    value = (lambda point: point.loss) if term is None else (lambda point: point.losses.get(term, 0.0))
    return [[part[-1].step, fmean(map(value, part))] for part in parts]


def loss_terms(points: Sequence[LossPoint]) -> list[str]:
    """The names of all terms, in their order."""
    return list(dict.fromkeys(name for point in points for name in point.losses))


def loss_charts(content: Content) -> list[str]:
    """The source model's training by step, and the rounds of each method one after the other."""
    source, trained = [m for m in content["methods"] if m["method"] == "source-only"], _trained(content)
    charts, steps = [], next((m["rounds"][0]["steps"] for m in source), None)
    if steps:
        ticks = [(step / steps, str(step)) for step in (0, steps // 2, steps)]
        charts += _charts_of_terms("Loss of source training by step", ticks, source)
    last = max((1 + r["round"] for m in trained for r in m["rounds"] if r["loss"]), default=0)
    if last:
        ticks = [(r, str(r)) for r in range(last)] + [(last, "end")]
        charts += _charts_of_terms("Loss of self-training by round", ticks, trained)
    return charts


def _charts_of_terms(title: str, ticks: Sequence[tuple[float, str]], methods: Sequence[dict[str, Any]]) -> list[str]:
    """The loss and, if it has several terms in one of the trainings, each of them."""
    terms = [one["losses"] for method in methods for one in method["rounds"] if len(one["losses"]) > 1]
    charts = []
    for term in (None, *dict.fromkeys(name for names in terms for name in names)):
        curves = [curve for curve in (_curve(method, term) for method in methods) if curve.parts]
        charts.append(curve_chart(title if term is None else f"{title}: {term}", ticks, curves))
    return charts


def _curve(method: dict[str, Any], term: str | None) -> Curve:
    """A round is as wide as another, however many steps it has."""
    means = [(one, one["loss"] if term is None else one["losses"].get(term)) for one in method["rounds"]]
    parts = [[(one["round"] + step / one["steps"], value) for step, value in found] for one, found in means if found]
    return Curve(method["colour"], method["title"], parts)


def classes_over_rounds(content: Content) -> list[str]:
    """IoU, threshold and coverage of each class over the rounds: a chart each; none where there is one point only."""
    start = next((m["per_class"] for m in content["methods"] if m["method"] == "source-only"), None)
    rounds = [r["round"] for r in max((m["rounds"] for m in _trained(content)), key=len, default=[])]
    labels, charts = list(map(str, rounds)), []
    if start and rounds:
        rows = _rows(content, rounds, _iou, start)
        charts.append(class_charts("IoU of each class by round (%)", "%", ["start", *labels], rows, top=100))
    if len(rounds) > 1:
        rows = _rows(content, rounds, _of_labels("threshold"))
        charts.append(class_charts("Threshold of each class by round (%)", "%", labels, rows, top=100))
        rows = _rows(content, rounds, _of_labels("coverage"))
        title = "Coverage of each class by round: its labels' share of all target pixels (%), each on its own scale"
        charts.append(class_charts(title, "%", labels, rows, top=None))
    return charts


def _rows(
    content: Content,
    rounds: Sequence[int],
    value: Callable[[Round, str], float | None],
    start: dict[str, float | None] | None = None,
) -> list[tuple[str, list[Series]]]:
    """Each class with a line a method; with `start`, lines begin at the source model's."""
    rows = []
    for name in content["classes"]:
        series = []
        for method in _trained(content):
            by_round = {r["round"]: value(r, name) for r in method["rounds"]}
            values = [by_round.get(r) for r in rounds]
            first = [] if start is None else [start[name]]
            series.append(Series(method["colour"], method["title"], [*first, *values]))
        rows.append((name, series))
    return rows


def _iou(one: Round, name: str) -> float | None:
    return (one["per_class"] or {}).get(name)


def _of_labels(what: str) -> Callable[[Round, str], float | None]:
    def value(one: Round, name: str) -> float | None:
        found = one["labels_per_class"].get(name, {}).get(what)
        return None if found is None else 100 * found

    return value


def class_round_table(content: Content, method: dict[str, Any]) -> Table:
    """IoU of each class over the rounds of one method, in numbers."""
    start = next((m["per_class"] for m in content["methods"] if m["method"] == "source-only"), {})
    rounds = method["rounds"]
    rows = [[name, number(start.get(name)), *(number(_iou(r, name)) for r in rounds)] for name in content["classes"]]
    means = [number(r["miou"]) for r in rounds]
    rows.append([f"mIoU({len(content['classes'])})", _mean(content), *means])
    return Table(f"{method['title']}: IoU of each class by round", ["class", "start", *_names(rounds)], rows)


def _mean(content: Content) -> str:
    return number(next((m["miou"] for m in content["methods"] if m["method"] == "source-only"), None))


def _names(rounds: Sequence[Round]) -> list[str]:
    return [str(one["round"]) for one in rounds]


def _trained(content: Content) -> list[dict[str, Any]]:
    return [method for method in content["methods"] if method["method"] != "source-only"]
