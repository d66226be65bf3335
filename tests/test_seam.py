"""The seam: what computes needs MXNet; files, labels, metrics, reports and the command line do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Room -> its modules that need MXNet. All others are imported without it.
ENGINE = {
    "network": "heads inference_net mlsl_net onnx_export onnx_graph resnet38 upsampling "
    "weights.original_weights weights.published_weights",
    "predict": "predictor stage",
    "pseudo_labels": "composition inference segmenter sisc",
    "stages": "begin diagnose evaluate import_weights inputs job pseudo_label recorded_settings report self_train "
    "spatial_prior stage start_files tensorboard train_head train_source",
    "training": "batches checkpoint epochs gluon_scenes losses shards train",
}

# Imports the modules that are named, without MXNet and GluonCV; prints the names of those that need them.
WITHOUT = """
import importlib, json, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("mxnet", "gluoncv"):
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
    """What a program prints that runs alone, with this checkout."""
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_only_the_engine_needs_mxnet():
    engine = [f"mlsl_mx.{room}.{name}" for room, names in ENGINE.items() for name in names.split()]
    assert json.loads(said(WITHOUT, *modules())) == sorted(engine)
