"""The files of a spatial prior: the MATLAB file of the original release, and what a run keeps of it or of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat

from mlsl_mx.data.datasets import SceneDataset
from mlsl_mx.data.statistics import label_maps
from mlsl_mx.pseudo_labels.prior_picture import write_prior_picture
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import prior_path
from mlsl_mx.system.whole_files import file_hash

NUMERIC = ("double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
OBJECTS = ("object", "opaque", "function")  # instances of MATLAB classes


def keep_prior(run: Path, source: SceneDataset, prior_file: str = "") -> Path:
    """The run's spatial prior as an .npz file, imported or computed if it is not there yet, with its picture beside.

    Args:
        source: source images with their labels; not opened if there is a `prior_file`.
        prior_file: as for `read_prior`; empty: the prior is computed from the source labels.

    Raises: InputError for a prior file or a source label that cannot be used.
    """
    num_classes = source.classes.num_classes
    path = prior_path(run, file_hash(Path(prior_file)) if prior_file else source.fingerprint)
    if not path.exists():
        if prior_file:
            prior = read_prior(Path(prior_file), num_classes)
        else:
            prior = SpatialPrior.from_labels(label_maps(source), num_classes)
        prior.save(path)
    picture = path.with_suffix(".png")
    if not picture.exists():
        write_prior_picture(picture, SpatialPrior.load(path, num_classes).frequency, source.classes.names)
    return path


def read_prior(path: Path, num_classes: int) -> SpatialPrior:
    """Read the prior that `selection.prior_file` names; its values stay as they are.

    Args:
        path: a .mat file up to version 7 with one 3-D numeric variable of any name, (C, H, W), as the original's
            (19, 1024, 2048); or an .npz file with the array `frequency`, as `SpatialPrior.save` writes it.
        num_classes: C of the network.

    Raises: InputError if there is no such file, it is damaged or holds no single such array, and as
        `SpatialPrior.from_values`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such spatial prior: correct selection.prior_file, or leave it out to compute one")
    if path.suffix == ".npz":
        return SpatialPrior.load(path, num_classes)
    return SpatialPrior.from_values(_mat_values(path), num_classes, path)


def _mat_values(path: Path) -> np.ndarray:
    """The array of a MATLAB file. Nothing else of the file is decoded, so nothing else can do harm."""
    try:
        name = _volume_name(whosmat(str(path), appendmat=False), path)
        return loadmat(str(path), appendmat=False, variable_names=[name])[name]
    except InputError:
        raise
    except NotImplementedError:
        raise InputError(f"{path}: a MATLAB file of version 7.3 (HDF5): save it again with -v7") from None
    except Exception as problem:  # scipy and zlib raise many kinds for a damaged file
        reason = " ".join(str(problem).split())
        raise InputError(f"{path}: not a MATLAB file, or a damaged one ({reason}): use a sound file") from None


def _volume_name(variables: list[tuple[str, tuple[int, ...], str]], path: Path) -> str:
    """The only 3-D numeric variable among (name, shape, MATLAB class)."""
    objects = [name for name, _, kind in variables if kind in OBJECTS]
    if objects:
        raise InputError(f"{path}: holds MATLAB objects ({', '.join(objects)}): save only the prior, as an array")
    volumes = [name for name, shape, kind in variables if len(shape) == 3 and kind in NUMERIC]
    if len(volumes) != 1:
        found = ", ".join(f"{name} {'x'.join(map(str, shape))} {kind}" for name, shape, kind in variables) or "nothing"
        raise InputError(
            f"{path}: {len(volumes)} numeric variables with 3 axes, where one is wanted, among {found}: save only "
            "the prior"
        )
    return volumes[0]
