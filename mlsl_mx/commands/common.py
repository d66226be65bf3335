"""What the subcommands' arguments share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlsl_mx.config.published_data import PUBLISHED
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.result import Result

if TYPE_CHECKING:  # what takes long to import is imported when a command runs
    from mlsl_mx.stages.job import Job

# A stage's words in examples: the run of `make gta2city`.
RUN = (
    "--experiment experiments/miniature/gta2city.yaml --method sisc-pwl \\\n"
    "      --run runs/miniature/gta2city-seed0 --data runs/miniature/data"
)


Call = Callable[[argparse.Namespace], Result | str | None]


def add_command(
    commands, name: str, call: Call, text: str, example: str, *, details: str = "", speaks: bool = True
) -> argparse.ArgumentParser:
    """A subcommand.

    Args:
        commands: as `add_subparsers` gives them.
        call: does it, with the options given; returns the result, or the text alone where that is all there is.
        text: what it does, as the object of "mlsl ... to"; starts with a small letter.
        example: a command line that can be copied; a test parses it.
        details: shown below the options, above the example.
        speaks: whether to add --quiet, --verbose and --json.
    """
    command = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="\n".join([*filter(None, [details]), "Example:", f"  {example}"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(call=call)
    if speaks:
        said = command.add_mutually_exclusive_group()
        said.add_argument("-q", "--quiet", action="store_true", help="only errors and the result")
        said.add_argument("-v", "--verbose", action="store_true", help="also the events of the run's log")
        command.add_argument("--json", action="store_true", help="the result as a JSON object: docs/SCRIPTS.md")
    return command


def add_stage(
    commands, name: str, call: Call, text: str, example: str = "", *, required: bool = True
) -> argparse.ArgumentParser:
    """A subcommand that works in a run directory.

    Args:
        example: what stands between `mlsl NAME` and the run's words, e.g. "--round 0".
        required: whether experiment and run must be given.
    """
    command = add_command(commands, name, call, text, " ".join(filter(None, ["mlsl", name, example, RUN])))
    add_experiment(command, required)
    add_roots(command)
    add_method(command)
    command.add_argument(
        "--run", type=Path, required=required, metavar="FOLDER", help="run directory: everything is written there"
    )
    command.add_argument("--seed", type=whole, default=0, help="random seed; default 0")
    devices = "cpu, gpu(0), to train also gpu(0),gpu(1); with PyTorch torch:cpu, mps, cuda:0,cuda:1; default cpu"
    command.add_argument("--ctx", default="cpu", help=devices)
    command.add_argument("--rounds", type=whole, help="number of rounds, instead of the experiment's")
    return command


def add_round(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The number of the round."""
    command.add_argument("--round", type=whole, required=True, metavar="R", help="number of the round, from 0")
    return command


def add_net(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A network of the user's own."""
    net = "instead of the run's weights, your own network with PyTorch: package.module:function or FILE.onnx; "
    command.add_argument("--net", metavar="NET", help=f"{net}docs/INTERCHANGE.md")
    return command


def add_imagenet(command: argparse.ArgumentParser) -> None:
    """The weights that source training starts from."""
    command.add_argument(
        "--imagenet",
        type=existing,
        metavar="FILE",
        help=".params of an ImageNet classifier, to start from its trunk; gluoncv: GluonCV fetches it (its trunks)",
    )


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    """How often a training leaves a checkpoint."""
    command.add_argument(
        "--checkpoint-seconds",
        type=_seconds,
        default=300,
        metavar="S",
        help="write a checkpoint, from which an interrupted training goes on, at most every S seconds; default 300",
    )


def add_experiment(command: argparse.ArgumentParser, required: bool = True) -> None:
    """The settings."""
    command.add_argument(
        "--experiment",
        type=existing,
        required=required,
        metavar="FILE",
        help="experiment file (.yaml), yours or one of experiments/",
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, e.g. pseudo_labels.patches=25"
    )


def add_method(command: argparse.ArgumentParser) -> None:
    """What is laid over the experiment."""
    command.add_argument("--method", help="e.g. sisc-pwl: a file of experiments/methods, released or ablations")


def add_roots(command: argparse.ArgumentParser) -> None:
    """Where the data sets are."""
    folders = ", ".join(f"{dataset}/" for dataset in PUBLISHED)
    command.add_argument("--data", type=Path, metavar="FOLDER", help=f"folder that holds {folders}")
    for dataset in PUBLISHED:
        command.add_argument(
            f"--{dataset}", type=Path, metavar="FOLDER", help=f"the folder of {dataset} where it is elsewhere"
        )


def roots(options: argparse.Namespace) -> dict[str, Path | None]:
    """The folder of each data set, None for those that are not given."""
    given = {name: getattr(options, name) for name in PUBLISHED}
    return {name: folder or (options.data / name if options.data else None) for name, folder in given.items()}


def job(options: argparse.Namespace, shared: bool = False) -> Job:
    """The job that a stage's options describe.

    Args:
        shared: among the workers that a launcher started, if one did.
    """
    from mlsl_mx.engine import engine_of
    from mlsl_mx.stages.job import open_job
    from mlsl_mx.system.workers import ALONE

    workers = engine_of(options.ctx).join() if shared else ALONE
    rounds = [] if options.rounds is None else [f"self_training.rounds={options.rounds}"]
    return open_job(
        experiment=options.experiment,
        method=options.method,
        settings=[*options.set, *rounds],
        run=options.run,
        roots=roots(options),
        seed=options.seed,
        ctx=options.ctx,
        workers=workers,
    )


def whole(text: str) -> int:
    """Raises: ArgumentTypeError for all but the digits of a whole number; Python's int also accepts 1_000 and 007."""
    if not re.fullmatch("-?(0|[1-9][0-9]*)", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number: write its digits, without leading zeros")
    return int(text)


def _seconds(text: str) -> float:
    """Raises: ArgumentTypeError, whose text argparse shows, for what is no number from 0 on."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # NaN is not
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: 0 or more")
    return seconds
