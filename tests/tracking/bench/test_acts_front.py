"""The front of ACTS's settings as finders."""

import json
import math

import pytest

from smartpix.io.events import open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench.acts_front import front_finders, front_points


def test_settings_of_a_front_are_those_of_its_finders(tmp_path):
    pytest.importorskip("acts")
    entry = {"cuts": {"minPt": 0.7}, "setting": {"chain": {"chi2": 12.0, "max_d0": None}}}
    other = {"cuts": {"minPt": 0.6}, "setting": {"chain": {"max_d0": 0.5}}}
    (tmp_path / "front.json").write_text(json.dumps({"fronts": {"soft": [entry, other]}}))
    makers = front_finders(tmp_path / "front.json")
    assert list(makers) == ["front-soft-0", "front-soft-1"]
    finder = makers["front-soft-0"](open_events(data_path("sample.root")).header)
    assert finder.seeding == {"minPt": 0.7}
    assert (finder.options.chi2, finder.options.max_d0) == (12.0, math.inf)
    assert front_points(tmp_path / "front.json")["front-soft-1"].options.max_d0 == 0.5


@pytest.mark.parametrize("text", ["{}", '{"fronts": {"soft": [{"cuts": {}}]}}', "nothing"])
def test_something_else_is_refused(tmp_path, text):
    (tmp_path / "front.json").write_text(text)
    with pytest.raises(InputError, match=r"front\.json: not the results of benchmarks/tune_acts\.py"):
        front_points(tmp_path / "front.json")
