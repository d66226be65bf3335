"""What `mlsl doctor` makes of the facts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_facts import CPU_BUILD, GIB, GOOD, GTX_1080, H100, IMPORTS

from mlsl_mx.doctor.cards import architecture, has_code
from mlsl_mx.doctor.driver import Driver
from mlsl_mx.doctor.facts import Imports
from mlsl_mx.doctor.findings import NOTE, OK, UNUSABLE, findings
from mlsl_mx.doctor.pytorch import engine_findings, is_pytorch
from mlsl_mx.system.errors import meaning

GUIDE = (Path(__file__).parents[1] / "docs" / "GPU.md").read_text()


def found(topic: str, **changes):
    """The finding of a topic, for facts that differ from GOOD."""
    (finding,) = [f for f in findings(replace(GOOD, **changes)) if f.topic == topic]
    return finding


def test_nothing_is_wrong_where_nothing_is():
    assert {finding.verdict for finding in findings(GOOD)} == {OK}
    assert "it computes" in found("GPU 0").text


@pytest.mark.parametrize(
    ("capability", "name", "code"),
    [
        ((3, 7), "Kepler", False),
        ((5, 0), "Maxwell", True),
        ((5, 2), "Maxwell", True),
        ((6, 1), "Pascal", True),
        ((7, 0), "Volta", True),
        ((7, 5), "Turing", True),
        ((8, 0), "Ampere", True),
        ((8, 6), "Ampere", True),
        ((8, 9), "Ada", True),
        ((9, 0), "Hopper", False),
        ((10, 0), "Blackwell", False),
        ((12, 0), "Blackwell", False),
    ],
)
def test_which_cards_have_code(capability, name, code):
    assert (architecture(capability), has_code("mxnet-cu112", capability)) == (name, code)
    (works,) = re.findall(rf"^\| {name} \|.*\| (yes|no|\*\*no\*\*)[^|]*\|$", GUIDE, re.MULTILINE)
    assert (works == "yes") == code


def test_every_error_in_the_guide_is_translated():
    rows = GUIDE.split("## Errors")[1].split("\n## ")[0].splitlines()
    errors = [error for row in rows if row.startswith("| `") for error in re.findall("`([^`]+)`", row.split("|")[1])]
    assert len(errors) >= 8 and [error for error in errors if meaning(RuntimeError(error)) is None] == []


@pytest.mark.parametrize("changes", [{}, CPU_BUILD])
def test_a_card_without_code_is_told_so(changes):
    finding = found("GPU 0", driver=replace(GOOD.driver, gpus=(H100,)), **changes)
    assert "NO CODE for it in mxnet-cu112, nor in any other official wheel" in finding.text
    assert "PyTorch supports it (not tried on a card): CTX=cuda:0" in finding.remedy
    assert finding.verdict == (NOTE if changes else UNUSABLE) and finding.facts["has_code"] is False


def test_a_card_that_is_too_old():
    """Older wheels may have had code for it, so that is not denied."""
    finding = found("GPU 0", driver=replace(GOOD.driver, gpus=(replace(H100, name="K80", capability=(3, 7)),)))
    assert finding.verdict == UNUSABLE and "NO CODE" in finding.text and "other official" not in finding.text


@pytest.mark.parametrize("wheel", ["mxnet", "mxnet-cu102"])
@pytest.mark.parametrize(
    "fault, verdict, says", [(None, OK, ", and it computes"), ("no kernel image", UNUSABLE, "fails: no kernel image")]
)
def test_of_an_unknown_build_it_counts_what_was_tried(fault, verdict, says, wheel):
    """As in NVIDIA's container, whose MXNet is no official wheel and may well have code for an H100."""
    changes = {"driver": replace(GOOD.driver, gpus=(H100,)), "wheels": (wheel,)}
    finding = found("GPU 0", **changes, imports=replace(IMPORTS, faults=(fault,)))
    assert finding.verdict == verdict and finding.text.endswith(says) and finding.facts["has_code"] is None
    untried = found("GPU 0", **changes, imports=replace(IMPORTS, faults=()))
    assert untried.verdict == NOTE and "not known here" in untried.text


def test_one_card_that_works_is_enough():
    both = replace(GOOD.driver, gpus=(GTX_1080, H100))
    two = replace(IMPORTS, gpus=2, faults=(None, "no kernel image is available"))
    assert [f.verdict for f in findings(replace(GOOD, driver=both, imports=two)) if "GPU" in f.topic] == [OK, NOTE]


def test_a_card_beside_the_build_for_cpus_is_pointed_out():
    finding = found("GPU 0", **CPU_BUILD)
    assert finding.verdict == NOTE and "make setup-gpu" in finding.remedy


def test_a_card_that_does_not_compute():
    finding = found("GPU 0", imports=replace(IMPORTS, faults=("CUDNN_STATUS_EXECUTION_FAILED",)))
    assert finding.verdict == UNUSABLE and "CUDNN_STATUS_EXECUTION_FAILED" in finding.text


@pytest.mark.parametrize(
    ("cuda", "verdict", "said"),
    [((10, 2), UNUSABLE, "450.80.02"), ((11, 2), NOTE, "MXNET_USE_FUSION=0"), ((11, 8), OK, ""), ((13, 0), OK, "")],
)
def test_drivers_that_are_too_old(cuda, verdict, said):
    finding = found("NVIDIA driver", driver=replace(GOOD.driver, cuda=cuda))
    assert finding.verdict == verdict and said in finding.remedy


def test_no_driver_matters_to_the_build_for_gpus_alone():
    none = Driver(error="there is no libcuda.so.1")
    assert found("NVIDIA driver", driver=none, **CPU_BUILD).verdict == OK
    finding = found("NVIDIA driver", driver=none)
    assert finding.verdict == UNUSABLE and "--gpus all" in finding.remedy


def test_gpus_that_mxnet_does_not_see():
    finding = found("NVIDIA driver", imports=replace(IMPORTS, gpus=0, gpus_error="initialization error", faults=()))
    assert finding.verdict == UNUSABLE and "MXNet sees 0: initialization error" in finding.text


def test_an_mxnet_that_does_not_import():
    versions = {"numpy": "1.23.5", "cv2": "4.11.0"}
    broken = Imports(versions, {"mxnet": "libcudart.so.11.0: cannot open", "gluoncv": "No module named 'mxnet'"})
    finding = found("MXNet", imports=broken)
    assert finding.verdict == UNUSABLE and "requirements-gpu.lock" in finding.remedy
    assert "libcudart.so.11.0: cannot open" in finding.text
    assert found("gluoncv", imports=broken).verdict == NOTE
    assert "driver" in found("MXNet", imports=broken, driver=Driver(error="none")).remedy
    assert "make setup" in found("MXNet", imports=broken, wheels=()).remedy


def test_an_mxnet_that_crashes():
    broken = Imports({"numpy": "1.23.5", "cv2": "4.11.0"}, ended="was ended by signal 11")
    assert "importing it was ended by signal 11" in found("MXNet", imports=broken).text
    assert found("gluoncv", imports=broken).verdict == UNUSABLE


def test_two_wheels_of_mxnet():
    finding = found("MXNet", wheels=("mxnet", "mxnet-cu112"))
    assert finding.verdict == NOTE and "pip uninstall mxnet mxnet-cu112" in finding.remedy


@pytest.mark.parametrize(
    "topic, module, library, debian, fedora",
    [
        ("MXNet", "mxnet", "libgomp.so.1", "libgomp1", "libgomp"),
        ("MXNet", "mxnet", "libquadmath.so.0", "libquadmath0", "libquadmath"),
        ("NumPy", "numpy", "libstdc++.so.6", "libstdc++6", "libstdc++"),
        ("OpenCV", "cv2", "libGL.so.1", "libgl1 libglib2.0-0", "mesa-libGL glib2"),
        ("OpenCV", "cv2", "libgthread-2.0.so.0", "libglib2.0-0", "glib2"),
    ],
)
def test_a_library_of_the_system_is_missing(topic, module, library, debian, fedora):
    broken = replace(IMPORTS, errors={module: f"{library}: cannot open shared object file"}, versions={})
    said = f"apt-get install {debian} (Debian, Ubuntu) or dnf install {fedora} (Fedora); or "
    assert found(topic, imports=broken).remedy.startswith(said)


def test_little_memory_and_disk():
    assert found("memory", free_memory=3 * GIB).verdict == NOTE
    assert found("memory", memory=None, free_memory=None).verdict == OK
    assert found("disk", free_disk=10**10).verdict == NOTE


def test_processors():
    assert "has bfloat16" in found("CPU").text and "no bfloat16" in found("CPU", bfloat16=False).text


TORCH = Imports(
    {"numpy": "2.4", "cv2": "4.14", "torch": "2.13.0+cu130"}, features=("CUDA 13.0",), gpus=1, faults=(None,)
)


@pytest.mark.parametrize(
    ("changes", "said", "verdict"),
    [
        ({}, "Hopper, capability 9.0, 79.0 of 80.0 GiB free: PyTorch computes on it: CTX=cuda:0", OK),
        ({"imports": replace(TORCH, faults=("no kernel image",))}, "computing fails: no kernel image", UNUSABLE),
        ({"imports": replace(TORCH, faults=(), gpus=0)}, "PyTorch sees 0", UNUSABLE),
        ({"driver": Driver(None, (12, 4), "550", (H100,))}, "for CUDA up to 12.4, 1 GPU", UNUSABLE),
        ({"imports": replace(TORCH, features=(), gpus=0, faults=())}, "this PyTorch has no CUDA", NOTE),
        ({"imports": Imports(errors={"torch": "no libtorch"})}, "does not import: no libtorch", UNUSABLE),
        ({"imports": replace(TORCH, features=("MPS",)), "driver": Driver("none")}, "with MPS: CTX=mps", OK),
    ],
)
def test_what_is_said_where_pytorch_is_in_mxnets_place(changes, said, verdict):
    facts = replace(GOOD, **{"imports": TORCH, "driver": Driver(None, (13, 0), "580", (H100,)), **changes})
    assert is_pytorch(facts) and not is_pytorch(GOOD)
    (finding,) = (finding for finding in engine_findings(facts) if said in finding.text)
    assert finding.verdict == verdict and bool(finding.remedy) == (verdict != OK)
