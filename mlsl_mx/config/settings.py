"""Experiment settings: frozen dataclasses with units, read from `experiments/*.yaml`.

A file says only what differs: `inherit:` names the file it starts from, the file of a METHOD is laid over it, then the
`key=value` settings of the command line. The defaults below are the paper's GTA-V recipe; where the
paper is silent they are the published program's. Unknown or ill-typed keys are errors that name the nearest key.

With `dataset: own` a side's paths are relative to the experiment file; see docs/YOUR_OWN_DATA.md.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from mlsl_mx.config.class_table import Classes, as_settings, plain
from mlsl_mx.config.classes import ClassSet, FileValue, class_set
from mlsl_mx.config.limits import check_values
from mlsl_mx.config.values import build, shown
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import packaged
from mlsl_mx.system.text_files import MOST_YAML_BYTES, parse_yaml, read_text

# The files of the METHODs, below experiments/: the paper's tables, the published program's scripts, the ablations.
METHOD_FILES = ("methods/*.yaml", "released/released-*.yaml", "ablations/*.yaml")

TAKEN = ("source", "report", "tensorboard", "data_lists")  # names in a run directory, beside those of methods: runs.py

Ignored = Union[str, Tuple[FileValue, ...]]  # "rest", or ids or colours


@dataclass(frozen=True)
class SourceData:
    """The labelled synthetic images."""

    # gta5 | synthia: folder under the data root, file layout and label encoding | own: as the keys below say
    dataset: str = "gta5"
    images: str = "data_lists/gta5.txt"  # list; of own data: folder, FOLDER/PREFIX{name}SUFFIX, or list
    labels: str = ""  # of own data, where: as images
    encoding: str = "ids"  # of own labels: a key of `encodings.BITS`
    ignore: Ignored = ()  # ids or colours of own labels without a class, or "rest": all that no class has
    # What labels belong to where EXIF turns an image: upright, as viewers show it | stored | unknown: that is an error
    label_orientation: str = "unknown"
    # height, width: files of another size are resized to it with their labels; null: each its own
    size: Optional[Tuple[int, int]] = (1052, 1914)


@dataclass(frozen=True)
class TargetData:
    """The unlabelled real images, and the validation images that the tables are about."""

    dataset: str = "cityscapes"  # cityscapes | own
    train: str = "data_lists/cityscapes_train.txt"
    val: str = "data_lists/cityscapes_val.txt"  # empty: nothing is measured
    val_labels: str = ""  # of own data: as the source's labels
    encoding: str = "ids"
    ignore: Ignored = ()
    label_orientation: str = "unknown"  # of validation images; those to adapt to have no labels and are upright
    size: Optional[Tuple[int, int]] = (1024, 2048)  # height, width; null: each file its own


@dataclass(frozen=True)
class Network:
    """ResNet-38 (Sec. 4.1.2)."""

    width: float = 1.0  # factor of every channel count
    # Weak-label head: "every_layer" has a ReLU after each layer but the last (paper), "released" after the 1x1 alone.
    head_relu: str = "every_layer"
    dropout: Tuple[float, float] = (0.3, 0.5)  # before the last convolution of levels 6 and 7
    # Of labelling and evaluation, never of training: float32 | bfloat16 (CPUs with avx512_bf16) | float16 (GPUs).
    precision: str = "float32"


@dataclass(frozen=True)
class Optimizer:
    """SGD; biases and BN betas learn twice as fast and do not decay."""

    learning_rate: float = 1.6e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4


@dataclass(frozen=True)
class Crops:
    """How a training crop is drawn."""

    size: int = 504  # pixels, a multiple of 8
    scale: Tuple[float, float] = (0.7, 1.3)  # of the image, drawn uniformly
    flip: bool = True


@dataclass(frozen=True)
class SourceTraining:
    """The source part of Eq. 7, both heads on the source images. The methods of a run share what comes of it."""

    # "trunk": from ImageNet weights with frozen BN statistics (paper). "scratch": there are none, as for the miniature;
    # BN statistics are then estimated while training, and frozen in every later stage.
    start: str = "trunk"
    epochs: int = 30
    batch: int = 16
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer()
    decay: str = "constant"  # learning rate within the run: constant | poly (power 0.9), for training from scratch
    # lambda of Eq. 6 on the source. 0: no weak-label head is trained (Eq. 1 alone), for methods without weak labels: a
    # quarter less arithmetic at width 1.
    weak_label_weight: float = 0.025
    # That a crop is centred on a pixel of one of the rarest classes of the source labels; the release: never
    mining_probability: float = 0.0
    mining_rarest: int = 9  # so many classes are


@dataclass(frozen=True)
class HeadTraining:
    """Eq. 5 on the source images for the weak-label head alone, where the source model has none, as published ones."""

    epochs: int = 1
    batch: int = 16
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer()


@dataclass(frozen=True)
class PseudoLabels:
    """From network to normalised probability volume (Sec. 3.2)."""

    inference: str = "sisc"  # sisc | single
    patches: int = 50  # K
    patch: int = 512  # pixels
    # random (paper) | sliding (no pixel is left out) | released (random, but never the last row and column)
    placement: str = "random"
    flip: bool = True  # average each inference with that of the mirrored input
    # The single inference sees the image at this factor of its size (released CBST: 0.9033, 1850 of 2048 pixels).
    single_scale: float = 1.0
    upsampling: str = "bilinear"  # of the probabilities: bilinear (paper) | bicubic (released)
    start: str = "empty"  # empty (paper) | single: the accumulator starts from the single inference (released)
    votes: bool = False  # count argmax votes instead of probabilities (relative frequency, Sec. 4.3)
    batch: int = 0  # patches, mirrored ones included, in one network call; 0: as many as the device can take


@dataclass(frozen=True)
class Selection:
    """From probabilities to labels: class-balanced selection with growing portions."""

    policy: str = "class_balanced"  # class_balanced (CBST) | global (ST)
    rule: str = "reweighted"  # reweighted: argmax_c p_c / t_c (CBST) | argmax (the paper's wording)
    portion: float = 0.15  # of each class's pixels in round 0
    portion_step: float = 0.05  # added each round
    portion_max: float = 0.5
    stride: int = 1  # every stride-th pixel of a class in an image counts for the thresholds (released: 4)
    extra_zero: bool = False  # one 0 among the confidences of each class (released)
    mining_share: float = 0.001  # classes below this share of all predictions are mined first, where an image has one
    mining_rarest: int = 3  # else this many rarest classes are
    mining_least: float = 0.0  # share of all labels that a class mined in target images must have; 0: any (released)
    spatial_prior: bool = False  # multiply by the source's class frequency at each position (CBST-SP)
    prior_file: str = ""  # .mat of the original or .npz to take that from; empty: computed from the source labels


@dataclass(frozen=True)
class WeakLabels:
    """Pseudo weak-labels (Sec. 3.3)."""

    enabled: bool = True
    eta: float = 0.05  # Sec. 3.3.1
    weight: float = 0.025  # lambda of Eq. 6
    # The head before round 0: source: trained on the source | random: as initialised
    start: str = "source"
    # image: all of it (the paper) | crop: what the network sees | cells: the crop at stride 8 (released)
    scope: str = "image"
    sizes: str = "source"  # h_s: source: Eq. 4 over the source labels | released: the release's constants, 19 classes
    comparison: str = "greater"  # h_t > eta h_s: greater (text) | at_least (Figure 2, released)
    source_rule: str = "present"  # of source labels: present: one pixel is enough (paper) | threshold (released)


@dataclass(frozen=True)
class SelfTraining:
    """The rounds (Eq. 3 and 7)."""

    rounds: int = 6
    epochs: int = 2  # per round
    batch: int = 1  # crops, source and target in one random permutation
    crops: Crops = Crops()
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)
    learning_rate_decay: float = 2**-0.5  # factor per round
    decay: str = "constant"  # learning rate within a round: constant | poly (power 0.9, to 0)
    source_portion: float = 0.03  # of the source images, in round 0
    source_portion_step: float = 0.0025
    source_portion_max: float = 0.06
    mining_probability: float = 0.8  # that a crop is centred on a pixel of a mined class
    hard_examples: bool = False  # OHEM as in the release's SISC script
    # What the sum over a batch's pixels is divided by (Eq. 1, 2): labelled: those with a label (released) | pixels: all
    normaliser: str = "labelled"


@dataclass(frozen=True)
class Evaluation:
    """On the validation images."""

    flip: bool = True
    diagnosed_images: int = 8  # target images whose patches are compared; validation images, if the truth is asked for
    panels: int = 4  # validation images shown in the report


@dataclass(frozen=True)
class Config:
    """Everything that decides a result but the data and the seed."""

    name: str = "gta2city"
    method: str = "sisc-pwl"
    miniature: bool = False
    classes: Classes = 19  # 19 | 16, of Cityscapes, or a table of one's own (class_table.py)
    source: SourceData = SourceData()
    target: TargetData = TargetData()
    network: Network = Network()
    source_training: SourceTraining = SourceTraining()
    head_training: HeadTraining = HeadTraining()
    pseudo_labels: PseudoLabels = PseudoLabels()
    selection: Selection = Selection()
    weak_labels: WeakLabels = WeakLabels()
    self_training: SelfTraining = SelfTraining()
    evaluation: Evaluation = Evaluation()

    @property
    def class_set(self) -> ClassSet:
        """The classes with everything that follows from them."""
        return class_set(self.classes)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.class_set.num_classes


def load_config(path: Path, method: Optional[str] = None, settings: Tuple[str, ...] = ()) -> Config:
    """Read an experiment file, lay the method's file and the `key=value` settings over it, check everything.

    Args:
        path: the experiment file.
        method: stem of one of METHOD_FILES, e.g. "cbst"; None takes the experiment's own `method`, if any.
        settings: `pseudo_labels.patches=25` and the like; values are YAML.

    Raises:
        InputError: a file that is missing or not YAML, an unknown key, a wrong type, a value outside its limits.
    """
    values = _read_inherited(Path(path), seen=())
    named = values.pop("method", None) if method is None else method
    if named is not None:
        values = {**_merged(values, _read_inherited(_method_file(Path(path), named), seen=())), "method": named}
    for setting in map(_parse_setting, settings):
        if "method" in setting:
            raise InputError("setting method: a method is more than its name: give --method (make METHOD=)")
        values = _merged(values, setting)
    config = build(Config(), values, prefix="", origin=str(path))
    check_values(config)
    return config


def to_dict(config: Config) -> Dict[str, Any]:
    """The resolved settings as plain values, for `config.yaml` in the run directory."""

    def as_plain(value):
        if isinstance(value, dict):
            return {k: as_plain(v) for k, v in value.items()}
        return plain(value) if isinstance(value, tuple) else value

    return {**as_plain(dataclasses.asdict(config)), "classes": as_settings(config.classes)}


def data_config(settings: Dict[str, Any]) -> Config:
    """The classes, source and target of settings that `to_dict` gave.

    Raises: InputError if they are not that.
    """
    groups = ("classes", "source", "target")
    values = {key: settings[key] for key in groups if key in settings}
    return build(Config(), values, prefix="", origin="config.yaml")


def _method_file(path: Path, method: Any) -> Path:
    """The file of a method, for the experiment file `path`: below its folder or the one above, or else ours.

    Raises: InputError if there is none, with the nearest name; or for a name that a run directory has for other things.
    """
    files: Dict[str, Path] = {}
    for folder in (*path.resolve().parents[:2], packaged("experiments")):
        for pattern in METHOD_FILES:
            for file in sorted(folder.glob(pattern)):
                files.setdefault(file.stem, file)
    if method not in tuple(files):
        near = difflib.get_close_matches(str(method), files, n=1)
        hint = f"did you mean {near[0]}? Known are" if near else "use one of"
        raise InputError(f"METHOD {shown(method)} is not known: {hint} {', '.join(files)}")
    if method in TAKEN or method.startswith("."):
        raise InputError(f"METHOD {method}: a run directory has other things under such a name: rename {files[method]}")
    return files[method]


def _read_inherited(path: Path, seen: Tuple[Path, ...]) -> Dict[str, Any]:
    try:
        place, values = path.resolve(), parse_yaml(read_text(path, MOST_YAML_BYTES))
    except FileNotFoundError:
        raise InputError(f"{path}: no such experiment file: see experiments/") from None
    except (OSError, ValueError, RuntimeError) as problem:  # RuntimeError: links in a circle
        raise InputError(f"{path}: not a readable YAML file: {problem}") from None
    if place in seen:
        raise InputError(f"{path}: inherits from itself by way of {seen[-1]}: break the circle")
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds a {type(values).__name__}, not `key: value` lines")
    parent = values.pop("inherit", None)
    if parent is None:
        return values
    beside = path.parent / str(parent)
    ours = packaged("experiments") / str(parent)
    use_ours = os.path.exists(ours) and not os.path.exists(beside)  # of pathlib, `exists` raises for long names
    return _merged(_read_inherited(ours if use_ours else beside, (*seen, place)), values)


def _merged(base: Dict[str, Any], over: Dict[str, Any]) -> Dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _parse_setting(setting: str) -> Dict[str, Any]:
    key, separator, text = setting.partition("=")
    if not separator:
        raise InputError(f"setting {shown(setting)} is not of the form key=value, e.g. pseudo_labels.patches=25")
    try:
        value = parse_yaml(text)
    except ValueError as problem:
        raise InputError(f"setting {shown(setting)} has no YAML value: {problem}") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return value
