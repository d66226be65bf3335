"""Subcommands of a run up to its trained weights, in the order of a chain."""

from __future__ import annotations

from mlsl_mx.commands.common import (
    add_checkpoint,
    add_command,
    add_experiment,
    add_imagenet,
    add_method,
    add_net,
    add_round,
    add_stage,
    job,
    whole,
)
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.result import Result

PRETRAINED = "--imagenet experiments/miniature/pretrained.params"


def add_training_commands(commands) -> None:
    """rounds, begin, the stages before the rounds and the stages of a round."""
    text = "print how many rounds an experiment has (used by the Makefile)"
    command = add_command(commands, "rounds", _rounds, text, "mlsl rounds --experiment experiments/gta2city.yaml")
    add_experiment(command)
    add_method(command)

    text = "check that a run directory fits the settings, and print what will be done"
    command = add_stage(commands, "begin", _begin, text, PRETRAINED)
    add_imagenet(command)
    weights = "source model to import instead of training one"
    command.add_argument("--weights", type=existing, metavar="FILE", help=weights)
    workers = "number of processes that will label and evaluate; default one a device"
    command.add_argument("--workers", type=whole, metavar="N", help=workers)
    command.add_argument("--train-ctx", metavar="CTX", help="devices that training will use; default those of --ctx")
    workers = "number of processes that will train; default 1"
    command.add_argument("--train-workers", type=whole, default=1, metavar="N", help=workers)

    _add_before_rounds(commands)
    _add_round_stages(commands)


def _add_before_rounds(commands) -> None:
    """train-source, import-weights, train-head and spatial-prior."""
    text = "train the source model (Eq. 6 with the weak-label head, Eq. 1 without)"
    command = add_stage(commands, "train-source", _train_source, text, PRETRAINED)
    add_imagenet(command)
    add_checkpoint(command)

    text, example = "take a published source model instead of training it", "--weights runs/other/source/weights.params"
    command = add_stage(commands, "import-weights", _import_weights, text, example)
    weights = ".params in the naming of the original release"
    command.add_argument("--weights", type=existing, required=True, metavar="FILE", help=weights)

    text = "train only the weak-label head, on the source (Eq. 5), if the source model has none and the method needs it"
    add_checkpoint(add_stage(commands, "train-head", _train_head, text))

    text = "compute the spatial prior from the source labels, or import selection.prior_file, and plot it (CBST-SP)"
    add_stage(commands, "spatial-prior", _spatial_prior, text)


def _add_round_stages(commands) -> None:
    """pseudo-label, diagnose and self-train."""
    text = "label the target's training images with the weights before this round (Sec. 3.2)"
    add_net(add_round(add_stage(commands, "pseudo-label", _pseudo_label, text, "--round 0")))

    text = "measure how consistent a round's pseudo-labels are; this does not influence training"
    command = add_net(add_round(add_stage(commands, "diagnose", _diagnose, text, "--round 0")))
    truth = "also measure how many such labels are right, on validation images only"
    command.add_argument("--with-ground-truth", action="store_true", help=truth)

    text = "train on source labels and pseudo-labels (Eq. 3, 7)"
    add_checkpoint(add_round(add_stage(commands, "self-train", _self_train, text, "--round 0")))


def _rounds(options):
    from mlsl_mx.config.experiment_files import load_config

    rounds = load_config(options.experiment, options.method, tuple(options.set)).self_training.rounds
    return Result(str(rounds), rounds)


def _begin(options):
    from mlsl_mx.stages.begin import begin

    shares = {name: getattr(options, name) for name in ("workers", "train_ctx", "train_workers")}
    return begin(job(options), options.imagenet, options.weights, **shares)


def _train_source(options):
    from mlsl_mx.stages.train_source import train_source

    return train_source(job(options, shared=True), options.imagenet, options.checkpoint_seconds)


def _import_weights(options):
    from mlsl_mx.stages.import_weights import import_weights

    return import_weights(job(options), options.weights)


def _train_head(options):
    from mlsl_mx.stages.train_head import train_head

    return train_head(job(options, shared=True), options.checkpoint_seconds)


def _spatial_prior(options):
    from mlsl_mx.stages.spatial_prior import spatial_prior

    return spatial_prior(job(options))


def _pseudo_label(options):
    from mlsl_mx.stages.pseudo_label import pseudo_label

    return pseudo_label(job(options, shared=True), options.round, options.net)


def _diagnose(options):
    from mlsl_mx.stages.diagnose import diagnose

    return diagnose(job(options), options.round, options.with_ground_truth, options.net)


def _self_train(options):
    from mlsl_mx.stages.self_train import self_train

    return self_train(job(options, shared=True), options.round, options.checkpoint_seconds)
