"""Biases, errors and charge from straight tracks with what was planted, and from nothing."""

import numpy as np
import pytest
from scipy import optimize, stats

from smartpix.schema import InputError
from tests.tracking.calibration.toys import SIGMA, straight_tracks, wedge
from tracking.calibration.offsets import most_probable, offsets
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.sample import seen
from tracking.fit.options import FitOptions

VACUUM = FitOptions(sensor=0.0, support=0.0, pipe=0.0)


def found(**planted):
    detector = wedge()
    events = [straight_tracks(detector, 500, seed, **planted) for seed in (1, 2)]
    return offsets(events, seen(events, detector, 0.0, VACUUM), detector, CalibrateOptions())


@pytest.fixture(scope="module")
def right():
    return found()


def test_right_estimates_have_no_bias_unit_pulls_and_no_excess(right):
    n = right.n_hits
    assert n.tolist() == [1000] * 4
    for target in range(2):
        error = SIGMA[2 + target] / np.sqrt(n)
        assert np.all(np.abs(right.bias[:, target]) < 4 * error)
        assert np.all(np.abs(right.scale[:, target] - 1) < 4 / np.sqrt(n))
        # Half of what lines of four hits leave of a measurement's variance.
        assert np.all(np.abs(right.excess[:, target]) < 0.5 * SIGMA[target] ** 2)
        assert np.abs(right.excess[:, target].mean()) < 0.2 * SIGMA[target] ** 2


def test_planted_bias_error_and_charge_are_found(right):
    wrong = found(bias=(0.05, -0.03), width=1.3, charge=6300.0)
    n = np.sqrt(right.n_hits)
    np.testing.assert_allclose(wrong.bias[:, 0], 0.05, atol=4 * 1.3 * SIGMA[2] / n[0])
    np.testing.assert_allclose(wrong.bias[:, 1], -0.03, atol=4 * 1.3 * SIGMA[3] / n[0])
    np.testing.assert_allclose(wrong.scale, 1.3, rtol=4 / n[0])
    # The same random numbers: their scatter is not in the ratio.
    assert wrong.charge / right.charge == pytest.approx(0.9, rel=1e-3)


def test_hits_of_a_layer_that_scatter_more_than_stated_have_the_excess():
    detector = wedge()
    event = straight_tracks(detector, 700, 3)
    added = np.random.default_rng(4).normal(size=(len(event.hits), 2)) * [0.02, 0.01]
    event.hits.estimate.mean[:, :2] += np.where(event.hits.layer[:, None] == 2, added, 0.0)
    of = offsets([event], seen([event], detector, 0.0, VACUUM), detector, CalibrateOptions())
    np.testing.assert_allclose(of.excess[2], [0.02**2, 0.01**2], rtol=0.3)


def test_layers_with_few_hits_have_those_of_their_region():
    detector = wedge()
    event = straight_tracks(detector, 100, 5, bias=(0.0, 0.04))
    options = CalibrateOptions(fewest=150)
    of = offsets([event], seen([event], detector, 0.0, VACUUM), detector, options)
    assert len(np.unique(of.bias[:, 1])) == 1
    assert of.bias[0, 1] == pytest.approx(0.04, abs=4 * SIGMA[3] / 20)


def test_the_most_probable_value_is_the_maximum_of_the_smoothed_density():
    rng = np.random.default_rng(6)
    values = np.exp(stats.skewnorm.rvs(4, 8.8, 0.25, size=20_000, random_state=rng))
    logs = np.log(values)
    density = stats.gaussian_kde(logs, 0.15 / logs.std())
    best = optimize.minimize_scalar(lambda x: -density(x)[0], bounds=(8.7, 9.2), method="bounded")
    assert np.log(most_probable(values)) == pytest.approx(best.x, abs=2e-3)
    assert most_probable(1.1 * values) / most_probable(values) == pytest.approx(1.1, rel=1e-3)


def test_too_few_charges_are_refused():
    with pytest.raises(InputError, match="99 hits of good tracks have a charge and 100 are needed"):
        most_probable(np.full(99, 7000.0))
