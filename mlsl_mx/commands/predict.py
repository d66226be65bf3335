"""The subcommand that takes a trained network to images of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlsl_mx.commands.common import add_command, whole
from mlsl_mx.system.packaged_files import existing

# Keys of `predict.pictures.ENDINGS`; and choices of settings, whose import would take longer than all else of --help.
KINDS = ("overlay", "palette", "label_ids", "confidence")
INFERENCE = ("sisc", "single")
PLACEMENT = ("random", "sliding", "released")
PRECISION = ("float32", "bfloat16", "float16", "tf32")
EXAMPLE = """\
mlsl predict --weights runs/miniature/gta2city-seed0/sisc-pwl/round-3/weights.params \\
      runs/miniature/data/cityscapes/leftImg8bit/val --out runs/miniature/predictions"""
DETAILS = """\
Of street.jpg it writes predictions/overlay/street.jpg, predictions/palette/street.png, ...; files of a folder keep
their places below it.
  overlay     .jpg, the image under the colours of its classes; of a video .mp4 (or .avi), without sound
  palette     .png of train ids, in the classes' colours: as `mlsl evaluate` leaves them
  label_ids   grey .png of Cityscapes label ids, for the official script
  confidence  grey .png, 255 times the probability of the predicted class
Number of classes and width are found in the weights file. Started again it does what is missing; with other weights or
settings it asks for another --out. More, and the same in Python: docs/PREDICT.md."""


def add_predict(commands) -> None:
    """predict."""
    text = "segment images, folders and videos with a trained network"
    command = add_command(commands, "predict", _predict, text, EXAMPLE, details=DETAILS)
    command.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="image, video, or folder of them")
    command.add_argument(
        "--weights", type=existing, required=True, metavar="FILE", help=".params of a source or adapted model"
    )
    _add_outputs(command)
    _add_inference(command)


def _predict(options):
    from mlsl_mx.predict.setup import prediction_setup
    from mlsl_mx.predict.stage import predict

    names = ("experiment", "inference", "patches", "patch", "placement", "flip", "precision", "seed")
    setup = prediction_setup(**{name: getattr(options, name) for name in names})
    how = {"kinds": options.write, "strength": options.strength, "ctx": options.ctx, "keep_going": options.keep_going}
    return predict(options.weights, options.inputs, options.out, setup, **how)


def _add_outputs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, default=Path("predictions"), metavar="FOLDER", help="default predictions")
    command.add_argument(
        "--write",
        type=_kinds,
        default=KINDS[:3],
        metavar="KIND,...",
        help=f"some of {', '.join(KINDS)}; default: all but the last",
    )
    command.add_argument(
        "--strength", type=_share, default=0.5, metavar="S", help="opacity of overlay colours, 0 to 1; default 0.5"
    )
    command.add_argument(
        "--keep-going", action="store_true", help="leave out files that cannot be read, and exit with code 2 at the end"
    )


def _add_inference(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--experiment",
        type=existing,
        metavar="FILE",
        help="experiment whose class table, patches, flip and precision to use where no option gives them",
    )
    command.add_argument(
        "--inference",
        choices=INFERENCE,
        default="single",
        help="single: the whole image, as in evaluation (default); sisc: patches, as in labelling",
    )
    command.add_argument("--patches", type=whole, metavar="K", help="number of SISC's patches; default 50")
    command.add_argument("--patch", type=whole, metavar="PIXELS", help="side of SISC's patches; default 512")
    command.add_argument(
        "--placement",
        choices=PLACEMENT,
        default="sliding",
        help="where SISC's patches lie: sliding (default) covers every pixel, random (the paper's) does not",
    )
    command.add_argument("--seed", type=whole, default=0, help="seed of random patches; default 0")
    flip = command.add_mutually_exclusive_group()
    flip.add_argument("--flip", action="store_true", default=None, help="average with the mirrored image (default)")
    flip.add_argument("--no-flip", action="store_false", dest="flip", help="half the time")
    command.add_argument("--ctx", default="cpu", help="cpu, gpu(0); with PyTorch cuda:0, mps, torch:cpu; default cpu")
    formats = "default float32; bfloat16 is for CPUs, float16 for GPUs; with PyTorch GPUs have all"
    command.add_argument("--precision", choices=PRECISION, help=formats)


def _kinds(text: str) -> tuple[str, ...]:
    """Each once, in the order of KINDS."""
    kinds = text.split(",")
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r}: some of {','.join(KINDS)}, with commas between them")
    return tuple(kind for kind in KINDS if kind in kinds)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text}: it must be between 0 and 1")
    return share
