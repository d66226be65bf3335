"""A model card for each method of a run: what its weights are, what they were made with and what they reach.

RUN/source/model_card.json and .md are the source model's, RUN/METHOD/model_card.json and .md a method's. Everything is
read from the run directory or measured; what is not there is null in JSON and "not recorded" in Markdown. The keys:

experiment, method, title, seed, rounds_done (with an evaluation), miniature, notice (the miniature's warning or null)
intended_use        text
limits              [text]
results             round (null: source model), miou, mious, per_class, images, flip: as in evaluation.json, IoU in
                    percent; resized: as `resolution.count_resized` gives it; list_hash;
                    weights: first 16 hex digits of the SHA-256 of the weights that were evaluated;
                    of_this_file: whether those are the weights file of now
data                source, target, validation, each: dataset, list, size (height, width; or null),
                    fingerprint (as the run noted it), and, if the list's file still is the one with that fingerprint,
                    its sha256 and images (number, without those held out)
labels              [{round, images, coverage, coverage_per_class}], shares of the target's pixels
start_weights       kind ("imagenet", "imported" or "none"), file, sha256_first_16
weights             source, rounds, each {round (null: source model), file (in the run directory), sha256}
stages              [StageTime], the source model's first
device              ctx, gpu (lists over the stages), cpu, cpus, machine, threads
code                version, revision (of the first start), revisions (list over the stages)
versions            python, numpy, opencv, and mxnet and gluoncv or torch
commands            [arguments of mlsl]
settings            the content of config.yaml
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlsl_mx.config.class_table import OWN
from mlsl_mx.config.experiment_files import data_config
from mlsl_mx.data.datasets import fingerprint
from mlsl_mx.data.label_files import label_format
from mlsl_mx.data.lists import read_lines, without_held_out
from mlsl_mx.reports.markdown import markdown_text
from mlsl_mx.reports.model_card_document import card_document
from mlsl_mx.reports.published import paper_source
from mlsl_mx.reports.results import MINIATURE, MethodResults, if_there, read_run
from mlsl_mx.reports.stage_times import StageTime, stage_times
from mlsl_mx.system.environment import ENGINES
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.runs import own_list
from mlsl_mx.system.whole_files import sha256, write_bytes, write_json

Card = dict[str, Any]

INTENDED_USE = (
    "Semantic segmentation of street scenes, to reproduce the self-training methods of MLSL (WACV 2020) and to compare "
    "others with them."
)
OWN_USE = "Semantic segmentation of images like those of the target named here."
OWN_LISTS = {"source.images": "source", "target.train": "target", "target.val": "val"}  # see `runs.own_list`
LIMITS = (
    "Not for driving or anything else that safety depends on: classes are missed and confused with each other, as "
    "their IoU shows.",
    "The numbers are for one seed, on the validation images named here; other places, cameras and weather were not "
    "measured.",
)
MINIATURE_LIMIT = "It was trained on and measured with rendered miniature scenes: it is no model of real streets."
OTHER_WEIGHTS = "The weights file is not the one that was evaluated: evaluate again."


def write_model_cards(run: Path) -> None:
    """Write model_card.json and model_card.md for each method of a run directory that has results.

    Raises: InputError if nothing is evaluated yet, or a file of the run is damaged.
    """
    run = Path(run)
    events = read_log(run / "log.jsonl")
    for method in read_run(run):
        card = model_card(run, method, events)
        write_json(method.folder / "model_card.json", card)
        write_bytes(method.folder / "model_card.md", f"{markdown_text(card_document(card))}\n".encode())


def model_card(run: Path, method: MethodResults, events: Sequence[dict]) -> Card:
    """The content of model_card.json; its keys are in this module's docstring."""
    settings, source_only = method.config, method.method == "source-only"
    environment = if_there(method.folder / "environment.json", "mlsl_mx") or {}
    stages = [time for time in stage_times(events) if time.method in ("source-only", method.method)]
    # Whether round 0 started from a weak-label head that was trained beside the source model.
    if not (if_there(method.folder / "head.json", "trained") or {}).get("trained"):
        stages = [time for time in stages if time.stage != "train-head"]
    stages.sort(key=lambda time: time.method != "source-only")
    weights = _weights(run, method)
    results = _results(method, weights["rounds"] or [weights["source"]])
    experiments = _distinct([settings.get("name"), *(time.experiment for time in stages)])
    return {
        "experiment": experiments[0] if experiments else None,
        "method": method.method,
        "title": method.title,
        "seed": method.seed,
        "rounds_done": 0 if source_only else len(method.evaluated),
        "miniature": settings.get("miniature"),
        "notice": MINIATURE if settings.get("miniature") else None,
        "intended_use": INTENDED_USE if not settings or paper_source(settings) else OWN_USE,
        "limits": _limits(settings, results),
        "results": results,
        "data": _data(run, method),
        "labels": [_labels(one.index, one.selection) for one in method.rounds if one.selection],
        "start_weights": _start_weights(method, events),
        "weights": weights,
        **_made_with(environment, stages),
        "settings": settings or None,
    }


def _made_with(environment: dict[str, Any], stages: Sequence[StageTime]) -> dict[str, Any]:
    """stages, device, code, versions and commands."""
    seen = {key: _distinct(getattr(time, key) for time in stages) or None for key in ("ctx", "gpu", "revision")}
    engine = [name for name in ENGINES if name in environment] or ["mxnet", "gluoncv"]
    device = {key: environment.get(key) for key in ("cpu", "cpus", "machine", "threads")}
    code = {"version": environment.get("mlsl_mx"), "revision": environment.get("revision")}
    return {
        "stages": [asdict(time) for time in stages] or None,
        "device": {"ctx": seen["ctx"], "gpu": seen["gpu"], **device},
        "code": {**code, "revisions": seen["revision"]},
        "versions": {key: environment.get(key) for key in ("python", *engine, "numpy", "opencv")},
        "commands": _distinct([environment.get("command"), *(time.command for time in stages)]) or None,
    }


def _limits(settings: dict[str, Any], results: dict[str, Any]) -> list[str]:
    miniature = [MINIATURE_LIMIT] if settings.get("miniature") else []
    return [*LIMITS, *miniature, *([OTHER_WEIGHTS] if results["of_this_file"] is False else [])]


def _results(method: MethodResults, weights: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the last evaluated round, with whether its weights file is the evaluated one."""
    last = method.result
    round_index = None if method.method == "source-only" else last.index
    evaluated = last.evaluation.get("weights")
    file = next(one["sha256"] for one in weights if one["round"] == round_index)
    keys = ("miou", "mious", "per_class", "images", "flip", "list_hash", "weights", "resized")
    return {
        "round": round_index,
        **{key: last.evaluation.get(key) for key in keys},
        "of_this_file": None if evaluated is None or file is None else file.startswith(evaluated),
    }


def _data(run: Path, method: MethodResults) -> dict[str, Any]:
    """The lists as the run noted them; a source model has seen no target image."""
    lists = method.config.get("lists", {})
    validated, adapted = method.result.evaluation.get("list_hash"), method.method != "source-only"
    return {
        "source": _list(run, method.config, "source.images", lists.get("source")),
        "target": _list(run, method.config, "target.train", lists.get("target")) if adapted else None,
        "validation": _list(run, method.config, "target.val", validated),
    }


def _list(run: Path, settings: dict[str, Any], name: str, noted: str | None) -> dict[str, Any] | None:
    """One list; hash and number of images only if its file still gives the fingerprint that the run noted."""
    side, key = name.split(".")
    given = settings.get(side)
    if not isinstance(given, dict) or not {"dataset", "size", key} <= set(given):
        return None
    config = data_config(settings)
    data, classes = getattr(config, side), config.class_set
    own = data.dataset == OWN
    path = own_list(run, OWN_LISTS[name]) if own else existing(getattr(data, key))
    try:
        entries = tuple(read_lines(path, anywhere=own).values())
    except InputError:
        entries = ()
    if name == "source.images" and not own:  # of one's own data the run's list has those alone that are trained on
        entries = tuple(entries[index] for index in without_held_out(len(entries), data.held_out)[0])
    form = None if name == "target.train" else label_format(side, data, classes)
    same = bool(entries) and noted == fingerprint(data.dataset, entries, classes, data.size, form)
    return {
        "dataset": data.dataset,
        "list": given[key] or None,
        "size": None if data.size is None else list(data.size),
        "fingerprint": noted,
        "sha256": sha256(path) if same else None,
        "images": len(entries) if same else None,
    }


def _labels(round_index: int, selection: dict[str, Any]) -> dict[str, Any]:
    return {"round": round_index, **{key: selection.get(key) for key in ("images", "coverage", "coverage_per_class")}}


def _start_weights(method: MethodResults, events: Sequence[dict]) -> dict[str, Any] | None:
    """What the source model was made from: the hash from its settings, the file's name from the log."""
    start = method.source_config.get("start")
    if start is None:
        return None
    hashes = {"imagenet": start.get("imagenet"), "imported": start.get("weights")}
    kind = next((kind for kind, noted in hashes.items() if noted), "none")
    files = [event.get("file") for event in events if event.get("event") == kind]
    return {"kind": kind, "file": files[-1] if files else None, "sha256_first_16": hashes.get(kind)}


def _weights(run: Path, method: MethodResults) -> dict[str, Any]:
    rounds = () if method.method == "source-only" else method.rounds
    return {
        "source": _weights_file(run, run / "source", None),
        "rounds": [_weights_file(run, one.folder, one.index) for one in rounds],
    }


def _weights_file(run: Path, folder: Path, round_index: int | None) -> dict[str, Any]:
    path = folder / "weights.params"
    return {
        "round": round_index,
        "file": str(path.relative_to(run)),
        "sha256": sha256(path) if path.exists() else None,
    }


def _distinct(values: Iterable) -> list:
    """In the order of their first occurrence, without None."""
    return list(dict.fromkeys(value for value in values if value is not None))
