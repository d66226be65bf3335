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
    """Options of the command line; None leaves a value to the experiment or, without one, to the paper's recipe."""

    experiment: Path | None = None
    inference: str = "single"
    patches: int | None = None
    patch: int | None = None
    # Not the paper's: with 50 random patches 13 % of a Cityscapes image would get no class.
    placement: str = "sliding"
    flip: bool | None = None
    precision: str | None = None
    seed: int = 0

    def resolved(self) -> ResolvedSetup:
        """With all values. Raises: InputError for an experiment that cannot be read, or a value outside its limits."""
        if self.inference == "single" and (self.patches, self.patch) != (None, None):
            raise InputError("--patches and --patch are of SISC: add --inference sisc, or leave them out")
        config = Config() if self.experiment is None else load_config(self.experiment)
        flip = config.evaluation.flip if self.inference == "single" else config.pseudo_labels.flip
        given = {"inference": self.inference, "patches": self.patches, "patch": self.patch, "flip": self.flip}
        given = {name: value for name, value in given.items() if value is not None}
        # Of the whole image: as evaluation does it, which knows no settings but flip.
        start = PseudoLabels() if self.inference == "single" else config.pseudo_labels
        inference = replace(start, **{"placement": self.placement, "flip": flip, **given})
        network = config.network if self.precision is None else replace(config.network, precision=self.precision)
        check_each(inference, "pseudo_labels.")
        check_each(network, "network.")
        classes = None if self.experiment is None else config.class_set
        return ResolvedSetup(inference, network.precision, self.seed, classes)


@dataclass(frozen=True)
class ResolvedSetup:
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
