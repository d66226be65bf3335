"""What a user gives a run besides the data sets: weights to start from, and a spatial prior."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.config.class_table import check_class_order
from mlsl_mx.config.setting import own_code_in
from mlsl_mx.config.settings import Config
from mlsl_mx.network.trunk_facts import network_shapes
from mlsl_mx.network.weights.gluoncv_store import GLUONCV, fetched
from mlsl_mx.network.weights.published_weights import Contents, check_source_model, check_trunk
from mlsl_mx.pseudo_labels.prior_files import read_prior
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.own_code import code_files


def check_start(config: Config, imagenet: Path | None) -> None:
    """Raises: InputError if the source model would be trained from a trunk that is not given."""
    if config.source_training.start == "trunk" and imagenet is None:
        raise InputError(
            "source_training.start is trunk: give --imagenet (make IMAGENET=) the ImageNet classifier's .params, start "
            "from a published source model (make WEIGHTS=), or set source_training.start to scratch"
        )


def start_file(config: Config, imagenet: Path | None) -> Path | None:
    """The file that `--imagenet` means: itself or, where it is "gluoncv", GluonCV's of the trunk, fetched if need be.

    Raises: InputError as `fetched`.
    """
    return fetched(config.network.trunk) if imagenet == Path(GLUONCV) else imagenet


def fitting_source_model(config: Config, weights: Path) -> Contents:
    """What a file holds that fits an experiment as its source model.

    Raises: InputError as `check_source_model` and `check_class_order`.
    """
    found = check_source_model(weights, config.num_classes, config.network.width, config.network.trunk)
    check_class_order(weights, config.class_set)
    return found


def described(config: Config, imagenet: Path | None, weights: Path | None) -> list[str]:
    """A line about what each given file holds, and one where the source model starts from none.

    Args:
        imagenet, weights: the start of the source model, as for `stages.begin`.

    Raises: InputError for a file that does not fit the experiment, or that its method does not use.
    """
    selection, network = config.selection, config.network
    own = dict(own_code_in(config))
    lines = [f"  {key}: {spec}, of {' and '.join(map(str, code_files(spec, key)))}" for key, spec in own.items()]
    if "network.trunk" in own:
        network_shapes(config.num_classes, network.width, False, network.trunk)  # tries it
    if imagenet:
        lines.append(f"  trunk: {imagenet}, {check_trunk(imagenet, network.width, network.trunk)}")
    if weights:
        lines.append(f"  source model: {weights}, {fitting_source_model(config, weights)}")
    if not (imagenet or weights):
        lines.append("  source model: trained from random weights")
    if selection.prior_file and not selection.spatial_prior:
        raise InputError(
            f"selection.prior_file is {selection.prior_file}, but {config.method} uses no prior: METHOD=cbst-sp "
            "does, or selection.spatial_prior=true"
        )
    if selection.prior_file:
        shape = read_prior(Path(selection.prior_file), config.num_classes).frequency.shape
        lines.append(f"  spatial prior: {selection.prior_file}, {'x'.join(map(str, shape))}")
    return lines
