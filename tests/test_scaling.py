"""The arithmetic of docs/SCALING.md is that of the script, and the script's is right."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "scaling_on_paper.py"))


def test_the_document_holds_what_the_script_prints(script):
    document = (ROOT / "docs" / "SCALING.md").read_text()
    assert document.split("<!-- scaling_on_paper.py -->\n")[1].split("<!-- end -->")[0] == script["text"]()


def test_one_gpu_by_hand(script):
    assert script["crop_flop"](512, False) == pytest.approx(3 * 1.1978e12)
    config = script["load_config"](ROOT / "experiments" / "gta2city.yaml", "sisc")
    # 2,975 images of 100 patches, 1.1978 TFLOP each, at 10 TFLOP/s
    assert script["labelling_hours"](config, 1) == pytest.approx(2975 * 100 * 0.11978 / 3600)
    assert script["labelling_hours"](config, 64) == pytest.approx(47 * 100 * 0.11978 / 3600)  # 2975 / 64 is 46.5
    assert script["evaluation_hours"](config, 1) == pytest.approx(500 * 2 * 8 * 0.11978 / 3600)


def test_training_uses_what_divides_the_batch(script):
    hours, used = script["training_hours"](3600, 1, 512, False, 64)
    assert used == 1 and hours == pytest.approx(3 * 0.11978)
    assert script["training_hours"](3600, 16, 512, False, 12)[1] == 8


def test_gradients_by_hand(script):
    assert script["gradient_seconds"](1e6, 1) == 0
    assert script["gradient_seconds"](1e6, 2) == pytest.approx(2 * 4e6 / 10e9)
    assert script["gradient_seconds"](1e6, 16) == pytest.approx(2 * 4e6 / 10e9 + 2 * 4e6 / 2 / 1.25e9)
