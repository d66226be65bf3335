"""One of the workers of test_workers.py: `python worker_process.py FOLDER` leaves what it found in rank-N.npz."""

import sys
from functools import partial
from pathlib import Path

import mlsl_mx  # noqa: F401  # isort: skip  (before MXNet, for it loads CUDA's libraries)
import mxnet as mx
import numpy as np
from volumes import saturated

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.network import MLSLNet
from mlsl_mx.pseudo_labels import ClassConfidences
from mlsl_mx.system.workers import Workers, join
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.gluon_steps import GluonSteps
from mlsl_mx.training.losses import composite_loss
from mlsl_mx.training.train import train_step

CLASSES, BATCH, SIDE = 3, 4, 32
CPU = (mx.cpu(),)


def counts(rank: int) -> np.ndarray:
    """(3, 4) int64 of all sizes, many of which float32 does not hold."""
    return np.array([[0, 1, 2**24 - 1, 2**24 + 1], [2**31, 2**32 + 1, 2**48 + 3, 2**51 + 5], [7, 5, 3, 1]]) + rank


def batch(step: int, workers: Workers) -> Batch:
    """The worker's part of a batch, of whose crops the first has no label at all, and the last has all."""
    rng = np.random.default_rng(20 + step)  # of other seeds a ReLU is so near 0 that the order of a sum decides
    images = rng.normal(size=(BATCH, 3, SIDE, SIDE)).astype(np.float32)
    train_ids = rng.integers(0, CLASSES, (BATCH, SIDE // 8, SIDE // 8)).astype(np.uint8)
    train_ids[rng.random(train_ids.shape) > np.arange(BATCH).reshape(-1, 1, 1) / (BATCH - 1)] = 255
    weak_labels = rng.integers(0, 2, (BATCH, CLASSES)).astype(np.float32)
    share = BATCH // workers.count
    own = slice(workers.rank * share, (workers.rank + 1) * share)
    return Batch(images[own], train_ids[own], weak_labels[own], np.zeros(share, np.float32), tuple("abcd"))


def confident(workers: Workers, few: bool) -> ClassConfidences:
    """Filed confidences of all workers: saturated and other ones; of some ranks, or if not `few`, of all."""
    confidences = ClassConfidences(CLASSES)
    for index in workers.shard(5):
        if index < 2 or not few:
            confidences.update(saturated(3 * index, 3, CLASSES, (20, 30), seed=index))
    confidences.sum_over(workers)
    return confidences


def trained(workers: Workers, devices=CPU) -> tuple:
    """Losses of steps, with and without the choice of hard examples, and all weights after them, (n,) float32."""
    mx.random.seed(1)
    net = MLSLNet(CLASSES, 0.03, dropout=(0, 0))
    net.initialize(ctx=list(devices))
    net.hybridize(static_alloc=True, static_shape=True)
    losses, steps = [], GluonSteps(net, Optimizer(), None, devices, workers)
    for step, (hard, normaliser) in enumerate(((False, "labelled"), (True, "labelled"), (False, "pixels"))):
        steps.loss = partial(composite_loss, weight=0.5, hard_examples=hard, normaliser=normaliser)
        losses.append(sum(train_step(steps, batch(step, workers), 0.01, step).values()))
    # Those of the last device: all must have made the same steps.
    return losses, np.concatenate([p.list_data()[-1].asnumpy().ravel() for p in net.collect_params().values()])


def main(folder: Path) -> None:
    """Call everything that workers share, and save the results."""
    workers = join()
    made = folder / "made"

    def make() -> str:
        if not made.exists():
            made.write_text(f"by rank {workers.rank}")
        return made.read_text()

    losses, weights = trained(workers)
    np.savez(
        folder / f"rank-{workers.rank}.npz",
        sum=workers.sum(counts(workers.rank)),
        again=workers.sum(2 * counts(workers.rank)),
        gathered=workers.gather(np.full((2, 3), workers.rank + 0.1, np.float32)),
        agreed=workers.agreed(10 + workers.rank),
        made=workers.first_then_all(make),
        shard=list(workers.shard(7)),
        few=confident(workers, few=True).thresholds(0.3),
        many=confident(workers, few=False).thresholds(0.3, "global"),
        losses=losses,
        weights=weights,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
