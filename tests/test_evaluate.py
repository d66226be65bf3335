"""Evaluation of a small network on small scenes: numbers, files, resuming, and the official script on its output."""

from __future__ import annotations

import json
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image
from scene_files import write_cityscapes

from mlsl_mx.config.classes import class_set
from mlsl_mx.data.datasets import open_dataset
from mlsl_mx.data.transforms import normalise
from mlsl_mx.evaluation.evaluate import evaluate, evaluate_predictions
from mlsl_mx.network.upsampling import upsample
from mlsl_mx.pseudo_labels.inference import single_inference
from mlsl_mx.pseudo_labels.segmenter import whole_image_segmenter
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog, read_log


class BlockColour:
    """Logits that are linear in the mean colour of each 8x8 block; counts its calls, and fails after `limit`."""

    def __init__(self, classes=19, limit=None):
        self.weight = mx.nd.array(np.random.default_rng(3).normal(size=(classes, 3, 1, 1)) * 9)
        self.calls, self.limit = 0, limit

    def __call__(self, images):
        if self.calls == self.limit:
            raise KeyboardInterrupt
        self.calls += 1
        blocks = mx.nd.Pooling(images, kernel=(8, 8), stride=(8, 8), pool_type="avg")  # (B, 3, H/8, W/8)
        return mx.nd.Convolution(blocks, self.weight, kernel=(1, 1), num_filter=len(self.weight), no_bias=True)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_cityscapes(tmp_path_factory.mktemp("cityscapes"), count=3, size=(40, 72))


@pytest.fixture(params=[19, 16])
def dataset(request, scenes):
    return open_dataset("cityscapes", scenes.root, scenes.images, class_set(request.param), None, labels=True)


def run(net, dataset, folder, **options):
    return evaluate(whole_image_segmenter(net, mx.cpu(), True), dataset, folder, **options)


def naive_iou(dataset, net):
    """Per class from sets of pixels, without a confusion matrix."""
    predicted, truth = [], []
    for index in range(len(dataset)):
        image = normalise(dataset.image(index))
        low = single_inference(net, mx.nd.array(image), True).probabilities.transpose(0, 2, 1, 3)  # (1, C, h, w)
        volume = upsample(mx.nd.array(low), *image.shape[1:], "bilinear")[0].asnumpy()
        truth.append(dataset.label(index))
        predicted.append(volume.argmax(0))
    truth, predicted = np.stack(truth), np.stack(predicted)
    ious = {}
    for train_id, name in enumerate(dataset.classes.names):
        t, p = truth == train_id, (predicted == train_id) & (truth != 255)
        ious[name] = 100 * (t & p).sum() / (t | p).sum() if (t | p).any() else None
    return ious


def test_numbers_and_files(dataset, tmp_path):
    net = BlockColour(dataset.classes.num_classes)
    result = run(net, dataset, tmp_path)
    expected = naive_iou(dataset, net)
    assert result["per_class"] == pytest.approx(expected)
    assert result["miou"] == pytest.approx(np.mean([v for v in expected.values() if v is not None]))
    thirteen = [expected[name] for name in class_set(13).names]
    assert result["mious"]["13"] == pytest.approx(np.mean([v for v in thirteen if v is not None]))
    assert set(result["mious"]) == ({"19", "16", "13"} if dataset.classes.num_classes == 19 else {"16", "13"})
    assert result["images"] == 3 and result["classes"] == list(dataset.classes.names)
    assert np.array(result["confusion"]).sum() == sum((dataset.label(i) != 255).sum() for i in range(3))
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    assert result["list_hash"] == dataset.fingerprint
    for name in dataset.names:
        with Image.open(tmp_path / f"predictions/palette/{name}.png") as palette:
            ids, colours = np.array(palette), np.array(palette.convert("RGB"))
        with Image.open(tmp_path / f"predictions/label_ids/{name}.png") as label_ids:
            assert (np.array(label_ids) == dataset.classes.label_id_lookup[ids]).all()
        assert (colours == dataset.classes.palette[ids]).all()


@pytest.mark.parametrize("kind", ["palette", "label_ids"])
def test_saved_predictions_give_the_same_numbers(dataset, tmp_path, kind):
    result = run(BlockColour(dataset.classes.num_classes), dataset, tmp_path)
    again = evaluate_predictions(tmp_path / "predictions" / kind, dataset)
    assert again == {key: result[key] for key in again}
    assert again["confusion"] == result["confusion"]


def test_official_script_finds_the_files_and_agrees(scenes, tmp_path, monkeypatch):
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    result = run(BlockColour(), dataset, tmp_path)
    monkeypatch.setenv("CITYSCAPES_RESULTS", str(tmp_path / "predictions/label_ids"))
    settings = {"evalInstLevelScore": False, "JSONOutput": False, "quiet": True, "predictionPath": None}
    for key, value in {**settings, "predictionWalk": None}.items():
        monkeypatch.setattr(official.args, key, value)
    truth = [str(dataset.label_path(index)) for index in range(3)]
    scores = official.evaluateImgLists([official.getPrediction(official.args, t) for t in truth], truth, official.args)
    theirs = {name: 100 * scores["classScores"][name] for name in dataset.classes.names}
    ours = {name: float("nan") if iou is None else iou for name, iou in result["per_class"].items()}
    assert ours == pytest.approx(theirs, nan_ok=True)
    assert result["miou"] == pytest.approx(100 * scores["averageScoreClasses"])


def test_the_log_says_how_long_it_took(dataset, tmp_path):
    result = run(BlockColour(dataset.classes.num_classes), dataset, tmp_path, log=RunLog(tmp_path / "log", "evaluate"))
    (event,) = read_log(tmp_path / "log")
    assert event["event"] == "evaluated" and event["miou"] == result["miou"] and event["images"] == 3
    assert 0 <= event["network_seconds"] == result["network_seconds"] <= event["seconds"] == result["seconds"]


def test_interrupted_goes_on(dataset, tmp_path):
    classes = dataset.classes.num_classes
    whole = run(BlockColour(classes), dataset, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(BlockColour(classes, limit=4), dataset, tmp_path / "parts")  # two calls an image: the mirror image, too
    assert not (tmp_path / "parts/evaluation.json").exists()
    rest = BlockColour(classes)
    result = run(rest, dataset, tmp_path / "parts")
    assert rest.calls == 2
    measured = {"seconds": 0, "network_seconds": 0}
    assert {**result, **measured} == {**whole, **measured}


def test_a_damaged_prediction_is_made_again(dataset, tmp_path):
    classes = dataset.classes.num_classes
    result = run(BlockColour(classes), dataset, tmp_path)
    path = tmp_path / f"predictions/palette/{dataset.names[1]}.png"
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    net = BlockColour(classes)
    assert run(net, dataset, tmp_path)["confusion"] == result["confusion"]
    assert net.calls == 2


def test_output_that_is_not_finite(dataset, tmp_path):
    net = BlockColour(dataset.classes.num_classes)
    net.weight[0] = float("nan")
    with pytest.raises(InputError, match="ulm_000000_000019_leftImg8bit.png: the network's output is not finite"):
        run(net, dataset, tmp_path)


@pytest.fixture
def predictions(scenes, tmp_path):
    """A 19-class data set and a folder of right predictions, for tests that spoil one."""
    dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), None, labels=True)
    run(BlockColour(), dataset, tmp_path)
    return dataset, tmp_path / "predictions/label_ids"


def spoil(path: Path, pixels) -> None:
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    "pixels, message",
    [
        (np.full((40, 72), 2, np.uint8), "grey value 2 is no label id"),
        (np.zeros((40, 72, 3), np.uint8), "mode RGB"),
        (np.full((40, 72), 26000, np.uint16), "mode I;16"),
        (np.full((40, 71), 7, np.uint8), "is 71x40, but its truth .* is 72x40"),
    ],
)
def test_wrong_predictions(predictions, pixels, message):
    dataset, folder = predictions
    spoil(folder / f"{dataset.names[0]}.png", pixels)
    with pytest.raises(InputError, match=message):
        evaluate_predictions(folder, dataset)


@pytest.mark.parametrize("keep", [0.0, 0.6, 0.9])
def test_truncated_predictions(predictions, keep):
    dataset, folder = predictions
    path = folder / f"{dataset.names[0]}.png"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match=rf"{dataset.names[0]}\.png: cannot be read as an image"):
        evaluate_predictions(folder, dataset)


def test_labels_that_are_resized_are_told(scenes, tmp_path):
    def about(size):
        dataset = open_dataset("cityscapes", scenes.root, scenes.images, class_set(19), size, labels=True)
        result = run(BlockColour(), dataset, tmp_path / str(size))
        saved = evaluate_predictions(tmp_path / str(size) / "predictions/label_ids", dataset)
        assert result["resized"] == saved["resized"]
        return result["resized"]

    assert about(None) is None and about((40, 72)) is None
    assert about((24, 32)) == {"images": 3, "scored": [24, 32], "labels": [40, 72]}


def test_a_palette_in_another_order_is_no_map_of_train_ids(predictions):
    """As an editor makes it of colours: indices below 19, so that none is foreign."""
    dataset, folder = predictions
    colours = class_set(19).palette[:19]
    indices = np.zeros((40, 72), np.uint8)
    indices[20:] = 1

    def save(palette) -> None:
        image = Image.fromarray(indices)
        image.putpalette(np.ravel(palette).tolist())
        image.save(folder / f"{dataset.names[0]}.png")

    for palette in (colours, [(1, 2, 3), (4, 5, 6)], [colours[1], (4, 5, 6)]):  # ids, or colours that mean nothing here
        save(palette)
        assert evaluate_predictions(folder, dataset)["images"] == 3
    save([colours[1], colours[0]])
    with pytest.raises(InputError, match="palette index 0 has the colour of train id 1: save train ids as indices"):
        evaluate_predictions(folder, dataset)


def test_truth_that_holds_train_ids_is_no_truth(tmp_path):
    scenes = write_cityscapes(tmp_path, count=2)
    dataset = open_dataset("cityscapes", tmp_path, scenes.images, class_set(19), None, labels=True)
    for index in range(len(dataset)):
        spoil(dataset.label_path(index), np.array([[0, 8], [10, 255]], np.uint8).repeat(20, 0).repeat(36, 1))
    with pytest.raises(InputError, match="labelIds.png: seems to hold train ids: no id is above 10"):
        evaluate_predictions(tmp_path / "none", dataset)


def test_predictions_beside_thumbnails(predictions):
    dataset, folder = predictions
    before = evaluate_predictions(folder, dataset)
    for other in ("@eaDir", ".cache", "$RECYCLE.BIN"):
        (folder / other).mkdir()
        spoil(folder / other / f"{dataset.names[0]}.png", np.zeros((4, 4), np.uint8))
    assert evaluate_predictions(folder, dataset) == before


def test_missing_and_double_predictions(predictions):
    dataset, folder = predictions
    with pytest.raises(InputError, match="2 predictions for ulm_000000_000019"):
        evaluate_predictions(folder.parent, dataset)
    first = folder / f"{dataset.names[0]}.png"
    first.rename(folder / f"{dataset.names[0]}_pred.png")
    assert evaluate_predictions(folder, dataset)["images"] == 3
    (folder / f"{dataset.names[0]}_pred.png").unlink()
    with pytest.raises(InputError, match="no prediction ulm_000000_000019"):
        evaluate_predictions(folder, dataset)


def test_palette_index_that_is_no_train_id(predictions):
    dataset, folder = predictions
    image = Image.fromarray(np.full((40, 72), 26, np.uint8))
    image.putpalette([0] * 768)
    image.save(folder / f"{dataset.names[0]}.png")
    with pytest.raises(InputError, match="palette index 26 is no train id of 19 classes"):
        evaluate_predictions(folder, dataset)
