"""A model card as a document, from the content of model_card.json."""

from __future__ import annotations

from typing import Any

import yaml

from mlsl_mx.data.image_files import size_text
from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.reports.cells import mean_name, number, share
from mlsl_mx.reports.document import Bullets, Document, Section, Table, Text, Verbatim, present

Card = dict[str, Any]

NOT_RECORDED = "not recorded"
START = {
    "imagenet": "the trunk in the file given as --imagenet",
    "imported": "the source model given as --weights",
}


def card_document(card: Card) -> Document:
    """The whole card."""
    commands = "\n".join(f"mlsl {command}" for command in card["commands"] or ())
    settings = yaml.safe_dump(card["settings"], sort_keys=False) if card["settings"] else ""
    parts = present(
        _overview(card),
        Section("Intended use and limits", (Text(" ".join([card["intended_use"], *card["limits"]])),)),
        _result_table(card),
        _data_table(card),
        _label_table(card) if card["labels"] else None,
        _weights_table(card),
        _stage_table(card) if card["stages"] else Section("Stages", (Text(NOT_RECORDED),)),
        _environment_table(card),
        _lines("Commands", commands),
        _lines("Settings", settings),
    )
    return Document(f"Model card: {card['title']}, {_recorded(card['experiment'])}", "", parts, card["notice"])


def _recorded(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return NOT_RECORDED if value is None else str(value)


def _overview(card: Card) -> Bullets:
    miniature = {True: "yes", False: "no", None: NOT_RECORDED}[card["miniature"]]
    lines = {
        "Experiment": _recorded(card["experiment"]),
        "Method": f"{card['title']} ({card['method']})",
        "Trunk": _recorded(((card["settings"] or {}).get("network") or {}).get("trunk")),
        "Rounds done": str(card["rounds_done"]),
        "Miniature": miniature,
        "Seed": _recorded(card["seed"]),
    }
    return Bullets([f"{name}: {value}" for name, value in lines.items()])


def _result_table(card: Card) -> Table:
    results = card["results"]
    rows = [[name, number(iou)] for name, iou in results["per_class"].items()]
    rows += [[mean_name(count), number(mean)] for count, mean in (results["mious"] or {}).items()]
    model = "the source model" if results["round"] is None else f"round {results['round']}"
    note = f"Of {model} on {_recorded(results['images'])} validation images; - is in neither truth nor prediction."
    resized = resolution_note(results)
    return Table("Results (IoU in percent)", ["class", "IoU"], rows, (note, *([resized] if resized else [])))


def _data_table(card: Card) -> Table:
    """A source model has no target: it has seen no image of it."""
    header = ["part", "data set", "list", "images", "size (width x height)", "SHA-256 of the list", "fingerprint"]
    parts = [part for part in card["data"] if part != "target" or card["method"] != "source-only"]
    note = (
        "The fingerprint is what the run noted of the list's entries, the classes and the size. Images and SHA-256 are "
        "those of the list's file, if it still has that fingerprint."
    )
    return Table("Data", header, [[part, *_data_cells(card["data"][part])] for part in parts], (note,))


def _data_cells(data: dict[str, Any] | None) -> list[str]:
    if data is None:
        return [NOT_RECORDED] * 6
    size = size_text(data["size"]) if data["size"] else "that of each file"
    values = (data["dataset"], data["list"], data["images"], size, data["sha256"], data["fingerprint"])
    return [_recorded(value) for value in values]


def _label_table(card: Card) -> Table:
    labels = card["labels"]
    rows = [
        [name, *(share((one["coverage_per_class"] or {}).get(name), 2) for one in labels)]
        for name in card["results"]["per_class"]
    ]
    rows.append(["all", *(share(one["coverage"], 2) for one in labels)])
    header = ["class", *(f"round {one['round']}" for one in labels)]
    return Table("Pseudo-labels (coverage in percent of the target's pixels)", header, rows)


def _weights_table(card: Card) -> Table:
    files = [card["weights"]["source"], *card["weights"]["rounds"]]
    rows = [[one["file"], _recorded(one["sha256"])] for one in files]
    start = card["start_weights"]
    if start is None:
        note = f"Started from: {NOT_RECORDED}."
    elif start["kind"] == "none":
        note = "Started from no weights: trained from scratch."
    else:
        file = f"name {_recorded(start['file'])}, SHA-256 {start['sha256_first_16']}..."
        note = f"Started from {START[start['kind']]}: {file}"
    return Table("Weights", ["file", "SHA-256"], rows, (note,))


def _stage_table(card: Card) -> Table:
    header = ["stage", "method", "round", "seconds", "starts", "device", "threads", "finished"]
    rows = [
        [
            one["stage"],
            one["method"],
            "-" if one["round"] is None else str(one["round"]),
            NOT_RECORDED if one["seconds"] is None else number(one["seconds"]),
            str(one["parts"]),
            _recorded(one["ctx"]),
            _recorded(one["threads"]),
            "yes" if one["finished"] else "no",
        ]
        for one in card["stages"]
    ]
    return Table("Stages", header, rows, tuple(_stage_notes(card)))


def _stage_notes(card: Card) -> list[str]:
    notes = ["Seconds are wall-clock time, summed over a stage's starts; a start with nothing to do does not count."]
    for one in card["stages"]:
        title = one["stage"] if one["round"] is None else f"{one['stage']} of round {one['round']}"
        if one["lost"]:
            notes.append(f"{title}: {one['lost']} of the starts noted no end, so its seconds are too few.")
        if one["workers"]:
            notes.append(f"{title}: shared by {one['workers']} processes; device and threads are those of each.")
        if one["taken_over"]:
            notes.append(f"{title}: copied from {one['taken_over']}, which was made from the same inputs.")
    return notes


def _environment_table(card: Card) -> Table:
    device = card["device"]
    on_cpu = device["ctx"] is not None and not any(ctx.startswith("gpu") for ctx in device["ctx"])
    values = {
        "mlsl_mx": card["code"]["version"],
        "revision": card["code"]["revisions"] or card["code"]["revision"],
        **card["versions"],
        "device": device["ctx"],
        "GPU": "-" if on_cpu else device["gpu"],
        "CPU": device["cpu"],
        "CPU cores": device["cpus"],
        "machine": device["machine"],
        "OMP_NUM_THREADS": device["threads"],
    }
    rows = [[name, _recorded(value)] for name, value in values.items()]
    return Table("Code, versions and device", ["what", "value"], rows)


def _lines(title: str, text: str) -> Section:
    return Section(title, (Verbatim(text) if text else Text(NOT_RECORDED),))
