"""The study of the binned LSTM, trained on the embedded sample and tried on toys."""

import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import of_seed
from tracking.bench.binned import CUTS, binned_study
from tracking.finders.trkx.path.options import BinnedOptions

SAMPLE = data_path("sample.root")
SMALL = BinnedOptions(hidden=16, epochs=2, reach=6)


def test_it_tells_how_many_particles_both_find(files, tmp_path):
    tuning = of_seed(tmp_path / "tuning.root", 2027)
    result = binned_study(SAMPLE, tuning, files["toy"], SMALL, limit=2)
    assert (result["n_events"], result["n_training"], result["n_tuning"]) == (2, 2, 2)
    assert result["n_particles"] > 10
    assert result["path"]["efficiency"] > 0.9 > result["binned"]["efficiency"]
    for name in ("binned", "path"):
        assert result[name]["ms"] > 0
        assert 0 <= result[name]["fake_rate"] <= 1
    # One bias of the LSTM, and that of the last layer.
    assert result["parameters"] == 4 * 16 * (169 + 4 + 16 + 1) + 169 * 17
    assert [point["min_probability"] for point in result["points"]] == list(CUTS)
    n_tracks = [point["n_tracks"] for point in result["points"]]
    assert n_tracks == sorted(n_tracks, reverse=True)
    chosen = result["points"][CUTS.index(result["binned"]["min_probability"])]
    for key in ("efficiency", "fake_rate", "n_tracks"):
        assert result["binned"][key] == chosen[key]


def test_events_that_are_used_twice_are_refused(files):
    for order in (("first", "second", SAMPLE), ("first", SAMPLE, "second"), (SAMPLE, "first", "second")):
        with pytest.raises(InputError, match=r"second\.root: has the seed 7, as .*first\.root has"):
            binned_study(*(files.get(name, name) for name in order), SMALL)


def test_events_that_do_not_name_their_seed_are_refused(files, tmp_path):
    unnamed = of_seed(tmp_path / "none.root", None)
    for order in (
        (unnamed, files["toy"], SAMPLE),
        (files["toy"], unnamed, SAMPLE),
        (SAMPLE, files["toy"], unnamed),
    ):
        with pytest.raises(InputError, match=r"none\.root: does not name the seed"):
            binned_study(*order, SMALL)
