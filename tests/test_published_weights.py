"""The published weights files by name, with narrow networks in their place, and what is said about a wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest
from mxnet import nd
from original_params import original_parameters

from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.network.weights.published_weights import PUBLISHED, check_source_model, check_trunk, describe
from mlsl_mx.system.errors import InputError

WIDTH = 1 / 64
GTA, SYNTHIA, IMAGENET = (published.name for published in PUBLISHED)
HEAD_TENSORS = ("arg:conv6a_weight", "arg:conv6a_bias", "arg:linear19_weight", "arg:linear19_bias")


def model(path, classes=19, weak_label_head=False, width=WIDTH):
    net = MLSLNet(classes, width, weak_label_head)
    net.initialize()
    save_original(net, path)
    return path


def classifier(path):
    tensors = nd.load(str(model(path)))
    for name in HEAD_TENSORS:
        del tensors[name]
    tensors.update({"arg:linear1000_weight": nd.zeros((1000, 64)), "arg:linear1000_bias": nd.zeros(1000)})
    nd.save(str(path), tensors)
    return path


def without(path, name):
    tensors = nd.load(str(path))
    del tensors[name]
    nd.save(str(path), tensors)
    return path


def refused(check, *arguments) -> str:
    with pytest.raises(InputError) as problem:
        check(*arguments)
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_registry_counts_the_tensors_of_the_original_networks():
    count = len(original_parameters(1.0, weak_label_head=False))
    expected = {GTA: count, SYNTHIA: count, IMAGENET: count - len(HEAD_TENSORS) + 2}
    assert {published.name: published.tensors for published in PUBLISHED} == expected
    assert all(f"cls{published.classes}_" in published.name for published in PUBLISHED)


def test_contents_are_told_from_names_and_shapes(tmp_path):
    found = [model(tmp_path / "a"), model(tmp_path / "b", 16, True), classifier(tmp_path / "c")]
    assert [str(describe(path)) for path in found] == [
        "segmentation network of 19 classes (width 0.0156, 195 tensors)",
        "segmentation network of 16 classes (width 0.0156, 203 tensors)",
        "classifier of 1000 classes (width 0.0156, 193 tensors)",
    ]


@pytest.mark.parametrize("name", ["{}", "{}?dl=0", "{}?dl=1&x=y", "renamed.params"])
def test_right_files_pass_whatever_their_name(tmp_path, name):
    assert check_source_model(model(tmp_path / name.format(GTA)), 19, WIDTH).classes == 19
    assert check_source_model(model(tmp_path / name.format(SYNTHIA), 16), 16, WIDTH).classes == 16
    assert check_trunk(classifier(tmp_path / name.format(IMAGENET)), WIDTH).classes == 1000


def test_own_models_pass(tmp_path):
    adapted = model(tmp_path / "weights.params", weak_label_head=True)
    assert check_source_model(adapted, 19, WIDTH).kind == "segmentation network"
    assert check_trunk(adapted, WIDTH).kind == "segmentation network"


def test_other_classes_name_the_right_file_and_the_right_experiment(tmp_path):
    line = refused(check_source_model, model(tmp_path / SYNTHIA, 16), 19, WIDTH)
    assert "expected a source model of 19 classes, found segmentation network of 16 classes" in line
    assert line.endswith(f"use {GTA}, or run synthia2city with this one")
    line = refused(check_source_model, model(tmp_path / "x.params", 19), 16, WIDTH)
    assert line.endswith(f"use {SYNTHIA}, or run gta2city with this one")
    line = refused(check_source_model, model(tmp_path / "y.params", 7), 19, WIDTH)
    assert "found segmentation network of 7 classes" in line and line.endswith(f"use {GTA}")


@pytest.mark.parametrize("name", [IMAGENET, "x.params"])
def test_a_classifier_is_no_source_model(tmp_path, name):
    line = refused(check_source_model, classifier(tmp_path / name), 19, WIDTH)
    assert "expected a source model of 19 classes, found classifier of 1000 classes" in line and "IMAGENET=" in line


@pytest.mark.parametrize("name", [GTA, "x.params"])
def test_another_width_is_named(tmp_path, name):
    line = refused(check_source_model, model(tmp_path / name, width=2 * WIDTH), 19, WIDTH)
    assert "expected weights of width 0.015625" in line and "width 0.0312" in line
    assert "expected weights of width 1 " in refused(check_trunk, tmp_path / name, 1.0)


def test_what_a_file_holds_counts_and_not_its_name(tmp_path):
    """Names of published files on others."""
    assert check_source_model(model(tmp_path / GTA, 16), 16, WIDTH).classes == 16
    assert check_source_model(model(tmp_path / IMAGENET), 19, WIDTH).kind == "segmentation network"
    assert check_trunk(model(tmp_path / f"{IMAGENET}?dl=0"), WIDTH).classes == 19
    line = refused(check_source_model, model(tmp_path / GTA, 16), 19, WIDTH)
    assert "found segmentation network of 16 classes" in line
    line = refused(check_source_model, classifier(tmp_path / GTA), 19, WIDTH)
    assert "found classifier of 1000 classes" in line
    line = refused(check_source_model, without(model(tmp_path / GTA), "arg:res3a_branch1_weight"), 19, WIDTH)
    assert "1 missing (res3a_branch1_weight)" in line


def test_a_network_of_1000_classes_of_ones_own_is_no_classifier(tmp_path):
    found = check_source_model(model(tmp_path / "x", 1000), 1000, WIDTH)
    assert str(found).startswith("segmentation network of 1000 classes")
    assert "for 1000 classes: use the experiment" in refused(load_original, MLSLNet(19, WIDTH, False), tmp_path / "x")


@pytest.mark.parametrize("name", [GTA, f"{GTA}?dl=0"])
def test_pages_and_cut_files_say_what_was_expected(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<!DOCTYPE html><html>Sign in</html>" * 50)
    line = refused(check_source_model, path, 19, WIDTH)
    assert "not an MXNet parameter file" in line and "web page" in line
    assert "expected the GTA-V source model (19 classes, 195 tensors) of the project CBST" in line
    whole = model(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert f"cut short ({len(whole) // 2} bytes)" in refused(check_source_model, path, 19, WIDTH)


def test_incomplete_files_of_any_name(tmp_path):
    path = without(model(tmp_path / "x.params"), "arg:res3a_branch1_weight")
    for check, arguments in ((check_source_model, (19, WIDTH)), (check_trunk, (WIDTH,))):
        assert "1 missing (res3a_branch1_weight)" in refused(check, path, *arguments)
    nd.save(str(path), {"arg:fc_weight": nd.zeros((2, 2))})
    assert "1 tensors (fc_weight, ...), not a whole ResNet-38" in refused(check_source_model, path, 19, WIDTH)


@pytest.mark.parametrize(
    ("published", "check", "arguments"),
    [(GTA, check_source_model, (19, WIDTH)), (IMAGENET, check_trunk, (WIDTH,))],
)
def test_a_published_name_that_is_no_file_says_where_it_comes_from(tmp_path, published, check, arguments):
    line = refused(check, tmp_path / published, *arguments)
    project = {GTA: "CBST", IMAGENET: "ResNet-38"}[published]
    assert f"{published}: no such file: it is the" in line and project in line and "docs/WEIGHTS.md" in line
    assert f"`{published}`" in (Path(__file__).parents[1] / "docs" / "WEIGHTS.md").read_text()
    assert "none.params: no such file" in refused(check, tmp_path / "none.params", *arguments)
