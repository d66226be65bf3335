"""Class tables of experiment files and of `mlsl init-experiment --classes`."""

from __future__ import annotations

from pathlib import Path

import pytest
from documented_commands import blocks
from own_data import EXPERIMENT, write_experiment

from mlsl_mx.config.class_table import default_colour, read_classes
from mlsl_mx.config.classes import MOST_CLASSES, class_set
from mlsl_mx.config.experiment_files import data_config, load_config, to_dict
from mlsl_mx.data.own.given_classes import read_class_file
from mlsl_mx.system.errors import InputError


def test_ids_and_colours_in_every_form():
    table = [
        {"name": "a", "colour": "#0a141e", "source": 3, "target": [[1, 2, 3], "#040506"]},
        {"name": "b", "source": [4, 5]},
    ]
    first, second = read_classes(table, "x.yaml")
    assert (first.colour, first.source, first.target) == ((10, 20, 30), (3,), ((1, 2, 3), (4, 5, 6)))
    assert (second.colour, second.source, second.target) == (default_colour(1), (4, 5), ())


@pytest.mark.parametrize("count", [100, MOST_CLASSES])
def test_colours_that_nobody_gave_are_distinct_and_never_black(count):
    colours = [one.colour for one in read_classes([{"name": f"c{i}", "source": i} for i in range(count)], "")]
    assert len(set(colours)) == count and min(map(max, colours)) > 100


def test_a_colour_that_nobody_gave_is_none_that_another_class_has():
    """As where a class is put before those of a file that `init-experiment` wrote."""
    table = [{"name": "pallet", "source": 5}, {"name": "floor", "source": 1, "colour": list(default_colour(0))}]
    first, second = read_classes(table, "x.yaml")
    assert (first.colour, second.colour) == (default_colour(1), default_colour(0))


def test_an_own_set_has_one_mean_and_ids_of_its_own():
    classes = class_set(read_classes([{"name": n, "source": i} for i, n in enumerate("abcd")], ""))
    assert not classes.benchmark and classes.published_means == (4,) and classes.common(4) == (0, 1, 2, 3)
    assert classes.label_id_lookup[:4].tolist() == [0, 1, 2, 3] and classes.label_id_lookup[255] == 255
    many = class_set(read_classes([{"name": f"c{i}", "source": i} for i in range(300)], "")).label_id_lookup
    assert many[:300].tolist() == list(range(300)) and many[65535] == 65535  # as an ONNX file of them says
    assert class_set(19).benchmark
    with pytest.raises(ValueError, match="13"):
        classes.common(13)


TWO = "{name: a, source: 1}, {name: b, source: 2}"
IDS = "source: {encoding: ids, ignore: []}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes: [{name: a, source: 1}]", "classes holds 1: it must be between 2"),
        ("classes: 17", "use 19, 16, or a list of classes"),
        ("classes: many", "use 19, 16, or a list of classes"),
        ("classes: [a, b]", r"classes\[0\] is 'a': write \{name"),
        ("classes: [{nane: a}, {name: b}]", r"classes\[0\]: unknown key nane: did you mean name\?"),
        ("classes: [{name: 3}, {name: b}]", "name is 3: write a printable name in quotes"),
        ("classes: [{name: a, source: 1}, {name: a, source: 2}]", "classes 'a' and 'a' both have the name"),
        ("classes: [{name: a, source: 1}, {name: b, source: [2, 1]}]", "classes 'a' and 'b' both have the source 1"),
        ("classes: [{name: a, colour: [1, 2, 3]}, {name: b, colour: [1, 2, 3]}]", "both have the colour"),
        ("classes: [{name: a, colour: 3}, {name: b}]", r"colour is 3: write \[red, green, blue\]"),
        ("classes: [{name: a, source: 70000}, {name: b}]", r"70000 is neither an id \(0\.\.65535, no leading zeros\)"),
        ("classes: [{name: a, source: [[1, 2, 300]]}, {name: b}]", "is neither an id .* nor a colour"),
        (f"classes: [{TWO}, {{name: c}}]\n{IDS}", "classes: c has no source ids or colours, so it cannot be learnt"),
        (f"classes: [{TWO}]\n{IDS}", "none has target ids or colours, so validation labels cannot be read"),
        (f"classes: [{TWO}]\nsource: {{encoding: colours}}", "class a: source has 1, but source.encoding is colours"),
        ("source: {encoding: ids}", r"has \(200, 10, 10\), but source\.encoding is ids: its labels hold ids"),
        ("target: {ignore: [1]}", "target.ignore has 1, which is class warm too"),
        ("target: {ignore: [300]}", "target.ignore has 300, but target.encoding ids has 8 bits"),
        ("target: {ignore: some}", r"target\.ignore is 'some': give ids or colours, or the word rest, for whatever"),
        ("source: {encoding: png}", "source.encoding is 'png': use one of ids, ids16, "),
        ("source: {labels: ''}", "source.labels is empty: name the folder, pattern or list"),
        ("source: {images: ''}", "source.images is empty"),
        ("target: {train: ''}", "target.train is empty"),
        ("target: {val: ''}", "target.val_labels is given without target.val"),
        ("classes: 19", "classes is 19, but source.dataset is own: write `classes` as a list"),
        ("source: {dataset: gta5}", "source.labels belongs to own data, but source.dataset is gta5"),
        (
            "source: {dataset: gta5, labels: ''}",
            "source.encoding belongs to own data, .*: set that to own, or leave out",
        ),
        ("target: {dataset: cityscapes, val_labels: ''}", "target.ignore belongs to own data"),
        (f"classes: [{TWO}, {{name: Void, source: 9}}]", "'Void' is no class, and would be learnt as one: put what"),
    ],
)
def test_tables_and_places_that_cannot_be_used(tmp_path, text, said):
    base = write_experiment(tmp_path)
    over = tmp_path / "over.yaml"
    over.write_text(f"inherit: {base.name}\n{text}\n")
    with pytest.raises(InputError, match=said) as problem:
        load_config(over)
    assert "\n" not in str(problem.value)


def test_settings_survive_the_run_directory(tmp_path):
    config = load_config(write_experiment(tmp_path), "sisc")
    again = data_config(to_dict(config))
    assert (again.classes, again.source, again.target) == (config.classes, config.source, config.target)
    assert config.num_classes == 2 and config.class_set.names == ("warm", "cold")


def test_a_shipped_recipe_is_inherited_from_anywhere_and_a_file_beside_comes_first(tmp_path):
    assert load_config(write_experiment(tmp_path)).pseudo_labels.batch == 10  # of the miniature's recipe
    (tmp_path / "own").mkdir()
    (tmp_path / "own/small.yaml").write_text(
        "source: {dataset: own}\ntarget: {dataset: own}\npseudo_labels: {batch: 3}\n"
    )
    assert load_config(write_experiment(tmp_path, EXPERIMENT)).pseudo_labels.batch == 3


def test_the_examples_of_the_documentation_load(tmp_path):
    document = Path(__file__).parents[1] / "docs/YOUR_OWN_DATA.md"
    examples = [b for b in blocks("", document.read_text(encoding="utf-8")) if b.kind == "yaml"]
    assert len(examples) == 2
    configs = []
    for example in examples:
        (tmp_path / "a.yaml").write_text("\n".join(example.lines))
        configs.append(load_config(tmp_path / "a.yaml"))
    assert configs[0].class_set.names == ("floor", "shelf", "person") and configs[0].network.width == 1
    assert configs[1].class_set.benchmark and configs[1].target.val == ""


def test_class_file(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('name, colour ,source,target\nfloor,#804080,1 2,3\n\nignore,,0,255\n"a, b",,#010203 ,\n')
    found = read_class_file(path)
    assert [(c.name, c.source, c.target) for c in found.classes] == [
        ("floor", (1, 2), (3,)),
        ("a, b", ((1, 2, 3),), ()),
    ]
    assert found.classes[0].colour == (128, 64, 128) and found.ignored == {"source": (0,), "target": (255,)}


# Cells, and what of them is no id to all who read tables.
NO_IDS = [(cell, cell) for cell in ("007", "00", "1.0", "0x1F", "1_000", "1,2", "-1", "1e2", "٣")] + [("1 000", "000")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first line is ''"),
        ("id,name\n", "its first line is 'id,name': write name,colour,source,target"),
        ("name,source,source\na,1,2\n", "c.csv: column source is there twice"),
        ("name,source\na,1,2\n", "c.csv:2: 3 cells, but the first line has 2"),
        ("name,source\na,x\nb,2\n", "c.csv:2: 'x' is neither an id"),
        ("name,source\na,1\nb,2\nIgnored,0 2\n", "c.csv: source 2 is ignored, and class 'b' too: take it out of one"),
        ("name,source\na,1\n", "holds 1: it must be between 2"),
        *((f'name,source\na,3\nb,"{cell}"\n', f"c.csv:3: '{number}' is neither an id") for cell, number in NO_IDS),
    ],
)
def test_class_files_that_cannot_be_used(tmp_path, text, said):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_class_file(tmp_path / "c.csv")
