"""The report of a run: our numbers and the paper's, round by round, as JSON, Markdown, HTML and terminal text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.config.settings import Config
from mlsl_mx.reports.cells import minus
from mlsl_mx.reports.document_files import write_document
from mlsl_mx.reports.published import paper_source, published_row, published_table
from mlsl_mx.reports.report_document import report_document
from mlsl_mx.reports.report_notes import report_notes
from mlsl_mx.reports.results import METHODS, MethodResults, Round, read_run
from mlsl_mx.reports.terminal import terminal_text
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import read_json, write_json
from mlsl_mx.training.loss_curve import LossPoint

# What is taken over from a round's evaluation.json, selection.json and diagnosis.json.
RESULT = ("miou", "mious", "per_class")
SELECTION = tuple("portion coverage predicted_share mined_first mined mined_in_target mining_left_out".split())
DIAGNOSIS = ("agreement", "kept", "patch_disagreement", "patch_images", "drift")
MOST_MEANS = 24  # points of a training in a chart: the loss of a few crops jumps too much to be of use


def write_report(run: Path, config: Config, dataset, out: Path) -> str:
    """Write `out/report.json`, `out/report.md`, `out/pictures/` and the self-contained `out/report.html`.

    Args:
        run: the run directory.
        dataset: the validation SceneDataset, for the panels' images and truth, or None.

    Returns: the text for the terminal.
    Raises: InputError if nothing is evaluated yet, or an evaluation is over other classes than the settings'.
    """
    run, out = Path(run), Path(out)
    methods = read_run(run)
    content = report_content(run, config, methods)
    document = report_document(content, methods, dataset, config)
    write_json(out / "report.json", content)
    write_document(document, out, "report")
    return terminal_text(document)


def report_content(run: Path, config: Config, methods: Sequence[MethodResults]) -> dict[str, Any]:
    """Everything that the report says, JSON-able: the content of report.json. IoU in percent, shares in [0, 1]."""
    classes, source = config.class_set, paper_source(to_dict(config))
    for method in methods:
        _same_classes(method, classes.names)
    result = methods[-1].result.evaluation
    environment = Path(run) / "source" / "environment.json"
    content = {
        "experiment": config.name,
        "miniature": config.miniature,
        "source": source,
        "direction": _direction(config),
        "run": str(run),
        "seed": methods[-1].seed,
        "images": result["images"],
        "list_hash": result.get("list_hash"),
        "classes": list(classes.names),
        "means_over": {str(n): [classes.names[i] for i in classes.common(n)] for n in classes.published_means},
        "methods": [_method_content(config, source, method) for method in methods],
        "paper": [_paper_row(row) for row in published_table(source)],
        "environment": read_json(environment, "mlsl_mx") if environment.exists() else None,
    }
    content["status"] = _status(content, config)
    content["notes"] = report_notes(content, methods)
    return content


def _direction(config: Config) -> str:
    sides = (config.source.dataset, config.target.dataset)
    if isinstance(config.classes, int) and OWN not in sides:
        return " to ".join(PUBLISHED[name].title for name in sides)
    return "own data"


def _method_content(config: Config, source: str | None, method: MethodResults) -> dict[str, Any]:
    result, better = method.result.evaluation, method.better_round
    row = published_row(source, method.method)
    planned = 1 if method.method == "source-only" else config.self_training.rounds
    return {
        "method": method.method,
        "title": method.title,
        "result_round": method.result.index,
        "finished": method.result.index >= planned - 1,
        "rounds_planned": planned,
        "list_hash": result.get("list_hash"),
        **{key: result[key] for key in RESULT},
        "published": None if row is None else _paper_row(row),
        "difference": None if row is None else _differences(result, row),
        "best_chosen_on_val": None if better is None else {"round": better.index, "miou": better.evaluation["miou"]},
        "suggested_round": None if method.suggestion is None else method.suggestion[0],
        "rounds": [_round_content(r) for r in method.rounds],
    }


def _status(content: dict[str, Any], config: Config) -> list[str]:
    """How far each method is that has rounds to go, and the one that the settings name."""
    lines = []
    for method in content["methods"]:
        if not method["finished"]:
            done = sum(one["miou"] is not None for one in method["rounds"])
            line, last = f"{method['title']}: {done} of {method['rounds_planned']} rounds done", method["rounds"][-1]
            if last["miou"] is None and last["loss"]:
                line += f", {last['step']} of {last['steps']} training steps of round {last['round']}"
            lines.append(line)
    if config.method not in {"source-only", *(method["method"] for method in content["methods"])}:
        title = METHODS.get(config.method, config.method)
        lines.append(f"{title}: 0 of {config.self_training.rounds} rounds done")
    return lines


def _round_content(one: Round) -> dict[str, Any]:
    evaluation, selection, diagnosis = one.evaluation or {}, one.selection or {}, one.diagnosis or {}
    terms = dict.fromkeys(name for point in one.loss for name in point.losses)
    return {
        "round": one.index,
        **{key: evaluation.get(key) for key in RESULT},
        "source_miou": (one.source_iou or {}).get("miou"),
        "source_iou": one.source_iou,
        "loss": loss_means(one.loss),
        "losses": {name: loss_means(one.loss, name) for name in terms},
        "step": one.loss[-1].step if one.loss else None,
        "steps": one.loss[-1].steps if one.loss else None,
        **{key: selection.get(key) for key in SELECTION},
        **{key: diagnosis.get(key) for key in DIAGNOSIS},
        "precision": one.ground_truth.get("precision"),
        "ground_truth_images": one.ground_truth.get("images"),
        "labels_per_class": _labels_per_class(one),
    }


def loss_means(points: Sequence[LossPoint], term: str | None = None) -> list[list[float]]:
    """[step, loss] of at most 24 parts of a training: the last step of each, and the mean of the loss or of a term."""
    size = -(-len(points) // MOST_MEANS) or 1
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    value = (lambda point: point.loss) if term is None else (lambda point: point.losses.get(term, 0.0))
    return [[part[-1].step, fmean(map(value, part))] for part in parts]


def _labels_per_class(one: Round) -> dict[str, dict[str, Any]]:
    """name -> threshold, coverage, agreement, kept, patch_disagreement, precision, recall: those that are known."""
    selection, known = one.selection or {"thresholds": {}}, (one.diagnosis or {}).get("per_class", {})
    truth = one.ground_truth.get("per_class", {})
    return {
        name: {
            "threshold": threshold,
            "coverage": selection["coverage_per_class"][name],
            **known.get(name, {}),
            **{key: value for key, value in truth.get(name, {}).items() if key in ("precision", "recall")},
        }
        for name, threshold in selection["thresholds"].items()
    }


def _paper_row(row) -> dict[str, Any]:
    means = {str(n): value for n, value in row.means.items()}
    return {"method": row.method, "kind": row.kind, "per_class": row.per_class, "mious": means}


def _differences(result: dict[str, Any], row) -> dict[str, Any]:
    paper = _paper_row(row)
    return {
        group: {key: minus(result[group].get(key), value) for key, value in paper[group].items()}
        for group in ("mious", "per_class")
    }


def _same_classes(method: MethodResults, names: Sequence[str]) -> None:
    evaluated = method.result.evaluation["classes"] or []
    if evaluated != list(names):
        path = method.result.folder / "evaluation.json"
        raise InputError(f"{path}: {len(evaluated)} classes, but the settings ask for {len(names)}: evaluate again")
