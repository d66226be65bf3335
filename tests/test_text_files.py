"""Text and YAML that is not what it should be costs a line, not memory or time."""

import os
from pathlib import Path

import pytest
import yaml

from mlsl_mx.config.experiment_files import load_config, to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.text_files import dump_yaml, parse_yaml, read_text

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.mark.parametrize("content", [b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n"])
def test_byte_order_marks_and_line_ends_of_other_systems(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert read_text(tmp_path / "x") == "a\nb\n"


def test_what_is_no_text(tmp_path):
    (tmp_path / "latin-1").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"not UTF-8 text \(byte 3\)"):
        read_text(tmp_path / "latin-1")
    (tmp_path / "large").write_bytes(b"12345")
    assert read_text(tmp_path / "large", most=5) == "12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        read_text(tmp_path / "large", most=4)
    os.mkfifo(tmp_path / "pipe")
    for endless in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ValueError, match="not a file"):
            read_text(endless)


def test_a_bomb_costs_nothing():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(ValueError, match="anchors and aliases"):
        parse_yaml("\n".join(["l0: &l0 x", *levels]))


def test_a_bomb_in_a_setting_is_one_short_line():
    with pytest.raises(InputError) as problem:
        load_config(EXPERIMENTS / "gta2city.yaml", settings=("name=" + "[" * 600_000,))
    assert "larger than 524288 bytes" in str(problem.value) and len(str(problem.value)) < 400


# By hand from the core schema of YAML 1.2.2 (10.3.2), but for what is refused.
SCALARS = {
    "12": 12,
    "-3": -3,
    "0x1F": 31,
    "1e-4": 1e-4,
    "6.25E2": 625.0,
    ".5": 0.5,
    "-.inf": float("-inf"),
    "true": True,
    "~": None,
    "": None,
    **{
        text: text
        for text in ("no", "On", "y", "2026-11-28", "1_000", "0b11", "0o10", "1.2.3", "12a", "~/x", "=", "12:a")
    },
}


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_yaml_1_2_reads(text):
    value = parse_yaml(f"key: {text}")["key"]
    assert value == SCALARS[text] and type(value) is type(SCALARS[text])


@pytest.mark.parametrize("text", ["010", "00", "-07", "08", "0_7", "1:30", "12:30:45", "1:30.5"])
def test_numbers_that_are_not_the_same_to_all_are_refused_unless_they_are_text(text):
    with pytest.raises(ValueError, match=rf"line 3: a\.b\[1\] is {text}, which YAML readers take for different"):
        parse_yaml(f"x: 1\na:\n  b: [1, {text}]")
    assert parse_yaml(f'"{text}": "{text}"') == {text: text}


def test_what_we_write_can_be_read():
    assert parse_yaml(dump_yaml(to_dict(Config()))) == to_dict(Config())
    texts = [*SCALARS, "010", "08", "1:30", "1e5", "null", "yes"]
    assert parse_yaml(dump_yaml({"texts": texts})) == {"texts": texts}
    assert yaml.safe_load(dump_yaml({"texts": texts})) == {"texts": texts}  # and by other programs
