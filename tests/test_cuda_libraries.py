"""CUDA's libraries from packages, before MXNet: with libraries that a compiler makes here, and the real linker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlsl_mx.system.cuda_libraries import LIBRARIES

ROOT = Path(__file__).parents[1]
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="no C compiler, or not Linux")

# As MXNet's own: the linker must find all that the library is linked to.
MXNET = """
import ctypes, os
library = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libmxnet.so"), ctypes.RTLD_LOCAL)
"""


def compiled(path: Path, code: str, *linked: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text(code)
    command = [
        COMPILER,
        "-shared",
        "-fPIC",
        f"-Wl,-soname,{path.name}",
        "-o",
        str(path),
        str(source),
        *map(str, linked),
    ]
    subprocess.run(command, check=True)


def imported(site: Path, code: str) -> subprocess.CompletedProcess:
    """A new Python that finds `site` before what is installed."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A folder of packages like mxnet-cu112 and its nvidia-*: library n is (n + 1) of one function and calls the one
    before it, to which it is not linked, so that it loads only after that one, and if that one's names are global."""
    site = tmp_path_factory.mktemp("site")
    paths = [site / "nvidia" / folder / "lib" / name for folder, name in LIBRARIES]
    for index, path in enumerate(paths):
        before = f"int f{index - 1}(void); int f{index}(void) {{ return f{index - 1}() + 1; }}"
        compiled(path, before if index else "int f0(void) { return 1; }")
    compiled(site / "mxnet" / "libmxnet.so", f"int f{len(paths) - 1}(void); int all(void) {{ return f10(); }}", *paths)
    (site / "mxnet" / "__init__.py").write_text(MXNET)
    return site


@pytest.fixture
def site(libraries, tmp_path):
    """The folder, and which build of MXNet pip says it is."""
    copy = tmp_path / "site"
    shutil.copytree(libraries, copy)
    (copy / "mxnet_cu112-1.9.1.dist-info").mkdir()
    return copy


@needs_compiler
def test_mxnet_finds_libraries_that_were_loaded_in_order_for_all(site):
    run = imported(site, "import mlsl_mx, mxnet; print(mxnet.library.all())")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{len(LIBRARIES)}\n", "")


@needs_compiler
def test_without_ours_before_it_mxnet_finds_nothing(site):
    run = imported(site, "import mxnet")
    assert "cannot open shared object file" in run.stderr


@needs_compiler
def test_the_build_for_cpus_loads_nothing(site):
    (site / "mxnet_cu112-1.9.1.dist-info").rename(site / "mxnet-1.9.1.dist-info")
    code = "import mlsl_mx; print([line for line in open('/proc/self/maps') if 'nvidia' in line])"
    assert imported(site, code).stdout == "[]\n"


@needs_compiler
def test_what_is_missing_or_damaged_is_left_to_mxnet_to_name(site):
    folder, name = LIBRARIES[-1]
    library = site / "nvidia" / folder / "lib" / name
    library.unlink()
    code = "import mlsl_mx, mxnet"
    assert f"{name}: cannot open shared object file" in imported(site, code).stderr
    library.write_bytes(b"not a library")
    run = imported(site, "import mlsl_mx")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_import_is_cheap():
    """Nothing large is imported for it, in either build; also where there is no MXNet at all."""
    code = "import mlsl_mx, sys; print({'mxnet', 'numpy', 'importlib.metadata', 'nvidia'} & set(sys.modules))"
    assert imported(Path("/nonexistent"), code).stdout == "set()\n"
    run = subprocess.run([sys.executable, "-S", "-c", "import mlsl_mx"], env={"PYTHONPATH": str(ROOT)})
    assert run.returncode == 0
