"""Settings: inheritance, methods, checks."""

from pathlib import Path

import pytest

from mlsl_mx.config import Config, load_config, to_dict
from mlsl_mx.errors import InputError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_are_the_paper_experiment():
    config = load_config(EXPERIMENTS / "gta2city.yaml")
    assert config == Config()


def test_inherited_settings_are_laid_over_group_by_group(tmp_path):
    write(tmp_path, "base.yaml", "pseudo_labels: {patches: 25, patch: 256}\nclasses: 16\n")
    path = write(tmp_path, "child.yaml", "inherit: base.yaml\npseudo_labels: {patch: 128}\n")
    config = load_config(path, settings=("self_training.optimizer.learning_rate=1e-3",))
    assert (config.pseudo_labels.patches, config.pseudo_labels.patch, config.classes) == (25, 128, 16)
    assert config.self_training.optimizer.learning_rate == 1e-3
    assert config.self_training.optimizer.momentum == 0.9  # what is not said stays


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("**/*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_file_loads(path):
    if "results" not in path.parts:
        assert isinstance(load_config(path), Config)


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
    config = load_config(EXPERIMENTS / "miniature" / "gta2city.yaml", method)
    assert config.pseudo_labels.inference == inference
    assert config.selection.policy == policy
    assert config.selection.spatial_prior == (method == "cbst-sp")
    assert config.weak_labels.enabled == weak_labels
    assert config.self_training.batch == batch
    assert config.method == method


def test_source_only_has_no_rounds():
    assert load_config(EXPERIMENTS / "gta2city.yaml", "source-only").self_training.rounds == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pseudo_labels: {pathces: 3}", "did you mean pseudo_labels.patches?"),
        ("pseudo_labels: {patches: many}", "must be of type int"),
        ("pseudo_labels: {patches: true}", "must be of type int"),
        ("pseudo_labels: {patches: 0}", "must be at least 1"),
        ("pseudo_labels: 3", "group of settings"),
        ("selection: {portion: 1.5}", "between 0 and 1"),
        ("weak_labels: {eta: -0.1}", "between 0 and 1"),
        ("pseudo_labels: {patch: 100}", "multiple of 8"),
        ("pseudo_labels: {patch: 2048}", "lower it"),
        ("pseudo_labels: {inference: both}", "use one of sisc, single"),
        ("source: {size: [1, 2, 3]}", "list of 2"),
        ("selection: {prior_file: prior.h5}", "must be a .mat or an .npz file"),
        ("weak_labels: {eta: .nan}", "not a number"),
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


def test_a_circle_of_inheritance_is_refused(tmp_path):
    write(tmp_path, "a.yaml", "inherit: b.yaml")
    write(tmp_path, "b.yaml", "inherit: a.yaml")
    with pytest.raises(InputError, match="inherits from itself"):
        load_config(tmp_path / "a.yaml")


def test_resolved_settings_are_plain_values():
    values = to_dict(Config())
    assert values["source"]["size"] == [1052, 1914]
    assert values["self_training"]["optimizer"]["learning_rate"] == 1e-4
