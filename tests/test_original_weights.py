"""Loading and saving weights in the release's format, and what is said when a file is wrong."""

import pickle

import numpy as np
import pytest
from mxnet import nd
from original_params import is_weak_label, original_parameters, write_original

from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.system.errors import InputError

WIDTH = 1 / 64


def tiny(classes=19, weak_label_head=True, width=WIDTH):
    net = MLSLNet(classes, width, weak_label_head)
    net.initialize()
    return net


def contents(net):
    return {name[len(net.prefix) :]: p.data().asnumpy() for name, p in net.collect_params().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture
def saved(tmp_path):
    """A tiny two-head network and its file."""
    net = tiny()
    save_original(net, tmp_path / "x.params")
    return net, tmp_path / "x.params"


@pytest.fixture
def changed(saved, tmp_path):
    """Writes a copy of that file with some tensors replaced, or left out where the value is None."""

    def write(**changes):
        tensors = {**nd.load(str(saved[1])), **{name.replace("__", ":"): v for name, v in changes.items()}}
        nd.save(str(tmp_path / "changed.params"), {name: v for name, v in tensors.items() if v is not None})
        return tmp_path / "changed.params"

    return write


def test_round_trip_is_exact(saved):
    net, path = saved
    other = tiny()
    report = load_original(other, path)
    assert_same(contents(net), contents(other))
    assert len(report.matched) == 129 + 74 and not report.missing and not report.extra
    assert [p.name for p in path.parent.iterdir()] == ["x.params"]


def test_saved_names_are_the_original_ones(saved):
    names = {f"{p.kind}:{p.name}" for p in original_parameters(1.0)}
    assert nd.load(str(saved[1])).keys() == names


def test_loads_a_file_of_the_original_into_a_network_not_yet_initialised(tmp_path):
    net = MLSLNet(19, 0.125)
    path = write_original(tmp_path / "two.params", weak_label_head=True)
    load_original(net, path)
    written = {name[4:]: array.asnumpy() for name, array in nd.load(str(path)).items()}
    assert_same(contents(net), written)
    save_original(net, tmp_path / "again.params")
    assert_same(nd_contents(tmp_path / "again.params"), nd_contents(path))


def nd_contents(path):
    return {name: array.asnumpy() for name, array in nd.load(str(path)).items()}


@pytest.mark.parametrize("initialised", [False, True])
def test_source_model_leaves_the_weak_label_head_as_initialised(tmp_path, initialised):
    source = tiny(weak_label_head=False)
    save_original(source, tmp_path / "source.params")
    net = tiny() if initialised else MLSLNet(19, WIDTH)
    before = contents(net) if initialised else None
    report = load_original(net, tmp_path / "source.params")
    after = contents(net)
    assert set(report.missing) == {name for name in after if is_weak_label(name)} and len(report.missing) == 8
    assert "bCls1_weight" in str(report) and "195 tensors" in str(report)
    assert_same({name: after[name] for name in report.matched}, contents(source))
    for name in report.missing:
        if initialised:
            np.testing.assert_array_equal(after[name], before[name])
        else:
            assert np.isfinite(after[name]).all() and (after[name].any() or name.endswith("_bias"))


def test_weak_label_head_that_is_not_wanted_is_left_out(saved):
    net = tiny(weak_label_head=False)
    report = load_original(net, saved[1])
    assert len(report.extra) == 8 and all(map(is_weak_label, report.extra)) and not report.missing


@pytest.mark.parametrize("classes", [16, 19])
def test_imagenet_classifier_gives_the_trunk(saved, changed, classes):
    heads = {f"arg__{name}": None for name in contents(saved[0]) if is_weak_label(name)}
    heads.update({f"arg__{layer}_{kind}": None for layer in ("conv6a", "linear19") for kind in ("weight", "bias")})
    classifier = changed(**heads, arg__linear1000_weight=nd.ones((1000, 64)), arg__linear1000_bias=nd.ones(1000))
    net = tiny(classes)
    before = contents(net)
    with pytest.raises(InputError, match="ImageNet classifier.*part='trunk'"):
        load_original(net, classifier)
    assert_same(contents(net), before)
    report = load_original(net, classifier, part="trunk")
    assert report.extra == ("linear1000_bias", "linear1000_weight")
    assert len(report.missing) == 12 and len(report.matched) == 117 + 74
    after = contents(net)
    assert_same({n: after[n] for n in report.missing}, {n: before[n] for n in report.missing})
    theirs = contents(saved[0])
    assert_same({n: after[n] for n in report.matched}, {n: theirs[n] for n in report.matched})


def test_trunk_of_a_model_with_other_classes(saved):
    report = load_original(tiny(16), saved[1], part="trunk")
    assert len(report.matched) == 117 + 74 and "linear19_weight" in report.extra


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arg__conv1a_weight": None}, r"1 missing \(conv1a_weight\)"),
        ({"aux__bn7_moving_var": None}, r"1 missing \(bn7_moving_var\)"),
        ({"arg__conv6a_bias": None}, r"1 missing \(conv6a_bias\)"),
        ({"arg__bCls0_bias": None}, r"1 missing \(bCls0_bias\)"),
        ({"arg__fc9_weight": nd.ones(2)}, r"1 unknown \(fc9_weight\)"),
        ({"arg__bn7_beta": nd.ones(3)}, r"1 of a wrong shape \(bn7_beta \(3,\) instead of \(64,\)\)"),
        ({"arg__conv6a_bias": nd.full(8, np.nan)}, r"conv6a_bias has 8 values that are not finite"),
        ({"aux__bn7_moving_var": nd.full(64, np.inf)}, r"bn7_moving_var has 64 values that are not finite"),
        ({"arg__conv6a_bias": nd.full(8, 1e300, dtype="float64")}, r"conv6a_bias has 8 values that are not finite"),
        ({"aux__bn7_moving_var": nd.full(64, -0.5)}, r"bn7_moving_var has negative variances, down to -0.5"),
        ({"arg__bn7_moving_var": nd.ones(64)}, r"holds a name both as arg: and as aux:"),
    ],
)
def test_unsound_tensors_are_refused_and_change_nothing(changed, changes, message):
    net = tiny()
    before = contents(net)
    with pytest.raises(InputError, match=message) as error:
        load_original(net, changed(**changes))
    assert "changed.params" in str(error.value) and "\n" not in str(error.value)
    assert_same(contents(net), before)


def test_other_classes_or_width_are_named(saved):
    with pytest.raises(InputError, match="for 19 classes: use the experiment"):
        load_original(tiny(16), saved[1])
    with pytest.raises(InputError, match="use the width"):
        load_original(tiny(width=2 * WIDTH), saved[1])


def test_files_that_are_no_weights(saved, tmp_path):
    whole = saved[1].read_bytes()
    unsound = {
        "page.params": b"<!DOCTYPE html><html><body>Sign in</body></html>" * 100,
        "pickle.params": pickle.dumps({"arg:conv1a_weight": [1.0]}),
        "empty.params": b"",
        "header.params": whole[:20],
        "half.params": whole[: len(whole) // 2],
        "names.params": whole[:-1],
    }
    for name, content in unsound.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: not an MXNet parameter file, or cut short"):
            load_original(tiny(), tmp_path / name)
    with pytest.raises(InputError, match="absent.params: no such file"):
        load_original(tiny(), tmp_path / "absent.params")


def test_gluon_files_are_told_apart(tmp_path):
    net = tiny()
    net.save_parameters(str(tmp_path / "gluon.params"))
    nd.save(str(tmp_path / "list.params"), [nd.ones(2)])
    for name in ("gluon.params", "list.params"):
        with pytest.raises(InputError, match=f"{name}: its names do not begin with arg: or aux:"):
            load_original(net, tmp_path / name)


def test_unknown_part_is_our_bug(saved):
    with pytest.raises(ValueError, match="'all' or 'trunk'"):
        load_original(tiny(), saved[1], part="head")
