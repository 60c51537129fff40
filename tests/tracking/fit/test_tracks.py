"""The track fit against helices written down in closed form; more of it in the tests of the filter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.physics import CURVATURE_PER_TESLA
from tests.helpers import one_module_detector
from tests.seeding import toys
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import FitOptions, fit_tracks

FIELD = 3.8
NO_MATERIAL = FitOptions(sensor=0, support=0, pipe=0)


def helix_points(d0, z0, phi, theta, qop, radii):
    """Points of the helix at the given radii, by stepping along the arc (independent of the fit's
    algebra).
    """
    curvature = -qop * FIELD * CURVATURE_PER_TESLA / np.sin(theta)
    start = np.array([-d0 * np.sin(phi), d0 * np.cos(phi)])
    arc = np.linspace(0, 400, 400_001)
    angle = phi + curvature * arc
    xy = start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0) * (arc[1] - arc[0])
    radius = np.hypot(*xy.T)
    rows = [int(np.argmax(radius > r)) for r in radii]
    return np.column_stack([xy[rows], z0 + arc[rows] / np.tan(theta)])


def upright_axes(points: np.ndarray) -> np.ndarray:
    """Axes of modules that stand along the beam and look at it."""
    phi = np.arctan2(points[:, 1], points[:, 0])
    zero, one = np.zeros_like(phi), np.ones_like(phi)
    x, z = np.stack([zero, zero, one], axis=1), np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
    return np.concatenate([x, np.cross(z, x), z], axis=1)


def hits_of(points: np.ndarray) -> tuple[Hits, Detector]:
    n = len(points)
    cholesky = np.tile(np.diag([0.007, 0.003, 0.2, 0.05]), (n, 1, 1))
    hits = Hits(
        np.arange(n), np.zeros(n, dtype=np.int32), np.arange(n, dtype=np.int32), points,
        Estimate(np.zeros((n, 4)), cholesky), upright_axes(points),
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


def tracks_of(toy, wanted):
    """One track for each particle whose hits are all wanted and at least four."""
    rows = [r for r in toy.hit_rows() if len(r) >= 4 and np.all(wanted[r])]
    sizes = [len(r) for r in rows]
    start = np.concatenate([[0], np.cumsum(sizes)])
    return rows, Tracks(np.concatenate(rows), start, np.ones(len(rows), dtype=np.float32))


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(1500, seed=71, pt=(1.0, 10.0), max_eta=3.9)


@pytest.mark.parametrize("region", ["barrel", "endcap", "both"])
def test_recovers_exact_helices_through_real_modules(toy, region):
    barrel = toys.detector().barrel[toy.module]
    hits = toys.toy_hits(toy, 71, position=False)
    rows, tracks = tracks_of(
        toy, {"barrel": barrel, "endcap": ~barrel, "both": np.ones(len(barrel), dtype=bool)}[region]
    )
    assert len(rows) > 20
    fit = fit_tracks(hits, tracks, toys.detector(), FIELD)
    for t, r in enumerate(rows):
        p = toy.particle[r[0]]
        # Positive charge turns clockwise, pT = 1 GeV turns with toys.UNIT.
        qop = -toy.curvature[p] / toys.UNIT / np.hypot(1, toy.cot_theta[p])
        assert fit.d0[t] == pytest.approx(0, abs=0.02)
        assert fit.z0[t] == pytest.approx(toy.start[p, 2], abs=0.05)
        assert np.cos(fit.phi[t] - toy.phi[p]) == pytest.approx(1, abs=1e-6)
        assert 1 / np.tan(fit.theta[t]) == pytest.approx(toy.cot_theta[p], rel=1e-3, abs=1e-3)
        assert fit.qop[t] == pytest.approx(qop, rel=0.01, abs=1e-4)
        assert fit.ndf[t] == 2 * len(r) - 5
        assert fit.chi2[t] < 1


@pytest.mark.parametrize("region", ["barrel", "endcap"])
def test_chi2_of_scattered_hits_is_their_degrees_of_freedom(toy, region):
    barrel = toys.detector().barrel[toy.module]
    hits = toys.toy_hits(toy, 72, sigma=(0.02, 0.01, 0.1, 0.03))
    _, tracks = tracks_of(toy, barrel if region == "barrel" else ~barrel)
    fit = fit_tracks(hits, tracks, toys.detector(), FIELD, NO_MATERIAL)
    spread = np.sqrt(2 * fit.ndf.sum())
    assert fit.chi2.sum() == pytest.approx(fit.ndf.sum(), abs=5 * spread)


def test_worse_hits_weigh_less():
    points = helix_points(0.0, 5.0, 0.4, 1.2, 0.3, [32, 72, 116, 172, 200])
    hits, detector = hits_of(points)
    tracks = Tracks(np.arange(5), np.array([0, 5]), np.ones(1, dtype=np.float32))
    options = FitOptions(outlier_chi2=1e9)
    axes = hits.axes.reshape(-1, 3, 3)[2]
    exact = fit_tracks(hits, tracks, detector, FIELD, options)
    hits.position[2] += 0.3 * axes[0] + 0.5 * axes[1]
    pulled = fit_tracks(hits, tracks, detector, FIELD, options)
    hits.estimate.cholesky[2] *= 1e3
    ignored = fit_tracks(hits, tracks, detector, FIELD, options)
    for name in ("d0", "z0", "theta", "qop"):
        off = [abs(getattr(fit, name)[0] - getattr(exact, name)[0]) for fit in (pulled, ignored)]
        assert off[1] < 0.01 * off[0]
    assert ignored.chi2[0] < 1 < pulled.chi2[0]


def test_every_track_is_fitted_as_if_alone(toy):
    hits = toys.toy_hits(toy, 71)
    rows, tracks = tracks_of(toy, np.ones(len(hits), dtype=bool))
    together = fit_tracks(hits, tracks, toys.detector(), FIELD)
    for t in range(0, len(rows), 97):
        alone = Tracks(rows[t], np.array([0, len(rows[t])]), np.ones(1, dtype=np.float32))
        one = fit_tracks(hits, alone, toys.detector(), FIELD)
        for name in ("d0", "z0", "phi", "theta", "qop", "chi2", "ndf"):
            assert getattr(one, name)[0] == getattr(together, name)[t]


def test_straight_tracks_are_fitted_without_field():
    points = np.array([[r * np.cos(0.5), r * np.sin(0.5), 10 + 0.7 * r] for r in (32.0, 72.0, 116.0, 172.0)])
    hits, detector = hits_of(points)
    fit = fit_tracks(
        hits, Tracks(np.arange(4), np.array([0, 4]), np.ones(1, dtype=np.float32)), detector, 0.0
    )
    assert fit.phi[0] == pytest.approx(0.5, abs=1e-6)
    assert fit.z0[0] == pytest.approx(10, abs=1e-3)
    assert 1 / np.tan(fit.theta[0]) == pytest.approx(0.7, abs=1e-4)
    assert fit.d0[0] == pytest.approx(0, abs=1e-4)


def test_no_tracks_give_no_helices():
    hits = toys.toy_hits(toys.empty_event())
    none = Tracks(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.float32))
    fit = fit_tracks(hits, none, toys.detector(), FIELD)
    assert all(len(getattr(fit, n)) == 0 for n in ("d0", "z0", "phi", "theta", "qop", "chi2", "ndf"))


def test_the_material_of_the_defaults_is_the_generic_detectors():
    """Radiation lengths and places as pyacts tells them: silicon 95.7 mm, beryllium 352.8 mm."""
    options = FitOptions()
    assert options.sensor == pytest.approx(0.15 / 95.7)
    assert options.support == pytest.approx(1.5 / 95.7)
    assert options.support_gap == pytest.approx(1.07)
    assert (options.pipe, options.pipe_radius) == pytest.approx((0.8 / 352.8, 19.0))
    assert options.straight_momentum == 1.0
