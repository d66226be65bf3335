"""From an image to what labels are selected from."""

from __future__ import annotations

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from scene_files import write_png
from volumes import naive_volume, selected_from

from mlsl_mx.config.class_table import numbered_classes
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.data.label_files import read_pseudo_label
from mlsl_mx.data.transforms import normalise
from mlsl_mx.pseudo_labels import label_images, patch_positions, select_pseudo_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.whole_files import read_json

SETTINGS = PseudoLabels(patches=9, patch=32)
PICTURE = np.random.RandomState(0).randint(0, 256, (96, 300, 3)).astype(np.uint8)  # more than one window


def network(images):
    """Four classes from colours at stride 8."""
    kernel = mx.nd.array(np.random.RandomState(5).normal(size=(4, 3, 8, 8)) * 0.1)
    return mx.nd.Convolution(images, kernel, kernel=(8, 8), stride=(8, 8), num_filter=4, no_bias=True)


@pytest.mark.parametrize("upsampling", ["bilinear", "bicubic"])
def test_windows_labels_and_confidences_are_those_of_the_whole_volume(upsampling):
    settings = dataclasses.replace(SETTINGS, flip=False, upsampling=upsampling)
    segmenter = Segmenter(network, mx.cpu(), settings, seed=3)
    maps = segmenter.maps(PICTURE, "a")
    volume = selected_from(segmenter, maps)
    positions = patch_positions(96, 300, settings.patch, settings.patches, 3, "a")
    expected, _ = naive_volume(network, normalise(PICTURE), positions, settings)
    np.testing.assert_allclose(volume, np.maximum(expected, 0), atol=3e-7)
    classes, confidences = segmenter.confidences(maps)
    np.testing.assert_array_equal(classes, volume.argmax(axis=0))
    np.testing.assert_array_equal(confidences, volume.max(axis=0))
    assert (confidences == 0).any()
    for rule in ("reweighted", "argmax"):
        labels = segmenter.labels(maps, [0.3, 0.5, 0.4, 0.9], rule)
        np.testing.assert_array_equal(labels, select_pseudo_labels(volume, [0.3, 0.5, 0.4, 0.9], rule))
        assert len(np.unique(labels)) > 2


def test_the_prior_is_multiplied():
    settings = PseudoLabels(inference="single")
    factors = np.array([1, 0.5, 0, 0.25], np.float32)
    prior = SpatialPrior(np.broadcast_to(factors[:, None, None], (4, 8, 8)).copy())
    plain, multiplied = (Segmenter(network, mx.cpu(), settings, 0, p) for p in (None, prior))
    before, after = (selected_from(s, s.maps(PICTURE, "a")) for s in (plain, multiplied))
    np.testing.assert_allclose(after, before * factors[:, None, None], rtol=1e-3)


def test_an_image_smaller_than_the_patch_is_named():
    with pytest.raises(
        InputError, match="image b is 300x96, smaller than pseudo_labels.patch=128: lower that, or leave the image out$"
    ):
        Segmenter(network, mx.cpu(), PseudoLabels(patch=128), 0).maps(PICTURE, "b")


def test_the_identity_tells_networks_without_parameters_apart():
    digests = {
        Segmenter(abs, mx.cpu(), PseudoLabels(), 0, identity=name).parameters_checksum for name in ("a", "b", "")
    }
    assert len(digests) == 3 and 0 in digests


def test_labels_of_a_folder_are_made_anew_with_other_settings_or_of_other_images(tmp_path):
    def labelled(**selection):
        settings, chosen = PseudoLabels(inference="single"), Selection(**selection)
        where = tmp_path / "images", tmp_path / "out", numbered_classes(4), "cpu"
        return label_images(network, *where, pseudo_labels=settings, selection=chosen)["coverage"]

    write_png(tmp_path / "images" / "a.png", PICTURE)
    few, more = labelled(portion=0.1), labelled(portion=0.4)
    assert few == pytest.approx(0.1, abs=0.02) and more == pytest.approx(0.4, abs=0.02)
    result = tmp_path / "out" / "selection.json"
    before = result.stat().st_mtime_ns
    assert labelled(portion=0.4) == more and result.stat().st_mtime_ns == before
    write_png(tmp_path / "images" / "b.png", PICTURE)
    labelled(portion=0.4)
    assert read_json(result)["images"] == 2
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(InputError, match="out: holds labels of images that are not given, b.png: remove them, or give"):
        labelled(portion=0.4)
    write_png(tmp_path / "images" / "contact_sheet.png", PICTURE)
    with pytest.raises(InputError, match="images: an image is named contact_sheet, as is a file beside the labels"):
        labelled(portion=0.4)


def test_labels_of_a_folder_heed_the_prior(tmp_path):
    """Its first class is nowhere, so no pixel gets it."""
    write_png(tmp_path / "images" / "a.png", PICTURE)
    classes = numbered_classes(4)
    where = tmp_path / "images", tmp_path / "out", classes, "cpu"
    how = {"pseudo_labels": PseudoLabels(inference="single")}
    label_images(network, *where, **how, selection=Selection(portion=0.5))
    assert (read_pseudo_label(tmp_path / "out" / "a.png", classes) == 0).any()
    frequency = np.ones((4, 8, 8), np.float32)
    frequency[0] = 0
    SpatialPrior(frequency).save(tmp_path / "prior.npz")
    prior = {"spatial_prior": True, "prior_file": str(tmp_path / "prior.npz")}
    label_images(network, *where, **how, selection=Selection(portion=0.5, **prior))
    assert not (read_pseudo_label(tmp_path / "out" / "a.png", classes) == 0).any()
    with pytest.raises(InputError, match="spatial_prior needs selection.prior_file"):
        label_images(network, *where, **how, selection=Selection(spatial_prior=True))


def test_several_devices_are_refused_from_python(tmp_path):
    with pytest.raises(InputError, match="label_images computes on one device"):
        label_images(abs, tmp_path, tmp_path / "out", numbered_classes(2), "cpu(0),cpu(1)")
