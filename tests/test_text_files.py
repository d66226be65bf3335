"""Text and YAML that is not what it should be costs a line, not memory or time."""

import os
from pathlib import Path

import pytest

from mlsl_mx.config import Config, load_config, to_dict
from mlsl_mx.errors import InputError
from mlsl_mx.text_files import parse_yaml, read_text

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


def test_what_we_write_can_be_read():
    import yaml

    assert parse_yaml(yaml.safe_dump(to_dict(Config()), sort_keys=False)) == to_dict(Config())
