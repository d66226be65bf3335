"""The seam: what computes needs an engine; files, labels, metrics, reports, stages and the command line do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mlsl_mx.commands import predict, results
from mlsl_mx.config.setting import setting_of
from mlsl_mx.config.settings import Network, PseudoLabels
from mlsl_mx.predict.pictures import ENDINGS
from mlsl_mx.reports.compare import PAPER_TABLES

ROOT = Path(__file__).parents[1]

# Room -> its modules that need MXNet, or PyTorch. All others are imported without both.
ENGINES = {
    "gluon": "engine scenes",
    "network": "gluoncv_trunks heads inference_net layers mlsl_net onnx_export onnx_graph resnet38 trunks upsampling",
    "pseudo_labels": "composition inference sisc",
    "pytorch": "composition devices engine inference inference_net losses network own_network steps streams workers",
    "training": "gluon_steps losses",
}

# Imports the modules that are named, without MXNet, GluonCV and PyTorch; prints the names of those that need them.
WITHOUT = """
import importlib, json, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("mxnet", "gluoncv", "torch"):
            raise ImportError("the engine")

sys.meta_path.insert(0, Finder())
needing = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as problem:
        if str(problem) != "the engine":
            raise
        needing.append(name)
print(json.dumps(needing))
"""


def modules() -> list[str]:
    """All of the package, by their dotted names."""
    files = sorted((ROOT / "mlsl_mx").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def said(code: str, *words: str) -> str:
    """The last line that a program prints, in a process of its own."""
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


def test_only_the_engines_need_their_libraries():
    engine = [f"mlsl_mx.{room}.{name}" for room, names in ENGINES.items() for name in names.split()]
    assert json.loads(said(WITHOUT, *modules())) == sorted(engine)


def test_help_imports_nothing_that_takes_long():
    heavy = {"numpy", "cv2", "PIL", "yaml", "tqdm", "scipy", "mxnet", "gluoncv"}
    code = "import sys; from mlsl_mx.cli import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules)"
    for words in (["--help"], ["--version"], ["completion", "bash"]):
        assert not heavy & set(said(code, *words).split()), words


def test_choices_of_the_command_line_are_those_of_what_it_does_not_import():
    assert predict.KINDS == tuple(ENDINGS) and results.TABLES == tuple(sorted(PAPER_TABLES))
    for choices, group, name in (
        (predict.INFERENCE, PseudoLabels, "inference"),
        (predict.PLACEMENT, PseudoLabels, "placement"),
        (predict.PRECISION, Network, "precision"),
    ):
        assert choices == tuple(setting_of(group, name).choices)


def test_a_damaged_trunk_is_known_without_gluoncv():
    """Among PyTorch's packages there is none of the other trunks' libraries."""
    code = (
        "import sys; sys.modules.update(mxnet=None, gluoncv=None); "
        "from mlsl_mx.network.trunk_facts import RESNET38, trunk_in; print(trunk_in(list(RESNET38.counts)[1:]))"
    )
    assert said(code) == "resnet38"
