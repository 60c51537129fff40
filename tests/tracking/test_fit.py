"""The helix fit against helices written down in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.hits import Hits
from seeding.kernels import CURVATURE_PER_TESLA
from smartpix.estimate import Estimate
from smartpix.geometry import Detector
from tests.helpers import one_module_detector
from tracking.build import Tracks
from tracking.fit import fit_tracks

FIELD = 3.8


def helix_points(d0, z0, phi, theta, qop, radii):
    """Points of the helix at the given radii, by stepping along the arc (independent of the fit's algebra)."""
    curvature = -qop * FIELD * CURVATURE_PER_TESLA / np.sin(theta)
    start = np.array([-d0 * np.sin(phi), d0 * np.cos(phi)])
    arc = np.linspace(0, 400, 400_001)
    angle = phi + curvature * arc
    xy = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0) * (arc[1] - arc[0])
    radius = np.hypot(*xy.T)
    rows = [int(np.argmax(radius > r)) for r in radii]
    return np.column_stack([xy[rows], z0 + arc[rows] / np.tan(theta)])


def hits_of(points: np.ndarray) -> tuple[Hits, Detector]:
    n = len(points)
    cholesky = np.tile(np.diag([0.007, 0.003, 0.2, 0.05]), (n, 1, 1))
    hits = Hits(
        np.arange(n), np.zeros(n, dtype=np.int32), np.arange(n, dtype=np.int32), points,
        Estimate(np.zeros((n, 4)), cholesky), np.zeros((n, 2)), np.ones((n, 3)), np.zeros((n, 9)),
    )  # fmt: skip
    return hits, one_module_detector()


@settings(max_examples=25, deadline=None)
@given(
    d0=st.floats(-2, 2), z0=st.floats(-100, 100), phi=st.floats(-3, 3), theta=st.floats(0.4, 2.7),
    pt=st.floats(0.4, 20), charge=st.sampled_from([-1, 1]),
)  # fmt: skip
def test_recovers_a_helix(d0, z0, phi, theta, pt, charge):
    qop = charge * np.sin(theta) / pt
    points = helix_points(d0, z0, phi, theta, qop, [32, 72, 116, 172])
    hits, detector = hits_of(points)
    tracks = Tracks(np.arange(4), np.array([0, 4]), np.ones(1, dtype=np.float32))
    fit = fit_tracks(hits, tracks, detector, FIELD)
    assert fit.d0[0] == pytest.approx(d0, abs=0.01)
    assert fit.z0[0] == pytest.approx(z0, abs=0.05)
    assert np.cos(fit.phi[0] - phi) == pytest.approx(1, abs=1e-7)
    assert fit.theta[0] == pytest.approx(theta, abs=1e-4)
    assert fit.qop[0] == pytest.approx(qop, rel=2e-3)
    assert fit.ndf[0] == 3
    assert fit.chi2[0] < 0.5


def test_sign_of_charge_follows_the_field():
    points = helix_points(0, 0, 0.3, 1.2, 0.9, [32, 72, 116, 172])
    hits, detector = hits_of(points)
    tracks = Tracks(np.arange(4), np.array([0, 4]), np.ones(1, dtype=np.float32))
    assert fit_tracks(hits, tracks, detector, FIELD).qop[0] > 0
    assert fit_tracks(hits, tracks, detector, -FIELD).qop[0] < 0
    assert fit_tracks(hits, tracks, detector, 0.0).qop[0] == 0
