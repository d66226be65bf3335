"""Agreement with the round before, by hand; disagreement of patches, against a loop over pixels of numpy."""

from __future__ import annotations

import cv2
import mxnet as mx
import numpy as np
import pytest
from scene_files import write_cityscapes, write_palette_png

from mlsl_mx.config.classes import ClassSet, class_set
from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.data.datasets import open_dataset, with_pseudo_labels
from mlsl_mx.data.transforms import normalise
from mlsl_mx.pseudo_labels import patch_positions
from mlsl_mx.pseudo_labels.consistency import agreement, patch_disagreement
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.system.errors import InputError

FOUR = ClassSet(class_set(19).classes[:4])  # road, sidewalk, building, wall
SETTINGS = PseudoLabels(patches=6, patch=16, batch=4)
SEED = 7


def labelled(folder, maps):
    """Target images without labels, and beside them these label maps as pseudo-labels."""
    size = np.shape(maps[0])
    scenes = write_cityscapes(folder / "data", "train", count=len(maps), size=size, labels=False)
    target = open_dataset("cityscapes", scenes.root, scenes.images, FOUR, size, labels=False)
    for name, train_ids in zip(target.names, maps, strict=True):
        write_palette_png(folder / f"{name}.png", np.array(train_ids, np.uint8))
    return with_pseudo_labels(target, folder)


def test_agreement_by_hand(tmp_path):
    before = labelled(tmp_path / "before", [[[0, 0, 0, 1], [1, 255, 255, 2]], [[0, 2, 2, 2], [255, 255, 255, 255]]])
    now = labelled(tmp_path / "now", [[[0, 0, 1, 1], [255, 255, 3, 0]], [[255, 255, 2, 2], [3, 255, 255, 255]]])
    found = agreement(before, now)
    # Labelled before: 10 pixels; now still 7 of them, and 5 of these with the same label.
    assert found["all"] == {"agreement": pytest.approx(5 / 7), "kept": pytest.approx(7 / 10)}
    assert found["per_class"] == {
        "road": {"agreement": pytest.approx(2 / 3), "kept": pytest.approx(3 / 4)},
        "sidewalk": {"agreement": 1, "kept": pytest.approx(1 / 2)},
        "building": {"agreement": pytest.approx(2 / 3), "kept": pytest.approx(3 / 4)},
        "wall": {"agreement": None, "kept": None},  # no such label before
    }


def test_same_labels_agree_and_dropped_ones_do_not_count(tmp_path):
    before = labelled(tmp_path / "before", [[[0, 1], [2, 255]]])
    assert agreement(before, before)["all"] == {"agreement": 1, "kept": 1}
    nothing = labelled(tmp_path / "now", [[[255, 255], [255, 3]]])
    assert agreement(before, nothing)["all"] == {"agreement": None, "kept": 0}


def test_a_missing_label_of_the_round_before_is_named(tmp_path):
    before, now = (labelled(tmp_path / part, [[[0, 1], [2, 3]]]) for part in ("before", "now"))
    (tmp_path / "before" / f"{now.names[0]}.png").unlink()
    with pytest.raises(InputError, match=f"before/{now.names[0]}.png"):
        agreement(before, now)


@pytest.mark.parametrize("compare", ["agreement", "patches"])
def test_labels_of_another_size_are_named(tmp_path, compare):
    """Images that keep their size, of which one was replaced by another after it was labelled."""
    before, now = (labelled(tmp_path / part, [np.zeros(size)]) for part, size in (("a", (32, 40)), ("b", (40, 32))))
    before.size = now.size = None
    with pytest.raises(InputError, match=rf"a/{now.names[0]}\.png: is 40x32, but what .* is 32x40"):
        if compare == "agreement":
            agreement(before, now)
        else:
            moved = with_pseudo_labels(now, tmp_path / "a")
            patch_disagreement(Segmenter(network, mx.cpu(), SETTINGS, SEED), moved)


def network(images):
    """Four classes from colours at stride 8, none so sure that two tie; a patch sees other cells than the next one."""
    kernel = np.random.RandomState(5).normal(scale=0.1, size=(4, 3, 8, 8)).astype(np.float32)
    logits = mx.nd.Convolution(images, mx.nd.array(kernel), kernel=(8, 8), stride=(8, 8), num_filter=4, no_bias=True)
    return logits, mx.nd.zeros((len(images), 4))


def votes_of(image, top, left, settings):
    """(patch, patch) classes: the winners of one patch, up-sampled by OpenCV."""

    def probabilities(pixels):
        exponential = np.exp(network(mx.nd.array(pixels[None]))[0].asnumpy()[0])
        return exponential / exponential.sum(axis=0)

    patch = image[:, top : top + settings.patch, left : left + settings.patch]
    low = probabilities(patch)
    if settings.flip:
        low = (low + probabilities(patch[:, :, ::-1])[:, :, ::-1]) / 2
    high = cv2.resize(np.ascontiguousarray(low.transpose(1, 2, 0)), (settings.patch, settings.patch))
    return high.argmax(axis=2)


def disagreements(dataset, settings):
    """(label, share of the covering patches that vote otherwise) of every labelled and covered pixel."""
    found = []
    for index, name in enumerate(dataset.names):
        image, labels = normalise(dataset.image(index)), dataset.label(index)
        height, width = labels.shape
        corners = patch_positions(height, width, settings.patch, settings.patches, SEED, name, settings.placement)
        votes = [[[] for _ in range(width)] for _ in range(height)]
        for top, left in corners.tolist():
            for (row, column), winner in np.ndenumerate(votes_of(image, top, left, settings)):
                votes[top + row][left + column].append(winner)
        for (row, column), label in np.ndenumerate(labels):
            cast = votes[row][column]
            if label != 255 and cast:
                found.append((label, sum(winner != label for winner in cast) / len(cast)))
    return found


@pytest.mark.parametrize(
    "changes", [{}, {"flip": False}, {"start": "single"}, {"votes": True}, {"placement": "sliding"}]
)
def test_patch_disagreement_equals_a_loop_over_pixels(tmp_path, changes):
    settings = PseudoLabels(**{"patches": 6, "patch": 16, "batch": 4, **changes})
    maps = np.random.RandomState(1).choice([0, 1, 2, 255], (2, 32, 40))
    dataset = labelled(tmp_path, maps)
    found = patch_disagreement(Segmenter(network, mx.cpu(), settings, SEED), dataset)
    expected = disagreements(dataset, settings)
    assert found["images"] == 2
    assert found["all"]["patch_disagreement"] == pytest.approx(np.mean([share for _, share in expected]), abs=1e-6)
    for c, name in enumerate(FOUR.names):
        shares = [share for label, share in expected if label == c]
        value = pytest.approx(np.mean(shares), abs=1e-6) if shares else None
        assert found["per_class"][name] == {"patch_disagreement": value}
    assert found["per_class"]["wall"] == {"patch_disagreement": None}


def test_patches_that_all_vote_for_the_label_do_not_disagree(tmp_path):
    def always_sidewalk(images):
        logits = mx.nd.zeros((len(images), 4, images.shape[2] // 8, images.shape[3] // 8))
        logits[:, 1] = 3
        return logits

    maps = np.full((1, 32, 40), 1)
    maps[0, :, :20] = 2
    segmenter = Segmenter(always_sidewalk, mx.cpu(), SETTINGS, SEED)
    found = patch_disagreement(segmenter, labelled(tmp_path, maps))
    assert found["per_class"]["sidewalk"] == {"patch_disagreement": 0}
    assert found["per_class"]["building"] == {"patch_disagreement": 1}
