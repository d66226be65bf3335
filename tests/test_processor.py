"""What is read of the processor."""

import platform

import pytest

from mlsl_mx.processor import cpu_model, has_bfloat16


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
