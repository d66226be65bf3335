"""The lock files hold what setup.py asks for, within constraints.txt and with hashes."""

import re
import runpy
from pathlib import Path

import pytest
import setuptools
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-gpu.lock")
PYTHONS = ("3.8", "3.9", "3.10", "3.11")
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
    for text in wanted[""]:
        assert_within(Requirement(text), run)
    for text in wanted["dev"] + wanted["onnx"]:
        assert_within(Requirement(text), dev)
    constraints = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    for constraint in map(Requirement, filter(None, constraints)):
        if canonicalize_name(constraint.name) in dev:
            assert_within(constraint, dev)


def assert_within(requirement: Requirement, found: dict) -> None:
    version = found[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement}, but {version} is locked"


def test_the_gpu_build_of_mxnet_is_locked_too(monkeypatch):
    (requirement,) = map(Requirement, asked(monkeypatch)["cu112"])
    assert_within(requirement, chosen(LOCKS[2:], "3.8", PLATFORMS[0]))
