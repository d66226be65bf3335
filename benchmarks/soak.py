"""Does a chain whose stages are killed at any moment and started again end with the bytes of an undisturbed one?

A small complete chain (the miniature with a few images, two rounds of SISC+PWL) is run once undisturbed. Then, until
the time is up, again and again in fresh folders, where each stage is ended by SIGKILL or SIGTERM at random moments and
started again with the same command. Labels and evaluations are shared by two workers now and then. After each chain all
results are compared with the first one's, and what kills may have left behind is looked for.

    .venv/bin/python benchmarks/soak.py                 # half an hour: make soak
    .venv/bin/python benchmarks/soak.py --minutes 5 --seed 1
"""

from __future__ import annotations

import fcntl
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measure import option_parser, table, write_results
from stage_processes import ROOT, Broken, Started, descendants, finish, outlived
from tqdm import tqdm

from mlsl_mx.system.run_log import read_log
from mlsl_mx.system.whole_files import TEMPORARY, read_json

EXPERIMENT = ROOT / "experiments" / "miniature" / "gta2city.yaml"
TRUNK = ROOT / "experiments" / "miniature" / "pretrained.params"
METHOD, ROUNDS = "sisc-pwl", 2
LISTS = {"gta5": 6, "cityscapes_train": 4, "cityscapes_val": 2}  # so many images of the miniature's
SETTINGS = {
    "source_training.epochs": 8,
    "source_training.batch": 2,
    "self_training.epochs": 3,
    "self_training.source_portion": 0.5,
    "pseudo_labels.patches": 10,
    "evaluation.diagnosed_images": 2,
}
CHECKPOINT_SECONDS = 0.5
SHARED = ("evaluate", "pseudo-label")  # their results do not depend on the number of workers
LAUNCH = ("launch", "-n", "2", "--")
MOST_KILLS = 3  # of one stage
SHARE_SIGTERM, SHARE_LAUNCHED = 0.25, 0.2
END_SECONDS = 60  # within which a process that was asked to end must have ended
VARYING = re.compile(r"seconds|per_second|time|environment|run$")  # keys of JSON that differ from run to run


@dataclass(frozen=True)
class Stage:
    """One command of a chain."""

    name: str
    words: tuple[str, ...]  # after `mlsl`

    @property
    def kind(self) -> str:
        """The subcommand."""
        return self.words[0]


@dataclass
class Record:
    """What happened in all disturbed chains."""

    chains: int = 0
    kills: Counter = field(default_factory=Counter)  # by (subcommand, signal)
    codes: Counter = field(default_factory=Counter)  # by (subcommand, how it ended after SIGTERM)
    launched: int = 0  # kills of `mlsl launch`, which are among the kills
    finished_first: int = 0  # starts that ended before their moment
    resumed: int = 0  # trainings that went on from a checkpoint
    left: int = 0  # temporary files found after kills
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Run chains until the time is up; write the tables. Exit code 1 if there was a fault."""
    parser = option_parser(__doc__, results=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    options = parser.parse_args()
    rng, record = np.random.default_rng(options.seed), Record()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder, tqdm(unit=" chains", desc="soak") as shown:
        work = Path(folder)
        write_lists(work / "lists")
        seconds, expected = undisturbed(work, list(chain_stages(work, work / "undisturbed")))
        while time.monotonic() < end:
            disturbed(work, seconds, expected, rng, record)
            shown.update()
            shown.set_postfix(kills=sum(record.kills.values()), faults=len(record.faults))
    content = {"minutes": options.minutes, "seed": options.seed, "undisturbed_seconds": seconds, **described(record)}
    content["results_compared"] = len(expected)
    write_results("soak", content, text(content, record), options.results)
    sys.exit(bool(record.faults))


def write_lists(folder: Path) -> None:
    """The first lines of the miniature's lists."""
    folder.mkdir(parents=True)
    for name, count in LISTS.items():
        lines = (ROOT / "data_lists" / "miniature" / f"{name}.txt").read_text().splitlines()
        (folder / f"{name}.txt").write_text("\n".join(lines[:count]) + "\n")


def chain_stages(work: Path, place: Path) -> Iterator[Stage]:
    """The commands of a chain in the order in which Make gives them; all that they write is in `place`."""
    lists = {"source.images": "gta5", "target.train": "cityscapes_train", "target.val": "cityscapes_val"}
    settings = {**{key: work / "lists" / f"{name}.txt" for key, name in lists.items()}, **SETTINGS}
    given = ["--experiment", EXPERIMENT, "--method", METHOD, "--run", place / "run", "--data", place / "data"]
    given += ["--rounds", ROUNDS, *(word for key, value in settings.items() for word in ("--set", f"{key}={value}"))]

    def stage(kind: str, *words: Any) -> Stage:
        return Stage(f"{kind} {words[1]}" if "--round" in words else kind, tuple(map(str, (kind, *words, *given))))

    often = ("--checkpoint-seconds", CHECKPOINT_SECONDS)
    yield Stage("make-miniature", ("make-miniature", "--root", f"{place / 'data'}", "--lists", f"{work / 'lists'}"))
    yield stage("begin", "--imagenet", TRUNK)
    yield stage("train-source", "--imagenet", TRUNK, *often)
    yield stage("evaluate", "--source")
    for index in range(ROUNDS):
        yield stage("pseudo-label", "--round", index)
        yield stage("self-train", "--round", index, *often)
        yield stage("evaluate", "--round", index)
        yield stage("diagnose", "--round", index, "--with-ground-truth")
    yield stage("report")


def undisturbed(work: Path, stages: list[Stage]) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a chain. Returns: seconds of each stage, and the results."""
    seconds = {}
    for stage in stages:
        started = time.monotonic()
        finish(stage.words, stage.name)
        seconds[stage.name] = round(time.monotonic() - started, 3)
    return seconds, results(work / "undisturbed")


def disturbed(work: Path, seconds: dict[str, float], expected: dict[str, Any], rng, record: Record) -> None:
    """Run a chain whose stages are killed; compare what it leaves. Its folder is kept if there was a fault."""
    record.chains += 1
    place, before = work / f"chain-{record.chains}", len(record.faults)
    try:
        for stage in chain_stages(work, place):
            for _ in range(rng.integers(MOST_KILLS + 1)):
                kill_once(stage, seconds[stage.name], place, rng, record)
            finish(launched(stage, rng), stage.name)
        faults = [*differences(expected, results(place)), *leftovers(place)]
        record.faults += [f"{place.name}: {fault}" for fault in faults]
    except Broken as problem:
        record.faults.append(f"{place.name}: {problem}")
    record.resumed += sum(event["event"] == "resumed" for event in read_log(place / "run" / "log.jsonl"))
    if len(record.faults) > before:
        kept = shutil.move(str(place), tempfile.mkdtemp(prefix="soak-"))
        record.faults[-1] += f" (kept in {kept})"
    else:
        shutil.rmtree(place)


def launched(stage: Stage, rng) -> tuple[str, ...]:
    """The words of the stage, now and then for two workers."""
    shared = stage.kind in SHARED and rng.random() < SHARE_LAUNCHED
    return (*LAUNCH, *stage.words) if shared else stage.words


def kill_once(stage: Stage, seconds: float, place: Path, rng, record: Record) -> None:
    """Start a stage and end it at a random moment of the time that it takes."""
    words, number = launched(stage, rng), signal.SIGTERM if rng.random() < SHARE_SIGTERM else signal.SIGKILL
    with Started(words) as process:
        if process.ended_within(rng.uniform(0, seconds)):
            record.finished_first += 1
            process.must_have_ended(stage.name, 0)
            return
        family = descendants(process.pid)
        process.send_signal(number)
        if not process.ended_within(END_SECONDS):
            raise Broken(f"{stage.name}: still there {END_SECONDS} s after {number.name}")
        record.kills[stage.kind, number.name] += 1
        record.launched += words[0] == LAUNCH[0]
        record.left += sum(1 for _ in temporaries(place))
        if number == signal.SIGTERM:
            process.must_have_ended(stage.name, 128 + number, -number, 0)
            record.codes[stage.kind, ended_as(process.returncode)] += 1
        orphans = outlived(family)
        if orphans:
            record.faults.append(f"{place.name}: {stage.name}: alive after {number.name}: {'; '.join(orphans)}")


def ended_as(code: int) -> str:
    """In words: a shell shows 143 for both of the first."""
    names = {143: "143", -15: "the signal itself, while Python starts", 0: "0, for all was done"}
    return names.get(code, str(code))


def results(place: Path) -> dict[str, Any]:
    """All results of a chain by path: weights, label files, predictions as bytes, numbers without times."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.suffix in (".params", ".png", ".npz") or path.parent.name == "report" and path.suffix == ".txt":
            found[str(path.relative_to(place))] = path.read_bytes()
        elif path.name in ("selection.json", "evaluation.json", "diagnosis.json", "report.json", "class_sizes.json"):
            found[str(path.relative_to(place))] = steady(read_json(path))
    return found


def steady(content: Any) -> Any:
    """JSON without what differs from run to run."""
    if isinstance(content, dict):
        return {key: steady(value) for key, value in content.items() if not VARYING.search(key)}
    return [steady(value) for value in content] if isinstance(content, list) else content


def differences(expected: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """Results that are other ones, missing or too many."""
    for path in sorted({*expected, *found}):
        if path not in found or path not in expected:
            yield f"{path}: {'missing' if path in expected else 'not expected'}"
        elif expected[path] != found[path]:
            yield f"{path}: differs"


def leftovers(place: Path) -> Iterator[str]:
    """What should not be there when a chain is through."""
    for path in place.rglob(".*"):
        if path.name != ".locks":
            yield f"{path.relative_to(place)}: left over"
    for path in (place / "run" / ".locks").iterdir():
        with open(path) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield f"{path.relative_to(place)}: still locked"


def temporaries(place: Path) -> Iterator[Path]:
    """Files that were being written when a process was killed."""
    return (path for path in place.rglob(".*") if TEMPORARY.fullmatch(path.name))


def described(record: Record) -> dict[str, Any]:
    """The record as JSON."""
    return {
        "chains": record.chains,
        "kills": sum(record.kills.values()),
        "kills_by_stage": {" ".join(key): count for key, count in sorted(record.kills.items())},
        "kills_of_launchers": record.launched,
        "ends_after_sigterm": {": ".join(key): count for key, count in sorted(record.codes.items())},
        "starts_that_ended_before_their_moment": record.finished_first,
        "trainings_resumed_from_a_checkpoint": record.resumed,
        "temporary_files_seen_after_kills": record.left,
        "faults": record.faults,
    }


def text(content: dict[str, Any], record: Record) -> str:
    """Markdown."""
    kinds = dict.fromkeys(stage for stage, _ in sorted(record.kills))
    rows = [[kind, *(record.kills[kind, name] for name in ("SIGKILL", "SIGTERM"))] for kind in kinds]
    ends = Counter()
    for (_, code), count in record.codes.items():
        ends[code] += count
    lines = [
        f"{content['chains']} chains in {content['minutes']:g} minutes, {content['kills']} kills, of which "
        f"{record.launched} of `mlsl launch -n 2`; {record.finished_first} starts ended before their moment.",
        f"{record.resumed} trainings went on from a checkpoint.",
        f"After SIGTERM: {', '.join(f'{count} x exit code {code}' for code, count in sorted(ends.items())) or 'none'}.",
        f"{record.left} temporary files seen after kills; one that is there at the end of a chain is a fault.",
        f"{content['results_compared']} results compared in each chain. Faults: {len(record.faults)}.",
    ]
    return table(["killed", "SIGKILL", "SIGTERM"], rows) + "\n" + "\n".join([*lines, *record.faults]) + "\n"


if __name__ == "__main__":
    main()
