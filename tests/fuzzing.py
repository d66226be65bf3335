"""Fuzzing: strange files and settings, and what must be true of whatever comes of them.

Each kind (fuzz_kinds.py) is a strategy of cases and a check of one case in a `Playground`. A check goes through the
command line as a user would: the exit code is 0 or 2, a refusal is one line, nothing is raised; what is accepted is
right.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unittest.mock import patch

import mxnet as mx
import numpy as np
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from scene_files import raw_png
from tiny_run import STAGES, results, words, write_world

import mlsl_mx.training.train as train
from mlsl_mx.cli import main
from mlsl_mx.config.experiment_files import to_dict
from mlsl_mx.config.settings import Config
from mlsl_mx.data.lists import read_list
from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.network.weights.params_file import read_params
from mlsl_mx.pseudo_labels.labelling import _TwoPasses
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.runs import flat

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")  # not a folder in the checkout
KEYS = sorted(key for key, _ in flat(to_dict(Config())))


class Playground:
    """A small world, a finished run in it and interrupted ones, and sound files to spoil; all below `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.world = write_world(folder / "world")
        self.run = folder / "finished"
        for stage in STAGES:
            assert self.main(self.run, *stage).code == 0
        self.expected = results(self.run)
        self.runs = [self.run, *self._interrupted_runs()]
        self.weights = folder / "sound.params"
        net = MLSLNet(19, 0.02, weak_label_head=False)
        net.initialize(mx.init.Xavier())
        save_original(net, self.weights)

    def _interrupted_runs(self) -> list[Path]:
        """Runs that were killed at the end of training, labelling and self-training, before their result was there."""
        run, kept = self.folder / "interrupted", []
        ends = {
            "train-source": (train, "save_original"),
            "pseudo-label": (_TwoPasses, "write_labels"),
            "self-train": (train, "save_original"),
        }
        for stage in STAGES:
            if stage[0] in ends:
                with patch.object(*ends.pop(stage[0]), side_effect=KeyboardInterrupt), suppress(KeyboardInterrupt):
                    self.main(run, *stage)
                kept.append(Path(shutil.copytree(run, self.folder / f"killed-{stage[0]}")))
            if not ends:
                return kept
            assert self.main(run, *stage).code == 0

    def main(self, run: Path, *stage, **settings) -> Outcome:
        """Run a stage; whatever it raises comes out."""
        return command(*words(self.world, run, *stage, **settings))

    def fresh(self, name: str) -> Path:
        """A path that is not there yet."""
        path = self.folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        return path


class Outcome(NamedTuple):
    """What a stage did."""

    code: int
    output: str
    errors: str

    def check(self) -> None:
        """Raises: AssertionError unless it is 0, or 2 with one line."""
        ours = [line for line in self.errors.splitlines() if line.startswith("mlsl ")]
        assert self.code in (0, 2), self.code
        assert len(ours) == (self.code == 2), self.errors
        assert "Traceback" not in self.errors
        if self.code == 2:
            assert self.errors.splitlines()[-1] == ours[0] and len(ours[0]) < 2000, self.errors


def command(*given: str) -> Outcome:
    """Run `mlsl`; whatever it raises comes out."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code = main([*given])
        except SystemExit as usage:  # argparse's own
            code = usage.code
    return Outcome(code, output.getvalue(), errors.getvalue())


# bytes
class Change(NamedTuple):
    """Of a file's bytes; places are shares of its length."""

    kind: str
    place: float
    content: bytes

    def of(self, whole: bytes) -> bytes:
        start = int(self.place * len(whole))
        if self.kind == "cut":
            return whole[:start]
        if self.kind == "insert":
            return whole[:start] + self.content + whole[start:]
        if self.kind == "overwrite":
            return whole[:start] + self.content + whole[start + len(self.content) :]
        return self.content


places = st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.02), st.floats(0.98, 1, exclude_max=True))
changes = st.lists(
    st.builds(Change, st.sampled_from(["cut", "insert", "overwrite", "replace"]), places, st.binary(max_size=16)),
    min_size=1,
    max_size=3,
)


def changed(whole: bytes, all_changes: list[Change]) -> bytes:
    for change in all_changes:
        whole = change.of(whole)
    return whole


# lists
entries = st.one_of(
    st.sampled_from([f"images/0000{i}.png" for i in range(1, 5)]),
    st.sampled_from(
        ["../x.png", "/etc/passwd", "images/../../x", "images/", ".", "", "images/\0.png", "images/00001.jpg"]
    ),
    st.text(max_size=20).map("images/{}.png".format),
    st.text(max_size=300),
)
sound_entries = st.sampled_from([f"images/0000{i}.png" for i in range(1, 4)])
lists = st.one_of(
    st.binary(max_size=200),
    st.lists(sound_entries, unique=True, max_size=3).map(lambda lines: "\r\n".join(lines).encode()),
    st.builds(
        lambda lines, end, mark, encoding: mark + end.join(lines).encode(encoding, "surrogatepass"),
        st.lists(entries, max_size=6),
        st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\x0b", "\u2028"]),
        st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe"]),
        st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-8"]),
    ),
)


def check_list(ground: Playground, content: bytes) -> bool:
    path = ground.folder / "list.txt"
    path.write_bytes(content)
    try:
        found = read_list(path)
    except InputError as problem:
        assert "\n" not in str(problem)
        found = ()
    assert len({PurePosixPath(entry).stem for entry in found}) == len(found)
    for entry in found:
        assert not entry.startswith("/") and ".." not in entry.split("/")
    settings = {"source.images": path}
    ground.main(ground.fresh("run"), "begin", **settings).check()
    outcome = ground.main(Path(), "check-data", **settings)
    outcome.check()
    assert outcome.code == 2 or set(found) <= {f"images/0000{i}.png" for i in range(1, 4)}
    return outcome.code == 0


# settings
SNIPPETS = """0|-1|1.5|1e999|-.inf|.nan|0x_|0b_|1:60|2001-99-99|~|''|[]|{}|[1, 2]|[8, 1e9]|&a [*a]|*b|!!int x|
!!python/name:os.system|!!binary a|!!timestamp x|'\\0'|"\\0"|"a\\nb"|true|yes|<<: {a: 1}|? [a]|{a: 1, a: 2}|%TAG|
no/such/file|..|/dev/zero""".replace("\n", "").split("|")
snippets = st.sampled_from([*SNIPPETS, "1" + "0" * 400, "[" * 50, "{" * 5000, "---\n---", "|", "\u2028", "\ud800"])
values = st.one_of(
    snippets,
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=20),
    st.lists(st.one_of(st.integers(), st.floats()), max_size=3).map(str),
)
known_keys = st.sampled_from(KEYS)
keys = st.one_of(known_keys, known_keys, known_keys, st.text(max_size=10), st.just("inherit"))
sound_values = st.sampled_from([(key, str(value)) for key, value in flat(to_dict(Config()))])
set_values = st.lists(st.one_of(sound_values, st.tuples(keys, values)), min_size=1, max_size=3)


def check_settings(ground: Playground, given: list[tuple[str, str]]) -> bool:
    settings = {key: value for key, value in given if key not in ("source.images", "target.train", "target.val")}
    outcome = ground.main(ground.fresh("run"), "begin", **settings)
    outcome.check()
    return outcome.code == 0


def _nested(key: str, value: str) -> str:
    """A YAML text that sets a key of a group."""
    *groups, last = key.split(".")
    head = "".join(f"{'  ' * depth}{group}:\n" for depth, group in enumerate(groups))
    return f"{head}{'  ' * len(groups)}{last}: {value}\n"


yaml_files = st.one_of(
    st.binary(max_size=100),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.builds(_nested, keys, values), max_size=4).map(
        lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
    ),
    st.tuples(st.integers(1, 30), st.integers(1, 9)).map(lambda shape: _bomb(*shape)),
)


def _bomb(levels: int, copies: int) -> bytes:
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * copies)}]" for i in range(1, levels)]
    return "\n".join(["l0: &l0 x", *lines]).encode()


def check_yaml(ground: Playground, content: bytes) -> bool:
    path = ground.folder / "experiment.yaml"
    path.write_bytes(content)
    outcome = ground.main(ground.fresh("run"), "begin", experiment=path)
    outcome.check()
    outcome = ground.main(Path(), "check-data", experiment=path)
    outcome.check()
    return outcome.code == 0


# images and labels
sides = st.one_of(st.integers(0, 70), st.sampled_from([8192, 30_000, 2**31 - 1, 2**32 - 1]))
bits, colours = st.sampled_from([1, 2, 4, 8, 16, 3]), st.sampled_from([0, 2, 3, 4, 6, 5])
pngs = st.builds(raw_png, sides, sides, bits, colours, st.binary(max_size=3000), st.just(bytes(30)))
SPOILT_IMAGES = (
    "data/gta5/images/00002.png",
    "data/gta5/labels/00002.png",
    "data/cityscapes/leftImg8bit/val/val_000000_000019_leftImg8bit.png",
    "data/cityscapes/gtFine/val/val_000000_000019_gtFine_labelIds.png",
)
image_files = st.tuples(st.sampled_from(SPOILT_IMAGES), st.one_of(changes, changes, pngs))


def check_image(ground: Playground, case: tuple[str, Any]) -> bool:
    file, change = case
    path = ground.world / file
    whole = path.read_bytes()
    try:
        path.write_bytes(change if isinstance(change, bytes) else changed(whole, change))
        outcome = ground.main(Path(), "check-data")
    finally:
        path.write_bytes(whole)
    outcome.check()
    return outcome.code == 0


# weights
def check_params(ground: Playground, all_changes: list[Change]) -> bool:
    path = ground.folder / "spoilt.params"
    path.write_bytes(changed(ground.weights.read_bytes(), all_changes))
    for stage in (("begin", "--weights", path), ("import-weights", "--weights", path)):
        outcome = ground.main(ground.fresh("run"), *stage)
        outcome.check()
    if outcome.code == 0:
        _check_loaded(path)
    return outcome.code == 0


def _check_loaded(path: Path) -> None:
    """The network has what stands in the file, which is finite."""
    net = MLSLNet(19, 0.02, weak_label_head=False)
    load_original(net, path)
    stored = {name[4:]: array for name, array in read_params(path).items()}
    for name, parameter in net.collect_params().items():
        loaded = parameter.data().asnumpy()
        assert np.isfinite(loaded).all()
        np.testing.assert_array_equal(loaded, stored[name[len(net.prefix) :]].astype(np.float32))


index_numbers = st.sampled_from([0, 1, 2, 4, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1])
params_changes = st.one_of(
    changes,
    st.lists(
        st.builds(
            lambda place, number, size: Change("overwrite", place, number.to_bytes(8, "little")[:size]),
            st.one_of(st.sampled_from([0, 8, 16, 24, 28, 32, 36, 44, 52, 60]).map(lambda at: at / 200_000), places),
            index_numbers,
            st.sampled_from([4, 8]),
        ),
        min_size=1,
        max_size=3,
    ),
)


# run directories
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "without its last byte": lambda whole: whole[:-1],
    "empty": lambda whole: b"",
    "junk": lambda whole: bytes(range(256)) * 3,
    "a page": lambda whole: b"<html>404</html>\n",
    "{}": lambda whole: b"{}",
    "[]": lambda whole: b"[]",
    "null": lambda whole: b"null",
    "deep": lambda whole: b"[" * 100_000,
}
damages = st.tuples(st.integers(0, 10**6), st.sampled_from([*DAMAGES, "removed", "a folder"]))
run_damages = st.tuples(st.integers(0, 3), st.lists(damages, min_size=1, max_size=2))


def check_run(ground: Playground, case: tuple[int, list[tuple[int, str]]]) -> bool:
    """Some files of a run are spoilt and all stages run again: they refuse, or end with the right results."""
    run, (state, all_damages) = ground.fresh("spoilt"), case
    shutil.copytree(ground.runs[state], run)
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    spoilt = {names[number % len(names)]: how for number, how in all_damages}
    for name, how in spoilt.items():
        _spoil(run / name, how)
    outcomes = [ground.main(run, *stage) for stage in STAGES]
    for outcome in outcomes:
        outcome.check()
    accepted = all(outcome.code == 0 for outcome in outcomes)
    if accepted:
        lost = {*spoilt, "report/report.json"} if "log.jsonl" in spoilt else spoilt  # its loss curves are the log's
        found = results(run, leave_out=lost)  # what no stage needs any more may stay as it was spoilt
        assert found == {name: content for name, content in ground.expected.items() if name not in lost}
    return accepted


def _spoil(path: Path, how: str) -> None:
    if how in DAMAGES:
        path.write_bytes(DAMAGES[how](path.read_bytes()))
        return
    path.unlink()
    if how == "a folder":
        path.mkdir()
