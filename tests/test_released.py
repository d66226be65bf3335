"""The released presets: what differs from the paper's, and that each switch changes what it should and nothing else."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
import yaml
from original_params import FIXTURES as NET
from original_sisc import original_sisc
from released_scenes import SCENE, gradients, source_ids, target_ids
from scene_files import write_cityscapes, write_gta5, write_palette_png
from volumes import whole_volume

from mlsl_mx.config import load_config
from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import Config
from mlsl_mx.config.training_settings import Crops
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.lists import read_list
from mlsl_mx.pseudo_labels import ClassConfidences, patch_positions, weak_labels
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pseudo_labels.weak_labels import RELEASED_SIZES
from mlsl_mx.stages.inputs import class_sizes, prior
from mlsl_mx.stages.job import Job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.packaged_files import existing
from mlsl_mx.system.runs import flat
from mlsl_mx.training import losses as engine_losses
from mlsl_mx.training.epochs import self_training_epochs

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
LABELS = Path(__file__).parent / "fixtures" / "pseudo_labels"

LABELLING = {
    "pseudo_labels.upsampling": ("bilinear", "bicubic"),
    "selection.stride": (1, 4),
    "selection.extra_zero": (False, True),
    "network.head_relu": ("every_layer", "released"),
}
PATCHES = {
    "pseudo_labels.patches": (50, 25),
    "pseudo_labels.placement": ("random", "released"),
    "pseudo_labels.start": ("empty", "single"),
}
# METHOD -> key -> (paper, released)
DIFFERENCES = {
    "cbst": {**LABELLING, "pseudo_labels.single_scale": (1.0, 0.9033)},
    "sisc": {**LABELLING, **PATCHES, "self_training.hard_examples": (False, True)},
    "sisc-pwl": {
        **LABELLING,
        **PATCHES,
        "weak_labels.eta": (0.05, 0.0225),
        "weak_labels.weight": (0.025, 0.04),
        "weak_labels.sizes": ("source", "released"),
        "weak_labels.comparison": ("greater", "at_least"),
        "weak_labels.scope": ("image", "cells"),
        "weak_labels.source_rule": ("present", "threshold"),
    },
}
TRAIN = ("data_lists/cityscapes_train.txt", "data_lists/cityscapes_train_505.txt")
FLIP = {"pseudo_labels.flip": (False, True)}  # of the miniature, for speed; in the full experiments the default

COVERED = {}


def switches(*keys: str):
    """Mark a test as the behaviour test of these keys."""

    def register(test):
        COVERED.update(dict.fromkeys(keys, test.__name__))
        return test

    return register


def differences(paper: Config, released: Config) -> dict:
    old, new = dict(flat(asdict(paper))), dict(flat(asdict(released)))
    return {key: (old[key], new[key]) for key in old if old[key] != new[key] and key not in ("name", "method")}


def miniature(method: str, *paper_keys: str) -> Config:
    """The released preset of a method on the miniature, with some switches as in the paper."""
    settings = tuple(f"{key}={yaml.safe_dump({**DIFFERENCES[method], **FLIP}[key][0])}" for key in paper_keys)
    return load_config(EXPERIMENTS / "miniature" / "gta2city.yaml", f"released-{method}", settings)


@pytest.mark.parametrize("method", DIFFERENCES)
def test_presets_differ_from_the_paper_in_exactly_these_keys(method):
    for experiment, more in (("gta2city", {}), ("miniature/gta2city", FLIP)):
        path = EXPERIMENTS / f"{experiment}.yaml"
        released = load_config(path, f"released-{method}")
        assert differences(load_config(path, method), released) == {**DIFFERENCES[method], **more}


def test_data_differ_from_the_paper_in_exactly_these_keys():
    for name, more in (("gta2city", {"selection.spatial_prior": (False, True)}), ("synthia2city", {})):
        paper, released = (load_config(EXPERIMENTS / folder / f"{name}.yaml", "sisc") for folder in (".", "released"))
        assert differences(paper, released) == {"target.train": TRAIN, **more}


def test_every_key_of_the_released_files_has_a_behaviour_test():
    keys = set()
    for path in (EXPERIMENTS / "released").glob("*.yaml"):
        keys |= set(dict(flat(yaml.safe_load(path.read_text())))) - {"inherit", "name"}
    assert keys == set(COVERED)


def test_there_are_no_released_sizes_of_16_classes():
    path = EXPERIMENTS / "released" / "synthia2city.yaml"
    with pytest.raises(InputError, match="weak_labels.sizes is released.* not of 16: use weak_labels.sizes=source"):
        load_config(path, "released-sisc-pwl")
    assert load_config(path, "released-sisc-pwl", ("weak_labels.sizes=source",)).classes == 16
    assert load_config(path, "released-sisc").classes == 16


@pytest.fixture(scope="module")
def sisc():
    return original_sisc()


@switches("pseudo_labels.upsampling", "pseudo_labels.start", "pseudo_labels.flip")
@pytest.mark.parametrize("key", [None, "pseudo_labels.upsampling", "pseudo_labels.start", "pseudo_labels.flip"])
def test_the_volume_is_the_originals_with_all_switches_alone(sisc, key):
    volume, count = sisc.segmented(miniature("sisc", *filter(None, [key])).pseudo_labels)
    np.testing.assert_array_equal(count, sisc.count - (key == "pseudo_labels.start"))
    error = np.abs(volume - sisc.volume_rows).max()
    assert error < 1e-4 if key is None else error > 0.01


@switches("pseudo_labels.patches")
@pytest.mark.parametrize("keys, patches", [((), 25), (("pseudo_labels.patches",), 50)])
def test_as_many_patches_as_the_script_takes(keys, patches):
    def net(images):
        return mx.nd.zeros((len(images), 2, images.shape[2] // 8, images.shape[3] // 8))

    settings = miniature("sisc", *keys).pseudo_labels
    maps = Segmenter(net, mx.cpu(), settings, seed=0).maps(np.zeros((256, 512, 3), np.uint8), "a")
    _, count = whole_volume(composite(maps, mx.cpu()), maps.size)
    assert count.sum() == 256 * 512 + patches * settings.patch**2


@switches("pseudo_labels.placement")
def test_corners_never_reach_the_last_row_and_column():
    def corners(*keys):
        return patch_positions(20, 24, 16, 500, 0, "a", miniature("sisc", *keys).pseudo_labels.placement)

    assert {tuple(c) for c in corners().tolist()} == {(top, left) for top in range(4) for left in range(8)}
    assert corners("pseudo_labels.placement").max(axis=0).tolist() == [4, 8]


@switches("pseudo_labels.single_scale")
@pytest.mark.parametrize("size, smaller", [((1024, 2048), (928, 1848)), ((256, 512), (232, 464))])
def test_labels_are_made_at_a_smaller_size_and_lie_where_they_belong(size, smaller):
    """1850 is no multiple of 8; 1848 is the nearest. The upper left quarter is red, and so class 1."""
    image, seen = np.zeros((*size, 3), np.uint8), []
    image[: size[0] // 2, : size[1] // 2, 0] = 255

    def net(images):
        seen.append(images.shape[2:])
        red = mx.nd.Pooling(images[:, :1], kernel=(8, 8), stride=(8, 8), pool_type="avg")
        return mx.nd.concat(mx.nd.zeros_like(red), red, dim=1)  # normalised red is below 0 where there is none

    for keys, expected in (((), smaller), (("pseudo_labels.single_scale",), size)):
        segmenter = Segmenter(net, mx.cpu(), miniature("cbst", *keys).pseudo_labels, seed=0)
        classes, _ = segmenter.predicted(segmenter.maps(image, "a"))
        assert set(seen) == {expected}
        rows, columns = np.nonzero(classes != (image[:, :, 0] > 0))
        from_edge = np.minimum(np.abs(rows - size[0] / 2), np.abs(columns - size[1] / 2))
        assert from_edge.max(initial=0) <= 8
        seen.clear()


def filed(config: Config, classes, confidences) -> ClassConfidences:
    result = ClassConfidences(config.classes, config.selection.stride, config.selection.extra_zero)
    for ids, values in zip(classes, confidences, strict=True):
        result.update_top(ids, values)
    return result


@switches("selection.stride")
@pytest.mark.parametrize("policy", ["class_balanced", "global"])
def test_thresholds_are_the_originals_with_its_stride_alone(policy):
    with np.load(LABELS / "selection.npz") as stored:
        patterns = stored["confidence_high"].astype(np.uint16) << 8 | stored["confidence_low"]
        classes, confidences = stored["classes"], patterns.view(np.float16)
        expected = np.where(stored[f"{policy}_thresholds"] == 0, 1, stored[f"{policy}_thresholds"])
    released = filed(miniature("cbst"), classes, confidences)
    paper = filed(miniature("cbst", "selection.stride"), classes, confidences)
    np.testing.assert_array_equal(released.thresholds(0.15, policy), expected)
    assert (paper.thresholds(0.15, policy) != expected).sum() >= 15
    np.testing.assert_array_equal(released.predicted, paper.predicted)


@switches("selection.extra_zero")
def test_the_extra_zero_gives_a_small_class_its_threshold():
    confidences = np.linspace(0.5, 0.9, 21, dtype=np.float16)  # 6 of them count: floor(0.15 * 6) = 0, 0.15 * 7 > 1
    released, paper = (
        filed(miniature("cbst", *keys), [np.zeros(21, np.uint8)], [confidences])
        for keys in ((), ("selection.extra_zero",))
    )
    assert [c.thresholds(0.15)[0] for c in (released, paper)] == [confidences[-1], 1]
    np.testing.assert_array_equal(released.histogram, paper.histogram)


def job(config: Config, folder: Path) -> Job:
    scenes = write_gta5(folder / "gta5", count=2)
    config = replace(config, source=replace(config.source, images=str(scenes.images), size=(32, 48)))
    return Job(config=config, roots={"gta5": scenes.root}, run=folder / "run", seed=0, devices=(mx.cpu(),))


@switches("selection.spatial_prior")
def test_the_prior_is_that_of_the_source_labels(tmp_path):
    paper, released = (
        load_config(EXPERIMENTS / folder / "gta2city.yaml", "released-cbst") for folder in (".", "released")
    )
    assert prior(job(paper, tmp_path)) is None
    assert prior(job(released, tmp_path)).frequency.shape[0] == 19


@switches("target.train")
def test_the_target_list_is_a_part_of_the_papers():
    paper, released = (read_list(existing(path)) for path in TRAIN)
    assert (len(paper), len(released)) == (2975, 505)
    assert set(released) < set(paper)


@switches("network.head_relu")
def test_head_relu_changes_the_weak_labels_logits_alone(tmp_path):
    images = mx.nd.array(np.random.RandomState(0).normal(size=(1, 3, 32, 32)))
    outputs = []
    for keys in ((), ("network.head_relu",)):
        config = miniature("sisc-pwl", *keys)
        net = job(replace(config, network=replace(config.network, width=1 / 32)), tmp_path).network(True)
        mx.random.seed(0)
        net.initialize()
        outputs.append([output.asnumpy() for output in net(images)])
    np.testing.assert_array_equal(outputs[0][0], outputs[1][0])
    assert np.abs(outputs[0][1] - outputs[1][1]).max() > 1e-3


@pytest.fixture
def epochs(tmp_path):
    """Of one source and one target image, whose crops are the images themselves."""
    source = write_gta5(tmp_path / "gta5", count=1, size=SCENE)
    write_palette_png(tmp_path / "gta5/labels/00001.png", class_set(19).label_id_lookup[source_ids()])
    target = write_cityscapes(tmp_path / "city", split="train", count=1, size=SCENE, labels=False)
    write_palette_png(tmp_path / "labels/ulm_000000_000019.png", target_ids())
    datasets = [
        open_dataset("gta5", source.root, source.images, class_set(19), SCENE, labels=True),
        with_pseudo_labels(
            open_dataset("cityscapes", target.root, target.images, class_set(19), SCENE, labels=False),
            tmp_path / "labels",
        ),
    ]

    def build(config: Config):
        training = replace(config.self_training, batch=1, source_portion=1.0, crops=Crops(64, (1.0, 1.0), False))
        h_s = np.full(19, np.nan)
        h_s[:5] = [0.5, 0.5, 0.5, 1.0, 0.0]
        how = {"class_sizes": h_s, "mined": ((), ()), "round_index": 0, "seed": 0, "readers": 0}
        return self_training_epochs(*datasets, training, config.weak_labels, **how, losses=engine_losses)

    return build


@switches("weak_labels.eta", "weak_labels.comparison", "weak_labels.scope", "weak_labels.source_rule")
@pytest.mark.parametrize(
    "key, source, target",
    [
        (None, {0, 4}, {1, 2, 4}),  # class 4 is nowhere, but 0 >= 0; class 3 fills 1/64 < 0.0225
        ("weak_labels.eta", {0, 4}, {1, 4}),  # class 2 has 1 cell of 64: between 0.0225 / 2 and 0.05 / 2
        ("weak_labels.comparison", {0}, {1, 2}),
        ("weak_labels.scope", {0, 4}, {0, 1, 4}),  # class 2 has 1 pixel of 4096, class 1 63
        ("weak_labels.source_rule", {0, 3}, {1, 2, 4}),
    ],
)
def test_weak_labels_of_crops(epochs, key, source, target):
    batches = list(epochs(miniature("sisc-pwl", *filter(None, [key]))).batches(0, 0))
    found = {batch.names[0]: set(np.flatnonzero(batch.weak_labels[0])) for batch in batches}
    assert found == {"00001": source, "ulm_000000_000019": target}
    train_ids = {batch.names[0]: batch.train_ids[0] for batch in batches}
    np.testing.assert_array_equal(train_ids["ulm_000000_000019"], target_ids()[4::8, 4::8])


@switches("weak_labels.sizes")
@pytest.mark.parametrize("keys", [(), ("weak_labels.sizes",), ("weak_labels.eta",)])
def test_weak_labels_are_the_originals_with_its_sizes_and_eta_alone(tmp_path, keys):
    this_job = job(miniature("sisc-pwl", *keys), tmp_path)
    weak = this_job.config.weak_labels
    h_s = class_sizes(this_job, this_job.source)
    rule = partial(weak_labels, h_s=h_s, eta=weak.eta, comparison=weak.comparison)
    with np.load(LABELS / "weak.npz") as stored:
        np.testing.assert_allclose(0.0225 * 63**2 * np.array(RELEASED_SIZES), stored["threshold"])
        different = np.array([rule(train_ids) for train_ids in stored["labels"]]) != stored["weak"]
        assert different.shape == (105, 19)
        assert different.sum() > 20 if keys else not different.any()


@pytest.fixture(scope="module")
def losses():
    with np.load(NET / "losses.npz") as stored:
        return dict(stored)


@switches("self_training.hard_examples")
def test_hard_examples_give_the_originals_gradient(epochs, losses):
    train_ids = losses["hard_train_ids"]
    kept = (train_ids != 255).sum() - 1  # in this part of the original's batch one pixel is above 0.6
    expected = losses["hard_gradient"] * (losses["hard_kept"] / kept)
    for keys, pixels in (((), kept), (("self_training.hard_examples",), kept + 1)):
        loss = epochs(miniature("sisc", *keys)).loss
        (gradient,) = gradients(loss, losses["hard_logits"], train_ids=train_ids)
        assert np.count_nonzero(gradient.any(axis=1)) == pixels
        assert np.allclose(gradient, expected, atol=1e-7) == (pixels == kept)


@switches("weak_labels.weight")
def test_the_weight_gives_the_originals_gradient(epochs, losses):
    present = mx.nd.array(losses["weak_labels"])
    found = [
        gradients(
            epochs(miniature("sisc-pwl", *keys)).loss,
            losses["few_logits"],
            losses["weak_logits"],
            train_ids=losses["few_train_ids"],
            present=present,
        )
        for keys in ((), ("weak_labels.weight",))
    ]
    np.testing.assert_allclose(found[0][1], losses["weak_gradient"], atol=1e-8)
    np.testing.assert_allclose(found[1][1], losses["weak_gradient"] * (0.025 / 0.04), atol=1e-8)
    for gradient, _ in found:  # and none of the segmentation's, which has no hard examples in this script
        np.testing.assert_allclose(gradient, losses["few_gradient"], atol=1e-7)


def test_the_other_normaliser_gives_the_originals_gradient_by_pixels(epochs, losses):
    settings = ("self_training.normaliser=pixels", "self_training.hard_examples=false")
    config = load_config(EXPERIMENTS / "miniature" / "gta2city.yaml", "released-sisc", settings)
    train_ids = losses["few_train_ids"]
    (gradient,) = gradients(epochs(config).loss, losses["few_logits"], train_ids=train_ids)
    share = (train_ids != 255).mean()
    np.testing.assert_allclose(gradient, share * losses["few_gradient"], atol=1e-8)
