"""Settings: inheritance, methods, checks."""

from dataclasses import replace
from pathlib import Path

import pytest
import settings_page

from mlsl_mx.config.experiment_files import METHOD_FILES, load_config, to_dict
from mlsl_mx.config.setting import Setting, check_each
from mlsl_mx.config.settings import Config
from mlsl_mx.system.errors import InputError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
# What the recipes of experiments/own leave to the file of a user.
OWN_PLACES = (
    "source.images=a",
    "source.labels=b",
    "target.train=c",
    "classes=[{name: a, source: 0}, {name: b, source: 1}]",
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_are_the_paper_experiment():
    config = load_config(EXPERIMENTS / "gta2city.yaml")
    assert config.self_training.batch == 1  # Sec. 4.1.3: with weak labels
    assert replace(config, self_training=replace(config.self_training, batch=None)) == Config()


def test_inherited_settings_are_laid_over_group_by_group(tmp_path):
    write(tmp_path, "base.yaml", "pseudo_labels: {patches: 25, patch: 256}\nclasses: 16\n")
    path = write(tmp_path, "child.yaml", "inherit: base.yaml\npseudo_labels: {patch: 128}\n")
    config = load_config(path, settings=("self_training.optimizer.learning_rate=1e-3",))
    assert (config.pseudo_labels.patches, config.pseudo_labels.patch, config.classes) == (25, 128, 16)
    assert config.self_training.optimizer.learning_rate == 1e-3
    assert config.self_training.optimizer.momentum == 0.9  # what is not said stays


def test_the_page_of_settings_is_written_from_the_fields():
    written = (EXPERIMENTS.parent / "docs" / "SETTINGS.md").read_text(encoding="utf-8")
    assert written == settings_page.page(), "run: .venv/bin/python tests/settings_page.py > docs/SETTINGS.md"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "whole number"),
        (int | None, "whole number"),
        (float | None, "number"),
        (tuple[int, int] | None, "2 numbers"),
    ],
)
def test_the_page_of_settings_says_what_a_type_is(kind, words):
    assert settings_page.may_be(Setting(""), kind) == words + " or null" * (kind is not int)


def test_the_page_of_settings_says_nothing_of_a_type_that_it_does_not_know():
    with pytest.raises(KeyError):
        settings_page.may_be(Setting(""), tuple[int, int, int])


def test_every_default_is_a_value_that_its_setting_may_have():
    check_each(Config())


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("**/*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_file_loads(path):
    own = OWN_PLACES if "own" in path.parts else ()
    assert isinstance(load_config(path, settings=own), Config)


@pytest.mark.parametrize(
    ("method", "inference", "policy", "weak_labels", "batch"),
    [
        ("st", "single", "global", False, 2),
        ("cbst", "single", "class_balanced", False, 2),
        ("cbst-sp", "single", "class_balanced", False, 2),
        ("sisc", "sisc", "class_balanced", False, 2),
        ("sisc-pwl", "sisc", "class_balanced", True, 1),
    ],
)
def test_methods_are_the_rows_of_the_tables(method, inference, policy, weak_labels, batch):
    config = load_config(EXPERIMENTS / "gta2city.yaml", method)
    assert config.pseudo_labels.inference == inference
    assert config.selection.policy == policy
    assert config.selection.spatial_prior == (method == "cbst-sp")
    assert config.weak_labels.enabled == weak_labels
    assert config.self_training.batch == batch
    small = load_config(EXPERIMENTS / "miniature" / "gta2city.yaml", method)
    assert (small.pseudo_labels.inference, small.selection.policy) == (inference, policy)
    assert (small.weak_labels.enabled, small.self_training.batch) == (weak_labels, 4)
    assert config.method == method


def test_source_only_has_no_rounds():
    assert load_config(EXPERIMENTS / "gta2city.yaml", "source-only").self_training.rounds == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pseudo_labels: {pathces: 3}", "did you mean pseudo_labels.patches?"),
        ("pseudo_labels: {patches: many}", "must be of type int"),
        ("pseudo_labels: {patches: true}", "must be of type int"),
        ("pseudo_labels: {patches: 0}", "must be between 1 and 10000"),
        ("pseudo_labels: 3", "group of settings"),
        ("selection: {portion: 1.5}", "between 0 and 1"),
        ("selection: {portion: 0.6}", "selection.portion is 0.6, above selection.portion_max=0.5: raise that, too"),
        ("self_training: {source_portion: 0.5}", "above self_training.source_portion_max=0.06: raise that, too"),
        ("weak_labels: {eta: -0.1}", "between 0 and 1"),
        ("pseudo_labels: {patch: 100}", "multiple of 8"),
        ("pseudo_labels: {patch: 2048}", "lower it"),
        ("pseudo_labels: {inference: both}", "use one of sisc, single"),
        ("pseudo_labels: {inference: single, votes: true}", "pseudo_labels.votes counts patches"),
        ("network: {precision: half}", "use one of float32, bfloat16, float16"),
        ("source: {size: [1, 2, 3]}", "list of 2"),
        ("selection: {prior_file: prior.h5}", "must be a .mat or an .npz file"),
        ("weak_labels: {eta: .nan}", "not a finite number"),
        ("weak_labels: {weight: .inf}", "not a finite number"),
        ("weak_labels: {weight: 1e999}", "not a finite number"),
        ("pseudo_labels: {patches: 1000000000000}", "must be between 1 and 10000"),
        ('source: {images: "a\\nb"}', "remove the unprintable characters"),
        ("classes: 19\nclasses: 16", "'classes' is given twice"),
        ("a: &x [1, 2]\nb: *x", "anchors and aliases (line 1) are not read"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors and aliases"),
        ("a: &a {x: 1}\n<<: *a", "anchors and aliases"),
        ("[" * 30_000, "groups more than 20 deep"),
        ("a: " + "[" * 30 + "]" * 30, "groups more than 20 deep"),
        ("name: " + "x" * 600_000, "larger than 524288 bytes"),
        ("a: !!int 010", "the tag tag:yaml.org,2002:int (line 1) is not read"),
        ("\npseudo_labels: {patches: 010}", "line 2: pseudo_labels.patches is 010, which YAML readers take for"),
        ("classes:\n - {name: a, source: [1, 0070]}", "line 2: classes[0].source[1] is 0070, which YAML readers take"),
        ("self_training:\n  rounds: 1:30", "line 2: self_training.rounds is 1:30, which YAML readers take"),
        ("source: {size: [1_000, 2_000]}", "source.size is '1_000', but must be of type int: write digits"),
        ("pseudo_labels: {patches: 0o10}", "patches is '0o10', but must be of type int"),
        ("pseudo_labels: {patches: 1e2}", "patches is 100.0, but must be of type int"),
        ("pseudo_labels: {patches: .inf}", "patches is inf, but must be of type int"),
        ("pseudo_labels: {flip: yes}", "pseudo_labels.flip is 'yes', but must be of type bool: write true or false"),
        ("target: {train: ~/cameras}", "target.train is ~/cameras: only a shell expands ~"),
        ("target: {val: ~}", "target.val is null, but must be of type str: write it in quotes"),
        ("weak_labels: {eta: '0.1'}", "eta is '0.1', but must be of type float: write a number"),
        ("a: \x00", "not a readable YAML"),
        ("- a list", "not `key: value` lines"),
        ("a: [", "not a readable YAML"),
        ("name: !!python/object/apply:os.system [ls]", "not a readable YAML"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, said):
    path = write(tmp_path, "wrong.yaml", text)
    with pytest.raises(InputError) as problem:
        load_config(path)
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(InputError, match="sisc-pwl"):
        load_config(EXPERIMENTS / "gta2city.yaml", "mlsl")


def test_methods_come_from_three_folders(tmp_path):
    for name in ("methods/sisc", "ablations/eta-0.1", "released/released-sisc", "released/gta2city", "miniature/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, f"{name}.yaml", f"name: {name}\n")
    for method, file in (("sisc", "methods"), ("eta-0.1", "ablations"), ("released-sisc", "released")):
        for experiment in ("miniature/a.yaml", "released/gta2city.yaml"):
            config = load_config(tmp_path / experiment, method)
            assert (config.name, config.method) == (f"{file}/{method}", method)
    with pytest.raises(InputError, match="'gta2city' is not known: use one of sisc, released-sisc, eta-0.1, cbst"):
        load_config(tmp_path / "released/gta2city.yaml", "gta2city")
    assert load_config(tmp_path / "miniature/a.yaml", "cbst").pseudo_labels.inference == "single"  # ours are not hidden


def test_a_method_that_a_file_names_is_that_method(tmp_path):
    path = write(tmp_path, "a.yaml", "method: cbst\npseudo_labels: {patches: 7}\n")
    config = load_config(path)
    assert (config.method, config.pseudo_labels.inference, config.weak_labels.enabled) == ("cbst", "single", False)
    assert config.pseudo_labels.patches == 7 and load_config(path, "cbst") == config
    child = write(tmp_path, "b.yaml", "inherit: a.yaml\n")
    assert load_config(child).method == "cbst"
    assert load_config(child, "source-only").method == "source-only"  # which each method starts from
    with pytest.raises(
        InputError, match="b.yaml: method is cbst, but METHOD is sisc-pwl .*: give METHOD=cbst, or remove"
    ):
        load_config(child, "sisc-pwl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: ../evil", "METHOD '../evil' is not known: use one of"),
        ("method: [cbst]", r"METHOD \['cbst'\] is not known: did you mean cbst\?"),
        ("method: cbts", r"METHOD 'cbts' is not known: did you mean cbst\? Known are .*, cbst-pwl, "),
        ("method: report", "METHOD report: a run directory uses this name for something else: rename .*/report.yaml"),
        ("method: .hidden", "METHOD .hidden: a run directory uses this name for something else"),
    ],
)
def test_a_file_cannot_name_what_is_no_method(tmp_path, text, said):
    for name in ("report", ".hidden"):
        (tmp_path / "methods").mkdir(exist_ok=True)
        write(tmp_path, f"methods/{name}.yaml", "name: x\n")
    with pytest.raises(InputError, match=said):
        load_config(write(tmp_path, "a.yaml", text))


def test_a_patch_need_not_fit_where_none_is_cut(tmp_path):
    path = write(tmp_path, "a.yaml", "inherit: gta2city.yaml\ntarget: {size: [256, 512]}\n")
    assert load_config(path, "cbst").target.size == (256, 512)
    with pytest.raises(InputError, match="larger than a side of target.size .256, 512.: lower"):
        load_config(path, "sisc")


def test_faults_of_a_setting_are_not_blamed_on_the_file():
    with pytest.raises(InputError, match="^setting 'netwrk.width=3': unknown key netwrk: did you mean network"):
        load_config(EXPERIMENTS / "gta2city.yaml", settings=["netwrk.width=3"])


def test_a_method_is_no_setting():
    with pytest.raises(InputError, match="setting method: a method is a file"):
        load_config(EXPERIMENTS / "gta2city.yaml", settings=("method=cbst",))


def test_no_two_files_are_the_same_method():
    stems = [path.stem for pattern in METHOD_FILES for path in EXPERIMENTS.glob(pattern)]
    assert len(set(stems)) == len(stems)


def test_a_method_file_nearer_to_the_experiment_wins():
    patches = [load_config(EXPERIMENTS / f"{e}.yaml", "patch-256") for e in ("gta2city", "miniature/gta2city")]
    assert [config.pseudo_labels.patch for config in patches] == [256, 64]
    nominal = [load_config(EXPERIMENTS / f"{e}.yaml", "sisc") for e in ("gta2city", "miniature/gta2city")]
    assert [config.pseudo_labels.patch for config in nominal] == [512, 128]


def test_a_circle_of_inheritance_is_refused(tmp_path):
    write(tmp_path, "a.yaml", "inherit: b.yaml")
    write(tmp_path, "b.yaml", "inherit: a.yaml")
    with pytest.raises(InputError, match="inherits from itself"):
        load_config(tmp_path / "a.yaml")


def test_resolved_settings_are_plain_values():
    values = to_dict(Config())
    assert values["source"]["size"] == [1052, 1914]
    assert values["self_training"]["optimizer"]["learning_rate"] == 1e-4
