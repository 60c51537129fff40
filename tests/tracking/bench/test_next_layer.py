"""The study of the next layer on the embedded sample, with the weights that ship."""

import json

import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import of_seed
from tracking.bench import next_layer
from tracking.bench.next_layer import next_layer_study, next_layer_table


@pytest.fixture(scope="module")
def study():
    return next_layer_study([data_path("sample.root")])


def test_cones_hold_what_they_are_asked_for_and_are_no_wider(study):
    assert study["n"] > 14_000
    # Of 14,556 crossings: the last digit that is asked for at 99.7 % is four standard errors.
    for key, share, within in (
        ("coverage68", 0.68, 0.01),
        ("coverage95", 0.95, 0.005),
        ("coverage997", 0.997, 0.0015),
    ):
        assert abs(study[key] - share) < within
        assert abs(study[f"{key}_kalman"] - share) < within
    assert study["area_ratio_to_kalman"] == study["area_ratio95"] < 1.0
    # The sample has collisions alone.
    assert study["collisions"]["n"] == study["n"]
    assert study["seeds"] == [2026]
    assert study["n"] == sum(row["n"] for row in study["by_layer"])
    json.dumps(study, allow_nan=False)


def test_its_table_has_a_line_for_each_bin(study):
    lines = next_layer_table(study).splitlines()
    assert len(lines) == 1 + 3 * (len(study["by_pt"]) + 1) + len(study["by_layer"]) + 1
    assert lines[1].startswith("pT 0.3-0.9 GeV")
    assert lines[5].startswith("all")
    assert f"{study['coverage68']:.4f}" in lines[5]
    assert lines[-1].startswith("one hit")


def test_events_that_were_learned_from_are_refused(monkeypatch):
    monkeypatch.setattr(next_layer, "trained_with", lambda name: frozenset({2026}))
    with pytest.raises(InputError, match=r"sample\.root.*seed 2026"):
        next_layer_study([data_path("sample.root")])


def test_events_that_do_not_name_their_seed_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.root: does not name the seed"):
        next_layer_study([data_path("sample.root"), of_seed(tmp_path / "none.root", None)])
