"""Conditions drawn event by event: their ranges, their independence, and that they reach the clusters."""

from dataclasses import asdict, fields, replace

import awkward as ak
import numpy as np
import pytest

from smartpix.beam import BeamSpot
from smartpix.schema import InputError
from smartpix.simulate import induction
from smartpix.simulate.domains import drawn_conditions
from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.events import header, simulate, simulate_crossings
from smartpix.simulate.options import RandomiseOptions, ReadoutOptions, SimulateOptions
from tests.helpers import one_module_detector

REAL = SimulateOptions(
    readout=ReadoutOptions(threshold=400.0, clock="bunch"), beam_spot=BeamSpot(sigma_t=180.0)
)
ALL = RandomiseOptions(
    bias=0.1, temperature=0.05, lorentz=0.2, charge=0.15, noise=0.3, threshold=0.25, sigma_t=0.4, phase=100.0
)


def conditions(options):
    """The eight quantities that are drawn, by their name in RandomiseOptions."""
    return {
        "bias": options.bias, "temperature": options.temperature, "lorentz": options.lorentz_scale,
        "charge": options.charge_scale, "noise": options.readout.noise,
        "threshold": options.readout.threshold_scale, "sigma_t": options.beam_spot.sigma_t,
        "phase": options.readout.phase,
    }  # fmt: skip


@pytest.fixture(scope="module")
def draws():
    """(2000,) of each quantity, as a share of its half width."""
    set_to, half = conditions(REAL), asdict(ALL)
    drawn = [conditions(drawn_conditions(replace(REAL, randomise=ALL), event, 5)) for event in range(2000)]
    width = {k: half[k] if k == "phase" else half[k] * set_to[k] for k in half}
    return {k: np.array([(d[k] - set_to[k]) / width[k] for d in drawn]) for k in half}


def test_every_range_is_filled_evenly_to_its_edges(draws):
    assert set(draws) == {f.name for f in fields(RandomiseOptions)}
    for name, share in draws.items():
        assert np.abs(share).max() <= 1 + 1e-9, name
        counts = np.histogram(share, bins=10, range=(-1, 1))[0]
        assert np.all(np.abs(counts - 200) < 60), name


def test_conditions_are_drawn_independently(draws):
    correlation = np.corrcoef(list(draws.values()))
    assert np.abs(correlation - np.eye(len(draws))).max() < 0.1


def test_a_range_more_changes_nothing_in_the_others():
    lone = drawn_conditions(replace(REAL, randomise=RandomiseOptions(charge=0.15)), 3, 5)
    both = drawn_conditions(replace(REAL, randomise=RandomiseOptions(charge=0.15, bias=0.1)), 3, 5)
    assert lone.charge_scale == both.charge_scale != 1
    assert lone.bias == REAL.bias != both.bias


def test_without_ranges_the_options_stay_as_they_are():
    assert drawn_conditions(REAL, 3, 5) is REAL


def test_each_event_of_crossings_is_simulated_in_its_own_conditions(monkeypatch):
    detector = one_module_detector()
    options = replace(REAL, randomise=RandomiseOptions(charge=0.4, lorentz=0.4))
    # Analogue charge, so that the sum over a cluster is the signal.
    options = replace(options, readout=replace(REAL.readout, adc_bits=0, noise=0.0))
    forgotten = []
    monkeypatch.setattr("smartpix.simulate.events.forget_tables", lambda: forgotten.append(1))
    ratios = []
    for k, event in enumerate(simulate_crossings(detector, options, 4, 200, 9)):
        at = drawn_conditions(options, k, 9)
        clusters = event["clusters"][0]
        pixels = clusters["pixels"]
        charge = ak.sum(pixels["charge_19"], axis=1)
        ratios.append(float(np.median(ak.to_numpy(charge))) / at.charge_scale)
        row = ak.sum(pixels["charge_19"] * (pixels["row"] + 0.5), axis=1) / charge
        moved = ak.to_numpy(row * 0.0125 - detector.half_y[0] - clusters["truth"][:, 0]["y"])
        sensor = Sensor(bias=at.bias, lorentz_scale=at.lorentz_scale)
        wanted = drift_tables(sensor, (3.8, 0.0, 0.0)).lorentz_shift()[1]
        assert np.median(moved) == pytest.approx(wanted, abs=0.0015)
    assert np.std(ratios) / np.mean(ratios) < 0.1
    assert len(forgotten) == 4


def test_the_header_records_the_ranges():
    options = replace(REAL, randomise=ALL)
    assert header(one_module_detector(), options, 1, 1).made_by["options"]["randomise"] == asdict(ALL)


def test_a_phase_needs_the_machine_s_clock():
    with pytest.raises(InputError, match=r"randomise.phase is 50.0 ps .* set readout.clock = bunch"):
        SimulateOptions(readout=ReadoutOptions(), randomise=RandomiseOptions(phase=50.0))
    with pytest.raises(InputError, match=r"readout: phase is 50.0 ps"):
        ReadoutOptions(phase=50.0)


def test_collisions_cannot_draw_the_spread_of_their_times():
    options = replace(REAL, randomise=RandomiseOptions(sigma_t=0.1))
    with pytest.raises(InputError, match=r"randomise.sigma_t is 0.1, .* simulate crossings"):
        simulate(one_module_detector(), options, 1, 1)


def test_forgotten_tables_are_made_anew_and_are_the_same():
    key = (Sensor(), (3.8, 0.0, 0.0), (0, 19), induction.FULL)
    first = induction.response_table(*key)
    assert induction.response_table(*key) is first
    induction.forget_tables()
    again = induction.response_table(*key)
    assert again is not first
    np.testing.assert_array_equal(again.values, first.values)
