"""All findings, as text or data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.doctor.facts import Facts, gather
from mlsl_mx.doctor.findings import NOTE, OK, UNUSABLE, Finding, findings, mxnet_findings
from mlsl_mx.doctor.pytorch import engine_findings, is_pytorch

WIDTH = 120  # characters of a line
SUMMARY = {True: "usable", False: "NOT usable"}


@dataclass(frozen=True)
class Diagnosis:
    """What `mlsl doctor` says."""

    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether stages can run."""
        return all(finding.verdict != UNUSABLE for finding in self.findings)

    def summary(self) -> str:
        """One line."""
        count = {verdict: sum(f.verdict == verdict for f in self.findings) for verdict in (UNUSABLE, NOTE)}
        names = {UNUSABLE: "fault", NOTE: "note"}
        parts = [f"{n} {names[v]}" + "s" * (n > 1) for v, n in count.items() if n]
        return ": ".join([SUMMARY[self.usable], ", ".join(parts) or "nothing to fix"])

    def text(self) -> str:
        """A finding a line, wrapped, with what to do below it."""
        return "\n".join([*(line for finding in self.findings for line in _lines(finding)), self.summary()])

    def content(self) -> dict[str, Any]:
        """{"usable": bool, "findings": [{"topic", "text", "verdict", "remedy", "facts"}]}, JSON-able."""
        return {"usable": self.usable, "findings": [asdict(finding) for finding in self.findings]}


def examine(experiments: Sequence[Path], settings: Sequence[str], roots: dict[str, Path | None]) -> Diagnosis:
    """Look at everything; takes some seconds.

    Args:
        experiments: whose data are looked for; empty: the defaults for these folders.
        settings: `key=value`, of all of them.
        roots: folder of each data set, or None; without any, data is not looked for unless experiments are named.

    Raises: InputError for a wrong experiment or setting.
    """
    facts = gather()
    of_engine = engine_findings if is_pytorch(facts) else mxnet_findings
    return Diagnosis((*findings(facts, of_engine), *_data(facts, experiments, settings, roots)))


def _data(facts: Facts, experiments, settings, roots) -> Iterator[Finding]:
    if not experiments and not any(roots.values()):
        yield Finding("data", "no folder given: --data FOLDER looks into it; the miniature needs none")
        return
    if not {"numpy", "cv2"} <= set(facts.imports.versions):
        yield Finding("data", "not looked at, as NumPy or OpenCV does not import", NOTE)
        return
    from mlsl_mx.doctor.data import default_experiments, look_at_data

    seen: dict[str, Finding] = {}
    for experiment in experiments or default_experiments(roots):
        for finding in look_at_data(experiment, settings, roots, UNUSABLE if experiments else NOTE):
            seen.setdefault(finding.text, finding)
    found = tuple(seen.values())
    if not any(finding.facts.get("images") for finding in found):
        remedy = "give the folder that holds the data sets, or correct the places in the experiment file"
        yield Finding("data", "none of the listed images was found", UNUSABLE, remedy)
    yield from found


def _lines(finding: Finding) -> Iterator[str]:
    mark = {OK: "  ", NOTE: "? ", UNUSABLE: "! "}[finding.verdict]
    indent = " " * 17
    first = f"{mark}{finding.topic:<15}{finding.text}"
    yield from textwrap.wrap(first, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    if finding.remedy:
        yield from textwrap.wrap(f"-> {finding.remedy}", WIDTH, initial_indent=indent, subsequent_indent=indent + "   ")
