"""The study of the binned LSTM, trained on the embedded sample and tried on toys."""

import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import of_seed
from tracking.bench.binned import binned_study
from tracking.finders.trkx.path.options import BinnedOptions

SAMPLE = data_path("sample.root")
SMALL = BinnedOptions(hidden=16, epochs=2, reach=6)


def test_it_tells_how_many_particles_both_find(files):
    result = binned_study(SAMPLE, files["toy"], SMALL, limit=2)
    assert result["n_events"] == 2
    assert result["n_particles"] > 10
    assert result["path"]["efficiency"] > 0.9 > result["binned"]["efficiency"]
    for name in ("binned", "path"):
        assert result[name]["ms"] > 0
        assert 0 <= result[name]["fake_rate"] <= 1
    assert result["parameters"] > 10_000


def test_events_of_the_training_are_refused(files):
    with pytest.raises(InputError, match="has the seed 7, as the training"):
        binned_study(files["first"], files["second"], SMALL)


def test_events_that_do_not_name_their_seed_are_refused(files, tmp_path):
    unnamed = of_seed(tmp_path / "none.root", None)
    for training, test in ((unnamed, files["toy"]), (files["toy"], unnamed), (unnamed, unnamed)):
        with pytest.raises(InputError, match=r"none\.root: does not name the seed"):
            binned_study(training, test, SMALL)
