"""The command line: parse, call, tell. The subcommands, their options and calls are in `commands`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import unicodedata

from mlsl_mx.commands import build_parser
from mlsl_mx.system.errors import InputError, meaning
from mlsl_mx.system.result import Result
from mlsl_mx.system.stopping import Stopped, forks_processes, stops_at_once
from mlsl_mx.system.surroundings import check_variables, unfit_name
from mlsl_mx.system.terminal import RED, coloured, messages
from mlsl_mx.system.worker_role import check_shared, is_worker

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
                told = options.call(options)
            outcome = told if isinstance(told, Result) else Result(told or "")
            problem, code = outcome.fault, 2 if outcome.fault else 0
        except Stopped as stopped:
            problem, code = f"{stopped}; run the same command again to go on", stopped.exit_code
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
            if word.startswith("~") and not os.path.exists(word):
                raise InputError(f"{word}: the shell has not expanded the ~: write {os.path.expanduser('~')} instead")
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in word):
                raise InputError(unfit_name(word))
