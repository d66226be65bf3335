"""The lock files hold what setup.py asks for, within constraints.txt and with hashes."""

import json
import re
import runpy
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import setuptools
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlsl_mx.system.cuda_libraries import LIBRARIES

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-gpu.lock")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    {"sys_platform": "linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_machine": "x86_64"},
)


def locked(name: str) -> list:
    """The entries of a lock file: each the requirement and the lines below it, joined."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def chosen(names: tuple, python: str, platform: dict) -> dict:
    """Package -> version that the lock files give a Python on a platform. Fails if they give two."""
    place = {**default_environment(), "python_version": python, "python_full_version": f"{python}.9", **platform}
    found = {}
    for line in (line for name in names for line in locked(name)):
        requirement = Requirement(line.split(" --hash")[0])
        if requirement.marker is None or requirement.marker.evaluate(place):
            (pin,) = requirement.specifier
            package = canonicalize_name(requirement.name)
            assert pin.operator == "==" and found.setdefault(package, pin.version) == pin.version
    return found


def asked(monkeypatch) -> dict:
    """What setup.py asks for: {"": requirements, extra: requirements}."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    return {"": given["install_requires"], **given["extras_require"]}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_no_address(name):
    lines = locked(name)
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; [^;]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line), line
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: "-".join(p.values()))
@pytest.mark.parametrize("python", PYTHONS)
def test_locks_hold_what_setup_asks_for_within_the_constraints(monkeypatch, python, platform):
    wanted = asked(monkeypatch)
    run, dev = chosen(LOCKS[:1], python, platform), chosen(LOCKS[:2], python, platform)
    for found, texts in ((run, wanted[""]), (dev, wanted["dev"] + wanted["onnx"])):
        for requirement in map(Requirement, texts):
            if requirement.marker is None or requirement.marker.evaluate(platform):
                assert_within(requirement, found)
    constraints = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    for constraint in map(Requirement, filter(None, constraints)):
        if canonicalize_name(constraint.name) in dev:
            assert_within(constraint, dev)


def assert_within(requirement: Requirement, found: dict) -> None:
    version = found[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement}, but {version} is locked"


def test_what_is_installed_fits_together_but_for_what_is_overruled():
    """As `pip check`, for packages that are locked for this Python."""
    overruled = re.search(r"^override-dependencies = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    overruled = {canonicalize_name(Requirement(text).name) for text in json.loads(overruled.group(1))}
    here = {canonicalize_name(d.metadata["Name"]): d for d in distributions()}
    wishes = [
        (name, wish)
        for name in chosen(LOCKS[:2], "{}.{}".format(*sys.version_info), PLATFORMS[0])
        for wish in map(Requirement, here[name].requires or ())
        if wish.marker is None or wish.marker.evaluate({"extra": ""})
    ]
    unmet = {
        (name, canonicalize_name(wish.name))
        for name, wish in wishes
        if canonicalize_name(wish.name) not in here
        or not wish.specifier.contains(here[canonicalize_name(wish.name)].version, prereleases=True)
    }
    assert unmet == {("mxnet", "numpy"), ("gluoncv", "opencv-python"), ("cityscapesscripts", "typing")}
    assert {wish for _, wish in unmet} == overruled


def test_the_gpu_build_of_mxnet_is_locked_too(monkeypatch):
    locked_here = chosen(LOCKS[2:], "3.10", PLATFORMS[0])
    for text in asked(monkeypatch)["cu112"]:
        assert_within(Requirement(text), locked_here)


def test_make_locks_the_packages_of_the_extra_and_no_other(monkeypatch):
    names = {canonicalize_name(Requirement(text).name) for text in asked(monkeypatch)["cu112"]}
    command = ["make", "-s", "--no-print-directory", "--eval", "shown: ; @echo $(GPU_NAMES)", "shown"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(shown) == names == set(chosen(LOCKS[2:], "3.14", PLATFORMS[0]))


def test_every_library_that_is_loaded_comes_from_one_of_these_packages(monkeypatch):
    folders = {folder.replace("_", "-") for folder, _ in LIBRARIES}
    names = {Requirement(text).name for text in asked(monkeypatch)["cu112"]}
    assert {f"nvidia-{folder}-cu11" for folder in folders} | {"mxnet-cu112"} == names
