"""What the command line understands: one subcommand a stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlsl_mx import __version__
from mlsl_mx.evaluation.compare import PAPER_TABLES
from mlsl_mx.workers import SHARED

EPILOG = """\
The stages in order, as `make gta2city` calls them:
  mlsl make-miniature --root runs/miniature/data
  mlsl train-source   --experiment experiments/miniature/gta2city.yaml --run runs/a --data runs/miniature/data
  mlsl pseudo-label   --round 0 ... ; mlsl self-train --round 0 ... ; mlsl evaluate --round 0 ...
  mlsl report ...
An adapted network leaves MXNet with `mlsl export-onnx --weights RUN/METHOD/round-R/weights.params --out FILE.onnx`.
Every stage can be started again: a finished one is a no-op, an interrupted one goes on.
Exit codes: 0 done, 2 wrong input (one line says what and the remedy), 130 stopped by Ctrl-C, 143 by SIGTERM."""

EXPORT_EPILOG = """\
Number of classes and width are found in the weights file; the weak-label head is left out.
  input   images (B, 3, H, W) float32: RGB / 255, minus mean, over std, any B, H and W
  output  logits (B, C, H, W) float32, up-sampled bilinearly; softmax over C gives probabilities
Class names, Cityscapes label ids, mean and std are in the file's metadata. The file is written only if onnxruntime's
logits of random images are those of MXNet. Needs pip install -c constraints.txt -e ".[onnx]".
How to run it, and where numbers differ from those of `mlsl evaluate`: docs/INTERCHANGE.md."""

INIT_EPILOG = """\
A PLACE is a folder, a pattern FOLDER/PREFIX{name}SUFFIX, or a text file with one path a line, relative to its folder.
  mlsl init-experiment --out my.yaml --source-images sim/frames --source-labels 'sim/labels/{name}_seg.png' --target cams
Encoding, sizes, ids or colours are looked at; docs/YOUR_OWN_DATA.md shows it from end to end."""

LAUNCH_EPILOG = """\
Labels and evaluations are the same for any number of workers; a batch of training is divided among them evenly.
  mlsl launch -n 2 -- pseudo-label --round 0 --ctx 'gpu(0),gpu(1)' ...      each worker gets one of the GPUs
Several machines: any launcher that sets MXNet's DMLC_* variables; see docs/SCALING.md."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="mlsl",
        description="Self-training with SISC pseudo-labels and pseudo weak-labels, from game frames to real streets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlsl-mx {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _add_data_commands(commands)
    _add_training_commands(commands)
    _add_result_commands(commands)
    _add_launch(commands)
    return parser


def _add_data_commands(commands) -> None:
    command = _add(commands, "make-miniature", "render the embedded miniature data sets")
    command.add_argument("--root", type=Path, required=True, help="folder for gta5/, synthia/ and cityscapes/")
    command.add_argument(
        "--lists", type=Path, help="folder of lists of the images to render; default data_lists/miniature"
    )
    command.add_argument("--seed", type=int, default=0, help="of the scenes; default 0")
    command.add_argument("--preview", type=Path, help="also write a picture of three scenes with their labels")

    command = _add(commands, "make-worlds", "render a simulator and cameras, with classes of their own, to try out")
    command.add_argument("--root", type=Path, required=True, help="folder for simulator/, cameras/ and classes.csv")
    command.add_argument("--seed", type=int, default=0, help="of the scenes; default 0")
    command.add_argument(
        "--counts",
        type=int,
        nargs=3,
        default=(96, 48, 16),
        metavar="N",
        help="images of the simulator, for training and for validation; default 96 48 16",
    )

    _add_init_experiment(commands)

    command = _add(commands, "check-data", "tell what is missing, truncated, mis-sized or wrongly coded")
    _add_experiment(command)
    _add_roots(command)


def _add_init_experiment(commands) -> None:
    command = _add(commands, "init-experiment", "write an experiment file for your own data from what its folders hold")
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, INIT_EPILOG
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .yaml file; never overwritten")
    places = {
        "source-images": "labelled images",
        "source-labels": "their labels",
        "target": "images to adapt to; they need no labels",
    }
    for name, text in places.items():
        command.add_argument(f"--{name}", required=True, metavar="PLACE", help=text)
    for name in ("val", "val-labels"):
        text = "labelled target images to measure on, and their labels; without, nothing is measured"
        command.add_argument(f"--{name}", default="", metavar="PLACE", help=text)
    command.add_argument("--classes", type=Path, metavar="FILE", help="CSV table: name,colour,source,target")
    command.add_argument(
        "--small", action="store_true", help="a small network and its recipe, for a first look on a CPU"
    )


def _add_training_commands(commands) -> None:
    command = _add_stage(commands, "begin", "see that a run directory fits the settings, and print what will be done")
    _add_imagenet(command)
    command.add_argument("--weights", type=Path, help="the source model, if it is not trained but imported")

    command = _add_stage(commands, "train-source", "train the source model (Eq. 1)")
    _add_imagenet(command)
    _add_checkpoint(command)

    command = _add_stage(commands, "import-weights", "take a published source model instead of training it")
    command.add_argument("--weights", type=Path, required=True, help=".params in the naming of the original release")

    text = "compute the spatial prior from the source labels, or import selection.prior_file, and plot it (CBST-SP)"
    _add_stage(commands, "spatial-prior", text)

    _add_round(
        _add_stage(
            commands,
            "pseudo-label",
            "label the target's training images with the weights before this round (Sec. 3.2)",
        )
    )

    command = _add_round(
        _add_stage(
            commands,
            "diagnose",
            "measure how consistent a round's pseudo-labels are; nothing of it is fed back",
        )
    )
    command.add_argument(
        "--with-ground-truth", action="store_true", help="also how right such labels are, on validation images alone"
    )

    command = _add_stage(commands, "self-train", "train on source labels and pseudo-labels (Eq. 3, 7)")
    _add_round(command)
    _add_checkpoint(command)


def _add_result_commands(commands) -> None:
    command = _add_stage(
        commands,
        "evaluate",
        "IoU of a round, the source model or saved predictions on the validation images",
    )
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--round", type=int, metavar="R", help="the weights after round R")
    which.add_argument("--source", action="store_true", help="the source model")
    which.add_argument("--predictions", type=Path, metavar="FOLDER", help="saved PNGs of train ids or label ids")

    command = _add_stage(
        commands,
        "report",
        "one run's tables beside the paper's, with charts and panels; or, with --compare, several runs side by side",
        required=False,
    )
    command.add_argument(
        "--compare", type=Path, nargs="+", metavar="RUN", help="run directories: mean and spread over seeds"
    )
    command.add_argument("--table", choices=sorted(PAPER_TABLES), help="compare the methods of that table of the paper")
    command.add_argument("--out", type=Path, help="folder for comparison.md, .html and .json")

    command = _add(commands, "export-onnx", "write a trained network as ONNX, for use without MXNet")
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, EXPORT_EPILOG
    command.add_argument(
        "--weights", type=Path, required=True, metavar="FILE", help=".params of a source or adapted model"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write")


def _add_launch(commands) -> None:
    command = _add(commands, "launch", "share a stage among several processes on this machine")
    command.usage = "mlsl launch -n N [--threads T] -- STAGE ..."
    command.formatter_class, command.epilog = argparse.RawDescriptionHelpFormatter, LAUNCH_EPILOG
    command.add_argument("-n", type=int, required=True, metavar="N", help="number of workers")
    command.add_argument("--threads", type=int, metavar="T", help="CPU threads of each; default: cores / N")
    command.add_argument("stage", nargs=argparse.REMAINDER, metavar="STAGE ...", help=f"one of {', '.join(SHARED)}")


def _add(commands, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return command


def _add_stage(commands, name: str, text: str, required: bool = True) -> argparse.ArgumentParser:
    command = _add(commands, name, text)
    _add_experiment(command, required)
    _add_roots(command)
    command.add_argument("--method", help="e.g. sisc-pwl: a file of experiments/methods, released or ablations")
    command.add_argument("--run", type=Path, required=required, help="run directory: everything is written there")
    command.add_argument("--seed", type=int, default=0, help="of everything random; default 0")
    command.add_argument("--ctx", default="cpu", help="cpu, gpu(0), or to train on several gpu(0),gpu(1); default cpu")
    command.add_argument("--rounds", type=int, help="number of rounds, instead of the experiment's")
    return command


def _add_round(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--round", type=int, required=True, metavar="R", help="0, 1, ...")
    return command


def _add_imagenet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--imagenet", type=Path, help=".params of the ImageNet classifier; its trunk is the start")


def _add_checkpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoint-seconds",
        type=_seconds,
        default=300,
        metavar="S",
        help="at least, between two checkpoints, from which an interrupted training goes on; default 300",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds:
        raise ValueError
    return seconds


def _add_experiment(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument("--experiment", type=Path, required=required, help="a file of experiments/")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, e.g. pseudo_labels.patches=25"
    )


def _add_roots(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help="folder that holds gta5/, synthia/ and cityscapes/")
    for dataset in ("gta5", "synthia", "cityscapes"):
        command.add_argument(f"--{dataset}", type=Path, help=f"the folder of {dataset} where it is elsewhere")
