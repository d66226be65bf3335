"""How `mlsl predict` segments: what its options say, and where they say nothing, an experiment or the paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlsl_mx.config.classes import ClassSet
from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.config.setting import check_each
from mlsl_mx.config.settings import Config, PseudoLabels
from mlsl_mx.system.errors import InputError


@dataclass(frozen=True)
class Setup:
    """What decides a prediction besides weights and image; `classes` is None where the weights' number says them."""

    inference: PseudoLabels
    precision: str
    seed: int
    classes: ClassSet | None

    @property
    def patch(self) -> int | None:
        """The smallest height and width of an image; None if any will do."""
        return self.inference.patch if self.inference.inference == "sisc" else None

    def described(self) -> dict[str, Any]:
        """As plain values, without what changes nothing in the results."""
        inference = asdict(self.inference)
        used = {"inference", "flip"} if self.patch is None else set(inference) - {"batch"}
        values = {name: value for name, value in inference.items() if name in used}
        if values.get("placement", "sliding") != "sliding":
            values["seed"] = self.seed
        return {**values, "precision": self.precision}


def prediction_setup(
    *,
    experiment: Path | None,
    inference: str,
    patches: int | None,
    patch: int | None,
    placement: str,
    flip: bool | None,
    precision: str | None,
    seed: int,
) -> Setup:
    """From options of the command line; None leaves a value to the experiment or, without one, to the paper's recipe.

    Args:
        placement: not left to them: with the paper's 50 random patches 13 % of a Cityscapes image would get no class.

    Raises: InputError for an experiment that cannot be read, or a value outside its limits.
    """
    if inference == "single" and (patches, patch) != (None, None):
        raise InputError("--patches and --patch are options of SISC: add --inference sisc, or leave them out")
    config = Config() if experiment is None else load_config(experiment)
    # Of the whole image: as evaluation does it, which knows no settings but flip.
    start = replace(PseudoLabels(), flip=config.evaluation.flip) if inference == "single" else config.pseudo_labels
    given = {"inference": inference, "patches": patches, "patch": patch, "placement": placement, "flip": flip}
    segmented = replace(start, **{name: value for name, value in given.items() if value is not None})
    network = config.network if precision is None else replace(config.network, precision=precision)
    check_each(segmented, "pseudo_labels.")
    check_each(network, "network.")
    return Setup(segmented, network.precision, seed, None if experiment is None else config.class_set)
