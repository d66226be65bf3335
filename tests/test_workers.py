"""Workers: exact sums, gathered arrays and shared training steps, with real processes and MXNet's parameter server."""

import sys
from pathlib import Path

import numpy as np
import pytest
from volumes import saturated, sorted_thresholds
from worker_process import CLASSES, confident, counts, trained

from mlsl_mx.system.errors import InputError
from mlsl_mx.system.launch import run_workers
from mlsl_mx.system.worker_role import check_shared
from mlsl_mx.system.workers import ALONE, COUNTS_BELOW, LIMB_BITS, MOST_WORKERS, join

SCRIPT = Path(__file__).parent / "worker_process.py"


COUNT = 4


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of 4 workers found, by rank."""
    folder = tmp_path_factory.mktemp("workers")
    assert run_workers([[sys.executable, str(SCRIPT), str(folder)]] * COUNT, threads=1) == 0
    return [np.load(folder / f"rank-{rank}.npz") for rank in range(COUNT)]


def test_sums_are_exact_and_the_same_for_all(processes):
    want = sum(counts(rank).astype(object) for rank in range(COUNT))  # Python's integers are exact
    for found in processes:
        assert found["sum"].dtype == np.int64 and found["sum"].shape == (3, 4)
        assert found["sum"].tolist() == want.tolist()
        assert found["again"].tolist() == (2 * want).tolist()


def test_gathered_values_come_in_the_order_of_ranks(processes):
    want = np.concatenate([np.full((2, 3), rank + 0.1, np.float32) for rank in range(COUNT)])
    assert all(np.array_equal(found["gathered"], want) for found in processes)


def test_rank_0_decides_and_goes_first(processes):
    assert [int(found["agreed"]) for found in processes] == [10] * COUNT
    assert [str(found["made"]) for found in processes] == ["by rank 0"] * COUNT


def test_shards_are_all_items_once(processes):
    assert sorted(i for found in processes for i in found["shard"]) == list(range(7))
    assert processes[1]["shard"].tolist() == [1, 5]


def test_thresholds_are_those_of_one_process(processes):
    volumes = [saturated(3 * index, 3, CLASSES, (20, 30), seed=index) for index in range(5)]
    for found in processes:
        np.testing.assert_array_equal(found["few"], sorted_thresholds(volumes[:2], 0.3))
        np.testing.assert_array_equal(found["many"], sorted_thresholds(volumes, 0.3, "global"))
    np.testing.assert_array_equal(confident(ALONE, few=True).thresholds(0.3), sorted_thresholds(volumes[:2], 0.3))


def test_shared_steps_are_those_of_one_process(processes):
    losses, weights = trained(ALONE)
    for found in processes:
        np.testing.assert_allclose(found["losses"], losses, rtol=1e-6)
        np.testing.assert_allclose(found["weights"], weights, atol=2e-6)
        assert np.array_equal(found["weights"], processes[0]["weights"])  # all have the very same


def test_one_process_alone():
    counts = np.arange(6).reshape(2, 3)
    total = ALONE.sum(counts)
    assert np.array_equal(total, counts) and total is not counts
    assert (ALONE.rank, ALONE.count, ALONE.kvstore) == (0, 1, None)
    assert list(ALONE.shard(3)) == [0, 1, 2] and ALONE.agreed(5) == 5 and ALONE.first_then_all(lambda: "made") == "made"
    ALONE.barrier()
    assert ALONE.sum(np.zeros((0, 2), np.int64)).shape == (0, 2)


@pytest.mark.parametrize("value", [-1, COUNTS_BELOW])
def test_what_could_be_summed_wrongly_is_refused(value):
    with pytest.raises(ValueError, match="from 0 to"):
        ALONE.sum(np.array([0, value]))


def test_limbs_of_all_workers_fit_float32():
    assert MOST_WORKERS * (2**LIMB_BITS - 1) < 2**24
    assert MOST_WORKERS * COUNTS_BELOW < 2**63


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("DMLC_ROLE", raising=False)
    assert join() is ALONE


def test_a_missing_or_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("DMLC_ROLE", "worker")
    for name in ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_SERVER"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("DMLC_NUM_WORKER", raising=False)
    with pytest.raises(InputError, match="DMLC_NUM_WORKER is not set"):
        join()
    for wrong in ("two", "0", "257"):
        monkeypatch.setenv("DMLC_NUM_WORKER", wrong)
        with pytest.raises(InputError, match=f"DMLC_NUM_WORKER is '{wrong}': it must be a number from 1 to 256"):
            join()


def test_what_is_not_shared_says_so():
    check_shared("evaluate")
    with pytest.raises(InputError, match="report: only train-source, .*, evaluate are shared by workers"):
        check_shared("report")
