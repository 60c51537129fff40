"""Fatras on the generic detector against helices in closed form."""

import numpy as np
import pytest

from smartpix.schema import DETECTOR
from smartpix.simulate.particles import Particles
from tests.helpers import embedded_detector

pytest.importorskip("acts")
from smartpix.simulate import transport as transport_module


def pions(pt, charge, phi, eta):
    n = len(pt)
    return Particles(
        np.ones(n, dtype=np.int32), (211 * charge).astype(np.int32), charge.astype(float), np.zeros((n, 3)),
        np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1), np.zeros(n),
    )  # fmt: skip


def test_embedded_table_is_the_generic_detector():
    made, embedded = transport_module.generic_detector(), embedded_detector()
    for name in DETECTOR:
        np.testing.assert_allclose(
            np.asarray(made.columns[name], float), np.asarray(embedded.columns[name], float), atol=1e-9
        )


def test_thickness_of_the_disks_may_differ():
    made = transport_module.generic_detector(0.025, 0.1, 0.15, 0.3, volumes=(8, 9))
    assert set(made.columns["volume_id"]) == {8, 9}
    np.testing.assert_allclose(made.thickness, np.where(made.barrel, 0.15, 0.3))
    np.testing.assert_allclose([made.pitch_x[0], made.pitch_y[0]], [0.1, 0.025])


@pytest.mark.parametrize("field", [3.8, -3.8])
def test_crossings_lie_on_helices_and_on_their_modules(field):
    rng = np.random.default_rng(1)
    n = 100
    pt, charge = rng.uniform(2, 10, n), rng.choice([-1, 1], n)
    phi, eta = rng.uniform(-3, 3, n), rng.uniform(-1.2, 1.2, n)
    detector = embedded_detector()
    (crossings,) = transport_module.transport([pions(pt, charge, phi, eta)], detector, field, 1)
    assert np.abs(detector.to_local(crossings.module, crossings.point)[:, 2]).max() < 1e-3
    who = crossings.particle
    assert np.mean(np.bincount(who, minlength=n) >= 4) > 0.9
    radius = np.hypot(*crossings.point[:, :2].T)
    # From the origin: phi(r) = phi0 - asin(q 0.3 B r / (2 pT)), z = 2 R asin(r / 2R) sinh(eta).
    half = np.arcsin(charge[who] * 0.299792458e-3 * field * radius / (2 * pt[who]))
    turned = np.angle(
        np.exp(1j * (np.arctan2(crossings.point[:, 1], crossings.point[:, 0]) - phi[who] + half))
    )
    # Scattering: a few mrad at most at these momenta, times the lever arm.
    assert np.percentile(np.abs(turned), 90) < 2e-3
    bend = np.abs(2 * pt[who] / (0.299792458e-3 * field) * half)
    z = bend * np.sinh(eta[who])
    assert np.percentile(np.abs(crossings.point[:, 2] - z), 90) < 0.5
    p = np.linalg.norm(crossings.momentum, axis=1)
    np.testing.assert_allclose(crossings.beta, p / np.hypot(p, 0.13957), rtol=1e-4)
    first = crossings.order == 0
    assert np.all(crossings.order >= 0)
    assert np.median(radius[first]) < 40


def test_events_stay_apart_and_are_reproducible():
    events = [pions(np.array([2.0]), np.array([1]), np.array([p]), np.array([0.2])) for p in (0.5, 2.0)]
    detector = embedded_detector()
    one, two = (transport_module.transport(events, detector, 3.8, 4) for _ in range(2))
    for a, b, phi in zip(one, two, (0.5, 2.0), strict=True):
        np.testing.assert_array_equal(a.point, b.point)
        assert abs(np.arctan2(a.point[0, 1], a.point[0, 0]) - phi) < 0.1
