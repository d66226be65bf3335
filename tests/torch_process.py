"""The PyTorch side of test_pytorch.py: `.venv-torch/bin/python torch_process.py FOLDER` leaves what it found in FOLDER.

FOLDER holds what the other engine, or the original program, started from; what is compared is computed there.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from original_params import values
from torch_cases import (
    CASE_THRESHOLDS,
    CASES,
    CLASSES,
    LEARNING_RATES,
    NETWORK,
    STEPS,
    THRESHOLDS,
    case_settings,
    loss_settings,
    training_batch,
)

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.engine import engine_of
from mlsl_mx.network import load_original, save_original
from mlsl_mx.pseudo_labels import ClassConfidences
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.pytorch import MLSLNet
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.training.train import Epochs, train

CPU = "torch:cpu"
ENGINE = engine_of(CPU)
DEVICES = ENGINE.devices(CPU)


def network(weights: Path, weak_label_head: bool, **settings):
    """The narrow network with these weights."""
    net = ENGINE.network(CLASSES, NETWORK(**settings), weak_label_head)
    load_original(net, weights, ctx=DEVICES[0])
    return net


def forward(folder: Path) -> None:
    """Outputs of both heads with either form of the second, and of the network for inference in two precisions."""
    images = np.load(folder / "images.npy")
    for head_relu in ("every_layer", "released"):
        net = network(folder / "weights.params", True, head_relu=head_relu).eval()
        with torch.no_grad():
            logits, weak_logits = net(torch.from_numpy(images))
        np.savez(folder / f"forward-{head_relu}.npz", logits=logits.numpy(), weak_logits=weak_logits.numpy())
    for precision in ("float32", "bfloat16"):
        fast = ENGINE.inference_net(network(folder / "weights.params", False), precision)
        np.save(folder / f"inference-{precision}.npy", fast(torch.from_numpy(images)).numpy())
    save_original(network(folder / "weights.params", True), folder / "back.params")


def original(folder: Path) -> None:
    """Outputs for the images that the original program was given."""
    net = network(folder / "weights.params", True, head_relu="released").eval()
    with np.load(folder / "original.npz") as given, torch.no_grad():
        outputs = {size: net(torch.from_numpy(given[size])) for size in given.files}
    found = {f"softmax_{size}": logits.softmax(1).numpy() for size, (logits, _) in outputs.items()}
    found.update({f"sigmoid_{size}": weak.sigmoid().numpy() for size, (_, weak) in outputs.items()})
    np.savez(folder / "as-original.npz", **found)


def full_width(folder: Path) -> None:
    """Logits of the network of the paper's size."""
    net = MLSLNet(CLASSES, 1.0, weak_label_head=False).eval()
    net.set_tensors({name: values(name, shape) for name, shape in net.tensor_shapes().items()})
    with torch.no_grad():
        np.save(folder / "full.npy", net(torch.from_numpy(np.load(folder / "images.npy")[:1, :, :64, :64])).numpy())


def steps(folder: Path) -> None:
    """Terms of the loss of steps of SGD, and all tensors after them; drawn weights of another network."""
    for name, settings in STEPS.items():
        net = network(folder / "weights.params", True, dropout=(0, 0))
        loss = partial(ENGINE.losses.composite_loss, **loss_settings(settings))
        own = ENGINE.Steps(net, Optimizer(), loss, DEVICES)
        terms = []
        for index, rate in enumerate(LEARNING_RATES):
            terms.append(own.gradients(training_batch(index)))
            own.update(rate)
        np.savez(folder / f"steps-{name}.npz", terms=json.dumps(terms), **net.tensors())


def gradients(folder: Path) -> None:
    """Gradients of the losses at the original program's logits."""
    with np.load(folder / "losses.npz") as stored:
        given = {key: torch.from_numpy(stored[key]) for key in stored.files if stored[key].ndim}
    found = {}
    for case, hard in (("hard", True), ("few", False)):
        logits = given[f"{case}_logits"].float().requires_grad_()
        ENGINE.losses.segmentation_loss(logits, given[f"{case}_train_ids"].long(), hard).backward()
        found[case] = logits.grad.numpy()
    weak_logits = given["weak_logits"].float().requires_grad_()
    ENGINE.losses.weak_label_loss(weak_logits, given["weak_labels"].float()).backward()
    np.savez(folder / "gradients.npz", weak=weak_logits.grad.numpy(), **found)


def labels(folder: Path) -> None:
    """Probabilities, thresholds and labels of an image in every way of looking at it."""
    image = np.load(folder / "image.npy")
    fast = ENGINE.inference_net(network(folder / "weights.params", False), "float32")
    for name in CASES:
        segmenter = Segmenter(fast, DEVICES[0], case_settings(name), seed=3)
        maps = segmenter.maps(image, "an image")
        classes, confidences = segmenter.confidences(maps)
        filed = ClassConfidences(CLASSES)
        filed.update_top(classes, confidences)
        found = {rule: segmenter.labels(maps, CASE_THRESHOLDS, rule) for rule in ("reweighted", "argmax")}
        found.update(classes=classes, confidences=confidences, thresholds=filed.thresholds(0.3))
        np.savez(folder / f"labels-{name}.npz", **found)


def selected(folder: Path) -> None:
    """The rules of selection on a volume with ties and empty pixels."""
    tied = torch.from_numpy(np.load(folder / "tied.npy"))
    found = {rule: ENGINE.selected(tied, THRESHOLDS, rule) for rule in ("reweighted", "argmax")}
    classes, confidences = ENGINE.most_probable(tied)
    np.savez(folder / "selected.npz", classes=classes, confidences=confidences, **found)


def resumed(folder: Path) -> None:
    """Trainings that nothing stopped, that was stopped after a step, and that went on from there, with dropout."""

    def trained(name: str, broken: int | None = None) -> None:
        def batches(epoch: int, start: int):
            for step in range(start, 2):
                if 2 * epoch + step == broken:
                    raise KeyboardInterrupt
                yield training_batch(2 * epoch + step)

        loss = partial(ENGINE.losses.composite_loss, **loss_settings(STEPS["eq6"]))
        epochs = Epochs(3, 2, batches, loss, lambda step: 0.01 / (1 + step), Optimizer(), seed=3)
        net, log = network(folder / "weights.params", True), RunLog(folder / name / "log", "t")
        train(net, epochs, DEVICES, folder / name, log, name, checkpoint_seconds=0)

    trained("whole")
    try:
        trained("cut", broken=3)
    except KeyboardInterrupt:
        trained("cut")


if __name__ == "__main__":
    torch.set_num_threads(2)
    for made in (forward, original, full_width, steps, gradients, labels, selected, resumed):
        made(Path(sys.argv[1]))
