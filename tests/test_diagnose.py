"""How the measurements of a round come together in diagnosis.json."""

from __future__ import annotations

import pytest

from mlsl_mx.pseudo_labels.diagnosis import diagnosis, drift, drift_in_words

SELECTION = {
    "portion": 0.2,
    "coverage": 0.3,
    "thresholds": {"road": 0.99, "wall": 1.0},
    "coverage_per_class": {"road": 0.3, "wall": 0.0},
    "predicted_share": {"road": 0.9, "wall": 0.1},
}
FIRST = {"road": 0.95, "wall": 0.05}
AGREEMENT = {
    "all": {"agreement": 0.9, "kept": 0.8},
    "per_class": {"road": {"agreement": 0.9, "kept": 0.8}, "wall": {"agreement": None, "kept": None}},
}
DISAGREEMENT = {
    "all": {"patch_disagreement": 0.1},
    "per_class": {"road": {"patch_disagreement": 0.1}, "wall": {"patch_disagreement": None}},
    "images": 6,
}


def test_everything_is_filed_by_class():
    found = diagnosis(SELECTION, FIRST, AGREEMENT, DISAGREEMENT, {"images": 8})
    assert found["per_class"]["road"] == {
        "threshold": 0.99,
        "coverage": 0.3,
        "agreement": 0.9,
        "kept": 0.8,
        "patch_disagreement": 0.1,
    }
    del found["per_class"]
    assert found == {
        "portion": 0.2,
        "coverage": 0.3,
        "agreement": 0.9,
        "kept": 0.8,
        "patch_disagreement": 0.1,
        "patch_images": 6,
        "drift": {"wall": [0.05, 0.1]},
        "ground_truth": {"images": 8},
    }


def test_what_was_not_measured_is_there_and_null():
    whole, found = (
        diagnosis(SELECTION, FIRST, AGREEMENT, DISAGREEMENT, None),
        diagnosis(SELECTION, FIRST, None, None, None),
    )
    assert found.keys() == whole.keys() and found["per_class"]["road"].keys() == whole["per_class"]["road"].keys()
    for key in ("agreement", "kept", "patch_disagreement", "patch_images", "ground_truth"):
        assert found[key] is None
    assert set(found["per_class"]["wall"].values()) == {1.0, 0.0, None}


@pytest.mark.parametrize(
    ("first", "now", "drifts"),
    [
        (0.385, 0.252, True),  # road from SYNTHIA, which becomes sidewalk
        (0.026, 0.047, True),
        (0.252, 0.201, False),  # buildings from GTA-V: a fifth less
        (0.009, 0.019, False),  # twice as much, of hardly anything
        (0.0, 0.02, True),
        (0.02, 0.0, True),
        (0.3, 0.3, False),
    ],
)
def test_a_class_drifts_if_its_share_moves_far(first, now, drifts):
    assert drift({"wall": first}, {"wall": now}) == ({"wall": [first, now]} if drifts else {})


def test_drift_names_the_largest_change_first():
    moved = drift({"wall": 0.026, "road": 0.385}, {"wall": 0.078, "road": 0.252})
    assert drift_in_words(moved) == "road 38.5 -> 25.2 %, wall 2.6 -> 7.8 %"
