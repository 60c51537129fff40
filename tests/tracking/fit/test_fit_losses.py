"""Fits of particles that lost energy on their way: our own propagator, without scattering, and exact
Gaussian hits."""

from functools import cache

import numpy as np
import pytest

from smartpix.schema import InputError
from smartpix.simulate.particles import Particles
from smartpix.simulate.propagate import propagate
from smartpix.simulate.transport_options import TransportOptions
from tests.seeding import toys
from tracking.finders.tracks import Tracks
from tracking.fit.options import FitOptions
from tracking.fit.tracks import fit_tracks

PDG = {"pion": 211, "electron": 11, "proton": 2212}
KEEP_ALL = 1e9


@cache
def shot(particle, pt, n=400):
    """Hits and tracks of n particles on at least four layers, and their true q/p."""
    rng = np.random.default_rng(5)
    phi, cot = rng.uniform(-np.pi, np.pi, n), rng.uniform(-1, 1, n)
    sign = rng.choice([-1.0, 1.0], n)
    momentum = pt * np.column_stack([np.cos(phi), np.sin(phi), cot])
    particles = Particles(
        vertex_id=np.arange(n), pdg_id=np.full(n, PDG[particle], dtype=np.int32), charge=sign,
        vertex=np.zeros((n, 3)), momentum=momentum, time=np.zeros(n),
    )  # fmt: skip
    transport = TransportOptions(engine="own", scattering=False)
    found = propagate([particles], toys.detector(), toys.FIELD, 7, transport)[0]
    order = np.lexsort([found.order, found.particle])
    direction = found.momentum[order] / np.hypot(*found.momentum[order, :2].T)[:, None]
    toy = toys.Toy(
        found.module[order], found.point[order], direction, found.particle[order], found.order[order],
        np.zeros((n, 3)), phi, sign, cot,
    )  # fmt: skip
    rows = [row for row in toy.hit_rows() if len(np.unique(toy.layer[row])) >= 4]
    who = [toy.particle[row[0]] for row in rows]
    true = sign[who] / np.linalg.norm(momentum[who], axis=1)
    return toys.toy_hits(toy, 2, sigma=(0.003, 0.003, 0.1, 0.03)), Tracks.from_rows(rows), true


def off(shot_kind, pt, **options):
    """(T,) of the fit: |q/p| over the true one, less 1; and its pull."""
    hits, tracks, true = shot(shot_kind, pt)
    fitted = fit_tracks(
        hits, tracks, toys.detector(), toys.FIELD, FitOptions(outlier_chi2=KEEP_ALL, **options)
    )
    assert np.all(np.isfinite(fitted.covariance))
    assert np.all(fitted.sigma()[:, 4] > 0)
    return fitted.qop / true - 1, (fitted.qop - true) * np.sign(true) / fitted.sigma()[:, 4]


@pytest.mark.parametrize(("particle", "pt"), [("pion", 0.4), ("proton", 0.6)])
def test_ionisation_makes_no_bias(particle, pt):
    before, _ = off(particle, pt, particle=particle)
    after, _ = off(particle, pt, particle=particle, energy_loss=True)
    # Landau's most likely loss is below the mean.
    assert np.median(before) > 0.003
    assert abs(np.median(after)) < 0.3 * np.median(before)
    assert abs(np.mean(after)) < 0.3 * np.mean(before)


def test_a_wrong_particle_loses_too_little():
    proton = np.median(off("proton", 0.6, particle="proton", energy_loss=True)[0])
    pion = np.median(off("proton", 0.6, particle="pion", energy_loss=True)[0])
    assert pion - proton > 0.002


def test_electrons_that_radiate_are_fitted():
    before, pull_before = off("electron", 1.2)
    after, pull = off("electron", 1.2, particle="electron", energy_loss=True)
    # Who radiated little may have radiated not at all, or more: the median is off by some of the resolution.
    assert abs(np.median(after)) < 0.5 * np.median(abs(after))
    assert abs(np.mean(np.minimum(after, 1))) < 0.5 * np.mean(np.minimum(before, 1))
    assert np.quantile(abs(after), 0.9) < 0.8 * np.quantile(abs(before), 0.9)
    assert np.quantile(abs(pull), 0.95) < 0.3 * np.quantile(abs(pull_before), 0.95)


def test_nothing_is_lost_without_material_or_field():
    hits, tracks, _ = shot("electron", 1.2)
    bare = {"sensor": 0.0, "support": 0.0, "pipe": 0.0}
    for field, material in ((toys.FIELD, bare), (0.0, {})):
        plain, losing = (
            fit_tracks(hits, tracks, toys.detector(), field, FitOptions(particle="electron", energy_loss=on, **material))
            for on in (False, True)
        )  # fmt: skip
        np.testing.assert_allclose(losing.qop, plain.qop, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(losing.covariance, plain.covariance, rtol=1e-6, atol=1e-15)


def test_particles_are_named():
    with pytest.raises(InputError, match="particle"):
        FitOptions(particle="photon")
