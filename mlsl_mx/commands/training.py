"""Subcommands of a run up to its trained weights, in the order of a chain."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.commands.common import (
    add_checkpoint,
    add_command,
    add_experiment,
    add_imagenet,
    add_method,
    add_round,
    add_stage,
    whole,
)

PRETRAINED = "--imagenet experiments/miniature/pretrained.params"


def add_training_commands(commands) -> None:
    """rounds, begin, train-source, import-weights, train-head, spatial-prior and the stages of a round."""
    _add_source_commands(commands)
    _add_round_commands(commands)


def _add_source_commands(commands) -> None:
    text, example = (
        "print how many rounds an experiment has: Make asks",
        "mlsl rounds --experiment experiments/gta2city.yaml",
    )
    command = add_command(commands, "rounds", text, example)
    add_experiment(command)
    add_method(command)

    text = "see that a run directory fits the settings, and print what will be done"
    command = add_stage(commands, "begin", text, PRETRAINED)
    add_imagenet(command)
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="the source model, if it is not trained but imported"
    )
    command.add_argument(
        "--workers", type=whole, metavar="N", help="that will label and evaluate; default one a device"
    )
    command.add_argument("--train-ctx", metavar="CTX", help="devices that training will use; default those of --ctx")
    command.add_argument("--train-workers", type=whole, default=1, metavar="N", help="that will train; default 1")

    command = add_stage(
        commands, "train-source", "train the source model (Eq. 1, with the weak-label head Eq. 6)", PRETRAINED
    )
    add_imagenet(command)
    add_checkpoint(command)

    text, example = "take a published source model instead of training it", "--weights runs/other/source/weights.params"
    command = add_stage(commands, "import-weights", text, example)
    command.add_argument(
        "--weights", type=Path, required=True, metavar="FILE", help=".params in the naming of the original release"
    )

    text = "train the weak-label head alone on the source (Eq. 5), if the source model has none and the method needs it"
    add_checkpoint(add_stage(commands, "train-head", text))

    text = "compute the spatial prior from the source labels, or import selection.prior_file, and plot it (CBST-SP)"
    add_stage(commands, "spatial-prior", text)


def _add_round_commands(commands) -> None:
    text = "label the target's training images with the weights before this round (Sec. 3.2)"
    add_round(add_stage(commands, "pseudo-label", text, "--round 0"))

    text = "measure how consistent a round's pseudo-labels are; nothing of it is fed back"
    command = add_round(add_stage(commands, "diagnose", text, "--round 0"))
    command.add_argument(
        "--with-ground-truth", action="store_true", help="also how right such labels are, on validation images alone"
    )

    text = "train on source labels and pseudo-labels (Eq. 3, 7)"
    command = add_round(add_stage(commands, "self-train", text, "--round 0"))
    add_checkpoint(command)
