from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scene_files import write_cityscapes, write_gta5, write_palette_png

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import WeakLabels
from mlsl_mx.config.training_settings import Crops, SelfTraining
from mlsl_mx.data import label_counts
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.sampling import (
    SOURCE,
    TARGET,
    Domain,
    TrainingCrops,
    classes_present,
    joint_order,
    source_subset,
)
from mlsl_mx.data.transforms import labels_at_stride, normalise, training_crop
from mlsl_mx.system.errors import InputError
from mlsl_mx.training import losses
from mlsl_mx.training.batches import load_batches, num_batches
from mlsl_mx.training.epochs import self_training_epochs

CROPS = Crops(16, (0.7, 1.3), True)


def present(train_ids):
    return classes_present(train_ids, 19)


@pytest.fixture
def domains(tmp_path):
    source = write_gta5(tmp_path / "gta5", count=3)
    target = write_cityscapes(tmp_path / "city", split="train", count=4, labels=False)
    for i in range(4):
        ids = np.full((32, 64), i, np.uint8)
        ids[:, 32:] = 255
        write_palette_png(tmp_path / f"out/ulm_{i:06d}_000019.png", ids)
    classes = class_set(19)
    labelled = open_dataset("gta5", source.root, source.images, classes, (32, 48), labels=True)
    images = open_dataset("cityscapes", target.root, target.images, classes, (32, 64), labels=False)
    return Domain(labelled, present), Domain(with_pseudo_labels(images, tmp_path / "out"), present)


def test_source_subsets_grow():
    subsets = [source_subset(1000, portion, seed=7) for portion in (0.03, 0.0325, 0.06, 1.0)]
    assert [len(s) for s in subsets] == [30, 33, 60, 1000]
    for smaller, larger in pairwise(subsets):
        assert set(smaller) <= set(larger)
    assert sorted(subsets[-1]) == list(range(1000))
    assert set(source_subset(1000, 0.03, seed=8)) != set(subsets[0])


def test_source_subset_of_few_images():
    assert len(source_subset(5, 0.03, seed=0)) == 1
    assert len(source_subset(5, 0.0, seed=0)) == 0
    assert len(source_subset(0, 0.5, seed=0)) == 0


def test_joint_order_is_a_permutation_of_both_domains():
    order = joint_order((3, 5), seed=1, epoch=0)
    expected = [(SOURCE, i) for i in range(3)] + [(TARGET, i) for i in range(5)]
    assert sorted(map(tuple, order.tolist())) == expected
    np.testing.assert_array_equal(order, joint_order((3, 5), seed=1, epoch=0))
    others = [joint_order((30, 50), seed, epoch).tolist() for seed in (1, 2) for epoch in (0, 1)]
    assert all(others[i] != others[j] for i in range(4) for j in range(i))
    assert joint_order([4], seed=0, epoch=0)[:, 0].tolist() == [SOURCE] * 4


def test_source_first_and_target_first_are_mixed():
    firsts = {int(joint_order((5, 5), seed, 0)[0, 0]) for seed in range(20)}
    assert firsts == {SOURCE, TARGET}


def test_classes_present():
    assert np.flatnonzero(present(np.array([[0, 18, 255, 18]], np.uint8))).tolist() == [0, 18]
    assert present(np.full((2, 2), 255, np.uint8)).tolist() == [0] * 19


@pytest.mark.parametrize(("kind", "classes"), [(np.uint8, 19), (np.uint16, 300), (np.int64, 19), (np.uint8, 300)])
def test_counts_are_those_of_each_id(kind, classes, monkeypatch):
    monkeypatch.setattr(label_counts, "EXACT", 100)  # pixels at a time
    train_ids = np.random.default_rng(0).integers(0, min(classes + 3, np.iinfo(kind).max), (31, 43)).astype(kind)
    train_ids[3, 5] = 65535 if kind == np.uint16 else 255
    found = label_counts.counts_of(train_ids[:, ::2], classes)
    assert found.tolist() == [(train_ids[:, ::2] == c).sum() for c in range(classes)]


def test_an_item_is_the_crop_of_its_seed_epoch_and_position(domains):
    order = np.array([(TARGET, 2), (SOURCE, 1)])
    crops = TrainingCrops(domains, order, CROPS, seed=5, epoch=3)
    image, train_ids, weak_labels, is_target = crops[1]
    dataset = domains[SOURCE].dataset
    expected, ids = training_crop(dataset.image(1), dataset.label(1), np.random.default_rng((5, 3, 1)), CROPS)
    np.testing.assert_array_equal(image, normalise(expected))
    np.testing.assert_array_equal(train_ids, labels_at_stride(ids))
    assert set(np.flatnonzero(weak_labels)) == set(np.unique(ids)) - {255}
    assert image.shape == (3, 16, 16) and train_ids.shape == (2, 2) and train_ids.dtype == np.uint8
    assert weak_labels.shape == (19,) and weak_labels.dtype == np.float32
    assert (is_target, crops[0][3]) == (0, 1)
    assert crops.name(0) == "ulm_000002_000019" and set(np.flatnonzero(crops[0][2])) <= {2}


def test_epochs_seeds_and_positions_draw_different_crops(domains):
    def drawn(seed, epoch, k):
        return TrainingCrops(domains, np.array([(SOURCE, 0)] * 3), CROPS, seed, epoch)[k][0]

    images = [drawn(*at) for at in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))]
    assert all((images[i] != images[j]).any() for i in range(4) for j in range(i))


def test_scope_image_shows_the_rule_the_whole_label(domains):
    seen = []

    def rule(train_ids):
        seen.append(train_ids)
        return present(train_ids)

    for scope in ("image", "crop"):
        source = Domain(domains[SOURCE].dataset, rule, scope)
        TrainingCrops([source], np.array([(SOURCE, 1)]), CROPS, 0, 0)[0]
    assert [s.shape for s in seen] == [(32, 48), (16, 16)]


def test_mining_reaches_the_crop(domains):
    labels = np.zeros((32, 64), np.uint8)
    labels[16, 40] = 12
    target = domains[TARGET].dataset
    write_palette_png(target.label_path(0), labels)
    mining = Domain(target, present, mined=((12,),), mining_probability=1.0)
    crops = TrainingCrops([mining], np.array([(0, 0)] * 8), Crops(16, (1.0, 1.0), True), 0, 0)
    assert all(crops[k][2][12] == 1 for k in range(8))


@pytest.mark.parametrize("mined, centred", [((((3,),), ()), {"source"}), (((), ((3,),)), {"target"})])
def test_source_and_target_of_a_round_have_mined_classes_of_their_own(domains, mined, centred):
    """Class 3 is one pixel of every image; a crop that is not centred on it hardly ever has it at its centre."""
    labels = np.zeros((32, 64), np.uint8)
    labels[16, 40] = 3
    source, target = (domain.dataset for domain in domains)
    for index in range(len(source)):
        write_palette_png(source.label_path(index), class_set(19).label_id_lookup[labels[:, :48]])
    for index in range(len(target)):
        write_palette_png(target.label_path(index), labels)
    crops = Crops(8, (1.0, 1.0), False)
    settings = SelfTraining(batch=1, source_portion=1.0, source_portion_max=1.0, crops=crops, mining_probability=1.0)
    how = {"class_sizes": np.zeros(19), "mined": mined, "round_index": 0, "seed": 0, "readers": 0, "losses": losses}
    epochs = self_training_epochs(source, target, settings, WeakLabels(), **how)
    found = {"source": [], "target": []}
    for batch in epochs.batches(0, 0):
        found["target" if batch.names[0].startswith("ulm") else "source"].append(batch.train_ids.item() == 3)
    assert (len(found["source"]), len(found["target"])) == (3, 4)
    assert {domain for domain, at_the_centre in found.items() if all(at_the_centre)} == centred


def test_batches_do_not_depend_on_readers(domains):
    crops = TrainingCrops(domains, joint_order((3, 4), 0, 0), CROPS, seed=0, epoch=0)
    here, ahead = list(load_batches(crops, 2)), list(load_batches(crops, 2, readers=2))
    assert len(here) == len(ahead) == num_batches(crops, 2) == 4
    for a, b in zip(here, ahead, strict=True):
        assert a.names == b.names
        for x, y in zip(a[:4], b[:4], strict=True):
            assert isinstance(y, np.ndarray) and x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)


def test_the_last_batch_is_filled_with_fresh_crops(domains):
    crops = TrainingCrops(domains, joint_order((3, 4), 0, 0), CROPS, seed=0, epoch=0)
    batches = list(load_batches(crops, 2))
    assert all(b.images.shape == (2, 3, 16, 16) for b in batches)
    names = [name for b in batches for name in b.names]
    assert len(set(names)) == 7 and names[7] == names[0]
    np.testing.assert_array_equal(batches[3].images[1], crops[7][0])
    assert (crops[7][0] != crops[0][0]).any()


def test_a_resumed_epoch_goes_on_where_it_stopped(domains):
    crops = TrainingCrops(domains, joint_order((3, 4), 0, 0), CROPS, seed=0, epoch=0)
    whole, rest = list(load_batches(crops, 2)), list(load_batches(crops, 2, start=3))
    assert [b.names for b in rest] == [whole[3].names]
    np.testing.assert_array_equal(rest[0].images, whole[3].images)


@pytest.mark.parametrize("count", [2, 4])
def test_workers_take_their_slices_of_each_batch(domains, count):
    crops = TrainingCrops(domains, joint_order((3, 2), seed=1, epoch=0), Crops(size=16), seed=1, epoch=0)
    whole = list(load_batches(crops, 4))
    parts = [list(load_batches(crops, 4, workers=SimpleNamespace(rank=rank, count=count))) for rank in range(count)]
    for batch, *of_workers in zip(whole, *parts, strict=True):
        for field in ("images", "train_ids", "weak_labels"):
            assert np.array_equal(np.concatenate([getattr(part, field) for part in of_workers]), getattr(batch, field))
        assert all(part.names == batch.names for part in of_workers)
    assert len(whole) == 2


@pytest.mark.parametrize("readers", [0, 1])
def test_a_damaged_file_is_named(domains, readers):
    domains[SOURCE].dataset.image_path(1).write_bytes(b"<html>")
    crops = TrainingCrops(domains, np.array([(SOURCE, 0), (SOURCE, 1)]), CROPS, 0, 0)
    with pytest.raises(InputError, match=r"00002\.png: cannot be read as an image"):
        list(load_batches(crops, 1, readers))


def test_image_and_label_of_two_sizes_without_a_common_one(tmp_path):
    scenes = write_gta5(tmp_path, count=1)
    write_palette_png(tmp_path / "labels/00001.png", np.zeros((30, 48), np.uint8))
    dataset = open_dataset("gta5", tmp_path, scenes.images, class_set(19), None, labels=True)
    crops = TrainingCrops([Domain(dataset, present)], np.array([(0, 0)]), CROPS, 0, 0)
    domains = [Domain(dataset, present) for _ in (SOURCE, TARGET)]
    target = TrainingCrops(domains, np.array([(TARGET, 0)]), CROPS, 0, 0)
    with pytest.raises(
        InputError, match="its image 48x32: it has changed since it was labelled, so choose another RUN"
    ):
        target[0]
    with pytest.raises(InputError, match="is 48x30, its image 48x32: set source.size"):
        crops[0]


def test_no_images():
    with pytest.raises(InputError, match="no image to train on"):
        next(load_batches(TrainingCrops([], np.empty((0, 2), int), CROPS, 0, 0), 2))
