"""Energy loss in the fit: against integrals, and on toy tracks that lose energy in their sensors."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from smartpix.physics import ELECTRON_MASS
from smartpix.simulate.energy_loss import BERYLLIUM, SILICON, mean_loss
from tracking.fit.losses import PARTICLES, TAILS, lost_in, shares_lost
from tracking.fit.material import thickness
from tracking.fit.mixture import N_SUMS, add, joined

LOSSES = (0.03, 0.3)


@pytest.mark.parametrize("tail", [0, 1])
def test_the_tails_are_those_of_bethe_and_heitler(tail):
    """In the limit of thin layers, by integration of the gamma distribution of -ln z."""
    thin = 1e-5
    shape = thin / math.log(2)
    low, high = LOSSES[tail], LOSSES[tail + 1] if tail == 0 else 60.0
    density = gamma(shape).pdf
    moments = [
        quad(lambda u, n=n: density(u) * math.exp(-n * u), low, high, epsabs=0, limit=200)[0]
        for n in range(3)
    ]
    probability, mean, variance = TAILS[tail]
    assert probability == pytest.approx(moments[0] / thin, rel=1e-3)
    assert mean == pytest.approx(1 - moments[1] / moments[0], rel=1e-3)
    assert variance == pytest.approx(moments[2] / moments[0] - (moments[1] / moments[0]) ** 2, rel=2e-3)


@pytest.mark.parametrize("particle", ["pion", "proton", "electron"])
@pytest.mark.parametrize("p", [0.4, 2.0])
def test_the_share_that_ionisation_takes(particle, p):
    mass, matter = PARTICLES[particle], (0.02, 0.003)
    energy = math.hypot(p, mass)
    lost = mean_loss(p, mass, 0.02, SILICON) + mean_loss(p, mass, 0.003, BERYLLIUM)
    after = math.sqrt((energy - lost) ** 2 - mass**2)
    assert lost_in(matter, shares_lost(1 / p, mass)) == pytest.approx(1 - after / p, rel=0.03)


def test_a_slow_particle_loses_half_at_most():
    assert lost_in((1.0, 0.0), shares_lost(1 / 0.05, PARTICLES["proton"])) == 0.5
    assert PARTICLES["electron"] == ELECTRON_MASS


def test_material_on_the_way():
    """Two cylinders and the beam pipe, crossed at 45 degrees."""
    cylinders = np.array(
        [[19.0, -np.inf, np.inf, 0.002], [33.0, -500.0, 500.0, 0.01], [70.0, -10.0, 10.0, 0.02]]
    )
    chord = 80 * math.sqrt(2)
    for ends, last, expected in (
        ((10.0, 90.0), 3, (0.01, 0.002)), ((90.0, 10.0), 3, (0.01, 0.002)), ((10.0, 90.0), 1, (0.0, 0.002)),
    ):  # fmt: skip
        # z leaves the third one before it is reached.
        z = (10.0, 90.0) if ends[0] < ends[1] else (90.0, 10.0)
        first, to = (0, last) if ends[0] < ends[1] else (last, 0)
        crossed = thickness((0.0, 0.0), cylinders, first, to, ends, z, chord)
        assert crossed == pytest.approx(np.array(expected) * math.sqrt(2))


@pytest.mark.parametrize("common", [0.0, 4000.0, -4000.0])
def test_gaussians_are_joined_by_mean_and_covariance(common):
    """Only differences count, however probable all are against the first way."""
    rng = np.random.default_rng(3)
    parts, logs = [], np.log([0.2, 0.5, 0.3])
    for _ in logs:
        root = rng.normal(size=(5, 5))
        parts.append((rng.normal(size=5), root @ root.T))
    # The same azimuth, written otherwise.
    shifted = [mean + (2 * np.pi * k) * np.eye(5)[2] for k, (mean, _) in enumerate(parts)]
    sums, reference = np.zeros(N_SUMS), tuple(parts[0][0])
    logs += common
    for k, (mean, (_, spread)) in enumerate(zip(shifted, parts, strict=True)):
        add(sums, reference, tuple(mean), tuple(spread[np.triu_indices(5)]), 10.0 + k, float(logs[k]))
    chi2, mean, covariance = joined(sums, reference)
    weights = np.exp(logs - common)
    expected = sum(w * m for w, (m, _) in zip(weights, parts, strict=True))
    around = [c + np.outer(m - expected, m - expected) for m, c in parts]
    assert chi2 == 11.0
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    np.testing.assert_allclose(
        covariance, sum(w * c for w, c in zip(weights, around, strict=True))[np.triu_indices(5)], rtol=1e-12
    )


def test_an_impossible_gaussian_counts_nothing_and_a_certain_one_all():
    one, two = (0.0, 0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0, 1.0)
    unit = tuple(np.eye(5)[np.triu_indices(5)])
    for log, mean in ((-1e9, one), (1e9, two)):
        sums = np.zeros(N_SUMS)
        add(sums, one, one, unit, 1.0, 0.0)
        add(sums, one, two, unit, 2.0, log)
        assert joined(sums, one)[1] == pytest.approx(mean)
