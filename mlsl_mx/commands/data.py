"""Subcommands about the data sets."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.commands.common import add_command, add_experiment, add_roots, whole
from mlsl_mx.system.packaged_files import existing


def add_data_commands(commands) -> None:
    """make-miniature and check-data."""
    command = add_command(
        commands,
        "make-miniature",
        "render the embedded miniature data sets",
        "mlsl make-miniature --root runs/miniature/data",
    )
    command.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="folder for gta5/, synthia/ and cityscapes/"
    )
    command.add_argument(
        "--lists",
        type=existing,
        metavar="FOLDER",
        help="folder of lists of the images to render; default data_lists/miniature",
    )
    command.add_argument("--seed", type=whole, default=0, help="of the scenes; default 0")
    command.add_argument("--preview", type=Path, metavar="FILE", help="also draw three scenes with their labels")

    command = add_command(
        commands,
        "check-data",
        "tell what is missing, truncated, mis-sized or wrongly coded",
        "mlsl check-data --experiment experiments/miniature/gta2city.yaml --data runs/miniature/data",
    )
    add_experiment(command)
    add_roots(command)
