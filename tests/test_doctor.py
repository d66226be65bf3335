"""`mlsl doctor`: what it finds out, what it says, and that nothing can crash it."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_facts import GIB, GOOD, GTX_1080, H100, IMPORTS
from own_data import EXPERIMENT, write_experiment, write_own
from tiny_run import SETTINGS, write_world

from mlsl_mx.cli import main
from mlsl_mx.data.miniature.datasets import STAMP
from mlsl_mx.doctor.data import default_experiments
from mlsl_mx.doctor.driver import Driver, kernel_module
from mlsl_mx.doctor.facts import Facts, Imports, answered, driver, gather, imports, memory
from mlsl_mx.doctor.findings import OK, UNUSABLE, findings, is_cuda_build
from mlsl_mx.doctor.imports import in_a_line
from mlsl_mx.doctor.report import Diagnosis

ROOT = Path(__file__).parents[1]
CARDS = runpy.run_path(str(ROOT / "benchmarks" / "doctor_cards.py"))

needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler, or not Linux"
)


def test_memory_is_the_container_s(tmp_path):
    for name, text in {
        "meminfo": "MemTotal: 2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\n",
        "used": "100000",
    }.items():
        (tmp_path / name).write_text(text)
    files = tmp_path / "meminfo", tmp_path / "max", tmp_path / "used", tmp_path / "stat"
    assert memory(*files) == (2 << 20, 1 << 20)
    (tmp_path / "max").write_text("max\n")
    assert memory(*files) == (2 << 20, 1 << 20)
    (tmp_path / "max").write_text("500000\n")
    assert memory(*files) == (500000, 400000)
    (tmp_path / "stat").write_text("anon 1000\ninactive_file 80000\nactive_file 7\n")
    assert memory(*files) == (500000, 480000)
    assert memory(tmp_path / "none", *files[1:]) == (None, None)


def test_the_kernel_module_s_version(tmp_path):
    path = tmp_path / "version"
    path.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC 12\n")
    assert kernel_module(path) == "550.54.15"
    path.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build\n")
    assert kernel_module(path) == "570.86.10"
    assert kernel_module(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("", None),
        ("import os; os.kill(os.getpid(), 11)", "was ended by signal 11"),
        ("raise RuntimeError('no')", "failed: RuntimeError: no"),
        ("import time; time.sleep(60)", "did not answer for 1 seconds"),
    ],
)
def test_what_another_process_answers_before_it_ends_badly(tmp_path, monkeypatch, code, ended):
    (tmp_path / "answering.py").write_text(f"print('warning'); print('{{\"a\": 1}}', flush=True)\n{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert answered("answering", seconds=1) == ([{"a": 1}], ended)


def test_answers_are_put_in_order():
    answers = [
        {"module": "numpy", "version": "1"},
        {"module": "cv2", "error": "no"},
        {"features": ["CUDA"]},
        {"gpus": 2},
        {"gpu": 0, "error": None},
    ]
    expected = Imports({"numpy": "1"}, {"cv2": "no"}, ("CUDA",), 2, None, (None,), "was ended by signal 9")
    assert imports(answers, "was ended by signal 9") == expected
    assert driver([], "did not answer").error == "asking the driver did not answer"


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Folder with a libcuda.so.1 that pretends cards."""
    folder = tmp_path_factory.mktemp("driver")
    CARDS["compile_driver"](folder)
    return folder


def with_cards(monkeypatch, stub, cards, **settings) -> Driver:
    """What the stub answers through the real calls."""
    for name, value in CARDS["environment"](stub, cards, **settings).items():
        monkeypatch.setenv(name, value)
    return driver(*answered("mlsl_mx.doctor.driver"))


@needs_compiler
def test_the_driver_is_asked_for_every_card(stub, monkeypatch):
    cards = [CARDS["Card"]("GTX 1080", 6, 1, 8, 7), CARDS["Card"]("H100", 9, 0, 80, 79)]
    assert with_cards(monkeypatch, stub, cards, cuda=11020) == Driver(None, (11, 2), None, (GTX_1080, H100))


@needs_compiler
def test_a_driver_that_sees_no_card(stub, monkeypatch):
    found = with_cards(monkeypatch, stub, [], error=100)
    assert found.error == "no CUDA-capable device is detected (error 100)"
    assert with_cards(monkeypatch, stub, [], error=999).error == "error 999"


@needs_compiler
def test_a_library_that_is_no_driver(tmp_path, monkeypatch):
    (tmp_path / "empty.c").write_text("int nothing;")
    library = str(tmp_path / "libcuda.so.1")
    subprocess.run(["cc", "-shared", "-o", library, str(tmp_path / "empty.c")], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert "cuInit" in driver(*answered("mlsl_mx.doctor.driver")).error


# --- the command ---


@pytest.fixture(scope="module")
def here() -> Facts:
    return gather()


def test_this_machine(here):
    assert here.imports.versions["mxnet"] == "1.9.1" and here.imports.ended is None and here.wheels
    assert here.cores >= 1 and here.free_disk > 0


@needs_compiler
@pytest.mark.parametrize("name", ["no-card", *CARDS["CARDS"]])
def test_the_committed_outputs_are_what_is_said_of_these_cards(name, here, stub, monkeypatch):
    if is_cuda_build(here):
        pytest.skip("the committed outputs are of the build for CPUs")
    card = [CARDS["CARDS"][name]] if name in CARDS["CARDS"] else []
    answer = with_cards(monkeypatch, stub, card) if card else Driver(error="there is no libcuda.so.1")
    said = Diagnosis(tuple(findings(replace(here, driver=answer)))).text()
    committed = (ROOT / "docs" / "doctor" / "cpu" / f"{name}.txt").read_text()
    assert about_cards(said) == about_cards(committed)
    assert committed.startswith("$ mlsl doctor\n") and committed.endswith("exit code 0\n")


@needs_compiler
@pytest.mark.parametrize("name", CARDS["CARDS"])
def test_the_committed_outputs_of_the_build_for_gpus(name, stub, monkeypatch):
    """The stub cannot compute, which CUDA's runtime notices: what it answered there is put in here."""
    why = "CUDA: Check failed: e == cudaSuccess (36 vs. 0) : API call is not supported in the installed CUDA driver"
    answer = with_cards(monkeypatch, stub, [CARDS["CARDS"][name]])
    facts = replace(GOOD, driver=answer, imports=replace(IMPORTS, gpus=0, gpus_error=why, faults=()))
    said = Diagnosis(tuple(findings(facts))).text()
    committed = (ROOT / "docs" / "doctor" / "cu112" / f"{name}.txt").read_text()
    assert about_cards(said) == about_cards(committed) and committed.endswith("exit code 2\n")


def about_cards(text: str) -> str:
    """The lines about driver and GPUs."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line[2:].startswith("NVIDIA driver"))
    last = next(i for i, line in enumerate(lines) if line[2:].startswith("CPU"))
    return "\n".join(lines[first:last])


@needs_compiler
def test_text_and_json_say_the_same(stub, monkeypatch, capsys):
    variables = CARDS["environment"](stub, [CARDS["CARDS"]["rtx4090"]])
    run = CARDS["doctor"](variables, "--json")
    content = json.loads(run.stdout)["result"]
    gpu = next(finding for finding in content["findings"] if finding["topic"] == "GPU 0")
    assert gpu["facts"]["capability"] == [8, 9] and gpu["facts"]["total"] == 24 * GIB and gpu["facts"]["has_code"]
    assert content["usable"] == (run.returncode == 0)


def with_broken_mxnet(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The program in an environment whose MXNet lacks a library."""
    (folder / "mxnet.py").write_text("raise OSError('libcuda.so.1: cannot open shared object file: No such file')")
    program = (
        f"import sys; sys.path[:0] = {[str(folder), str(ROOT)]}; from mlsl_mx.__main__ import main; sys.exit(main())"
    )
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)


def test_a_broken_mxnet_is_a_finding_and_no_crash(tmp_path):
    run = with_broken_mxnet(tmp_path, "doctor", "--data", str(tmp_path))
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert "MXNet          does not import" in run.stdout and "libcuda.so.1: cannot open" in run.stdout
    assert "none of the listed images was found" in run.stdout  # data needs no MXNet
    assert "NOT usable" in run.stdout and "mlsl doctor: NOT usable: 2 faults" in run.stderr


def test_the_same_in_a_stage_is_one_line(tmp_path):
    """What a stage says where MXNet cannot be imported."""
    run = with_broken_mxnet(tmp_path, "export-onnx", "--weights", "a.params", "--out", str(tmp_path / "a.onnx"))
    assert run.returncode == 2 and len(run.stderr.splitlines()) == 1
    assert "mxnet-cu112 needs NVIDIA's driver: install it, or use CTX=cpu; `mlsl doctor` tells more" in run.stderr


def test_data_are_counted(tmp_path, capsys):
    world = write_world(tmp_path)
    lists = {"source.images": "gta5", "target.train": "cityscapes_train", "target.val": "cityscapes_val"}
    words = ["doctor", "--experiment", str(ROOT / "experiments" / "miniature" / "gta2city.yaml")]
    for key, value in {**{k: world / "lists" / f"{v}.txt" for k, v in lists.items()}, **SETTINGS}.items():
        words += ["--set", f"{key}={value}"]
    label = next((world / "data" / "gta5" / "labels").glob("*.png"))
    label.unlink()
    main([*words, "--data", str(world / "data"), "--json"])
    of_data = {
        f["facts"]["part"]: f for f in json.loads(capsys.readouterr().out)["result"]["findings"] if f["topic"] == "data"
    }
    counts = {part: (f["facts"]["images"], f["facts"]["labels"], f["verdict"]) for part, f in of_data.items()}
    listed = of_data["source"]["facts"]["listed"]
    assert counts["source"] == (listed, listed - 1, UNUSABLE)  # `begin` refuses it
    assert counts["target"][1:] == (None, OK) and counts["validation"][2] == OK


def test_own_data_are_found_beside_their_experiment_file(tmp_path, monkeypatch, capsys):
    """No folder is given: the file names the places. The one without validation images says nothing of them."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write_own(tmp_path)
    unmeasured = EXPERIMENT.replace("val: cams/val, val_labels: cams/val_labels, ", "")
    for text, parts in ((EXPERIMENT, ["source", "target", "validation"]), (unmeasured, ["source", "target"])):
        assert main(["doctor", "--experiment", str(write_experiment(tmp_path, text)), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)["result"]["findings"]
        of_data = [f for f in answer if f["topic"] == "data"]
        assert [f["facts"]["part"] for f in of_data] == parts
        assert all((f["facts"]["images"], f["verdict"]) == (3, OK) for f in of_data)


def test_the_miniature_s_data_are_known_by_their_stamp(tmp_path):
    roots = {"gta5": tmp_path / "gta5", "synthia": None}
    assert [str(path) for path in default_experiments(roots)] == [
        "experiments/gta2city.yaml",
        "experiments/synthia2city.yaml",
    ]
    (tmp_path / STAMP).touch()
    assert [path.parent.name for path in default_experiments(roots)] == ["miniature"] * 2


def test_a_folder_without_data_is_a_fault(tmp_path, capsys):
    assert main(["doctor", "--data", str(tmp_path)]) == 2
    assert "none of the listed images was found" in capsys.readouterr().out


def test_of_cudas_errors_by_pytorch_the_cause_is_told():
    advice = "CUDA kernel errors might be asynchronously reported.\nCompile with `TORCH_USE_CUDA_DSA`."
    problem = RuntimeError(f"CUDA error: no kernel image is available for execution on the device\n{advice}\n")
    assert in_a_line(problem).startswith("CUDA error: no kernel image is available for execution on the device: ")
