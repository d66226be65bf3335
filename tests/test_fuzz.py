"""A few seconds of what `make fuzz` does for minutes, with the same cases each time."""

import pytest
from fuzz_kinds import KINDS
from fuzzing import Playground, check_run
from hypothesis import HealthCheck, given, settings

EXAMPLES = {"lists": 25, "settings": 40, "yaml": 40, "images": 20, "params": 12, "runs": 1, "own": 40}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return Playground(tmp_path_factory.mktemp("ground"))


@pytest.mark.parametrize("name", KINDS)
def test_strange_input_is_refused_in_one_line_or_dealt_with(ground, name):
    kind = KINDS[name]

    @settings(
        max_examples=EXAMPLES[name],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.cases)
    def check(case):
        kind.check(ground, case)

    check()


def test_a_damaged_log_costs_its_loss_curves_alone(ground):
    names = sorted(str(path.relative_to(ground.run)) for path in ground.run.rglob("*") if path.is_file())
    assert check_run(ground, (0, [(names.index("log.jsonl"), "cut in half")]))
