"""The memory that docs/GPU.md speaks of is what the script's arithmetic gives, and that is right."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from mlsl_mx.network import MLSLNet

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "gpu_memory.py"))


def test_the_document_holds_what_the_script_prints():
    """In a process of its own: nothing has imported the package before it."""
    said = subprocess.run([sys.executable, "benchmarks/gpu_memory.py"], cwd=ROOT, check=True, capture_output=True)
    document = (ROOT / "docs" / "GPU.md").read_text()
    assert document.split("<!-- gpu_memory.py -->\n")[1].split("<!-- end -->")[0] == said.stdout.decode()


def test_the_graph_is_the_network_s(script):
    config = script["load_config"](ROOT / "experiments" / "miniature" / "gta2city.yaml")
    found = script["graph"](1, 64, 64, True, config)
    net = MLSLNet(config.classes, config.network.width)
    net.initialize()
    assert found.parameters == sum(p.data().size for p in net.collect_params().values())
    convolutions = [node for node in found.nodes if node.operator == "Convolution"]
    assert convolutions[0].numbers == 8 * 64 * 64  # 64 channels at an eighth of the width
    assert sum(node.operator == "null" and node.numbers for node in found.nodes) == 3 * 64 * 64  # the image alone


def chain(script, *nodes):
    """A graph without parameters: an image of 10 numbers, then nodes."""
    Node = script["Node"]
    return script["Graph"]((Node("null", (), 10), *(Node(*node) for node in nodes)), 0)


def test_a_chain_by_hand(script):
    """image 10 -> conv 100 -> relu 100 -> conv 1000"""
    graph = chain(script, ("Convolution", (0,), 100), ("Activation", (1,), 100), ("Convolution", (2,), 1000))
    assert script["inference_bytes"](graph) == 4 * (100 + 1000)  # ReLU in place; then its output beside the last one
    # Last convolution: image and ReLU's output are kept, its own gradient (1000) makes ReLU's (100).
    assert script["training_bytes"](graph) == 4 * (10 + 100 + 1000 + 100)


def test_a_residual_sum_by_hand(script):
    """image 10 -> conv 100 (shortcut) -> relu 100 -> conv 100 -> shortcut + that 100 -> conv 1"""
    graph = chain(
        script,
        ("Convolution", (0,), 100),
        ("Activation", (1,), 100),
        ("Convolution", (2,), 100),
        ("elemwise_add", (1, 3), 100),
        ("Convolution", (4,), 1),
    )
    # The shortcut is read later, so ReLU cannot write over it: shortcut, ReLU's output and the convolution's.
    assert script["inference_bytes"](graph) == 4 * 300
    # At the second convolution: gradients of shortcut, output and input; kept are image and ReLU's output.
    assert script["training_bytes"](graph) == 4 * (3 * 100 + 10 + 100)


def test_parameters_count_once_for_inference_and_three_times_for_training(script):
    graph = chain(script, ("Convolution", (0,), 100))._replace(parameters=1000)
    assert script["inference_bytes"](graph, 2) == 2 * (1000 + 110)
    assert script["training_bytes"](graph) == 4 * (3000 + 10 + 100)


def test_a_larger_batch_costs_in_proportion_beside_the_weights(script):
    config = script["load_config"](ROOT / "experiments" / "miniature" / "gta2city.yaml")
    one, two = (script["graph"](batch, 64, 64, False, config) for batch in (1, 2))
    for count in (script["inference_bytes"], script["training_bytes"]):
        fixed = count(one) - (count(two) - count(one))
        assert fixed == 4 * one.parameters * (1 if count is script["inference_bytes"] else 3)
