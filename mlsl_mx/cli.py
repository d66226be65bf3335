"""The command line: parse, call the stage, print; no logic. MXNet is loaded only when a stage runs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import unicodedata
from pathlib import Path
from typing import Callable

from mlsl_mx.commands import build_parser
from mlsl_mx.system.errors import InputError, meaning
from mlsl_mx.system.result import Result
from mlsl_mx.system.stopping import Stopped, forks_processes, stops_at_once
from mlsl_mx.system.surroundings import check_variables, unfit_name
from mlsl_mx.system.terminal import RED, coloured, messages
from mlsl_mx.system.workers import ALONE, Workers, check_shared, is_worker, join

LOGGER = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand. Returns: the exit code."""
    options = build_parser().parse_args(arguments)
    forks_processes()
    outcome, problem, code = Result(""), None, 0
    with messages(sys.stderr, getattr(options, "quiet", False), getattr(options, "verbose", False)):
        try:
            if is_worker():
                check_shared(options.command)
            _check_words(options)
            check_variables(os.environ)
            with stops_at_once():
                told = _calls()[options.command](options)
            outcome = told if isinstance(told, Result) else Result(told or "")
            problem, code = outcome.fault, 2 if outcome.fault else 0
        except Stopped as stopped:
            problem, code = f"{stopped}; the same command goes on from here", stopped.exit_code
        except Exception as error:
            problem, code = str(error) if isinstance(error, InputError) else meaning(error, options.command), 2
            if problem is None:
                raise
            LOGGER.debug("raised from:", exc_info=True)
    _tell(options, outcome, problem, code)
    return code


def _tell(options: argparse.Namespace, outcome: Result, problem: str | None, code: int) -> None:
    """The result on stdout, a problem in one line on stderr; with --json both in the object on stdout, too."""
    if getattr(options, "json", False):
        told = {"command": options.command, "exit_code": code, "text": outcome.text, "result": outcome.content}
        if options.command != "launch" or code:  # a launched stage has told its own
            print(json.dumps({**told, "error": problem}), flush=True)
    elif outcome.text:
        print(outcome.text, flush=True)
    if problem is not None:
        print(f"{coloured(f'mlsl {options.command}:', RED, sys.stderr)} {problem}", file=sys.stderr)


def _check_words(options: argparse.Namespace) -> None:
    """Raises: InputError for a path or name that could not be written into logs and reports, or begins with ~."""
    for value in vars(options).values():
        for given in value if isinstance(value, list) else [value]:
            word = str(given)
            if isinstance(given, Path) and word.startswith("~") and not os.path.exists(word):
                raise InputError(
                    f"{word}: the shell has not expanded the ~: write {os.path.expanduser('~')} in its place"
                )
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in word):
                raise InputError(unfit_name(word))


def _calls() -> dict[str, Callable[[argparse.Namespace], Result | str | None]]:
    """What each subcommand calls; it returns the result, or the text alone where that is all there is."""
    return {
        "doctor": _doctor,
        "make-miniature": _make_miniature,
        "make-worlds": _make_worlds,
        "init-experiment": _init_experiment,
        "check-data": _check_data,
        "rounds": _rounds,
        "begin": _begin,
        "train-source": _train_source,
        "import-weights": _import_weights,
        "train-head": _train_head,
        "spatial-prior": _spatial_prior,
        "pseudo-label": _pseudo_label,
        "diagnose": _diagnose,
        "self-train": _self_train,
        "evaluate": _evaluate,
        "report": _report,
        "predict": _predict,
        "export-onnx": _export_onnx,
        "launch": _launch,
        "make": _make,
        "completion": _completion,
    }


def _job(options: argparse.Namespace, workers: Workers = ALONE):
    from mlsl_mx.stages.job import open_job

    settings = list(options.set)
    if options.rounds is not None:
        settings.append(f"self_training.rounds={options.rounds}")
    return open_job(
        experiment=options.experiment,
        method=options.method,
        settings=settings,
        run=options.run,
        roots=_roots(options),
        seed=options.seed,
        ctx=options.ctx,
        workers=workers,
    )


def _roots(options: argparse.Namespace):
    given = {name: getattr(options, name) for name in ("gta5", "synthia", "cityscapes")}
    return {name: folder or (options.data / name if options.data else None) for name, folder in given.items()}


def _doctor(options):
    from mlsl_mx.doctor import examine

    diagnosis = examine(options.experiment, options.set, _roots(options))
    return Result(
        diagnosis.text(), diagnosis.content(), None if diagnosis.usable else f"{diagnosis.summary()}: see above"
    )


def _make_miniature(options):
    from mlsl_mx.stages import preparation

    return preparation.make_miniature(options.root, options.lists, options.seed, options.preview)


def _make_worlds(options):
    from mlsl_mx.data.own.worlds import make_worlds

    make_worlds(options.root, options.seed, tuple(options.counts))
    return f"two worlds in {options.root}"


def _init_experiment(options):
    from mlsl_mx.data.own.init_experiment import Places, init_experiment

    labels = (options.source_images, options.source_labels, options.target, options.val, options.val_labels)
    places = Places(*labels, options.encoding, options.val_encoding)
    return init_experiment(options.out, places, options.classes, options.small)


def _check_data(options):
    from mlsl_mx.stages import preparation

    return preparation.check_data(options.experiment, options.set, _roots(options))


def _rounds(options):
    from mlsl_mx.config.settings import load_config

    rounds = load_config(options.experiment, options.method, tuple(options.set)).self_training.rounds
    return Result(str(rounds), rounds)


def _begin(options):
    from mlsl_mx.stages import preparation

    sharing = (options.workers, options.train_ctx, options.train_workers)
    return preparation.begin(_job(options), options.imagenet, options.weights, *sharing)


def _train_source(options):
    from mlsl_mx.stages import stages

    return stages.train_source(_job(options, join()), options.imagenet, options.checkpoint_seconds)


def _import_weights(options):
    from mlsl_mx.stages import stages

    return stages.import_weights(_job(options), options.weights)


def _train_head(options):
    from mlsl_mx.stages import stages

    return stages.train_head(_job(options, join()), options.checkpoint_seconds)


def _spatial_prior(options):
    from mlsl_mx.stages import stages

    return stages.spatial_prior(_job(options))


def _pseudo_label(options):
    from mlsl_mx.stages import stages

    return stages.pseudo_label(_job(options, join()), options.round)


def _diagnose(options):
    from mlsl_mx.stages import stages

    return stages.diagnose(_job(options), options.round, options.with_ground_truth)


def _self_train(options):
    from mlsl_mx.stages import stages

    return stages.self_train(_job(options, join()), options.round, options.checkpoint_seconds)


def _evaluate(options):
    from mlsl_mx.stages import stages

    if options.predictions:
        if is_worker():
            raise InputError("evaluate --predictions is not shared by workers: run it without them")
        return stages.evaluate_saved(_job(options), options.predictions)
    return stages.evaluate_weights(_job(options, join()), None if options.source else options.round)


def _report(options):
    from mlsl_mx.stages import stages

    if options.compare:
        if options.experiment is not None or options.run is not None:
            raise InputError("--compare is about the runs named after it: leave out --experiment and --run")
        if options.out is None:
            raise InputError("--compare needs --out FOLDER, for comparison.md, .html and .json")
        return stages.compare(options.compare, options.out, options.table)
    if options.out is not None or options.table is not None:
        raise InputError("--out and --table are of --compare RUN RUN ...: a run's report is RUN/report/report.html")
    if options.experiment is None or options.run is None:
        raise InputError("give --experiment FILE and --run FOLDER for the report of a run, or --compare RUN RUN ...")
    return stages.report(_job(options))


def _predict(options):
    from mlsl_mx.predict.setup import Setup
    from mlsl_mx.predict.stage import predict

    names = ("experiment", "inference", "patches", "patch", "placement", "flip", "precision", "seed")
    setup = Setup(**{name: getattr(options, name) for name in names})
    how = {"kinds": options.write, "strength": options.strength, "ctx": options.ctx, "keep_going": options.keep_going}
    return predict(options.weights, options.inputs, options.out, setup, **how)


def _launch(options):
    from mlsl_mx.system.launch import launch

    words = options.stage[options.stage[:1] == ["--"] :]
    words += [f"--{name}" for name in ("quiet", "verbose", "json") if words and getattr(options, name)]
    code = launch(words, options.n, options.threads)
    if code:
        raise SystemExit(code)


def _export_onnx(options):
    from mlsl_mx.network.onnx_export import export_onnx

    return export_onnx(options.weights, options.out)


def _make(options):
    from mlsl_mx.system.make import make

    flags = ["-n"] * options.dry_run + ["-s"] * options.silent + ([f"-j{options.j}"] if options.j else [])
    make(options.words, flags)


def _completion(options):
    from mlsl_mx.commands.completion import completion

    return completion(build_parser(), options.shell)
