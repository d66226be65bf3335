"""The stage that writes pseudo-labels, with a stub network and data set."""

from __future__ import annotations

import dataclasses
import json
import shutil
from types import SimpleNamespace

import mxnet as mx
import numpy as np
import pytest
from PIL import Image
from volumes import naive_labels, selected_from, sorted_thresholds

from mlsl_mx.config.classes import class_set
from mlsl_mx.config.settings import PseudoLabels, Selection
from mlsl_mx.pseudo_labels import ClassConfidences, select_pseudo_labels
from mlsl_mx.pseudo_labels import labelling as generate
from mlsl_mx.pseudo_labels.diagnosis import compare_with_truth
from mlsl_mx.pseudo_labels.labelling import generate_pseudo_labels
from mlsl_mx.pseudo_labels.segmenter import Segmenter, patch_seed
from mlsl_mx.pseudo_labels.spatial_prior import SpatialPrior
from mlsl_mx.stages.pseudo_label import take_over_labels
from mlsl_mx.stages.self_train import mined_groups
from mlsl_mx.stages.stage import Stage
from mlsl_mx.system.errors import InputError

SETTINGS = PseudoLabels(patches=5, patch=16, batch=2)
SELECTION = Selection(portion=0.2, portion_step=0.1, portion_max=0.35)


class Scenes:
    """Five small pictures; their labels may be opened only if there are any."""

    def __init__(self, truth=None, sizes=((32, 48),) * 5):
        random = np.random.RandomState(4)
        self.images = [random.randint(0, 256, (h // 8, w // 8, 3)).repeat(8, 0).repeat(8, 1) for h, w in sizes]
        self.truth = truth
        self.names = [f"city_{i}" for i in range(len(sizes))]
        self.classes = class_set(19)

    def __len__(self):
        return len(self.names)

    def image(self, index):
        return self.images[index].astype(np.uint8)

    def label(self, index):
        assert self.truth is not None, "the label of a target training image was opened"
        return self.truth[index]


class Network:
    """19 classes from colours at stride 8; counts its calls, and may break off."""

    def __init__(self, calls_left=10**6):
        self.calls = 0
        self.calls_left = calls_left
        self.weights = mx.nd.array(np.random.RandomState(8).normal(size=(19, 3, 8, 8)) * 0.3)

    def __call__(self, images):
        if self.calls == self.calls_left:
            raise KeyboardInterrupt
        self.calls += 1
        logits = mx.nd.Convolution(images, self.weights, kernel=(8, 8), stride=(8, 8), num_filter=19, no_bias=True)
        return logits, mx.nd.zeros((len(images), 19))


def run(out_dir, net=None, scenes=None, settings=SETTINGS, round_index=1, selection=SELECTION, prior=None, **arguments):
    net, scenes = net or Network(), scenes or Scenes()
    segmenter = Segmenter(net, mx.cpu(), settings, patch_seed(3, round_index), prior)
    return generate_pseudo_labels(segmenter, scenes, selection, round_index, out_dir, **arguments)


def read(path):
    with Image.open(path) as png:
        return np.array(png)


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".png"}


def naive(scenes, settings=SETTINGS, portion=0.2 + 0.1, prior=None):
    """The two passes with all volumes in memory."""
    segmenter = Segmenter(Network(), mx.cpu(), settings, patch_seed(3, 1), prior)
    maps = [segmenter.maps(scenes.image(i), name) for i, name in enumerate(scenes.names)]
    volumes = [selected_from(segmenter, image) for image in maps]
    confidences = ClassConfidences(19)
    for volume in volumes:
        confidences.update(volume)
    thresholds = confidences.thresholds(portion)
    return volumes, thresholds, [select_pseudo_labels(v, thresholds) for v in volumes]


def test_labels_and_summary_equal_the_naive_way(tmp_path):
    scenes = Scenes()
    summary = run(tmp_path, scenes=scenes)
    volumes, thresholds, expected = naive(scenes)
    for name, labels in zip(scenes.names, expected, strict=True):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.png"), labels)
    names = class_set(19).names
    every = np.stack(expected)
    covered = np.stack([v.max(axis=0) > 0 for v in volumes])
    predicted = np.bincount(np.stack([v.argmax(axis=0) for v in volumes])[covered], minlength=19)
    assert summary == json.loads((tmp_path / "selection.json").read_text())
    assert (
        list(summary)
        == (
            "round portion policy rule thresholds coverage coverage_per_class predicted_share "
            "mined_first mined mined_in_target mining_left_out uncovered "
            "collapsed loose images seconds network_seconds"
        ).split()
    )
    assert summary["thresholds"] == dict(zip(names, thresholds, strict=True))
    assert (summary["round"], summary["images"], summary["rule"]) == (1, 5, "reweighted")
    assert summary["portion"] == pytest.approx(0.3)
    assert summary["coverage"] == pytest.approx((every != 255).mean())
    assert summary["coverage_per_class"]["road"] == pytest.approx((every == 0).mean())
    assert summary["predicted_share"] == pytest.approx(dict(zip(names, predicted / predicted.sum(), strict=True)))
    assert summary["uncovered"] == pytest.approx(1 - covered.mean()) and summary["uncovered"] > 0
    assert summary["loose"] == []
    assert summary["collapsed"] == [n for c, n in enumerate(names) if not (every == c).any()]
    assert summary["mined"] and 0.02 < summary["coverage"] < 0.98


def test_rare_classes_of_few_labels_are_not_mined_in_the_target(tmp_path):
    groups = ("mined_first", "mined")
    before = run(tmp_path / "0")
    assert before["mining_left_out"] == {} and before["mined_in_target"] == {key: before[key] for key in groups}
    labels = np.stack([read(tmp_path / "0" / f"{name}.png") for name in Scenes().names])
    names, labelled = class_set(19).names, (labels != 255).sum()
    share = {name: (labels == c).sum() / labelled for c, name in enumerate(names)}
    least = sorted(set(share.values()))[2]  # the third has enough
    summary = run(tmp_path / "1", selection=dataclasses.replace(SELECTION, mining_least=least))
    few = {name: one for name, one in share.items() if one < least}
    assert 0 < len(few) < 17 and summary["mining_left_out"] == pytest.approx(few)
    rarest = sorted((name for name in names if name not in few), key=lambda name: summary["predicted_share"][name])
    assert [summary[key] for key in groups] == [before[key] for key in groups]
    assert summary["mined_in_target"]["mined"] == rarest[:3] != summary["mined"]
    assert summary["mined_in_target"]["mined_first"] == [n for n in rarest if summary["predicted_share"][n] < 0.001]
    source, target = mined_groups(summary, names)
    assert source == tuple(tuple(map(names.index, summary[key])) for key in groups)
    assert target == tuple(tuple(map(names.index, summary["mined_in_target"][key])) for key in groups)


class SureNetwork:
    """Class 0 nearly everywhere, by a margin that the colours of a place decide; else class 1, which is never sure."""

    def __init__(self, margin, deviation):
        self.logits = np.zeros((19, 64, 64), np.float32)
        self.logits[0] = np.random.RandomState(0).normal(margin, deviation, (64, 64))
        self.logits[:2, ::40] = self.logits[1::-1, ::40]

    def __call__(self, images):
        places = np.abs(images.asnumpy()[:, :2, ::8, ::8] * 1000).astype(int) % 64  # (B, 2, h, w)
        return mx.nd.array(self.logits[:, places[:, 0], places[:, 1]].swapaxes(0, 1))


@pytest.mark.parametrize("margin, deviation", [(14, 2), (16, 2.5)])
@pytest.mark.parametrize("changes", [{}, {"upsampling": "bicubic", "start": "single"}])
def test_of_a_saturated_class_the_portion_is_labelled_and_no_more(tmp_path, margin, deviation, changes):
    """Store and all, against sorting all float32 confidences; in float16 two thirds would be tied at 1."""
    settings, scenes = dataclasses.replace(SETTINGS, **changes), Scenes(sizes=((64, 96),) * 3)
    net = SureNetwork(margin, deviation)
    summary = run(tmp_path, net=net, scenes=scenes, settings=settings)
    segmenter = Segmenter(net, mx.cpu(), settings, patch_seed(3, 1))
    images = [(scenes.image(i), name) for i, name in enumerate(scenes.names)]
    volumes = [selected_from(segmenter, segmenter.maps(*image)) for image in images]
    thresholds = sorted_thresholds(volumes, summary["portion"])
    assert list(summary["thresholds"].values()) == thresholds.tolist()
    labels = np.stack([read(tmp_path / f"{name}.png") for name in scenes.names])
    np.testing.assert_array_equal(labels, np.stack([naive_labels(volume, thresholds) for volume in volumes]))
    sure = np.stack([volume[0].astype(np.float16) >= 1 for volume in volumes])
    covered = 1 - summary["uncovered"]
    assert (labels == 0).mean() < 0.31 * covered < 0.65 * covered < sure.mean()
    never_stored = [selected_from(segmenter, segmenter.exact_maps(*image)) for image in images]
    np.testing.assert_allclose(thresholds, sorted_thresholds(never_stored, summary["portion"]), rtol=0, atol=3e-7)


def test_files_are_palette_pngs_and_nothing_else_is_left(tmp_path):
    run(tmp_path)
    with Image.open(tmp_path / "city_0.png") as png:
        assert png.mode == "P" and png.size == (48, 32)
        np.testing.assert_array_equal(png.getpalette(), class_set(19).palette.ravel())
    expected = {f"city_{i}.png" for i in range(5)} | {"contact_sheet.png", "selection.json"}
    assert {p.name for p in tmp_path.iterdir()} == expected


def test_contact_sheet_shows_images_beside_their_labels(tmp_path):
    scenes = Scenes()
    run(tmp_path, scenes=scenes)
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        pixels = np.array(sheet.convert("RGB"))
    height = 213  # 320 * 32 / 48
    assert pixels.shape == (3 * height, 1280, 3)
    labels = class_set(19).palette[read(tmp_path / "city_1.png")]  # the right half of the first row
    assert np.abs(pixels[:height, 640:960].mean(axis=(0, 1)) - scenes.image(1).mean(axis=(0, 1))).max() < 3
    assert np.abs(pixels[:height, 960:].mean(axis=(0, 1)) - labels.mean(axis=(0, 1))).max() < 6


def test_a_finished_stage_does_nothing(tmp_path):
    first, before = run(tmp_path), files(tmp_path)
    net = Network()
    assert run(tmp_path, net=net) == first
    assert net.calls == 0 and files(tmp_path) == before


def test_interrupted_in_pass_1_it_goes_on(tmp_path):
    whole = run(tmp_path / "whole")
    calls = Network()
    run(tmp_path / "count", net=calls)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", net=Network(calls_left=calls.calls // 2))
    assert not (tmp_path / "cut" / "selection.json").exists()
    rest = Network()
    summary = run(tmp_path / "cut", net=rest)
    assert 0 < rest.calls < calls.calls
    for volatile in ("seconds", "network_seconds"):
        del whole[volatile], summary[volatile]
    assert summary == whole and files(tmp_path / "cut") == files(tmp_path / "whole")


@pytest.mark.parametrize("damaged", [None, "labels", "thresholds"])
def test_interrupted_in_pass_2_it_goes_on(tmp_path, monkeypatch, damaged):
    whole = run(tmp_path / "whole")
    write, written = generate.write_bytes, []

    def break_off(path, content):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    monkeypatch.setattr(generate, "write_bytes", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.setattr(generate, "write_bytes", write)
    if damaged:
        path = written[0] if damaged == "labels" else tmp_path / "cut" / ".store" / "thresholds.json"
        path.write_bytes(path.read_bytes()[:20])
    net = Network()
    summary = run(tmp_path / "cut", net=net)
    assert net.calls == 5 * {None: 0, "labels": 1, "thresholds": len(written)}[damaged]
    assert summary["coverage_per_class"] == whole["coverage_per_class"]
    assert summary["uncovered"] == whole["uncovered"]
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_thresholds_of_another_format_are_found_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(generate._TwoPasses, "write_labels", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patched.setattr(generate, "FORMAT", 0)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    path = tmp_path / ".store" / "thresholds.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "thresholds": [1.0] * 19}))
    assert run(tmp_path)["coverage"] > 0


def test_damaged_and_foreign_stores_are_made_again(tmp_path, monkeypatch):
    run(tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(generate._TwoPasses, "write_labels", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut")
    shutil.copytree(tmp_path / "cut", tmp_path / "foreign")
    stores = sorted((tmp_path / "cut" / ".store").glob("*.map"))
    assert len(stores) == 5
    stores[1].write_bytes(stores[1].read_bytes()[:100])
    stores[3].unlink()
    net = Network()
    run(tmp_path / "cut", net=net)  # thresholds are known: only the two images are computed again
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert net.calls == 2 * 5

    net = Network()
    other = PseudoLabels(patches=5, patch=16, batch=2, placement="released")
    run(tmp_path / "foreign", net=net, settings=other)
    run(tmp_path / "fresh", settings=other)
    assert net.calls == 5 * 5 and files(tmp_path / "foreign") == files(tmp_path / "fresh")


def test_labels_do_not_depend_on_the_batch_or_the_order_of_images(tmp_path):
    run(tmp_path / "one", settings=PseudoLabels(patches=5, patch=16, batch=1))
    backwards = Scenes()
    backwards.images, backwards.names = backwards.images[::-1], backwards.names[::-1]
    run(tmp_path / "all", scenes=backwards, settings=PseudoLabels(patches=5, patch=16, batch=5))
    one, all_at_once = files(tmp_path / "one"), files(tmp_path / "all")
    del one["contact_sheet.png"], all_at_once["contact_sheet.png"]
    assert one == all_at_once


def test_a_prior_that_leaves_a_class_almost_no_threshold_is_said(tmp_path):
    settings = PseudoLabels(inference="single", patch=512)
    factors = np.full((19, 4, 4), 0.01, np.float32)
    factors[0, :, :2] = 1  # where no class is likely, products are small, and so is the threshold of what wins
    summary = run(tmp_path, settings=settings, prior=SpatialPrior(factors))
    thresholds = summary["thresholds"]
    assert summary["loose"] and summary["loose"] == [name for name, t in thresholds.items() if t < 1 / 19]


def test_single_inference_and_prior(tmp_path):
    scenes = Scenes(sizes=((30, 44), (24, 60)))
    settings = PseudoLabels(inference="single", patch=512)
    prior = SpatialPrior(np.random.RandomState(0).uniform(size=(19, 4, 4)).astype(np.float32))
    summary = run(tmp_path, scenes=scenes, settings=settings, prior=prior)
    for name, labels in zip(scenes.names, naive(scenes, settings, prior=prior)[2], strict=True):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.png"), labels)
    assert summary["uncovered"] == 0


def test_the_portion_grows_up_to_its_limit(tmp_path):
    assert run(tmp_path / "0", round_index=0)["portion"] == 0.2
    assert run(tmp_path / "5", round_index=5)["portion"] == 0.35


def test_an_image_smaller_than_the_patch_is_named(tmp_path):
    with pytest.raises(InputError, match="city_1 is 40x8, smaller than pseudo_labels.patch=16: lower that, or leave"):
        run(tmp_path, scenes=Scenes(sizes=((32, 48), (8, 40))))


def test_a_network_without_finite_output_is_named(tmp_path):
    net = Network()
    net.weights[:] = np.nan
    with pytest.raises(InputError, match="city_0: .*not finite: check the network's weights"):
        run(tmp_path, net=net)


def test_stores_of_another_network_are_not_used(tmp_path):
    def gluon(seed):
        mx.random.seed(seed)
        block = mx.gluon.nn.Conv2D(19, 8, strides=8, in_channels=3)
        block.initialize(mx.init.Normal(0.3))
        return block

    def key(seed, **changes):
        segmenter = Segmenter(gluon(seed), mx.cpu(), dataclasses.replace(SETTINGS, **changes), 3)
        return generate._TwoPasses(segmenter, None, tmp_path).key

    assert key(0) == key(0) != key(1)
    assert key(0, single_scale=0.5) != key(0) == key(0, upsampling="bicubic")


def test_label_quality_is_measured_on_the_truth(tmp_path):
    scenes = Scenes()
    summary = run(tmp_path, scenes=scenes)
    labels = [read(tmp_path / f"{name}.png") for name in scenes.names]
    truth = [np.where(np.arange(48) < 24, found, (found + 1) % 19).astype(np.uint8) for found in labels]
    for train_ids in truth:
        train_ids[0] = 255
    segmenter = Segmenter(Network(), mx.cpu(), SETTINGS, patch_seed(3, 1))
    quality = compare_with_truth(segmenter, Scenes(truth), summary)
    found, true = np.stack(labels), np.stack(truth)
    judged = (found != 255) & (true != 255)
    assert quality["images"] == 5
    assert quality["coverage"] == pytest.approx(summary["coverage"])
    assert quality["precision"] == pytest.approx((found == true)[judged].mean())
    for c, name in enumerate(class_set(19).names):
        entry = quality["per_class"][name]
        right = ((found == c) & (true == c)).sum()
        for key, whole in (("precision", judged & (found == c)), ("recall", true == c)):
            assert entry[key] == (pytest.approx(right / whole.sum()) if whole.any() else None)
        assert entry["labelled"] == pytest.approx((found == c).mean())


def test_labels_that_cannot_be_taken_over_leave_the_folder_as_it_is(tmp_path, monkeypatch):
    """What an interrupted start has stored there stays, and so does the record of what it was made from."""
    other, mine = (tmp_path / method / "round-0" / "pseudo_labels" for method in ("sisc", "sisc-pwl"))
    for folder in (other, mine):
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("{}")
    (other / generate.SUMMARY).write_text("{}")

    def full(*given, **how):
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copytree", full)
    stage = Stage(log=None, result=mine / generate.SUMMARY, done=False, first=True, record=mine / "record.json")
    take_over_labels(SimpleNamespace(run=tmp_path, target=Scenes()), stage, {}, mine)
    assert [file.name for file in mine.iterdir()] == ["record.json"]


@pytest.mark.parametrize("damaged", [False, True])
def test_damaged_labels_are_not_taken_over(tmp_path, damaged):
    other, mine = (tmp_path / method / "round-0" / "pseudo_labels" for method in ("sisc", "sisc-pwl"))
    run(other)
    mine.mkdir(parents=True)
    for folder in (other, mine):
        (folder / "record.json").write_text("{}")
    if damaged:
        (other / "city_3.png").write_bytes((other / "city_3.png").read_bytes()[:-40])
    log = SimpleNamespace(write=lambda *given, **event: None)
    stage = Stage(log=log, result=mine / generate.SUMMARY, done=False, first=True, record=mine / "record.json")
    take_over_labels(SimpleNamespace(run=tmp_path, target=Scenes()), stage, {}, mine)
    assert (mine / generate.SUMMARY).exists() == (not damaged)
    assert not mine.with_name(".pseudo_labels.copy").exists()
