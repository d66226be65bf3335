"""On a real card: make test CTX='gpu(0)'. Nothing of this has run yet on one."""

from __future__ import annotations

from functools import partial

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.doctor.facts import gather
from mlsl_mx.doctor.findings import UNUSABLE, findings
from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.network.inference_net import inference_net
from mlsl_mx.pseudo_labels import SISCAccumulator
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.gluon_steps import GluonSteps
from mlsl_mx.training.losses import composite_loss
from mlsl_mx.training.train import train_step

CLASSES, WIDTH = 19, 0.125


def gpus() -> int:
    try:
        return mx.context.num_gpus()
    except mx.base.MXNetError:
        return 0


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(gpus() == 0, reason="no GPU that this MXNet sees: see `mlsl doctor`")]
needs_two = pytest.mark.skipif(gpus() < 2, reason="fewer than two GPUs")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a network whose heads both have something to say."""
    mx.random.seed(0)
    net = MLSLNet(CLASSES, WIDTH)
    net.initialize()
    path = tmp_path_factory.mktemp("weights") / "w.params"
    save_original(net, path)
    return path


def loaded(weights, *devices: mx.Context, weak_label_head=True) -> MLSLNet:
    net = MLSLNet(CLASSES, WIDTH, weak_label_head, dropout=(0, 0))
    net.initialize(ctx=list(devices))
    load_original(net, weights)
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def images(count: int, side: int) -> np.ndarray:
    return np.random.RandomState(0).normal(size=(count, 3, side, side)).astype(np.float32)


def assert_close(found, expected, share: float) -> None:
    """To a share of the largest value: TF32 of Ampere keeps 10 bits of a factor."""
    assert np.abs(found - expected).max() <= share * np.abs(expected).max()


def test_forward_agrees_with_the_cpu(weights):
    inputs = images(2, 128)
    on_cpu, on_gpu = (
        [output.asnumpy() for output in loaded(weights, ctx)(nd.array(inputs, ctx=ctx))]
        for ctx in (mx.cpu(), mx.gpu(0))
    )
    for found, expected in zip(on_gpu, on_cpu, strict=True):
        assert_close(found, expected, 1e-2)


def trained(weights, *devices: mx.Context) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses of three steps on one batch of two crops, and the weights after them."""
    random = np.random.RandomState(1)
    train_ids = random.randint(0, CLASSES, (2, 8, 8)).astype(np.uint8)
    train_ids[0, :4] = 255
    weak_labels = random.randint(0, 2, (2, CLASSES)).astype(np.float32)
    batch = Batch(images(2, 64), train_ids, weak_labels, np.zeros(2, np.float32), ("a", "b"))
    net = loaded(weights, *devices)
    loss = partial(composite_loss, weight=0.025, hard_examples=True)
    steps = GluonSteps(net, Optimizer(), loss, devices)
    sums = [sum(train_step(steps, batch, 1e-3, step).values()) for step in range(3)]
    return sums, {name[len(net.prefix) :]: p.list_data()[-1].asnumpy() for name, p in net.collect_params().items()}


def assert_same_training(found, expected) -> None:
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-2)
    assert found[0][-1] < found[0][0]
    for name, value in expected[1].items():
        assert_close(found[1][name], value, 1e-2)


def test_training_steps_agree_with_the_cpu(weights):
    assert_same_training(trained(weights, mx.gpu(0)), trained(weights, mx.cpu()))


@needs_two
def test_two_gpus_train_as_one(weights):
    assert_same_training(trained(weights, mx.gpu(0), mx.gpu(1)), trained(weights, mx.gpu(0)))


@needs_two
def test_two_gpus_say_the_same(weights):
    inputs = images(1, 128)
    first, second = (loaded(weights, ctx)(nd.array(inputs, ctx=ctx))[0].asnumpy() for ctx in (mx.gpu(0), mx.gpu(1)))
    assert_close(first, second, 1e-2)


def test_sisc_accumulates_on_the_device():
    random = np.random.RandomState(2)
    patches, maps = (random.uniform(size=shape).astype(np.float32) for shape in ((9, 3, 16, 16), (9, 2, 3, 2)))
    tops, lefts = random.randint(0, 17, 9), random.randint(0, 33, 9)
    results = []
    for ctx in (mx.cpu(), mx.gpu(0)):
        accumulator = SISCAccumulator(3, 32, 48, ctx)
        accumulator.add(nd.array(patches, ctx=ctx), tops, lefts)
        accumulator.add_maps(list(maps), tops, lefts, (16, 16), "bilinear")
        volume, count = accumulator.normalized()
        assert volume.context == count.context == ctx
        results.append((volume.asnumpy(), count.asnumpy()))
    (expected, expected_count), (found, found_count) = results
    np.testing.assert_array_equal(found_count, expected_count)
    assert_close(found, expected, 1e-3)


def test_float16_is_close_to_float32(weights):
    net = loaded(weights, mx.gpu(0), weak_label_head=False)
    inputs = nd.array(images(2, 128), ctx=mx.gpu(0))
    half, single = (inference_net(net, precision)(inputs).asnumpy() for precision in ("float16", "float32"))
    assert half.dtype == np.float32 and np.isfinite(half).all()
    assert_close(half, single, 3e-2)
    assert_close(single, net(inputs).asnumpy(), 1e-2)


def test_labels_agree_with_the_cpu_s(weights):
    image = np.random.RandomState(3).randint(0, 256, (128, 192, 3)).astype(np.uint8)
    settings, labels = PseudoLabels(patches=6, patch=64), []
    for ctx in (mx.cpu(), mx.gpu(0)):
        net = inference_net(loaded(weights, ctx, weak_label_head=False))
        segmenter = Segmenter(net, ctx, settings, seed=0)
        labels.append(segmenter.confidences(segmenter.maps(image, "a")))
    (classes, confidences), (found_classes, found_confidences) = labels
    assert np.mean(found_classes == classes) > 0.98
    assert np.abs(found_confidences.astype(np.float32) - confidences.astype(np.float32)).max() < 0.02


def test_a_batch_that_the_card_cannot_hold_is_halved():
    """Each input asks for 0.4 of the memory, so two fit and three do not."""
    free, _ = mx.context.gpu_memory_info(0)
    numbers = int(0.4 * free) // 4

    def call(some):
        held = [nd.ones((numbers // 1000, 1000), ctx=mx.gpu(0)) for _ in some]
        nd.waitall()
        return nd.concat(*(part[:1, :1] for part in held), dim=0)

    batch = PatchBatch(0, mx.gpu(0))
    result = batch.run(call, range(16))
    assert result.shape == (16, 1) and (result == 1).all() and 1 <= batch.size <= 2
    mx.gpu(0).empty_cache()


def test_the_doctor_finds_nothing_wrong_with_the_card():
    found = {finding.topic: finding for finding in findings(gather())}
    assert found["GPU 0"].verdict != UNUSABLE and "it computes" in found["GPU 0"].text
    free, total = mx.context.gpu_memory_info(0)
    assert abs(found["GPU 0"].facts["total"] - total) < 0.1 * total
