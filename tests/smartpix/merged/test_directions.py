"""Which files may have several possibilities of the direction, and what is told of the others."""

from dataclasses import replace

import pytest

from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.options import MixtureOptions
from smartpix.io.events import open_events
from smartpix.merged import directions
from smartpix.merged.directions import choose_directions
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import SENSOR

ON = MixtureOptions(mode="on", quantile=0.99)


@pytest.fixture(scope="module")
def header():
    return open_events(data_path("sample.root")).header


def changed(monkeypatch, **changes):
    """As if the shipped weights had another description."""
    load = directions.load_mixture_weights

    def other(*names):
        arrays, description = load(*names)
        return arrays, {**description, **changes}

    monkeypatch.setattr(directions, "load_mixture_weights", other)


def test_the_shipped_network_fits_files_of_its_sensor_in_either_field(header):
    estimator = choose_estimator(header)
    for here in (header, replace(header, field=-header.field)):
        found = choose_directions(here, estimator, ON)
        assert (found.network.name, found.network.n, found.quantile) == ("bimodal-endcap", 2, 0.99)
    assert choose_directions(header, estimator, MixtureOptions()) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sensor": {**SENSOR, "pitch_y": 0.05}}, "another sensor, 50 x 50 x 100 µm in 3.8 T"),
        ({"slices": [0, 9]}, r"other slices than the estimates, \(0, 9\)"),
        ({"region": "barrel"}, "bimodal-endcap was trained on clusters of the barrel"),
        (
            {"data": {"command": "smartpix simulate", "options": {"readout": {"noise": 3000.0}}}, "calibrated_on": {}},
            "was trained with noise 3000 e",
        ),
    ],
)  # fmt: skip
def test_files_that_it_does_not_fit_are_refused(header, monkeypatch, changes, words):
    changed(monkeypatch, **changes)
    estimator = choose_estimator(header)
    with pytest.raises(InputError, match=f"mixture: .*{words}.* Set mixture.mode=off"):
        choose_directions(header, estimator, ON)
    assert choose_directions(header, estimator, MixtureOptions()) is None


@pytest.mark.parametrize("kind", ["shape", "quantised"])
def test_estimates_that_are_not_of_all_pixels_are_refused(header, kind):
    with pytest.raises(InputError, match=r"mixture: .*estimates are not those of the MDN"):
        choose_directions(header, choose_estimator(header, kind), ON)


def test_weights_of_something_else_are_refused(header):
    estimator = choose_estimator(header)
    for name in ("pair-endcap", "mdn-endcap"):
        with pytest.raises(InputError, match=name):
            choose_directions(header, estimator, replace(ON, endcap=name))


@pytest.mark.parametrize(
    "changes", [{"mode": "auto"}, {"quantile": 0.0}, {"quantile": 1.0}, {"quantile": "0.9"}]
)
def test_options_out_of_range_are_refused(changes):
    with pytest.raises(InputError, match=f"mixture: .*{next(iter(changes))}"):
        MixtureOptions(**changes)
