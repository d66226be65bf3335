"""Spatial priors from MATLAB files: hand-made ones, right and wrong, and what a run keeps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scene_files import write_cityscapes
from scipy.io import savemat
from scipy.io.matlab import MatlabObject

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.pseudo_labels.prior_files import keep_prior, read_prior
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.system.errors import InputError

VALUES = np.random.RandomState(1).uniform(0, 1.5, (3, 4, 6))


def mat(path, **variables):
    savemat(str(path), variables, do_compression=True)
    return path


def refused(path, num_classes=3) -> str:
    with pytest.raises(InputError) as problem:
        read_prior(path, num_classes)
    assert "\n" not in str(problem.value) and path.name in str(problem.value)
    return str(problem.value)


@pytest.mark.parametrize("name", ["prior_array", "anything"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8])
def test_the_values_of_the_file_are_kept(tmp_path, name, kind):
    values = (100 * VALUES).astype(kind)
    others = {"note": "a text", "size": np.array([[4.0, 6.0]]), "mask": values > 1, "names": np.array(["a", 1], object)}
    found = read_prior(mat(tmp_path / "p.mat", **{name: values}, **others), 3).frequency
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_mat_and_npz_are_the_same_prior(tmp_path):
    SpatialPrior(VALUES.astype(np.float32)).save(tmp_path / "p.npz")
    first, second = (read_prior(path, 3) for path in (mat(tmp_path / "p.mat", p=VALUES), tmp_path / "p.npz"))
    np.testing.assert_array_equal(first.frequency, second.frequency)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"a": VALUES, "b": VALUES}, "2 numeric variables with 3 axes, where one is wanted, among a 3x4x6 double, b"),
        ({"a": VALUES[0], "t": "text"}, "0 numeric variables with 3 axes, where one is wanted, among a 4x6 double, t"),
        ({}, "0 numeric variables with 3 axes, where one is wanted, among nothing"),
        ({"a": VALUES > 1}, "0 numeric variables"),
        ({"a": VALUES * 1j}, "a prior of type complex128: give an array of real numbers"),
        ({"a": VALUES.transpose(1, 2, 0)}, "shape (4, 6, 3), but the network has 3 classes"),
        ({"a": VALUES[:2]}, "shape (2, 4, 6), but the network has 3 classes"),
        ({"a": np.where(VALUES > 1.4, np.nan, VALUES)}, "not finite numbers"),
        ({"a": np.where(VALUES > 1.4, np.inf, VALUES)}, "not finite numbers"),
        ({"a": VALUES - 0.5}, "negative values, down to -0.4"),
        ({"a": VALUES * 0}, "largest value of 0"),
        ({"a": VALUES * 1e33}, "between 7.88861e-31 and 1.26765e+30: multiply the whole array by one number"),
    ],
)
def test_wrong_variables(tmp_path, variables, said):
    assert said in refused(mat(tmp_path / "p.mat", **variables))


def test_matlab_objects_are_not_decoded(tmp_path):
    fields = np.empty((1, 1), [("x", object)])
    fields[0, 0]["x"] = VALUES
    line = refused(mat(tmp_path / "p.mat", prior=VALUES, thing=MatlabObject(fields, "cls")))
    assert "holds MATLAB objects (thing): save only the prior" in line


def test_files_that_are_no_mat_files(tmp_path):
    path = mat(tmp_path / "p.mat", prior_array=VALUES)
    whole = path.read_bytes()
    for content in (b"", b"<!doctype html>" * 40, whole[:200], whole[:-40], b"MATLAB"):
        path.write_bytes(content)
        assert "not a MATLAB file, or a damaged one" in refused(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n")
    assert "version 7.3 (HDF5): save it again with -v7" in refused(path)
    assert "no such spatial prior: correct selection.prior_file" in refused(tmp_path / "none.mat")


def test_wrong_npz_files(tmp_path):
    np.savez(tmp_path / "p.npz", frequency=-VALUES)
    assert "negative values" in refused(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", frequency=VALUES.astype(str))
    assert "a prior of type <U32" in refused(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", frequency=np.array([{"a": 1}], object))
    assert "not a spatial prior" in refused(tmp_path / "p.npz")  # nothing is unpickled


def test_a_run_keeps_the_prior_with_its_picture(tmp_path):
    scenes = write_cityscapes(tmp_path / "cityscapes", count=2, size=(40, 64))
    source = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    computed = keep_prior(tmp_path / "run", source)
    expected = SpatialPrior.from_labels([source.label(i) for i in range(2)], 19).frequency
    np.testing.assert_array_equal(SpatialPrior.load(computed, 19).frequency, expected)
    values = np.random.RandomState(2).uniform(size=(19, 8, 8))
    imported = keep_prior(tmp_path / "run", source, str(mat(tmp_path / "p.mat", prior_array=values)))
    np.testing.assert_array_equal(SpatialPrior.load(imported, 19).frequency, values.astype(np.float32))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "source").iterdir()}
    assert set(kept) == {path.with_suffix(end) for path in (computed, imported) for end in (".npz", ".png")}
    keep_prior(tmp_path / "run", source)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # made once
    with Image.open(imported.with_suffix(".png")) as picture:
        assert picture.mode == "RGB" and picture.width > 1000
