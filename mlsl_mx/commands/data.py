"""Subcommands about the data sets, published ones and one's own."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.commands.common import add_command, add_experiment, add_roots, roots, whole
from mlsl_mx.system.packaged_files import existing

INIT_DETAILS = """\
A PLACE is a folder, a pattern FOLDER/PREFIX{name}SUFFIX or FOLDER/{name}/rgb, or a text file with one path a line,
relative to its folder.
Encoding, sizes, ids or colours are found by looking at the files; docs/YOUR_OWN_DATA.md shows it from end to end."""
INIT_EXAMPLE = (
    "mlsl init-experiment --out my.yaml --source-images sim/frames \\\n"
    "      --source-labels 'sim/labels/{name}_seg.png' --target cameras/train"
)
PLACES = {
    "source-images": "labelled images",
    "source-labels": "their labels",
    "target": "images to adapt to; they need no labels",
}


def add_data_commands(commands) -> None:
    """make-miniature and check-data; of one's own data make-worlds, init-experiment and mask-labels."""
    _add_published(commands)
    _add_own(commands)


def _add_published(commands) -> None:
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


def _add_own(commands) -> None:
    text = "render a simulator and cameras, with classes of their own, to try own data with"
    command = add_command(commands, "make-worlds", _make_worlds, text, "mlsl make-worlds --root runs/own/worlds")
    command.add_argument(
        "--root", type=Path, required=True, metavar="FOLDER", help="folder for simulator/, cameras/ and classes.csv"
    )
    command.add_argument("--seed", type=whole, default=0, help="of the scenes; default 0")
    counts = "images of the simulator, of the cameras for training and for validation; default 96 48 16"
    command.add_argument("--counts", type=whole, nargs=3, default=(96, 48, 16), metavar="N", help=counts)

    text = "write an experiment file for your own data from what its folders hold"
    command = add_command(commands, "init-experiment", _init_experiment, text, INIT_EXAMPLE, details=INIT_DETAILS)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .yaml file; never overwritten")
    for name, meaning in PLACES.items():
        command.add_argument(f"--{name}", required=True, metavar="PLACE", help=meaning)
    for name, meaning in (
        ("val", "labelled target images to measure IoU on; without them no IoU is measured"),
        ("val-labels", "labels of --val"),
    ):
        command.add_argument(f"--{name}", default="", metavar="PLACE", help=meaning)
    kinds = "ids, ids16, colours, red, green, blue, red16, green16 or blue16; found out if not given"
    command.add_argument("--encoding", default="", metavar="KIND", help=f"of the source's labels: {kinds}")
    command.add_argument("--val-encoding", default="", metavar="KIND", help="of --val-labels")
    command.add_argument("--classes", type=Path, metavar="FILE", help="CSV table: name,colour,source,target")
    command.add_argument(
        "--small", action="store_true", help="a small network and its recipe, for a first look on a CPU"
    )

    text = "copy label files and ignore an id in their lower rows: the camera's own bonnet, labelled as a car"
    example = "mlsl mask-labels --labels sim/labels --out sim/masked --value 10 --below 936"
    command = add_command(commands, "mask-labels", _mask_labels, text, example)
    command.add_argument("--labels", required=True, metavar="PLACE", help="files of 8-bit ids in one channel")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the copies")
    command.add_argument("--value", type=whole, required=True, metavar="ID", help="id to ignore there; it becomes 255")
    command.add_argument("--below", type=whole, required=True, metavar="ROW", help="first row to mask, counted from 0")


def _make_miniature(options):
    from mlsl_mx.data.miniature.datasets import make_miniature, write_preview

    make_miniature(options.root, options.lists, options.seed)
    if options.preview is not None:
        write_preview(options.root, options.preview)
    return f"miniature data sets in {options.root}"


def _check_data(options):
    from mlsl_mx.stages.check_data import check_data

    return check_data(options.experiment, options.set, roots(options))


def _make_worlds(options):
    from mlsl_mx.data.own.worlds import make_worlds

    make_worlds(options.root, options.seed, tuple(options.counts))
    return f"two worlds in {options.root}"


def _init_experiment(options):
    from mlsl_mx.data.own.init_experiment import Places, init_experiment

    labels = (options.source_images, options.source_labels, options.target, options.val, options.val_labels)
    places = Places(*labels, options.encoding, options.val_encoding)
    return init_experiment(options.out, places, options.classes, options.small)


def _mask_labels(options):
    from mlsl_mx.data.own.masked_labels import mask_labels

    return mask_labels(options.labels, options.out, options.value, options.below)
