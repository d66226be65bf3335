"""Subcommands about what came out."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.commands.common import add_command, add_stage, job, whole
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.worker_role import is_worker

TABLES = ("ablations", "table1", "table2", "table4")  # keys of `reports.compare.PAPER_TABLES`

EXPORT_DETAILS = """\
Number of classes and width are found in the weights file; the weak-label head is left out.
  input   images (B, 3, H, W) float32: RGB / 255, minus mean, over std, any B, H and W
  output  logits (B, C, H, W) float32, up-sampled bilinearly; softmax over C gives probabilities
Class names, Cityscapes label ids, mean and std are in the file's metadata. The file is written only if onnxruntime's
logits of random images are those of MXNet. Needs onnx and onnxruntime.
How to run it, and where numbers differ from those of `mlsl evaluate`: docs/INTERCHANGE.md."""


def add_result_commands(commands) -> None:
    """evaluate, report and export-onnx."""
    text = "IoU of a round, the source model or saved predictions on the validation images"
    command = add_stage(commands, "evaluate", _evaluate, text, "--round 0")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--round", type=whole, metavar="R", help="the weights after round R")
    which.add_argument("--source", action="store_true", help="the source model")
    which.add_argument("--predictions", type=Path, metavar="FOLDER", help="saved PNGs of train ids or label ids")

    text = "one run's tables beside the paper's, with charts and panels; or, with --compare, several runs side by side"
    command = add_stage(commands, "report", _report, text, required=False)
    command.add_argument(
        "--compare", type=Path, nargs="+", metavar="RUN", help="run directories: mean and spread over seeds"
    )
    command.add_argument("--table", choices=TABLES, help="compare the methods of that table of the paper")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="for comparison.md, .html and .json")

    text = "write a trained network as ONNX, for use without MXNet"
    weights = "runs/miniature/gta2city-seed0/sisc-pwl/round-3/weights.params"
    example = f"mlsl export-onnx --weights {weights} --out model.onnx"
    command = add_command(commands, "export-onnx", _export_onnx, text, example, details=EXPORT_DETAILS)
    command.add_argument(
        "--weights", type=existing, required=True, metavar="FILE", help=".params of a source or adapted model"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write")


def _evaluate(options):
    from mlsl_mx.stages.evaluate import evaluate_saved, evaluate_weights

    if options.predictions:
        if is_worker():
            raise InputError("evaluate --predictions is not shared by workers: run it in one process")
        return evaluate_saved(job(options), options.predictions)
    return evaluate_weights(job(options, shared=True), None if options.source else options.round)


def _report(options):
    from mlsl_mx.stages.report import compare, report

    if options.compare:
        if options.experiment is not None or options.run is not None:
            raise InputError("--compare is about the runs named after it: leave out --experiment and --run")
        if options.out is None:
            raise InputError("--compare needs --out FOLDER, for comparison.md, .html and .json")
        return compare(options.compare, options.out, options.table)
    if options.out is not None or options.table is not None:
        raise InputError("--out and --table need --compare RUN RUN ...: a run's report is RUN/report/report.html")
    if options.experiment is None or options.run is None:
        raise InputError("give --experiment FILE and --run FOLDER for the report of a run, or --compare RUN RUN ...")
    return report(job(options))


def _export_onnx(options):
    try:
        from mlsl_mx.network.onnx_export import export_onnx
    except ModuleNotFoundError as missing:
        if missing.name != "mxnet":
            raise
        raise InputError("only MXNet writes ONNX, and this environment has none: `make setup` makes .venv") from None
    return export_onnx(options.weights, options.out)
