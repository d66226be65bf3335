"""A model card as a document, from the content of model_card.json."""

from __future__ import annotations

from typing import Any

import yaml

from mlsl_mx.data.image_files import size_text
from mlsl_mx.evaluation.resolution import resolution_note
from mlsl_mx.reports.cells import mean_name, number, share, table_of
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
    miniature = {True: "yes", False: "no", None: None}[card["miniature"]]
    values = {
        "Experiment": card["experiment"],
        "Method": f"{card['title']} ({card['method']})",
        "Trunk": ((card["settings"] or {}).get("network") or {}).get("trunk"),
        "Rounds done": card["rounds_done"],
        "Miniature": miniature,
        "Seed": card["seed"],
    }
    return Bullets([f"{name}: {_recorded(value)}" for name, value in values.items()])


def _result_table(card: Card) -> Table:
    results = card["results"]
    rows = [[name, number(iou)] for name, iou in results["per_class"].items()]
    classes = len(results["per_class"])
    rows += [[mean_name(count, classes), number(mean)] for count, mean in (results["mious"] or {}).items()]
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
    names, columns = list(card["results"]["per_class"]), [("class", [*card["results"]["per_class"], "all"])]
    for one in card["labels"]:
        shares = [*map((one["coverage_per_class"] or {}).get, names), one["coverage"]]
        columns.append((f"round {one['round']}", [share(value, 2) for value in shares]))
    return table_of("Pseudo-labels (coverage in percent of the target's pixels)", columns, means=1)


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
    columns = {key: [one[key] for one in card["stages"]] for key in ("stage", "method", "round", "seconds")}
    columns["round"] = ["-" if index is None else str(index) for index in columns["round"]]
    columns["seconds"] = [NOT_RECORDED if value is None else number(value) for value in columns["seconds"]]
    for name, key in (("starts", "parts"), ("device", "ctx"), ("threads", "threads")):
        columns[name] = [_recorded(one[key]) for one in card["stages"]]
    columns["finished"] = ["yes" if one["finished"] else "no" for one in card["stages"]]
    return table_of("Stages", columns.items(), notes=_stage_notes(card))


def _stage_notes(card: Card) -> list[str]:
    notes = ["Seconds are wall-clock time, summed over a stage's starts; a start with nothing to do does not count."]
    for one in card["stages"]:
        title = one["stage"] if one["round"] is None else f"{one['stage']} of round {one['round']}"
        if one["lost"]:
            notes.append(f"{title}: {one['lost']} of its starts recorded no end, so its seconds are too low.")
        if one["workers"]:
            notes.append(f"{title}: shared by {one['workers']} processes; device and threads are those of each.")
        if one["taken_over"]:
            notes.append(f"{title}: copied from {one['taken_over']}, which was made from the same inputs.")
    return notes


def _environment_table(card: Card) -> Table:
    device = card["device"]
    on_cpu = device["ctx"] is not None and all("cpu" in ctx for ctx in device["ctx"])
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
