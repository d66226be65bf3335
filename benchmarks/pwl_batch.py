"""Which part of SISC+PWL changes the result: the weak-label loss, or the batch of one crop that comes with it?

Takes a finished run and trains its round 0 again from the same source model and the same SISC pseudo-labels, with and
without weak labels, with batches of 1 and 2 crops.

    .venv/bin/python benchmarks/pwl_batch.py --experiment experiments/miniature/gta2city.yaml \\
        --run runs/miniature/gta2city-seed0 --data runs/miniature/data
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

from mlsl_mx import stages
from mlsl_mx.job import open_job
from mlsl_mx.runs import environment, read_json, write_bytes, write_json

HERE = Path(__file__).parent


def main() -> None:
    """Train the four variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="with a source model, and SISC's round 0")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    source = read_json(options.run / "source" / "evaluation.json")["miou"]
    variants = [(method, batch) for method in ("sisc", "sisc-pwl") for batch in (2, 1)]
    rows = [{"method": m, "batch": b, "miou": adapted(options, m, b)} for m, b in variants]
    name = open_job(options.experiment, None, (), options.run, {}, 0, "cpu").config.name
    out = HERE / "results" / f"pwl_batch-{name}.json"
    write_json(out, {"run": str(options.run), "source": source, "rows": rows, "environment": environment()})
    write_bytes(out.with_suffix(".md"), table(source, rows).encode())
    print(table(source, rows))


def adapted(options, method: str, batch: int) -> float:
    """mIoU in percent after round 0 of a copy of the run."""
    roots = {name: options.data / name for name in ("gta5", "synthia", "cityscapes")}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        shutil.copytree(options.run / "source", run / "source")
        shutil.copytree(options.run / "sisc" / "round-0", run / "made" / "round-0")  # taken over: same inputs
        settings = [f"self_training.batch={batch}"]
        job = open_job(options.experiment, method, settings, run, roots, 0, "cpu")
        for stage in (stages.pseudo_label, stages.self_train, stages.evaluate_weights):
            print(f"{method}, batch {batch}: {stage(job, 0)}", flush=True)
        return read_json(job.round_folder(0) / "evaluation.json")["miou"]


def table(source: float, rows) -> str:
    """Markdown."""
    lines = ["| round 0 of | crops in a batch | mIoU |", "|---|---:|---:|", f"| source only | - | {source:.1f} |"]
    return "\n".join(lines + [f"| {r['method']} | {r['batch']} | {r['miou']:.1f} |" for r in rows]) + "\n"


if __name__ == "__main__":
    main()
