"""The PyTorch side of test_pytorch.py: `.venv-torch/bin/python torch_process.py FOLDER` leaves what it found in FOLDER.

FOLDER holds what the other engine, or the original program, started from; what is compared is computed there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from original_params import values
from torch_cases import CASES, CLASSES, RULES, STEPS, THRESHOLDS, Computed, training_batch

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.network import save_original
from mlsl_mx.pseudo_labels import selection
from mlsl_mx.pytorch import MLSLNet
from mlsl_mx.system.run_log import RunLog
from mlsl_mx.training.train import Epochs, train


def forward(computed: Computed) -> None:
    """Outputs of both heads with either form of the second, and of the network for inference in two precisions."""
    folder = computed.folder
    images = torch.from_numpy(np.load(folder / "images.npy"))
    for head_relu in ("every_layer", "released"):
        net = computed.network(True, head_relu=head_relu).eval()
        with torch.no_grad():
            logits, weak_logits = net(images)
        np.savez(folder / f"forward-{head_relu}.npz", logits=logits.numpy(), weak_logits=weak_logits.numpy())
    for precision in ("float32", "bfloat16"):
        np.save(folder / f"inference-{precision}.npy", computed.inference_net(precision)(images).numpy())
    save_original(computed.network(True), folder / "back.params")


def original(computed: Computed) -> None:
    """Outputs for the images that the original program was given."""
    net = computed.network(True, head_relu="released").eval()
    with np.load(computed.folder / "original.npz") as given, torch.no_grad():
        outputs = {size: net(torch.from_numpy(given[size])) for size in given.files}
    found = {f"softmax_{size}": logits.softmax(1).numpy() for size, (logits, _) in outputs.items()}
    found.update({f"sigmoid_{size}": weak.sigmoid().numpy() for size, (_, weak) in outputs.items()})
    np.savez(computed.folder / "as-original.npz", **found)


def full_width(computed: Computed) -> None:
    """Logits of the network of the paper's size."""
    net = MLSLNet(CLASSES, 1.0, weak_label_head=False).eval()
    net.set_tensors({name: values(name, shape) for name, shape in net.tensor_shapes().items()})
    with torch.no_grad():
        logits = net(torch.from_numpy(np.load(computed.folder / "images.npy")[:1, :, :64, :64]))
    np.save(computed.folder / "full.npy", logits.numpy())


def steps(computed: Computed) -> None:
    """Terms of the loss of steps of SGD, and all tensors after them."""
    for name in STEPS:
        terms, tensors = computed.steps(name)
        np.savez(computed.folder / f"steps-{name}.npz", terms=json.dumps(terms), **tensors)


def gradients(computed: Computed) -> None:
    """Gradients of the losses at the original program's logits."""
    folder, losses = computed.folder, computed.engine.losses
    with np.load(folder / "losses.npz") as stored:
        given = {key: torch.from_numpy(stored[key]) for key in stored.files if stored[key].ndim}
    found = {}
    for case, hard in (("hard", True), ("few", False)):
        logits = given[f"{case}_logits"].float().requires_grad_()
        losses.segmentation_loss(logits, given[f"{case}_train_ids"].long(), hard).backward()
        found[case] = logits.grad.numpy()
    weak_logits = given["weak_logits"].float().requires_grad_()
    losses.weak_label_loss(weak_logits, given["weak_labels"].float()).backward()
    np.savez(folder / "gradients.npz", weak=weak_logits.grad.numpy(), **found)


def labels(computed: Computed) -> None:
    """Probabilities, thresholds and labels of an image in every way of looking at it."""
    for name in CASES:
        np.savez(computed.folder / f"labels-{name}.npz", **computed.labels(name))


def selected(computed: Computed) -> None:
    """The rules of selection on a volume with ties and empty pixels; a new one, which PyTorch has no form of, too."""
    folder, engine = computed.folder, computed.engine
    tied = torch.from_numpy(np.load(folder / "tied.npy"))
    selection.RULES["nothing"] = lambda volume, thresholds: np.full(volume.shape[1:], 255, np.uint8)
    found = {rule: engine.selected(tied, THRESHOLDS, rule) for rule in (*RULES, "nothing")}
    classes, confidences = engine.most_probable(tied)
    np.savez(folder / "selected.npz", classes=classes, confidences=confidences, **found)


def resumed(computed: Computed) -> None:
    """Trainings that nothing stopped, that was stopped after a step, and that went on from there, with dropout."""
    folder = computed.folder

    def trained(name: str, broken: int | None = None) -> None:
        def batches(epoch: int, start: int):
            for step in range(start, 2):
                if 2 * epoch + step == broken:
                    raise KeyboardInterrupt
                yield training_batch(2 * epoch + step)

        epochs = Epochs(3, 2, batches, computed.loss("eq6"), lambda step: 0.01 / (1 + step), Optimizer(), seed=3)
        net, log = computed.network(True), RunLog(folder / name / "log", "t")
        train(net, epochs, computed.devices, folder / name, log=log, title=name, checkpoint_seconds=0)

    trained("whole")
    try:
        trained("cut", broken=3)
    except KeyboardInterrupt:
        trained("cut")


if __name__ == "__main__":
    torch.set_num_threads(2)
    for made in (forward, original, full_width, steps, gradients, labels, selected, resumed):
        made(Computed("torch:cpu", Path(sys.argv[1])))
