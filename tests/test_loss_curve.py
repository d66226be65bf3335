"""Points of the loss: their means, their number, and what is left of steps that were done again."""

from shutil import rmtree

import pytest
from event_records import read_events, scalar_points
from tensorboardX.proto.event_pb2 import SessionLog

from mlsl_mx.system.run_log import RunLog, read_log
from mlsl_mx.training import loss_curve
from mlsl_mx.training.loss_curve import MOST_POINTS, LossCurve, loss_curves

NAMES = ("segmentation", "weak_labels", "consistency")


def terms(*values: float) -> dict:
    """Of one step, by name."""
    return dict(zip(NAMES, values, strict=False))


LOSSES = [  # of two epochs
    [terms(3.0, 0.3), terms(2.0, 0.2), terms(1.0, 0.1), terms(4.0, 0.0), terms(2.0, 0.2)],
    [terms(1.0, 0.1)] * 5,
]


def written(log: RunLog, start: int = 0, tensorboard=None, epochs=LOSSES, end: int = 99) -> None:
    """The steps from `start` on, counted over all epochs, as `train` passes them."""
    steps = len(epochs[0])
    with LossCurve(log, len(epochs), steps, lambda step: 0.5 / (1 + step), start, tensorboard) as curve:
        for epoch, losses in enumerate(epochs):
            for done in range(1, steps + 1):
                if start < epoch * steps + done <= end:
                    curve.after_step(epoch, losses[:done])


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(loss_curve, "MOST_POINTS", 4)  # 10 steps: every third, and the last of an epoch
    return RunLog(tmp_path / "log.jsonl", "self-train", method="sisc", round=1)


def points(log: RunLog) -> list:
    return list(loss_curves(read_log(log.path)).get(("self-train", "sisc", 1), ()))


def test_points_are_means_since_the_point_before(log):
    written(log)
    found = points(log)
    assert [(p.epoch, p.step, p.steps) for p in found] == [(0, 3, 10), (0, 5, 10), (1, 8, 10), (1, 10, 10)]
    assert [p.losses["segmentation"] for p in found] == pytest.approx([2.0, 3.0, 1.0, 1.0])
    assert [p.losses["weak_labels"] for p in found] == pytest.approx([0.2, 0.1, 0.1, 0.1])
    assert [p.loss for p in found] == pytest.approx([2.2, 3.1, 1.1, 1.1])
    assert [p.learning_rate for p in found] == pytest.approx([0.5 / 3, 0.5 / 5, 0.5 / 8, 0.5 / 10])


def test_a_network_without_the_head_has_no_loss_of_weak_labels(log):
    written(log, epochs=[[terms(3.0), terms(5.0)]])
    assert [(p.loss, p.losses) for p in points(log)] == [(3, {"segmentation": 3}), (5, {"segmentation": 5})]


def test_every_term_has_its_points_whatever_its_name(log, tmp_path):
    written(log, epochs=[[terms(3.0, 0.5, 0.25), terms(1.0, 0.5, 0.75), terms(2.0, 0.5)]], tensorboard=tmp_path / "e")
    assert [(p.loss, p.losses) for p in points(log)] == [
        (3.75, terms(3.0, 0.5, 0.25)),
        (2.25, terms(1.0, 0.5, 0.75)),
        (2.5, terms(2.0, 0.5)),
    ]
    shown = scalar_points(read_events(tmp_path / "e"))
    assert shown["loss/consistency"] == [(1, 0.25), (2, 0.75)] and shown["loss/total"][2] == (3, 2.5)


def test_a_term_that_a_step_lacks_is_0_there(log):
    written(log, epochs=[[terms(3.0, 0.5), terms(1.0), terms(2.0, 0.25)] + [terms(1.0)] * 7])
    assert points(log)[0].losses == {"segmentation": 2.0, "weak_labels": 0.25} and points(log)[0].loss == 2.25


@pytest.mark.parametrize("epochs, steps", [(1, 1), (1, 499), (2, 501), (30, 1561), (700, 3)])
def test_the_log_stays_small(tmp_path, epochs, steps):
    log = RunLog(None, "train-source")
    written(log, epochs=[[terms(1.0)] * steps] * epochs, end=10**9)
    assert min(epochs * steps, MOST_POINTS) / 2 <= log.events <= MOST_POINTS + epochs


@pytest.mark.parametrize("cut, resumed", [(4, 2), (4, 4), (9, 5), (9, 0), (3, 3)])
def test_steps_that_are_done_again_count_once(log, tmp_path, cut, resumed):
    written(log)
    whole = [p._replace(time="") for p in points(log)]
    log.path.unlink()
    written(log, end=cut, tensorboard=tmp_path / "events")
    log.write("begin")
    for end in (resumed + 1, 99):  # killed once more
        written(log, start=resumed, end=end, tensorboard=tmp_path / "events")
    assert [p._replace(time="") for p in points(log)] == whole
    shown = scalar_points(read_events(tmp_path / "events"))
    assert [step for step, _ in shown["loss/total"]] == [p.step for p in whole]
    assert [value for _, value in shown["loss/total"]] == pytest.approx([p.loss for p in whole])
    for name in ("segmentation", "weak_labels"):
        assert [value for _, value in shown[f"loss/{name}"]] == pytest.approx([p.losses[name] for p in whole])
    assert [value for _, value in shown["learning_rate"]] == pytest.approx([p.learning_rate for p in whole])


def test_tensorboard_is_told_to_forget_what_it_saw_before(log, tmp_path):
    """The file that it is reading stays as it is: it goes on to the next only from there."""
    written(log, end=9, tensorboard=tmp_path / "events")
    (first,) = (tmp_path / "events").iterdir()
    before = first.read_bytes()
    written(log, start=5, tensorboard=tmp_path / "events")
    assert sorted((tmp_path / "events").iterdir())[0] == first and first.read_bytes() == before
    start = read_events(tmp_path / "events")[0]
    assert (start.step, start.session_log.status) == (0, SessionLog.START)


@pytest.mark.parametrize("torn", [b"", b"half", b"\xff" * 40, bytes(8) + bytes(8)])
def test_a_point_that_a_crash_tore_is_shown(log, tmp_path, torn):
    written(log, end=8, tensorboard=tmp_path / "events")
    (path,) = (tmp_path / "events").iterdir()
    path.write_bytes(path.read_bytes()[:-5] + torn)  # the point of step 8, the log has it
    written(log, start=8, tensorboard=tmp_path / "events")
    shown = scalar_points(read_events(tmp_path / "events"))
    assert [step for step, _ in shown["loss/total"]] == [3, 5, 8, 10]


def test_a_training_whose_event_file_was_deleted_shows_all_again(log, tmp_path):
    written(log, end=9, tensorboard=tmp_path / "events")
    rmtree(tmp_path / "events")
    written(log, start=5, tensorboard=tmp_path / "events")
    shown = scalar_points(read_events(tmp_path / "events"))
    assert [step for step, _ in shown["loss/total"]] == [3, 5, 8, 10]


def test_points_are_there_while_training_goes_on(log, tmp_path):
    with LossCurve(log, 1, 3, lambda step: 0.1, tensorboard=tmp_path / "events") as curve:
        curve.after_step(0, [terms(1.0)])
        assert scalar_points(read_events(tmp_path / "events"))["loss/total"] == [(1, 1.0)]


def test_a_worker_without_a_log_writes_nothing(tmp_path):
    written(RunLog(None, "self-train", method="sisc", round=1), tensorboard=tmp_path / "events")
    assert list(tmp_path.iterdir()) == []


def test_trainings_are_apart_and_what_is_no_point_is_left_out(log):
    written(log)
    other = RunLog(log.path, "train-source", method="source-only", round=None)
    written(other, epochs=[[terms(7.0)]])
    earlier = {"segmentation_loss": 3.0, "weak_label_loss": 0.3, **points(log)[0]._asdict()}
    del earlier["losses"]
    for wrong in (
        {},
        earlier,
        {**points(log)[0]._asdict(), "losses": [3.0, 0.3]},
        {**points(log)[0]._asdict(), "losses": {"segmentation": "high"}},
        {"step": 3},
        {**points(log)[0]._asdict(), "loss": "high"},
        {**points(log)[0]._asdict(), "time": 5},
    ):
        log.write("loss", **wrong)
    curves = loss_curves([*read_log(log.path), {"event": "loss", "time": None}])
    counts = {training: len(found) for training, found in curves.items()}
    assert counts == {("self-train", "sisc", 1): 4, ("train-source", "source-only", None): 1}
