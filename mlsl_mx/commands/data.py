"""Subcommands about the data sets."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.commands.common import add_command, add_experiment, add_roots, roots, whole
from mlsl_mx.system.packaged_files import existing


def add_data_commands(commands) -> None:
    """make-miniature and check-data."""
    text, example = "render the embedded miniature data sets", "mlsl make-miniature --root runs/miniature/data"
    command = add_command(commands, "make-miniature", _make_miniature, text, example)
    command.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="folder for gta5/, synthia/ and cityscapes/"
    )
    lists = "folder of lists of the images to render; default data_lists/miniature"
    command.add_argument(
        "--lists", type=existing, default=existing("data_lists/miniature"), metavar="FOLDER", help=lists
    )
    command.add_argument("--seed", type=whole, default=0, help="of the scenes; default 0")
    command.add_argument("--preview", type=Path, metavar="FILE", help="also draw three scenes with their labels")

    text = "tell what is missing, truncated, mis-sized or wrongly coded"
    example = "mlsl check-data --experiment experiments/miniature/gta2city.yaml --data runs/miniature/data"
    command = add_command(commands, "check-data", _check_data, text, example)
    add_experiment(command)
    add_roots(command)


def _make_miniature(options):
    from mlsl_mx.data.miniature.datasets import make_miniature, write_preview

    make_miniature(options.root, options.lists, options.seed)
    if options.preview is not None:
        write_preview(options.root, options.preview)
    return f"miniature data sets in {options.root}"


def _check_data(options):
    from mlsl_mx.stages.check_data import check_data

    return check_data(options.experiment, options.set, roots(options))
