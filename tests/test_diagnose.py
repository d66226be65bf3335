"""How the measurements of a round come together in diagnosis.json."""

from __future__ import annotations

from mlsl_mx.pseudo_labels.diagnosis import diagnosis

SELECTION = {
    "portion": 0.2,
    "coverage": 0.3,
    "thresholds": {"road": 0.99, "wall": 1.0},
    "coverage_per_class": {"road": 0.3, "wall": 0.0},
}
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
    found = diagnosis(SELECTION, AGREEMENT, DISAGREEMENT, {"images": 8})
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
        "ground_truth": {"images": 8},
    }


def test_what_was_not_measured_is_there_and_null():
    whole, found = diagnosis(SELECTION, AGREEMENT, DISAGREEMENT, None), diagnosis(SELECTION, None, None, None)
    assert found.keys() == whole.keys() and found["per_class"]["road"].keys() == whole["per_class"]["road"].keys()
    for key in ("agreement", "kept", "patch_disagreement", "patch_images", "ground_truth"):
        assert found[key] is None
    assert set(found["per_class"]["wall"].values()) == {1.0, 0.0, None}
