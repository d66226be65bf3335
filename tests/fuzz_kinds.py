"""All kinds of input that are fuzzed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fuzzing
from hypothesis.strategies import SearchStrategy
from own_fuzzing import check_own, own_cases


class Kind(NamedTuple):
    """What is fuzzed."""

    title: str
    cases: SearchStrategy
    # Whether a case was accepted; it raises if one was dealt with wrongly.
    check: Callable[[fuzzing.Playground, Any], bool]


KINDS = {
    "lists": Kind("lists of images", fuzzing.lists, fuzzing.check_list),
    "settings": Kind("--set values", fuzzing.set_values, fuzzing.check_settings),
    "yaml": Kind("experiment files", fuzzing.yaml_files, fuzzing.check_yaml),
    "images": Kind("images and labels", fuzzing.image_files, fuzzing.check_image),
    "params": Kind("weights files", fuzzing.params_changes, fuzzing.check_params),
    "runs": Kind("run directories", fuzzing.run_damages, fuzzing.check_run),
    "own": Kind("own data: tables, places, files", own_cases, check_own),
}
