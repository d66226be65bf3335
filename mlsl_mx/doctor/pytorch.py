"""What the facts mean in an environment that has PyTorch in MXNet's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from mlsl_mx.doctor.cards import architecture
from mlsl_mx.doctor.driver import Gpu
from mlsl_mx.doctor.facts import Facts
from mlsl_mx.doctor.findings import NOTE, OK, UNUSABLE, Finding, card_text, driver_facts, driver_finding

ANOTHER_BUILD = "install a PyTorch for the driver's CUDA (pytorch.org lists them) with .venv-torch/bin/pip"


def is_pytorch(facts: Facts) -> bool:
    """Whether this environment has PyTorch in MXNet's place."""
    return "torch" in facts.imports.versions or "torch" in facts.imports.errors


def engine_findings(facts: Facts) -> Iterator[Finding]:
    """Of PyTorch, NVIDIA's driver and its GPUs."""
    yield _pytorch(facts)
    yield _driver(facts)
    for index, gpu in enumerate(facts.driver.gpus):
        yield _gpu(facts, index, gpu)


def _pytorch(facts: Facts) -> Finding:
    imports = facts.imports
    if "torch" not in imports.versions:
        why = imports.errors.get("torch", f"importing it {imports.ended}")
        return Finding("PyTorch", f"does not import: {why}", UNUSABLE, "rm -r .venv-torch and make setup-torch")
    text = f"{imports.versions['torch']}, with {', '.join(imports.features) or 'no GPU: CTX=torch:cpu'}"
    found = {"version": imports.versions["torch"], "features": list(imports.features)}
    return Finding("PyTorch", f"{text}: CTX=mps" if "MPS" in imports.features else text, facts=found)


def _driver(facts: Facts) -> Finding:
    driver, cuda = facts.driver, _cuda(facts)
    if driver.error is not None:
        return Finding(
            "NVIDIA driver", f"none that answers ({driver.error}): CTX=torch:cpu, or mps of an Apple computer"
        )
    text, found = driver_facts(driver)
    if not cuda:
        return Finding("NVIDIA driver", f"{text}; this PyTorch has no CUDA", NOTE, ANOTHER_BUILD, found)
    if driver.cuda[0] < cuda:
        remedy = f"update it to one for CUDA {cuda}, or {ANOTHER_BUILD}"
        return Finding("NVIDIA driver", text, UNUSABLE, remedy, found)
    return driver_finding(facts, "PyTorch")


def _gpu(facts: Facts, index: int, gpu: Gpu) -> Finding:
    topic, text = f"GPU {index}", card_text(gpu)
    found = {**asdict(gpu), "capability": list(gpu.capability), "architecture": architecture(gpu.capability)}
    if index >= len(facts.imports.faults):
        return Finding(topic, f"{text}: PyTorch was not tried on it", NOTE, "", found)
    fault = facts.imports.faults[index]
    if fault is not None:
        remedy = f"this PyTorch may have no code for it: {ANOTHER_BUILD}"
        return Finding(topic, f"{text}: computing fails: {fault}", UNUSABLE, remedy, found)
    return Finding(topic, f"{text}: PyTorch computes on it: CTX=cuda:{index}", OK, "", found)


def _cuda(facts: Facts) -> int | None:
    """The first number of the CUDA that this PyTorch is built with; None of a build without."""
    (version,) = [name.split()[1] for name in facts.imports.features if name.startswith("CUDA")] or [None]
    return int(version.split(".")[0]) if version else None
