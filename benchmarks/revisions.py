"""Does this revision give the same bytes as another one, and in the same processor time?

One round of SISC+PWL on a small miniature by both, stage by stage in turn: with the experiment, lists and scenes of the
other revision, and this one's `pretrained.params`. Times are user and system time of whole processes with one thread.

    .venv/bin/python benchmarks/revisions.py 68b28ce^     # before the modules moved into rooms
"""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from measure import option_parser, table, write_results

from mlsl_mx.system.whole_files import read_json

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "experiments" / "miniature" / "pretrained.params"
STAGES = {
    "import-weights": ("--weights", str(WEIGHTS)),
    "pseudo-label": ("--round", "0"),
    "self-train": ("--round", "0"),
    "evaluate": ("--round", "0"),
}
LISTS = {"source.images": "gta5", "target.train": "cityscapes_train", "target.val": "cityscapes_val"}


def main() -> None:
    """Run both in turn, compare and write the table."""
    parser = option_parser(__doc__, repeats=3)
    parser.add_argument("other", help="the other revision, as git knows it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        codes = {options.other: place / "other", "this": place / "this"}
        for revision, code in codes.items():
            unpack("HEAD" if revision == "this" else revision, code)
        other = codes[options.other]
        mlsl(other, "make-miniature", "--root", str(place / "data"), "--quiet")
        times = {revision: {stage: [] for stage in STAGES} for revision in codes}
        for repeat in range(options.repeats):
            for revision, code in codes.items():
                run = place / f"{code.name}-{repeat}"
                for stage, words in STAGES.items():
                    times[revision][stage].append(mlsl(code, stage, *words, *settings(other, place / "data", run)))
        found = {revision: results(place / f"{code.name}-0") for revision, code in codes.items()}
    medians = {revision: {s: statistics.median(v) for s, v in stages.items()} for revision, stages in times.items()}
    report(options.other, medians, found)


def unpack(revision: str, folder: Path) -> None:
    """The files of a revision."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def settings(code: Path, data: Path, run: Path) -> list[str]:
    """What both are told: the experiment of one of them, with its lists, and fewer patches."""
    lists = code / "data_lists" / "miniature"
    values = {key: str(lists / f"{name}.txt") for key, name in LISTS.items()}
    values |= {"self_training.batch": "4", "pseudo_labels.patches": "25"}
    words = ["--experiment", str(code / "experiments" / "miniature" / "gta2city.yaml"), "--method", "sisc-pwl"]
    words += ["--run", str(run), "--data", str(data), "--seed", "0", "--quiet"]
    return words + [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def mlsl(code: Path, *words: str) -> float:
    """Run a command of the code in this folder. Returns: seconds of processor time."""
    before = os.times()
    surroundings = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mlsl_mx", *words]
    subprocess.run(command, cwd=code, env=surroundings, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def results(run: Path) -> dict[str, str]:
    """A hash of each thing that came out."""
    folder = run / "sisc-pwl" / "round-0"
    labels = sorted((folder / "pseudo_labels").glob("*_*_*.png"))
    found = {
        "labels": b"".join(path.name.encode() + path.read_bytes() for path in labels),
        "thresholds": repr(read_json(folder / "pseudo_labels" / "selection.json", "thresholds")["thresholds"]).encode(),
        "weights": (folder / "weights.params").read_bytes(),
        "confusion": str(read_json(folder / "evaluation.json", "confusion")["confusion"]).encode(),
    }
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in found.items()}


def report(other: str, medians: dict[str, dict[str, float]], found: dict[str, dict[str, str]]) -> None:
    """Print and write the two tables."""
    pairs = [(stage, seconds, medians["this"][stage]) for stage, seconds in medians[other].items()]
    rows = [(stage, f"{before:.1f}", f"{now:.1f}", f"{now / before:.2f}") for stage, before, now in pairs]
    times = table(("processor time, s", other, "this", "ratio"), rows)
    compared = [(name, "yes" if value == found[other][name] else "no") for name, value in found["this"].items()]
    same = table(("the same", ""), compared, numbers=())
    write_results("revisions", {"other": other, "seconds": medians, "results": found}, f"{times}\n{same}")


if __name__ == "__main__":
    main()
