"""Weights of GluonCV's trunks from its model store, which fetches them once and checks them."""

from __future__ import annotations

import contextlib
import sys
import zipfile
from pathlib import Path

from mlsl_mx.network.trunk_facts import DEFAULT, TRUNKS, find_trunk
from mlsl_mx.system.errors import InputError

GLUONCV = "gluoncv"  # in place of a file


def fetched(trunk: str) -> Path:
    """The ImageNet classifier of a trunk, in GluonCV's folder: ~/.mxnet/models, or models/ below MXNET_HOME.

    Raises: InputError for a trunk that GluonCV has no weights of, or if they are not there and cannot be fetched.
    """
    name = None if trunk == DEFAULT else find_trunk(trunk).gluoncv
    if name is None:
        those = ", ".join(one for one in TRUNKS if one != DEFAULT)
        raise InputError(f"GluonCV has no weights of the trunk {trunk} (network.trunk), only of {those}: give a file")
    from gluoncv.model_zoo.model_store import get_model_file

    try:
        with contextlib.redirect_stdout(sys.stderr):  # GluonCV prints there; ours is for the result
            return Path(get_model_file(name))
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"GluonCV cannot fetch its weights of {name} ({type(problem).__name__}): on a machine with internet, "
            f"`python -c \"from gluoncv.model_zoo import model_store; print(model_store.get_model_file('{name}'))\"` "
            "fetches them; then give that file as --imagenet (make IMAGENET=)"
        ) from None
