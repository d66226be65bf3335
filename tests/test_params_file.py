"""Parameter files are read without trust: what MXNet writes is read as MXNet reads it, what claims too much is not."""

import resource
import struct
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from mlsl_mx.network.weights.params_file import read_index, read_params, write_params
from mlsl_mx.system.errors import InputError

LIST = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
ROOT = Path(__file__).parents[1]


def head(form: str, shape) -> bytes:
    """How versions of MXNet begin a tensor."""
    if form == "2016":
        return struct.pack(f"<I{len(shape)}I", len(shape), *shape)
    if form == "V1":
        return struct.pack(f"<II{len(shape)}q", V1, len(shape), *shape)
    return struct.pack(f"<IiI{len(shape)}q", V2, 0, len(shape), *shape)


def listed(tensors: list, names: list) -> bytes:
    content = struct.pack("<QQQ", LIST, 0, len(tensors)) + b"".join(tensors) + struct.pack("<Q", len(names))
    return content + b"".join(struct.pack("<Q", len(name)) + name for name in names)


@pytest.mark.parametrize("form", ["2016", "V1", "V2"])
@pytest.mark.parametrize(("number", "dtype"), [(0, "<f4"), (1, "<f8"), (2, "<f2")])
def test_every_version_is_read_as_mxnet_reads_it(tmp_path, form, number, dtype):
    arrays = {"arg:a": np.arange(6.0).reshape(2, 3), "aux:b": np.array([0.5])}
    gpu = struct.pack("<iii", 2, 3, number)  # saved on gpu(3), as published files may be
    tensors = [head(form, a.shape) + gpu + a.astype(dtype).tobytes() for a in arrays.values()]
    (tmp_path / "x.params").write_bytes(listed(tensors, [b"arg:a", b"aux:b"]))
    ours, theirs = read_params(tmp_path / "x.params"), mx.nd.load(str(tmp_path / "x.params"))
    assert ours.keys() == theirs.keys() == arrays.keys()
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        np.testing.assert_array_equal(ours[name], array.asnumpy())


def test_what_mxnet_writes(tmp_path):
    saved = {"arg:a": mx.nd.array([[1, 2, 3]]), "b": mx.nd.zeros((2, 1, 4))}
    mx.nd.save(str(tmp_path / "x"), saved)
    assert {name: t.shape for name, t in read_index(tmp_path / "x").items()} == {"arg:a": (1, 3), "b": (2, 1, 4)}
    for empty in ({}, [mx.nd.ones(2)]):
        mx.nd.save(str(tmp_path / "x"), empty)
        assert read_params(tmp_path / "x") == {}


def test_what_we_write_is_what_mxnet_writes(tmp_path):
    arrays = {
        "arg:a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "aux:b": np.float32([0.5]),
        "c": np.ones((1, 2, 1, 2)),
    }
    write_params(tmp_path / "ours", arrays)
    mx.nd.save(str(tmp_path / "theirs"), {name: mx.nd.array(array) for name, array in arrays.items()})
    content = (tmp_path / "ours").read_bytes()
    assert content == (tmp_path / "theirs").read_bytes()
    assert struct.unpack_from("<QQQI", content) == (LIST, 0, 3, V2)  # MXNet 1.3 to 1.5 do not know version 3
    assert [path.name for path in tmp_path.iterdir() if path.name != "theirs"] == ["ours"]
    write_params(tmp_path / "none", {})
    assert read_params(tmp_path / "none") == {}


ONE = head("V2", (2,)) + struct.pack("<iii", 1, 0, 0) + bytes(8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes are left"),
        (b"PK\3\4" * 20, "begins otherwise"),
        (struct.pack("<QQQ", LIST, 0, 2**60), "claims 1152921504606846976 tensors, at most 10000"),
        (listed([head("V2", (2**40, 2**20)) + struct.pack("<iii", 1, 0, 0)], [b"a"]), "claims shape (1099511627776, "),
        (listed([head("V2", (-1, 4)) + struct.pack("<iii", 1, 0, 0)], [b"a"]), "claims shape (-1, 4)"),
        (listed([head("V2", (0,)) + struct.pack("<iii", 1, 0, 0)], [b"a"]), "claims shape (0,)"),
        (listed([struct.pack("<IiI", V2, 0, 2**31)], [b"a"]), "claims 2147483648 axes"),
        (listed([struct.pack("<I", 2**30)], [b"a"]), "claims 1073741824 axes"),
        (listed([struct.pack("<I", V3)], [b"a"]), f"claims {V3} axes"),
        (listed([struct.pack("<Ii", V2, 1)], [b"a"]), "a sparse tensor"),
        (listed([head("V2", (2,)) + struct.pack("<iii", 1, 0, 4) + bytes(8)], [b"a"]), "element type 4"),
        (listed([ONE, ONE], [b"a"]), "claims 1 names for 2 tensors"),
        (listed([ONE, ONE], [b"a", b"a"]), "a name is there twice"),
        (listed([ONE], [b"a\n"]), "is no name"),
        (listed([ONE], [b"\xff"]), "is no name"),
        (listed([ONE], [])[:-8] + struct.pack("<QQ", 1, 2**62), "claims 4611686018427387904 bytes"),
        (listed([ONE], [b"a"]) + b"more", "4 bytes follow its end"),
        (listed([ONE], [b"a"])[:-1], "are left"),
    ],
)
def test_claims_are_held_against_the_file(tmp_path, content, said):
    path = tmp_path / "hostile.params"
    path.write_bytes(content)
    with pytest.raises(InputError) as problem:
        read_params(path)
    line = str(problem.value)
    assert line.startswith(f"{path}: not an MXNet parameter file, or cut short ({len(content)} bytes)")
    assert said in line and "\n" not in line


def test_a_hostile_file_costs_no_memory(tmp_path):
    """Without this reader MXNet would be asked for 2**62 bytes, or for the most that the limit lets it have."""
    claims = [(2**60,), (2**31,) * 2, (1 << 28,), (2**32 - 1,) * 8]
    for number, shape in enumerate(claims):
        tensor = head("V2", shape) + struct.pack("<iii", 1, 0, 0)
        (tmp_path / f"{number}.params").write_bytes(listed([tensor] * 9, [b"arg:%d" % i for i in range(9)]))
    code = f"""
from pathlib import Path
from mlsl_mx.system.errors import InputError
from mlsl_mx.network.weights.params_file import read_params
for number in range({len(claims)}):
    try:
        read_params(Path({str(tmp_path)!r}, str(number) + ".params"))
    except InputError:
        continue
    raise SystemExit("read")
"""

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))  # MXNet's libraries alone take 2 GB of addresses

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT, preexec_fn=limited)
