"""What is read of the processor."""

import os
import platform

import pytest

from mlsl_mx.system.processor import cpu_model, has_bfloat16, usable_cores


def test_cpu_model_is_what_linux_calls_it(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Abacus (R) 9 @ 1 Hz\nmodel name\t: Other\n")
    assert cpu_model(cpuinfo) == "Abacus (R) 9 @ 1 Hz"
    assert cpu_model(tmp_path / "none") == (platform.processor() or None)


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16 amx_tile", True), ("fpu avx512f avx512_vnni", False)]
)
def test_bfloat16_is_a_flag(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    assert has_bfloat16(tmp_path / "cpuinfo") is expected
    assert not has_bfloat16(tmp_path / "none")


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "150000 100000"}, 2),  # docker run --cpus 1.5
        ("0::/", {"cpu.max": "20000 100000"}, 1),
        ("0::/job/step", {"job/cpu.max": "300000 100000", "job/step/cpu.max": "max 100000", "cpu.max": "x"}, 3),
        ("4:cpu,cpuacct:/docker/1", {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("3:memory:/", {"cpu.max": "100000 100000"}, 8),
    ],
)
def test_cores_are_those_that_are_granted(tmp_path, monkeypatch, groups, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "own").write_text(f"{groups}\n")
    assert usable_cores(tmp_path, tmp_path / "own") == cores
    assert usable_cores(tmp_path, tmp_path / "none") == 8
