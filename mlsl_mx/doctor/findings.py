"""What the facts mean: one finding a topic, whether it stands in the way, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mlsl_mx.doctor.cards import CODE, GPU_WHEEL, OLDEST_CUDA, OLDEST_CUDA_FOR_FUSION, architecture, has_code
from mlsl_mx.doctor.driver import Driver, Gpu
from mlsl_mx.doctor.facts import Facts

OK, NOTE, UNUSABLE = "ok", "note", "unusable"

INSTALL = "pip install --require-hashes --no-deps -r requirements.lock"
GPU_BUILD = "make setup-gpu, then give CTX='gpu(0)'"
CPU_BUILD = "use the build for CPUs (make setup, CTX=cpu)"
# A library -> who has it in Debian and in Fedora. Wheels bring the first two as well (gcc_libraries.py); the
# last two are what OpenCV with windows asks for, in whose place the lock files have the one without.
SYSTEM_PACKAGES = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libquadmath.so.0": ("libquadmath0", "libquadmath"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++"),
    "libGL.so.1": ("libgl1 libglib2.0-0", "mesa-libGL glib2"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2"),
}
SHOWN_FEATURES = {  # MXNet's name -> ours
    "MKLDNN": "oneDNN",
    "CUDA": "CUDA",
    "CUDNN": "cuDNN",
    "DIST_KVSTORE": "DIST_KVSTORE",
    "OPENCV": "OPENCV",
}
# Source training of one crop a batch, with its measurement on the source (benchmarks/results/full_recipe.md).
FULL_MEMORY = 9.5e9
FULL_DISK = 37e9  # a round's stores take 35 GB (docs/SCALING.md)


@dataclass(frozen=True)
class Finding:
    """What was found of one topic."""

    topic: str
    text: str
    verdict: str = OK  # NOTE: usable, but there is something to know or do; UNUSABLE: stages fail
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)  # the same as numbers, for programs


def mxnet_findings(facts: Facts) -> Iterator[Finding]:
    """Of GluonCV, MXNet, NVIDIA's driver and its GPUs."""
    yield _module(facts, "gluoncv", "gluoncv")
    yield _mxnet(facts)
    yield _driver(facts)
    for index, gpu in enumerate(facts.driver.gpus):
        yield _gpu(facts, index, gpu)


def findings(facts: Facts, of_engine: Callable[[Facts], Iterator[Finding]] = mxnet_findings) -> Iterator[Finding]:
    """All but those about data.

    Args:
        of_engine: those about the engine's library, the driver and the GPUs.
    """
    yield Finding("Python", f"{facts.python} in {facts.environment}", facts={"version": facts.python})
    if facts.elsewhere:
        text = f"holds packages that are not used, as those of the environment come first: {', '.join(facts.elsewhere)}"
        yield Finding("PYTHONPATH", text, NOTE, "unset it, for programs that do take them", {"files": facts.elsewhere})
    for module, name in (("numpy", "NumPy"), ("cv2", "OpenCV")):
        yield _module(facts, module, name)
    yield from of_engine(facts)
    yield _cpu(facts)
    yield _memory(facts)
    yield _disk(facts)


def is_cuda_build(facts: Facts) -> bool:
    """Whether the MXNet that is installed is one for GPUs."""
    return "CUDA" in facts.imports.features or any("-cu" in wheel for wheel in facts.wheels)


def _module(facts: Facts, module: str, name: str) -> Finding:
    imports = facts.imports
    if module in imports.versions:
        version = imports.versions[module]
        return Finding(name, version, facts={"version": version})
    why = imports.errors.get(module)
    if why is None:
        return Finding(name, f"not known: importing it {imports.ended}", UNUSABLE, _reinstall(facts))
    if module == "gluoncv" and "mxnet" not in imports.versions:
        return Finding(name, "not known: it needs MXNet, which cannot be imported", NOTE)
    return Finding(name, f"does not import: {why}", UNUSABLE, _provide(facts, why))


def _mxnet(facts: Facts) -> Finding:
    imports, wheels = facts.imports, " and ".join(facts.wheels) or "no wheel"
    found = {"wheels": list(facts.wheels), "features": list(imports.features)}
    if "mxnet" not in imports.versions:
        why = imports.errors.get("mxnet", f"importing it {imports.ended}")
        return Finding("MXNet", f"does not import ({wheels} installed): {why}", UNUSABLE, _provide(facts, why), found)
    has = [name for feature, name in SHOWN_FEATURES.items() if feature in imports.features]
    lacks = [name for feature, name in SHOWN_FEATURES.items() if feature not in imports.features]
    text = f"{imports.versions['mxnet']}, wheel {wheels}: with {', '.join(has) or 'none'}"
    text += f"; without {', '.join(lacks)}" if lacks else ""
    found["version"] = imports.versions["mxnet"]
    if len(facts.wheels) > 1:
        pip = f"{facts.environment}/bin/pip"
        remedy = f"they overwrite each other's files: {pip} uninstall {' '.join(facts.wheels)}, then install one"
        return Finding("MXNet", text, NOTE, remedy, found)
    return Finding("MXNet", text, OK, "", found)


def _provide(facts: Facts, why: str) -> str:
    """What to do where an import fails, maybe for want of a library of the system."""
    packages = next((names for library, names in SYSTEM_PACKAGES.items() if library in why), None)
    if packages is None:
        return _reinstall(facts)
    debian, fedora = packages
    return f"apt-get install {debian} (Debian, Ubuntu) or dnf install {fedora} (Fedora); or {_reinstall(facts)}"


def _reinstall(facts: Facts) -> str:
    """What to do where an import fails."""
    if not is_cuda_build(facts):
        return f"make clean and make setup, or {INSTALL} with the pip of a new environment"
    if facts.driver.error is not None:
        return f"install NVIDIA's driver, or {CPU_BUILD}"
    pip = f"{facts.environment}/bin/pip"
    return f"rm -r .venv-gpu and make setup-gpu, or {pip} install --require-hashes --no-deps -r requirements-gpu.lock"


def _driver(facts: Facts) -> Finding:
    driver, wanted = facts.driver, is_cuda_build(facts)
    if driver.error is not None:
        if not wanted:
            return Finding("NVIDIA driver", f"none that answers ({driver.error}): this machine computes on its CPU")
        remedy = f"install NVIDIA's driver, or in a container give --gpus all; or {CPU_BUILD}"
        return Finding("NVIDIA driver", driver.error, UNUSABLE, remedy)
    text, found = driver_facts(driver)
    if driver.cuda < OLDEST_CUDA:
        verdict = UNUSABLE if wanted else NOTE
        return Finding("NVIDIA driver", text, verdict, "update it to 450.80.02 or newer, for CUDA 11", found)
    if driver.cuda < OLDEST_CUDA_FOR_FUSION:
        remedy = "update it to 520.61.05 or newer, or set MXNET_USE_FUSION=0: it cannot load what NVRTC 11.8 compiles"
        return Finding("NVIDIA driver", text, NOTE, remedy, found)
    if wanted and facts.imports.features:
        return driver_finding(facts, "MXNet")
    return Finding("NVIDIA driver", text, facts=found)


def driver_facts(driver: Driver) -> tuple[str, dict[str, Any]]:
    """What a driver that answers says of itself, in words and for programs."""
    count = len(driver.gpus)
    text = f"{driver.version or 'version not told'}, for CUDA up to {dotted(driver.cuda)}, {count} GPU"
    return text + "s" * (count != 1), {"version": driver.version, "cuda": list(driver.cuda), "gpus": count}


def driver_finding(facts: Facts, library: str) -> Finding:
    """Of a driver that will do: whether the engine's library sees all of its GPUs."""
    text, found = driver_facts(facts.driver)
    seen, why = facts.imports.gpus, facts.imports.gpus_error
    if not why and seen >= len(facts.driver.gpus):
        return Finding("NVIDIA driver", text, facts=found)
    text += f"; {library} sees {seen}" + (f": {why}" if why else "")
    remedy = "after an update of the driver restart the machine, or the container; look at CUDA_VISIBLE_DEVICES"
    return Finding("NVIDIA driver", text, NOTE if seen else UNUSABLE, remedy, found)


def _gpu(facts: Facts, index: int, gpu: Gpu) -> Finding:
    topic, wheel = f"GPU {index}", _wheel(facts)
    code = has_code(wheel, gpu.capability)
    text = card_text(gpu)
    found = {**asdict(gpu), "capability": list(gpu.capability), "has_code": code}
    if code is False:
        newer = gpu.capability > max(CODE[wheel])
        text += f": NO CODE for it in {wheel}" + ", nor in any other official wheel" * newer
        torch = "PyTorch supports it (not tried on a card): CTX=cuda:0, make setup-torch"
        another = torch if newer else "use CTX=cpu, or a newer card"
        remedy = f"{another}; MXNet knows Maxwell to Ada (capability 5.0 to 8.9): see docs/GPU.md"
        verdict = UNUSABLE if is_cuda_build(facts) and not _another_works(facts) else NOTE
        return Finding(topic, text, verdict, remedy, found)
    if not is_cuda_build(facts):
        text += f": {wheel} has code for it, but this MXNet is the build for CPUs"
        return Finding(topic, text, NOTE, GPU_BUILD, found)
    text += ": this MXNet has code for it" if code else ": whether this MXNet has code for it is not known here"
    if index >= len(facts.imports.faults):
        return Finding(topic, text, OK if code else NOTE, "", found)
    fault = facts.imports.faults[index]
    if fault is not None:
        return Finding(topic, f"{text}, but computing fails: {fault}", UNUSABLE, "", found)
    return Finding(topic, f"{text}, and it computes", OK, "", found)


def card_text(gpu: Gpu) -> str:
    """Name, architecture, capability and memory of a GPU."""
    free = "" if gpu.free is None else f"{_gib(gpu.free)} of "
    text = f"{gpu.name}, {architecture(gpu.capability)}, capability {dotted(gpu.capability)}"
    return f"{text}, {free}{_gib(gpu.total)} GiB" + " free" * bool(free)


def _wheel(facts: Facts) -> str | None:
    """The wheel for GPUs that is installed, or the one that would be; None for a build of another name, as NVIDIA's."""
    installed = next((wheel for wheel in facts.wheels if "-cu" in wheel), None)
    return installed if is_cuda_build(facts) else GPU_WHEEL


def _another_works(facts: Facts) -> bool:
    return any(has_code(_wheel(facts), gpu.capability) for gpu in facts.driver.gpus)


def _cpu(facts: Facts) -> Finding:
    bfloat16 = "has bfloat16: network.precision=bfloat16 is for labelling and evaluation" if facts.bfloat16 else ""
    text = f"{facts.cpu or 'unknown'}, {facts.cores} cores; {bfloat16 or 'no bfloat16: network.precision=float32'}"
    return Finding("CPU", text, facts={"model": facts.cpu, "cores": facts.cores, "bfloat16": facts.bfloat16})


def _memory(facts: Facts) -> Finding:
    found = {"total": facts.memory, "free": facts.free_memory}
    if facts.memory is None or facts.free_memory is None:
        return Finding("memory", "this system does not tell", facts=found)
    text = f"{_gib(facts.free_memory)} of {_gib(facts.memory)} GiB free"
    if facts.free_memory < FULL_MEMORY:
        remedy = "training the full network on a CPU takes 9.5 GB: free some, or lower network.width"
        return Finding("memory", text, NOTE, remedy, found)
    return Finding("memory", text, facts=found)


def _disk(facts: Facts) -> Finding:
    text, found = f"{facts.free_disk / 1e9:.0f} GB free in {facts.folder}", {"free": facts.free_disk}
    if facts.free_disk < FULL_DISK:
        remedy = "the full recipe keeps 35 GB while a round is labelled: free some, or give RUN= on another disk"
        return Finding("disk", text, NOTE, remedy, found)
    return Finding("disk", text, facts=found)


def dotted(version: tuple[int, ...]) -> str:
    """A version with its points."""
    return ".".join(map(str, version))


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
