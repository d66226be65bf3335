"""What is installed without a checkout: wheel, sdist, and the chain that runs from them."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import setuptools
import yaml
from own_data import write_own
from test_makefile import outside_make, plan, stages

import mlsl_mx
from mlsl_mx.system.packaged_files import existing, packaged

ROOT = Path(__file__).parents[1]
BUILT = ("mlsl_mx", "experiments", "data_lists", "docs", "benchmarks", "tests")  # folders that a build reads
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def wheel(source: Path, out: Path) -> Path:
    """Build it without network, in a copy: a build leaves files beside its source."""
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *flags, "-w", str(out), str(source)], check=True)
    (built,) = out.glob("*.whl")
    return built


def content(path: Path) -> dict[str, int]:
    """File -> its size, but for the record of the build."""
    return {i.filename: i.file_size for i in zipfile.ZipFile(path).infolist() if "dist-info" not in i.filename}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, sdist) of this checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    for name in BUILT:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD_SDIST, str(out)], cwd=source, check=True, stdout=subprocess.DEVNULL)
    (sdist,) = out.glob("*.tar.gz")
    return wheel(source, out), sdist


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Runs `mlsl` of the installed wheel: words, folder -> the finished process."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(built[0]).extractall(site)

    def run(*words: str, folder: Path) -> subprocess.CompletedProcess:
        env = {**outside_make(), "PYTHONPATH": str(site)}
        command = [sys.executable, "-m", "mlsl_mx", *words]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)

    return run


def test_a_wheel_has_all_that_a_chain_needs_and_no_results(built):
    files = content(built[0])
    for folder in ("experiments", "data_lists"):
        wanted = {f"mlsl_mx/share/{p.relative_to(ROOT)}" for p in (ROOT / folder).rglob("*") if p.is_file()}
        wanted = {name for name in wanted if "/results/" not in name}
        assert wanted == {name for name in files if name.startswith(f"mlsl_mx/share/{folder}/")}
    assert files["mlsl_mx/share/Makefile"] == (ROOT / "Makefile").stat().st_size
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "mlsl_mx").rglob("*.py")}
    assert modules == {name for name in files if name.endswith(".py")}
    assert not [name for name in files if not name.startswith("mlsl_mx/")]


def test_the_sdist_builds_the_same_wheel(built, tmp_path):
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path / "source")
    (source,) = (tmp_path / "source").iterdir()
    assert (source / "tests" / Path(__file__).name).exists() and (source / "requirements.lock").exists()
    assert content(wheel(source, tmp_path / "dist")) == content(built[0])


def test_the_plan_without_a_checkout_is_that_of_a_checkout(installed, tmp_path):
    made = installed("make", "-n", "gta2city", "METHOD=sisc", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    program = rf"{re.escape(sys.executable)} \S+/mlsl_mx/__main__\.py "
    planned = stages(re.sub(program, ".venv/bin/mlsl ", made.stdout))
    assert planned == stages(plan("gta2city", "METHOD=sisc", f"RUN={tmp_path}/r", f"MINIATURE={tmp_path}/d").stdout)
    assert len(planned) > 10


def test_a_stage_runs_without_a_checkout(installed, tmp_path):
    """The lists and the experiment are those of the wheel; what is written is in the current folder."""
    (tmp_path / "few").mkdir()
    few = {"gta5": 1, "synthia": 1, "cityscapes_train": 1, "cityscapes_val": 1}
    for name, count in few.items():
        lines = (ROOT / "data_lists" / "miniature" / f"{name}.txt").read_text().splitlines()[:count]
        (tmp_path / "few" / f"{name}.txt").write_text("\n".join(lines))
    made = installed("make-miniature", "--root", "data", "--lists", "few", "--quiet", folder=tmp_path)
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    words = ["--experiment", "experiments/miniature/gta2city.yaml", "--data", "data", "--run", "r"]
    words += ["--set", f"target.val={tmp_path / 'few' / 'cityscapes_val.txt'}"]
    model = "experiments/miniature/pretrained.params"
    begun = installed("begin", *words, "--imagenet", model, folder=tmp_path)
    assert begun.returncode == 0, begun.stderr
    for stage in ("begin", "import-weights"):  # as `mlsl make gta2city` has them
        done = installed(stage, *words, "--weights", model, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    images = len((ROOT / "data_lists/miniature/gta5.txt").read_text().split())
    assert f"source (data_lists/miniature/gta5.txt): {images} images" in begun.stdout
    assert {path.name for path in tmp_path.iterdir()} - {"r"} == {"few", "data"}


def test_data_of_ones_own_without_a_checkout(installed, tmp_path):
    """What the new file inherits from is in the wheel."""
    write_own(tmp_path)
    places = ["--source-images", "sim/frames", "--source-labels", "sim/labels/{name}_seg.png", "--target", "cams/train"]
    made = installed("init-experiment", "--out", "my.yaml", "--small", *places, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = installed("check-data", "--experiment", "my.yaml", folder=tmp_path)
    assert checked.returncode == 0 and "all data can be used" in checked.stdout, checked.stderr
    planned = installed("make", "-n", "adapt", "EXPERIMENT=my.yaml", "METHOD=sisc", "ROUNDS=1", folder=tmp_path)
    assert planned.returncode == 0 and "pseudo-label --round 0 --experiment 'my.yaml'" in planned.stdout, planned.stderr
    packaged = ("EXPERIMENT=experiments/gta2city.yaml", "ROUNDS=1")  # of the wheel
    assert installed("make", "-n", "adapt", *packaged, folder=tmp_path).returncode == 0


def test_goals_of_a_checkout_say_so(installed, tmp_path):
    refused = installed("make", "test", folder=tmp_path)
    assert refused.returncode == 2 and "test: needs a checkout" in refused.stderr
    (tmp_path / ".venv").mkdir()
    assert "rm -rf  runs/miniature" in installed("make", "-n", "clean", folder=tmp_path).stdout


def test_options_of_make_stand_anywhere_and_no_goal_is_help(installed, tmp_path):
    first, last = (installed("make", *words, folder=tmp_path) for words in (("-n", "gta2city"), ("gta2city", "-n")))
    assert first.stdout == last.stdout and "pseudo-label --round 0" in last.stdout
    assert "make gta2city " in installed("make", folder=tmp_path).stdout
    assert not list(tmp_path.iterdir())


def test_a_table_starts_its_chains_by_the_same_makefile(installed, tmp_path):
    made = installed("make", "-n", "table4", "SEEDS=0", folder=tmp_path)
    makefile = made.stdout.split('-f "', 1)[1].split('"')[0]
    assert makefile.endswith("mlsl_mx/share/Makefile") and Path(makefile).exists()


def test_without_make(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = installed("make", "gta2city", folder=tmp_path)
    assert refused.returncode == 2 and "install GNU make" in refused.stderr


def test_what_is_here_comes_before_what_is_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "experiments/gta2city.yaml"
    assert existing(name) == packaged(name) == ROOT / name
    Path("experiments").mkdir()
    Path(name).touch()
    assert existing(name) == Path(name)
    assert existing("experiments/none.yaml") == Path("experiments/none.yaml")
    assert existing("/nowhere/none.yaml") == Path("/nowhere/none.yaml")


def test_metadata(monkeypatch):
    given: dict = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    pythons = [
        c.rsplit(" ", 1)[1] for c in given["classifiers"] if c.startswith("Programming Language :: Python :: 3.")
    ]
    assert pythons == ["3.10", "3.11", "3.12", "3.13", "3.14"] and given["python_requires"] == ">=3.10,<3.15"


def test_the_citation_names_paper_and_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys() and citation["cff-version"] == "1.2.0"
    assert citation["version"] == mlsl_mx.__version__
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Iqbal", "Ali"] and paper["year"] == 2020
    assert os.linesep not in paper["title"] and paper["title"].startswith("MLSL: Multi-Level Self-Supervised Learning")


def test_the_changelog_has_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text and mlsl_mx.__version__ in text
