"""Sharing a stage among processes on this machine: seconds, speed-up, and whether the results are the same.

The miniature's train-source (one epoch), pseudo-label and evaluate, as a user starts them: by one process with 2
threads, by one with 1 thread, and by two workers with 1 thread each. Times are those of the whole command, start-up
included; a stage that finds all done shows what start-up takes.

    .venv/bin/python benchmarks/workers.py                # tens of minutes on 2 cores
    .venv/bin/python benchmarks/workers.py --images 4     # to try the script itself
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import option_parser, seconds_in_turn, table, write_results

from mlsl_mx.data.miniature.datasets import make_miniature
from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "experiments" / "miniature" / "gta2city.yaml"
TRUNK = ROOT / "experiments" / "miniature" / "pretrained.params"
LISTS = ROOT / "data_lists" / "miniature"
WAYS = {"1 x 2 threads": (1, 2), "1 x 1 thread": (1, 1), "2 x 1 thread": (2, 1)}  # (workers, threads of each)
STAGES = {  # words of the stage, and what it leaves in a run directory
    "train-source, 1 epoch": (["train-source", "--imagenet", str(TRUNK)], "source/weights.params"),
    "pseudo-label": (["pseudo-label", "--round", "0"], "sisc"),
    "evaluate": (["evaluate", "--source"], "source/evaluation.json"),
}


def main() -> None:
    """Make the data, time the stages in turn, compare what they left, write the table."""
    parser = option_parser(__doc__, repeats=5, results=True)
    parser.add_argument("--images", type=int, default=12, help="of each list at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cut_lists(work / "lists", options.images)
        make_miniature(work / "data", work / "lists", seed=0)
        rows = [timed(work, stage, options.repeats) for stage in STAGES]
        rows.append(timed(work, "evaluate", options.repeats, again=True))
        same = {stage: identical(work, stage) for stage in ("pseudo-label", "evaluate")}
    content = {"images": options.images, "repeats": options.repeats, "rows": rows, "identical": same}
    write_results("workers", content, text(rows, same), options.results)


def cut_lists(folder: Path, images: int | None) -> None:
    """The miniature's lists, shortened."""
    folder.mkdir()
    for path in LISTS.glob("*.txt"):
        lines = path.read_text().splitlines()[:images]
        (folder / path.name).write_text("\n".join(lines) + "\n")


def timed(work: Path, stage: str, repeats: int, again: bool = False) -> dict[str, Any]:
    """Seconds of a stage in each way; `again`: of one that is done already."""
    calls = {way: call(work, stage, way, again) for way in WAYS}
    return {"stage": f"{stage}, done already" if again else stage, **seconds_in_turn(calls, repeats)}


def call(work: Path, stage: str, way: str, again: bool) -> Callable[[], None]:
    """Run a stage in this way's own run directory, whose source model is that of the first way."""
    words, made = STAGES[stage]
    (workers, threads), run, first = WAYS[way], work / way, work / next(iter(WAYS))

    def start() -> None:
        if not again:
            forget(run / made)
        if not stage.startswith("train") and run != first:
            shutil.copy(first / "source" / "weights.params", run / "source")
        launch = ["launch", "-n", str(workers), "--threads", str(threads), "--"] if workers > 1 else []
        command = [sys.executable, "-m", "mlsl_mx", *launch, *words, *given(work, run)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    return start


def given(work: Path, run: Path) -> list[str]:
    """Experiment, run, data and settings of every stage."""
    lists = {"source.images": "gta5", "target.train": "cityscapes_train", "target.val": "cityscapes_val"}
    settings = {key: str(work / "lists" / f"{name}.txt") for key, name in lists.items()}
    settings.update({"source_training.epochs": "1", "network.dropout": "[0,0]"})
    words = ["--experiment", EXPERIMENT, "--method", "sisc", "--run", run, "--data", work / "data"]
    return [*map(str, words), *(word for key, value in settings.items() for word in ("--set", f"{key}={value}"))]


def forget(made: Path) -> None:
    """Remove what a stage left; predictions too, of which an evaluation makes use."""
    for path in (made, made.parent / "predictions"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def identical(work: Path, stage: str) -> bool:
    """Whether all ways left the same label files or predictions, and the same numbers."""
    folder = "sisc/round-0/pseudo_labels" if stage == "pseudo-label" else "source"
    return len({str(found(work / way / folder)) for way in WAYS}) == 1


def found(folder: Path) -> list:
    """Label files, predictions and numbers without times, below a folder."""
    pictures = [(str(path.relative_to(folder)), path.read_bytes()) for path in sorted(folder.rglob("*.png"))]
    summary = next(path for path in (folder / "selection.json", folder / "evaluation.json") if path.exists())
    clocks = ("seconds", "network_seconds")
    return [*pictures, sorted((k, v) for k, v in read_json(summary).items() if k not in clocks)]


def text(rows: list[dict[str, Any]], same: dict[str, bool]) -> str:
    """Markdown."""
    one, _, two = WAYS
    cells = [[r["stage"], *(f"{r[w]:.1f}" for w in WAYS), f"{r[one] / r[two]:.2f}"] for r in rows]
    lines = [f"{stage}: results {'identical' if yes else 'NOT identical'}" for stage, yes in same.items()]
    header = ["seconds of", *WAYS, f"speed-up of {two} over {one}"]
    return table(header, cells) + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
