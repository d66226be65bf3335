"""Libraries that a bare system lacks come from wheels: with some that a compiler makes here, and the real linker."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlsl_mx.system import gcc_libraries
from mlsl_mx.system.gcc_libraries import LIBRARIES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="not Linux")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

LIBRARY, COPY = "libbare.so.1", "bringer.libs/libbare-0123abcd.so.1.0.0"
LOAD = f"""
import ctypes
from mlsl_mx.system import gcc_libraries
gcc_libraries.LIBRARIES = {{"{LIBRARY}": "bringer"}}
gcc_libraries.load_system_libraries()
print(ctypes.CDLL("libneeds.so").twice())
"""


def compiled(path: Path, code: str, *options: str) -> None:
    path.parent.mkdir(exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), *options]
    subprocess.run(command, input=code, text=True, check=True)


@pytest.fixture
def site(tmp_path):
    """A package whose wheel brings a library under another name, and a library that needs it under its plain one."""
    (tmp_path / "bringer").mkdir()
    (tmp_path / "bringer" / "__init__.py").write_text("raise ImportError('to find it is enough')")
    compiled(tmp_path / LIBRARY, "int once(void) { return 21; }", f"-Wl,-soname,{LIBRARY}")
    needs = "int once(void); int twice(void) { return 2 * once(); }"
    compiled(tmp_path / "libneeds.so", needs, "-x", "none", str(tmp_path / LIBRARY))
    (tmp_path / LIBRARY).unlink()
    compiled(tmp_path / COPY, "int once(void) { return 21; }", f"-Wl,-soname,{Path(COPY).name}")
    return tmp_path


def loaded(site: Path, code: str = LOAD) -> subprocess.CompletedProcess:
    code = f"import sys; sys.path.insert(0, '{site}')" + code.replace("libneeds.so", f"{site}/libneeds.so")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@needs_compiler
def test_what_the_system_lacks_is_a_wheels(site):
    assert loaded(site).stdout == "42\n"


@needs_compiler
def test_without_that_it_is_missing(site):
    run = loaded(site, "\nimport ctypes; ctypes.CDLL('libneeds.so')")
    assert f"{LIBRARY}: cannot open shared object file" in run.stderr


@needs_compiler
@pytest.mark.parametrize("damage", ["absent", "not a library"])
def test_what_no_wheel_brings_is_left_to_the_import_to_name(site, damage):
    (site / COPY).write_text(damage) if damage != "absent" else (site / COPY).unlink()
    assert f"{LIBRARY}: cannot open shared object file" in loaded(site).stderr


@needs_compiler
def test_the_systems_comes_first(site, monkeypatch):
    compiled(site / "lib" / LIBRARY, "int once(void) { return 50; }", f"-Wl,-soname,{LIBRARY}")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(site / "lib"))
    assert loaded(site).stdout == "100\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="libquadmath is for x86-64")
@pytest.mark.parametrize("library, function", [("libgomp.so.1", "GOMP_parallel"), ("libquadmath.so.0", "sqrtq")])
def test_the_wheels_that_are_installed_bring_them(library, function):
    copy = gcc_libraries._bundled(library, LIBRARIES[library])
    assert hasattr(ctypes.CDLL(gcc_libraries._renamed(copy, library)), function)
