"""Training: composite loss, stopping on a broken loss, going on after an interruption."""

import dataclasses
import os
import signal
import time
from functools import partial

import mxnet as mx
import numpy as np
import pytest
from event_records import read_events, scalar_points

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.network import MLSLNet
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.run_log import RunLog, read_log
from mlsl_mx.system.stopping import Stopped
from mlsl_mx.system.workers import Workers
from mlsl_mx.training import segmentation_loss, weak_label_loss
from mlsl_mx.training.batches import Batch
from mlsl_mx.training.gluon_steps import GluonSteps
from mlsl_mx.training.loss_curve import loss_curves
from mlsl_mx.training.losses import composite_loss
from mlsl_mx.training.train import Epochs, _dropout_seed, train, train_step

CLASSES, WIDTH, SIDE = 3, 0.03, 32
CPU = (mx.cpu(),)


def make_net(seed=0, weak_label_head=True) -> MLSLNet:
    mx.random.seed(seed)
    net = MLSLNet(CLASSES, WIDTH, weak_label_head)
    net.initialize()
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def make_batch(seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(
        rng.normal(size=(2, 3, SIDE, SIDE)).astype(np.float32),
        rng.integers(0, CLASSES, (2, SIDE // 8, SIDE // 8)).astype(np.uint8),
        rng.integers(0, 2, (2, CLASSES)).astype(np.float32),
        np.array([0, 1], np.float32),
        (f"image-{seed}-a", f"image-{seed}-b"),
    )


def weights(net):
    return {index: p.data().asnumpy() for index, p in enumerate(net.collect_params().values())}


def epochs(count: int, batches=None) -> Epochs:
    return Epochs(
        count=count,
        steps=2,
        batches=batches or (lambda epoch, start: (make_batch(10 * epoch + step) for step in range(start, 2))),
        loss=lambda *values: composite_loss(*values, weight=0.5),
        learning_rate=lambda step: 0.01 / (1 + step),
        optimizer=Optimizer(learning_rate=0.01),
        seed=3,
    )


def test_composite_loss_is_eq_6():
    rng = np.random.default_rng(0)
    logits, weak_logits = mx.nd.array(rng.normal(size=(2, CLASSES, 4, 4))), mx.nd.array(rng.normal(size=(2, CLASSES)))
    train_ids, weak = mx.nd.array(rng.integers(0, CLASSES, (2, 4, 4))), mx.nd.array(rng.integers(0, 2, (2, CLASSES)))
    seg, cls = segmentation_loss(logits, train_ids).asscalar(), weak_label_loss(weak_logits, weak).asscalar()
    known, own = (train_ids, weak, mx.nd.array([0, 1])), lambda *given: {"own": given[2].sum()}
    both, alone = (composite_loss(out, *known, weight=0.025) for out in ((logits, weak_logits), logits))
    assert [(name, term.asscalar()) for name, term in both.items()] == [
        ("segmentation", pytest.approx(seg)),
        ("weak_labels", pytest.approx(0.025 * cls)),
    ]
    assert [(name, term.asscalar()) for name, term in alone.items()] == [("segmentation", pytest.approx(seg))]
    assert list(composite_loss(logits, *known, weight=0.025, own_loss=own)) == ["segmentation", "own"]
    for wrong, said in (
        ({"segmentation": 0}, "names a term segmentation, as one of Eq. 6"),
        ({"own": 0.5}, "its term own is a float: it must be a one-element array of the engine"),
        ({"own": np.float32(1)}, "its term own is a float32: it must"),
        ({"own": logits}, r"its term own is of shape \(2, 3, 4, 4\): it must be a one-element array"),
        (0.5, "gives a float"),
    ):
        with pytest.raises(InputError, match=said):
            composite_loss(logits, *known, weight=0.025, own_loss=lambda *given, wrong=wrong: wrong)


@pytest.mark.parametrize(("rank", "tests_of_all_weights"), [(0, 6 + 3), (1, 3)])
def test_weights_are_tested_where_they_are_saved_and_after_each_epoch(
    tmp_path, monkeypatch, rank, tests_of_all_weights
):
    calls, found = [], GluonSteps.is_finite
    monkeypatch.setattr(GluonSteps, "is_finite", lambda steps: calls.append(steps) or found(steps))
    workers = Workers()
    workers.rank = rank
    train(
        make_net(),
        epochs(3),
        CPU,
        tmp_path,
        log=RunLog(None, "t"),
        title="shared",
        workers=workers,
        checkpoint_seconds=0,
    )
    assert len(calls) == tests_of_all_weights


def test_a_term_of_the_users_may_be_a_constant():
    """As that of target pixels where a batch has no target crop; it is shown, and has no gradient."""
    gradients = []
    for own in (None, lambda *given: {"own": mx.nd.ones((1, 1))}):
        net = make_net()
        steps = GluonSteps(net, Optimizer(), lambda *v, own=own: composite_loss(*v, weight=0.5, own_loss=own), CPU)
        terms = steps.gradients(make_batch(1))
        learnt = [p for p in net.collect_params().values() if p.grad_req != "null"]
        gradients.append([p.grad().asnumpy() for p in learnt])
    assert terms["own"] == 1
    assert all(np.array_equal(*pair) for pair in zip(*gradients, strict=True)) and np.any(gradients[0][0])


def test_a_broken_loss_names_step_and_files():
    net = make_net()
    broken = make_batch(1)
    broken.weak_labels[0, 0] = np.nan
    steps = GluonSteps(net, Optimizer(), epochs(1).loss, CPU)
    said = r"not finite \(segmentation \d\.\d+, weak_labels nan\) at step 1, batch image-1-a, image-1-b"
    with pytest.raises(InputError, match=said):
        train_step(steps, broken, 0.01, 1)


def test_a_broken_loss_leaves_the_last_checkpoint_to_go_on_from(whole, tmp_path):
    def broken_at_the_fourth(epoch, start):
        for own, batch in enumerate(epochs(3).batches(epoch, start), start):
            if 2 * epoch + own == 3:
                batch.weak_labels[0, 0] = np.nan
            yield batch

    log = RunLog(tmp_path / "log", "t")
    with pytest.raises(InputError, match="step 1, batch image-11-a, .*: lower .*; a checkpoint, if there is"):
        train(make_net(), epochs(3, broken_at_the_fourth), CPU, tmp_path, log=log, title="broken", checkpoint_seconds=0)
    train(make_net(seed=99), epochs(3), CPU, tmp_path, log=log, title="mended")
    assert (tmp_path / "weights.params").read_bytes() == whole.read_bytes()
    resumed = next(event for event in read_log(tmp_path / "log") if event["event"] == "resumed")
    assert (resumed["epoch"], resumed["step"]) == (1, 1)


def test_learning_rate_zero_changes_nothing_but_training_does():
    net = make_net()
    before = weights(net)
    steps = GluonSteps(net, Optimizer(), epochs(1).loss, CPU)
    train_step(steps, make_batch(0), 0.0, 0)
    assert all(np.array_equal(before[k], v) for k, v in weights(net).items())
    train_step(steps, make_batch(0), 0.01, 0)
    assert not all(np.array_equal(before[k], v) for k, v in weights(net).items())


def test_weights_that_leave_the_finite_are_never_saved(tmp_path):
    one_step = {"steps": 1, "batches": lambda epoch, start: iter([make_batch(0)])}
    wild = dataclasses.replace(epochs(1), **one_step, learning_rate=lambda step: 1e38)
    with pytest.raises(InputError, match="not finite in epoch 0"):
        train(make_net(), wild, CPU, tmp_path, log=RunLog(tmp_path / "log", "t"), title="wild")
    assert not (tmp_path / "weights.params").exists()


def test_each_epoch_logs_its_own_time_and_the_networks_part(tmp_path, monkeypatch):
    def slow_second_epoch(epoch, start):
        for batch in epochs(2).batches(epoch, start):
            time.sleep(0.1 * epoch)  # the reader's time, not the network's
            yield batch

    monkeypatch.setattr("mlsl_mx.training.train.LossCurve.after_step", lambda *_: time.sleep(0.1))
    train(make_net(), epochs(2, slow_second_epoch), CPU, tmp_path, log=RunLog(tmp_path / "log", "t"), title="timed")
    first, second = (event for event in read_log(tmp_path / "log") if event["event"] == "epoch")
    for event, other in ((first, 0.2), (second, 0.4)):
        assert 0 < event["network_seconds"] <= event["seconds"] - other


def cut_before(step: int, how):
    """Batches of `epochs(3)`, but before that step, counted over all epochs, `how` is called."""

    def batches(epoch, start):
        for own, batch in enumerate(epochs(3).batches(epoch, start), start):
            if 2 * epoch + own == step:
                how()
            yield batch

    return batches


def killed():
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Weights file of a training that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    train(make_net(), epochs(3), CPU, out, log=RunLog(out / "log", "t"), title="whole")
    return out / "weights.params"


@pytest.mark.parametrize("seconds", [0, 1000])
@pytest.mark.parametrize("step", range(6))
def test_a_training_that_is_killed_before_any_step_ends_with_the_same_weights(whole, tmp_path, step, seconds):
    log = RunLog(tmp_path / "log", "t")
    with pytest.raises(KeyboardInterrupt):
        train(
            make_net(),
            epochs(3, cut_before(step, killed)),
            CPU,
            tmp_path,
            log=log,
            title="cut",
            checkpoint_seconds=seconds,
        )
    assert not (tmp_path / "weights.params").exists()
    # Its own weights must not matter, unless there was no time for a checkpoint.
    resumed = make_net(seed=0 if seconds or not step else 99)
    train(resumed, epochs(3), CPU, tmp_path, log=log, title="resumed")
    assert (tmp_path / "weights.params").read_bytes() == whole.read_bytes()
    assert not (tmp_path / ".checkpoint").exists()
    found = [(e["epoch"], e["step"]) for e in read_log(tmp_path / "log") if e["event"] == "resumed"]
    assert found == ([] if seconds or not step else [(step // 2, step % 2)] if step % 2 else [((step - 1) // 2, 2)])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_asked_to_stop_finishes_its_step_and_goes_on_from_there(whole, tmp_path, number):
    log, before = RunLog(tmp_path / "log", "t"), signal.getsignal(number)
    asked = epochs(3, cut_before(3, lambda: os.kill(os.getpid(), number)))
    with pytest.raises(Stopped) as stopped:
        train(make_net(), asked, CPU, tmp_path, log=log, title="asked")
    assert stopped.value.exit_code == 128 + number and signal.getsignal(number) == before
    train(make_net(seed=99), epochs(3), CPU, tmp_path, log=log, title="resumed")
    assert (tmp_path / "weights.params").read_bytes() == whole.read_bytes()
    resumed = next(event for event in read_log(tmp_path / "log") if event["event"] == "resumed")
    assert (resumed["epoch"], resumed["step"]) == (1, 2)


def test_the_loss_that_is_logged_is_that_of_all_steps_of_the_epoch(whole, tmp_path):
    log = RunLog(tmp_path / "log", "t")
    with pytest.raises(KeyboardInterrupt):
        train(make_net(), epochs(3, cut_before(3, killed)), CPU, tmp_path, log=log, title="cut", checkpoint_seconds=0)
    train(make_net(), epochs(3), CPU, tmp_path, log=log, title="resumed")
    logs = [read_log(path) for path in (whole.parent / "log", tmp_path / "log")]
    losses = [[event["loss"] for event in events if event["event"] == "epoch"] for events in logs]
    assert losses[0] == losses[1] and len(losses[0]) == 3


def with_a_third_term(*values) -> dict:
    """Eq. 6 and a term of somebody's own."""
    return {**composite_loss(*values, weight=0.5), "sharpness": 0.25 * (values[0][0] ** 2).mean()}


def as_one_term(*values) -> dict:
    return {"whole": sum(with_a_third_term(*values).values())}


def gradients(loss) -> list:
    net = make_net()
    train_step(GluonSteps(net, Optimizer(), loss, CPU), make_batch(0), 0.0, 0)
    return [p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null"]


def test_terms_have_the_gradient_of_their_sum():
    terms, whole, two = map(gradients, (with_a_third_term, as_one_term, epochs(1).loss))
    for one, other in zip(terms, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert max(np.abs(one - other).max() for one, other in zip(terms, two, strict=True)) > 1e-3


def test_a_third_term_shows_up_wherever_the_loss_does(tmp_path):
    log = RunLog(tmp_path / "log", "self-train", method="mine", round=0)
    mine = dataclasses.replace(epochs(2), loss=with_a_third_term)
    train(make_net(), mine, CPU, tmp_path, log=log, title="mine", tensorboard=tmp_path / "events")
    found = loss_curves(read_log(log.path))["self-train", "mine", 0]
    assert all(list(p.losses) == ["segmentation", "weak_labels", "sharpness"] for p in found) and len(found) == 4
    assert [p.loss for p in found] == pytest.approx([sum(p.losses.values()) for p in found])
    shown = scalar_points(read_events(tmp_path / "events"))
    assert shown["loss/sharpness"] == [(p.step, pytest.approx(p.losses["sharpness"])) for p in found]
    mean = [event["loss"] for event in read_log(log.path) if event["event"] == "epoch"][0]
    assert mean == pytest.approx((found[0].loss + found[1].loss) / 2)
    broken = dataclasses.replace(mine, loss=lambda *v: {**with_a_third_term(*v), "gap": v[0][1].sum() * np.inf})
    with pytest.raises(InputError, match=r"sharpness \d\.\d+, gap -?(inf|nan)\) at step 0"):
        train(make_net(), broken, CPU, tmp_path / "broken", log=log, title="broken")


@pytest.mark.parametrize("seconds", [0, 1000])
@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_training_that_is_killed_leaves_each_point_of_the_loss_once(tmp_path, step, seconds):
    log = RunLog(tmp_path / "log", "self-train", method="sisc", round=0)
    train(make_net(), epochs(3), CPU, tmp_path / "whole", log=log, title="whole")
    whole = [point._replace(time="") for point in loss_curves(read_log(log.path))["self-train", "sisc", 0]]
    log.path.unlink()
    where = {"checkpoint_seconds": seconds, "tensorboard": tmp_path / "events"}
    with pytest.raises(KeyboardInterrupt):
        train(make_net(), epochs(3, cut_before(step, killed)), CPU, tmp_path, log=log, title="cut", **where)
    train(make_net(), epochs(3), CPU, tmp_path, log=log, title="resumed", **where)
    found = [point._replace(time="") for point in loss_curves(read_log(log.path))["self-train", "sisc", 0]]
    assert found == whole and [point.step for point in found] == [1, 2, 3, 4, 5, 6]
    shown = scalar_points(read_events(tmp_path / "events"))
    assert shown["loss/total"] == [(p.step, pytest.approx(p.loss)) for p in whole]
    assert shown["loss/weak_labels"] == [(p.step, pytest.approx(p.losses["weak_labels"])) for p in whole]


def test_dropout_differs_from_step_to_step_and_from_worker_to_worker():
    seeds = [_dropout_seed(3, epoch, step, rank) for epoch in range(3) for step in range(3) for rank in range(3)]
    assert len(set(seeds)) == len(seeds)


TWO = (mx.cpu(0), mx.cpu(1))


def net_on(devices, dropout=(0, 0)) -> MLSLNet:
    mx.random.seed(0)
    net = MLSLNet(CLASSES, WIDTH, dropout=dropout)
    net.initialize(ctx=list(devices))
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def test_two_devices_make_the_steps_of_one(tmp_path):
    trained = {}
    for devices in (CPU, TWO):
        net = net_on(devices)
        train(net, epochs(2), devices, tmp_path / str(len(devices)), log=RunLog(tmp_path / "log", "t"), title="devices")
        trained[devices] = [[array.asnumpy() for array in p.list_data()] for p in net.collect_params().values()]
    for (one,), two in zip(trained[CPU], trained[TWO], strict=True):
        np.testing.assert_allclose(two[0], one, atol=2e-6)
        assert np.array_equal(two[0], two[1])


def loss_of(loss, devices, batch: Batch) -> float:
    """Of the same network each time."""
    net = net_on(devices)
    return sum(train_step(GluonSteps(net, Optimizer(), loss, devices), batch, 0.0, 0).values())


def crops_of(batch: Batch) -> list[Batch]:
    return [Batch(*(array[i : i + 1] for array in batch[:4]), (name,)) for i, name in enumerate(batch.names)]


def test_hard_examples_are_those_of_the_whole_batch():
    """Of 2 crops of 20x20 labels, more than 256: the choice differs from one within each crop."""
    rng = np.random.default_rng(0)
    crops = rng.normal(size=(2, 3, 160, 160)).astype(np.float32) * np.array([1, 9], np.float32).reshape(2, 1, 1, 1)
    batch = Batch(
        crops, rng.integers(0, CLASSES, (2, 20, 20)).astype(np.uint8), np.zeros((2, CLASSES)), np.zeros(2), ("a", "b")
    )

    def loss(outputs, *known):
        return composite_loss((outputs[0] * 20, outputs[1]), *known, weight=0.0, hard_examples=True)

    whole, parts = loss_of(loss, CPU, batch), [loss_of(loss, CPU, crop) for crop in crops_of(batch)]
    assert loss_of(loss, TWO, batch) == pytest.approx(whole, rel=1e-5)
    assert abs(np.mean(parts) - whole) > 1e-3 * whole


@pytest.mark.parametrize("normaliser, shares", [("labelled", (4 / 20, 16 / 20)), ("pixels", (1 / 2, 1 / 2))])
def test_the_normaliser_is_that_of_the_whole_batch(normaliser, shares):
    """Of two crops of 16 cells, with 4 labels and with 16."""
    batch = make_batch(0)
    batch.train_ids[0, 1:] = 255
    loss = partial(composite_loss, weight=0.0, normaliser=normaliser)
    whole, parts = loss_of(loss, CPU, batch), [loss_of(loss, CPU, crop) for crop in crops_of(batch)]
    assert whole == pytest.approx(np.dot(shares, parts), rel=1e-5)
    assert loss_of(loss, TWO, batch) == pytest.approx(whole, rel=1e-5)


def test_each_device_drops_other_units():
    mx.random.seed(1)
    with mx.autograd.train_mode():
        masks = [mx.nd.Dropout(mx.nd.ones(64, ctx=device)).asnumpy() for device in TWO]
    assert not np.array_equal(*masks)


def test_several_devices_go_on_after_an_interruption(tmp_path):
    log = RunLog(tmp_path / "log", "t")
    train(net_on(TWO), epochs(3), TWO, tmp_path / "whole", log=log, title="whole")
    cut = epochs(3, cut_before(3, killed))
    with pytest.raises(KeyboardInterrupt):
        train(net_on(TWO), cut, TWO, tmp_path / "cut", log=log, title="cut", checkpoint_seconds=0)
    net = net_on(TWO)
    train(net, epochs(3), TWO, tmp_path / "cut", log=log, title="resumed")
    whole, resumed = (mx.nd.load(str(tmp_path / name / "weights.params")) for name in ("whole", "cut"))
    assert all(np.array_equal(whole[name].asnumpy(), resumed[name].asnumpy()) for name in whole)
    assert all(np.array_equal(*(a.asnumpy() for a in p.list_data())) for p in net.collect_params().values())


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """One bit of the middle: still a whole file, of finite numbers."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("file", ["position.json", "weights-1-1.params", "momentum-1-1.params"])
@pytest.mark.parametrize("damage", [cut, flipped, None, lambda content: b"{}", lambda content: b"[" * 10**5])
def test_a_damaged_checkpoint_is_noticed_and_left_out(whole, tmp_path, caplog, file, damage):
    log = RunLog(tmp_path / "log", "t")
    with pytest.raises(KeyboardInterrupt):
        train(make_net(), epochs(3, cut_before(4, killed)), CPU, tmp_path, log=log, title="cut", checkpoint_seconds=0)
    path = next((tmp_path / ".checkpoint").glob(file.replace("1-1", "*")))
    content = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage(content))
    train(make_net(), epochs(3), CPU, tmp_path, log=log, title="again")
    assert (tmp_path / "weights.params").read_bytes() == whole.read_bytes()
    events = [event["event"] for event in read_log(tmp_path / "log")]
    if path.name == "position.json" and damage is None:  # then there is none
        assert "resumed" not in events and "damaged_checkpoint" not in events
    else:
        assert "resumed" not in events and events.count("damaged_checkpoint") == 1
        assert "training starts from its beginning" in caplog.text


def test_a_checkpoint_of_an_earlier_version_is_left_out(whole, tmp_path, caplog):
    log = RunLog(tmp_path / "log", "t")
    with pytest.raises(KeyboardInterrupt):
        train(make_net(), epochs(3, cut_before(4, killed)), CPU, tmp_path, log=log, title="cut", checkpoint_seconds=0)
    path = tmp_path / ".checkpoint" / "position.json"
    path.write_text(path.read_text().replace("step_terms", "step_losses"))  # as when losses had no names
    train(make_net(), epochs(3), CPU, tmp_path, log=log, title="again")
    assert (tmp_path / "weights.params").read_bytes() == whole.read_bytes()
    assert "is no checkpoint of this version" in caplog.text
