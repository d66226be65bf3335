from __future__ import annotations

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as official

from mlsl_mx.config.classes import CLASSES, IGNORE, class_set, listed
from mlsl_mx.config.published_data import PUBLISHED, SYNTHIA_NAMES
from mlsl_mx.system.errors import InputError


def test_names_colours_and_train_ids_are_those_of_the_official_script():
    evaluated = sorted((label for label in official if 0 <= label.trainId < 19), key=lambda label: label.trainId)
    assert [c.name for c in CLASSES] == [label.name for label in evaluated]
    assert [c.colour for c in CLASSES] == [label.color for label in evaluated]
    assert list(PUBLISHED["cityscapes"].ids.items()) == [(label.name, label.id) for label in evaluated]


@pytest.mark.parametrize("dataset", ["cityscapes", "gta5"])
def test_look_up_of_every_official_id(dataset):
    lookup = class_set(19).train_id_lookup(dataset)
    for label in official:
        expected = label.trainId if 0 <= label.trainId < 19 else IGNORE
        assert lookup[label.id & 255] == expected, label.name


def test_synthia_ids_by_name():
    names = {"person": "pedestrian"}
    ids = PUBLISHED["synthia"].ids
    assert {c.name for c in CLASSES} - set(ids) == {"terrain", "truck", "train"}
    for name, file_id in ids.items():
        assert SYNTHIA_NAMES[file_id] == names.get(name, name).replace(" ", "_")


def test_16_and_13_classes():
    nineteen, sixteen, thirteen = (class_set(n).names for n in (19, 16, 13))
    assert [n for n in nineteen if n not in sixteen] == ["terrain", "truck", "train"]
    assert [n for n in sixteen if n not in thirteen] == ["wall", "fence", "pole"]
    assert class_set(16).common(13) == (0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    assert class_set(19).common(19) == tuple(range(19))
    with pytest.raises(ValueError, match="19"):
        class_set(16).common(19)
    with pytest.raises(InputError, match="17"):
        class_set(17)


@pytest.mark.parametrize("count", [19, 16])
def test_train_ids_go_to_label_ids_and_back(count):
    classes = class_set(count)
    train_ids = np.arange(count)
    label_ids = classes.label_id_lookup[train_ids]
    np.testing.assert_array_equal(classes.train_id_lookup("cityscapes")[label_ids], train_ids)
    assert classes.label_id_lookup[IGNORE] == 0


def test_a_message_names_as_many_classes_as_cityscapes_has():
    names = [f"class {i}" for i in range(21)]
    assert listed(names[:19]) == ", ".join(names[:19])
    assert listed(names) == ", ".join(names[:19]) + " and 2 others"
    assert listed([]) == ""


def test_palette_is_black_beyond_the_classes():
    palette = class_set(16).palette
    assert palette[0].tolist() == [128, 64, 128] and palette[15].tolist() == [119, 11, 32]
    assert not palette[16:].any()


def test_every_looked_up_id_is_known():
    for dataset, data in PUBLISHED.items():
        mapped = np.flatnonzero(class_set(19).train_id_lookup(dataset) != IGNORE)
        assert set(mapped.tolist()) <= data.known_ids
