"""The fit in tables of the field: the uniform one, exact tracks of the propagator and of SciPy, and
pulls.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from seeding.hits import Hits
from smartpix.beam import BeamSpot
from smartpix.estimate.base import Estimate
from smartpix.physics import CURVATURE_PER_TESLA
from smartpix.schema import InputError
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import propagate
from smartpix.simulate.transport_options import TransportOptions
from tests.fields import even_table, falling_solenoid
from tests.seeding import toys
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import FitOptions, fit_tracks

FIELD = 2.0
FREE = TransportOptions("own", scattering=False, ionisation=False, bremsstrahlung=False)
NO_MATERIAL = FitOptions(sensor=0, support=0, pipe=0)
FALLING = falling_solenoid(FIELD)


def shot(n, seed, table, sigma, charge=None):
    """Muons through the generic detector: hits, tracks, and the true parameters of these."""
    rng = np.random.default_rng(seed)
    detector = toys.detector()
    pt, phi, eta = np.exp(rng.uniform(-0.5, 1.6, n)), rng.uniform(-np.pi, np.pi, n), rng.uniform(-2.8, 2.8, n)
    charge = rng.choice([-1.0, 1.0], n)
    vertex = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
    particles = Particles(
        np.ones(n, dtype=np.int32), np.full(n, 13, dtype=np.int32), charge, vertex, momentum, np.zeros(n)
    )
    (crossed,) = propagate([particles], detector, table, seed, FREE)
    rows = [np.flatnonzero(crossed.particle == p) for p in range(n)]
    seen = [p for p in range(n) if len(rows[p]) >= 4]
    order = np.concatenate([rows[p] for p in seen])
    module, point = crossed.module[order], crossed.point[order]
    axes = detector.axes[module]
    noise = rng.normal(size=(len(order), 2)) * sigma
    position = point + np.einsum("nij,nj->ni", axes[:, :, :2], noise)
    local = np.einsum("nij,ni->nj", axes, crossed.momentum[order])
    slopes = local[:, :2] / local[:, 2:] + rng.normal(size=(len(order), 2)) * [0.02, 0.01]
    cholesky = np.tile(np.diag([*np.maximum(sigma, 1e-5), 0.02, 0.01]), (len(order), 1, 1))
    hits = Hits(
        np.arange(len(order)), module, detector.layer_index[module].astype(np.int32), position,
        Estimate(np.column_stack([np.zeros((len(order), 2)), slopes]), cholesky),
        np.ascontiguousarray(axes.swapaxes(1, 2).reshape(-1, 9)),
    )  # fmt: skip
    start = np.concatenate([[0], np.cumsum([len(rows[p]) for p in seen])])
    p = np.linalg.norm(momentum, axis=1)
    true = np.stack([np.zeros(n), vertex[:, 2], phi, np.arctan2(pt, momentum[:, 2]), charge / p], axis=1)[
        seen
    ]
    return hits, Tracks(np.arange(len(order)), start, np.ones(len(seen), dtype=np.float32)), true


def off(fit, true):
    values = np.stack([fit.d0, fit.z0, fit.phi, fit.theta, fit.qop], axis=1) - true
    values[:, 2] = np.angle(np.exp(1j * values[:, 2]))
    return values


def test_a_table_of_a_uniform_field_is_that_field():
    hits, tracks, _ = shot(60, 1, FIELD, np.array([0.01, 0.005]))
    for options in (FitOptions(), FitOptions(angles=True)):
        one = fit_tracks(hits, tracks, toys.detector(), FIELD, options)
        other = fit_tracks(hits, tracks, toys.detector(), FIELD, options, field_map=even_table(FIELD))
        np.testing.assert_allclose(other.qop, one.qop, rtol=1e-9)
        np.testing.assert_allclose(other.d0, one.d0, atol=1e-8)
        np.testing.assert_allclose(other.chi2, one.chi2, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(other.residual, one.residual, atol=1e-7)


def test_exact_tracks_in_a_falling_field_are_recovered():
    hits, tracks, true = shot(150, 2, FALLING, np.zeros(2))
    hits = replace(hits, estimate=replace(hits.estimate, cholesky=hits.estimate.cholesky + 0.005 * np.eye(4)))
    fit = fit_tracks(hits, tracks, toys.detector(), FIELD, NO_MATERIAL, field_map=FALLING)
    far = np.abs(off(fit, true)) / fit.sigma()
    assert far.max() < 0.04
    assert fit.chi2.max() < 0.01
    # With the field at the origin in all places they are not.
    wrong = fit_tracks(hits, tracks, toys.detector(), FIELD, NO_MATERIAL)
    assert np.median(np.abs(off(wrong, true)[:, 4]) / wrong.sigma()[:, 4]) > 1.0


@pytest.mark.parametrize("angles", [False, True])
def test_pulls_in_a_falling_field_are_one(angles):
    options = replace(NO_MATERIAL, angles=angles)
    hits, tracks, true = shot(700, 3, FALLING, np.array([0.01, 0.005]))
    fit = fit_tracks(hits, tracks, toys.detector(), FIELD, options, field_map=FALLING)
    pulls = off(fit, true) / fit.sigma()
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=0.15)
    assert fit.chi2.sum() / fit.ndf.sum() == pytest.approx(1, abs=0.05)
    assert np.mean(fit.outlier) < 1e-3
    uniform = fit_tracks(hits, tracks, toys.detector(), FIELD, options)
    assert np.std(off(uniform, true)[:, 4] / uniform.sigma()[:, 4]) > 3


def test_the_moves_follow_the_equation_of_motion():
    """One track, against SciPy's integration of p' = q p x B."""
    hits, tracks, true = shot(12, 4, FALLING, np.zeros(2))
    for t in range(len(tracks)):
        rows = tracks.hits[tracks.start[t] : tracks.start[t + 1]]
        _, z0, phi, theta, qop = true[t]
        heading = np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])

        def motion(s, state, qop=qop):
            field = FALLING.at(state[None, :3])[0]
            return np.concatenate([state[3:], CURVATURE_PER_TESLA * qop * np.cross(state[3:], field)])

        start = np.concatenate([[0, 0, z0], heading])
        way = np.linalg.norm(hits.position[rows[-1]] - start[:3]) + 50
        path = solve_ivp(motion, (0, way), start, rtol=1e-9, atol=1e-9, dense_output=True, max_step=10.0)
        s = np.linspace(0, way, 40_001)
        apart = np.linalg.norm(path.sol(s)[:3].T[:, None] - hits.position[rows], axis=2)
        assert apart.min(axis=0).max() < 0.03


def test_a_beam_of_particles_has_no_table():
    hits, tracks, _ = shot(5, 5, FIELD, np.array([0.01, 0.005]))
    frame = toys.detector().at_beam(BeamSpot(distance=1000.0))
    with pytest.raises(InputError, match="table about the z axis"):
        fit_tracks(hits, tracks, frame, FIELD, field_map=FALLING)
