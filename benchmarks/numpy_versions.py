"""Does NumPy's version change a result? A chain, and the original program's numbers, on NumPy 1.26 and the locked 2.

A second environment is laid over this one, with nothing of its own but NumPy 1.26.4, whose wheels are for Python 3.10
to 3.12. On each a small complete chain is run (that of soak.py: source training, two rounds of SISC+PWL), all results
are compared byte by byte, and the tests are run that compare with recorded numbers of the original program.

    .venv/bin/python benchmarks/numpy_versions.py        # four minutes on 2 cores
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from measure import RESULTS, table, write_results
from soak import chain_stages, undisturbed, write_lists
from stage_processes import ROOT

OTHER = "1.26.4"
ORIGINAL = ("losses", "metrics", "mlsl_net", "original_weights", "released", "selection", "sisc", "train_step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--chain", type=Path, help="run the chain below this folder, and print its results (for itself)"
    )
    options = parser.parse_args()
    if options.chain is not None:
        print(json.dumps(chain(options.chain)))
        return
    with tempfile.TemporaryDirectory(prefix="numpy-versions-") as folder:
        work = Path(folder)
        pythons = (laid_over(work / "environment"), Path(sys.executable))
        (other, before), (here, after) = (outcome(python, work / f"chain-{i}") for i, python in enumerate(pythons))
        tests = [tested(python) for python in pythons]
    differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    content = {"numpy": [other, here], "results": len(after), "differing": differing, "tests_of_the_original": tests}
    rows = [[other, tests[0], "-"], [here, tests[1], len(differing)]]
    header = ["NumPy", "tests against the original", f"of {len(after)} results differ"]
    write_results("numpy_versions", content, table(header, rows), options.results)


def laid_over(folder: Path) -> Path:
    """Python of an environment that has all packages of this one, but for another NumPy."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", f"numpy=={OTHER}"]
    subprocess.run(command, check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "under.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return python


def outcome(python: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """(NumPy's version, results of the chain by file) on a Python."""
    version = subprocess.run([python, "-c", "import numpy; print(numpy.__version__)"], capture_output=True, text=True)
    run = subprocess.run([python, __file__, "--chain", str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    return version.stdout.strip(), json.loads(run.stdout)


def chain(folder: Path) -> dict[str, Any]:
    """Results of a chain by file: of weights, labels and predictions the hash, of the others the numbers."""
    write_lists(folder / "lists")
    _, results = undisturbed(folder, list(chain_stages(folder, folder / "undisturbed")))
    return {
        name: hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content
        for name, content in results.items()
    }


def tested(python: Path) -> int:
    """How many of the tests against the original program pass on a Python. Raises: CalledProcessError if one fails."""
    command = [python, "-m", "pytest", "-q", "--no-header", "-rN", *(f"tests/test_{name}.py" for name in ORIGINAL)]
    run = subprocess.run([*command, "-o", "addopts="], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(run.stdout.strip().splitlines()[-1].split()[0])


if __name__ == "__main__":
    main()
