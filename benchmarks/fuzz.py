"""Strange lists, settings, images, weights and run directories for some minutes: what was tried, and what went wrong.

    make fuzz                       10 minutes
    .venv/bin/python benchmarks/fuzz.py --seconds 60 --seed 7

Each case goes through the command line (tests/fuzzing.py says what must be true of what comes of it). A failure is a
traceback, another exit code than 0 or 2, a refusal of more than a line, a wrong result, a hang, or more than 1 GB that
a case adds to the memory of the process (Linux).
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from measure import option_parser, peak_extra_bytes, table, write_results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import hypothesis
from fuzz_kinds import KINDS
from fuzzing import Playground
from hypothesis import HealthCheck, Phase, given, settings

CASES_AT_A_TIME = 20
HANG_SECONDS = 120  # for a case that takes a few at most
MOST_BYTES = 10**9


class Tally:
    """What happened to the cases of one kind."""

    def __init__(self):
        self.tried = self.accepted = 0
        self.seconds = 0.0
        self.peak_extra_bytes = 0  # the most that a case added to the process's memory
        self.failures: list[dict[str, str]] = []

    @property
    def refused(self) -> int:
        return self.tried - self.accepted - len(self.failures)


def try_some(ground: Playground, name: str, seed: int, tally: Tally) -> None:
    """Some cases of a kind, and what comes of them."""

    def check(case: Any) -> None:
        tally.tried += 1
        accepted: list[bool] = []
        signal.alarm(HANG_SECONDS)
        try:
            added = peak_extra_bytes(lambda: accepted.append(KINDS[name].check(ground, case)))
            tally.peak_extra_bytes = max(tally.peak_extra_bytes, added)
            assert added < MOST_BYTES, f"{added} bytes"
            tally.accepted += accepted[0]
        except (Exception, Hanging):
            tally.failures.append({"case": repr(case)[:2000], "problem": traceback.format_exc()[-2000:]})
        finally:
            signal.alarm(0)

    options = {"max_examples": CASES_AT_A_TIME, "deadline": None, "database": None, "phases": (Phase.generate,)}
    started = time.monotonic()
    limited = settings(**options, suppress_health_check=list(HealthCheck))
    limited(hypothesis.seed(seed)(given(KINDS[name].cases)(check)))()
    tally.seconds += time.monotonic() - started


def fuzz(seconds: float, seed: int) -> dict[str, Tally]:
    """Kind after kind, each getting the same time."""
    signal.signal(signal.SIGALRM, _hanging)
    tallies = {name: Tally() for name in KINDS}
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        ground = Playground(Path(folder))
        while time.monotonic() < end:
            name = min(tallies, key=lambda name: tallies[name].seconds)
            try_some(ground, name, seed, tallies[name])
            seed += 1
    return tallies


class Hanging(BaseException):
    """A case did not end. No Exception, or the code under test would take it for a damaged file."""


def _hanging(number, frame):
    raise Hanging(f"no end after {HANG_SECONDS} s")


def main() -> int:
    """Returns: 0, or 1 if there was a failure."""
    parser = option_parser(__doc__, results=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0, help="of the first cases; each later batch has the next one")
    options = parser.parse_args()
    tallies = fuzz(options.seconds, options.seed)
    rows = [
        (KINDS[name].title, t.tried, t.accepted, t.refused, len(t.failures), round(t.peak_extra_bytes / 1e6))
        for name, t in tallies.items()
    ]
    rows.append(("all", *(sum(row[i] for row in rows) for i in range(1, 5)), max(row[5] for row in rows)))
    content = {
        "seconds": options.seconds,
        "seed": options.seed,
        "peak_extra_bytes": max(tally.peak_extra_bytes for tally in tallies.values()),
        "kinds": {name: {**vars(tally), "refused": tally.refused} for name, tally in tallies.items()},
        "tried": rows[-1][1],
        "failures": rows[-1][4],
    }
    head = ("input", "tried", "accepted", "refused in one line", "failures", "most MB that one added")
    text = "# Fuzzing\n\n" + table(head, rows) + f"\n{options.seconds:.0f} s, first seed {options.seed}.\n"
    write_results("fuzz", content, text, options.results)
    return 1 if content["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
