"""The filter against toys with scattering, and a least-squares fit with everything in one covariance."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2

from smartpix.schema import InputError
from tests.seeding import toys
from tests.tracking.fit.fits import FIELD, KEEP_ALL, _nonsense, finite, fit
from tests.tracking.fit.plain import plain_fit
from tests.tracking.scattering import carry, core_sigma, fatras, half_width, highland, pulls, simulate
from tracking.finders.tracks import Tracks
from tracking.fit import tracks as tracks_module
from tracking.fit.kernels import LOST, gathered
from tracking.fit.start import start_circle
from tracking.fit.tracks import FitOptions, fit_tracks

NAMES = ("d0", "z0", "phi", "theta", "qop")
NO_MATERIAL = FitOptions(sensor=0, support=0, pipe=0)


def values(helices):
    return np.stack([getattr(helices, n) for n in NAMES], axis=1)


@pytest.mark.parametrize("region", ["barrel", "endcap"])
@pytest.mark.parametrize("field", [FIELD, -2.0, 0.0])
def test_exact_helices_come_back(region, field):
    parameters, _, hits, tracks = simulate(300, 1, region, field=field, error=0.0)
    found = fit(hits, tracks, field)
    wanted = parameters.copy()
    if field == 0:
        wanted[:, 4] = 0
    np.testing.assert_allclose(values(found), wanted, rtol=1e-6, atol=1e-6)
    assert np.abs(found.residual).max() < 1e-6
    assert found.chi2.max() < 1e-6
    assert np.all(found.ndf == 2 * np.diff(tracks.start) - (5 if field != 0 else 4))


@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize("region", ["barrel", "endcap"])
def test_pulls_of_scattered_toys_are_standard_normal(region, angles):
    parameters, _, hits, tracks = simulate(5000, 2, region)
    found = fit(hits, tracks, options=dataclasses.replace(KEEP_ALL, angles=angles))
    for name, pull in zip(NAMES, pulls(found, parameters).T, strict=True):
        assert abs(pull.mean()) < 0.06, name
        assert 0.95 < half_width(pull) < 1.05, name
        assert 0.95 < core_sigma(pull) < 1.05, name
    for pull in found.pull.T:
        assert 0.97 < pull.std() < 1.03
        assert abs(pull.mean()) < 0.03
    probability = chi2.sf(found.chi2, found.ndf)
    counts = np.histogram(probability, 10, (0, 1))[0]
    assert np.all(np.abs(counts - 500) < 110)


def test_angles_drawn_as_fatras_does_keep_the_variance_and_narrow_the_core():
    parameters, _, hits, tracks = simulate(5000, 3, law=fatras)
    pull = pulls(fit(hits, tracks), parameters)
    assert np.all(np.abs(pull.std(axis=0) - 1) < 0.05)
    assert core_sigma(pull[:, 1]) < 0.9
    assert core_sigma(pull[:, 3]) < 0.9


def test_without_material_in_the_fit_the_pulls_are_wide():
    parameters, _, hits, tracks = simulate(1000, 4)
    found = fit(hits, tracks, options=dataclasses.replace(NO_MATERIAL, outlier_chi2=1e9))
    assert np.all([half_width(p) > 2 for p in pulls(found, parameters).T])
    assert np.median(found.chi2 / found.ndf) > 10


def least_squares_fit(hits, rows, course, t, options, angles):
    """Parameters, covariance and chi2 of track t, all scattering in one covariance of its hits, by
    differences and SciPy.
    """
    one = dataclasses.replace(course, center=course.center[:, t : t + 1], axes=course.axes[:, t : t + 1])
    n_coordinates = 4 if angles else 2
    size = n_coordinates * len(rows)
    of_track, status = np.empty((len(rows), 15)), np.empty(len(rows), dtype=np.int8)
    memory = np.empty((2, len(rows)))
    gathered(
        hits.position, hits.axes, hits.estimate.cholesky, hits.cot, rows, of_track, np.empty((0, 9)), status
    )
    (start, (cos, sin), sine, cosine, turn), _ = start_circle(of_track, 0, len(rows), status, *memory)
    qop = -turn / (FIELD * 0.299792458e-3)
    first = np.array(
        [start[1] * cos - start[0] * sin, start[2], np.arctan2(sin, cos), np.arctan2(sine, cosine), qop]
    )

    def predict(parameters, kicks):
        local, slopes, _ = carry(parameters[None], one, FIELD, kicks[:, None])
        return np.concatenate([local[:, 0], slopes[:, 0]], axis=1)[:, :n_coordinates].ravel()

    still = np.zeros((len(one.radius), 2))
    incidence = carry(first[None], one, FIELD, still[:, None])[2][:, 0]
    covariance = np.zeros((size, size))
    full = hits.estimate.covariance()[rows][:, :n_coordinates, :n_coordinates]
    for k in range(len(rows)):
        covariance[n_coordinates * k :, n_coordinates * k :][:n_coordinates, :n_coordinates] = full[k]
    for s, material in enumerate(one.material):
        theta = highland(material, incidence[s], 1 / abs(qop))
        for i in range(2):
            up, down = still.copy(), still.copy()
            up[s, i], down[s, i] = 1e-4, -1e-4
            slope = (predict(first, up) - predict(first, down)) / 2e-4
            covariance += theta**2 * np.outer(slope, slope)
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    center = course.center[np.flatnonzero(course.measured), t]
    axes = course.axes[np.flatnonzero(course.measured), t, :2]
    local = np.einsum("kij,kj->ki", axes, hits.position[rows] - center)
    measured = np.concatenate([local, hits.cot[rows]], axis=1)[:, :n_coordinates].ravel()
    scale = np.array([1e-1, 1e-1, 1e-3, 1e-3, 1e-2])
    solved = least_squares(
        lambda v: root @ (predict(v * scale, still) - measured),
        first / scale,
        jac="3-point",
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-12,
    )
    jacobian = solved.jac / scale
    return solved.x * scale, np.linalg.inv(jacobian.T @ jacobian), 2 * solved.cost


@pytest.mark.parametrize(("pt", "error", "tolerance"), [((5.0, 10.0), 0.1, 1e-3), ((0.9, 3.0), 1.0, 1e-2)])
@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize("region", ["barrel", "endcap"])
def test_a_least_squares_fit_of_everything_at_once_agrees(region, angles, pt, error, tolerance):
    # What is left is of second order: in the kinks, and in the bend between a support and the next hit; most
    # on long ways.
    tolerance *= 3 if region == "endcap" else 1
    options = dataclasses.replace(KEEP_ALL, angles=angles)
    _, course, hits, tracks = simulate(3, 5, region, error=error, pt=pt)
    found = fit(hits, tracks, options=options)
    for t, rows in enumerate(tracks.rows()):
        parameters, covariance, total = least_squares_fit(hits, rows, course, t, options, angles)
        sigma = np.sqrt(np.diag(covariance))
        assert np.all(np.abs(values(found)[t] - parameters) < tolerance * sigma)
        np.testing.assert_allclose(
            found.covariance[t] / np.outer(sigma, sigma), covariance / np.outer(sigma, sigma), atol=tolerance
        )
        assert found.chi2[t] == pytest.approx(total, rel=tolerance)


@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize("region", ["barrel", "endcap"])
@pytest.mark.parametrize("field", [FIELD, 0.0])
def test_one_gaussian_of_all_hits_gives_the_same_to_rounding(region, field, angles):
    """With outliers, residuals and pulls, in extended precision."""
    n, options = 8, FitOptions(angles=angles)
    _, _, hits, tracks = simulate(n, 5, region, field=field)
    hits.position[tracks.hits.reshape(n, -1)[::4, 2]] += 0.5
    found = fit(hits, tracks, field, options)
    assert 1 <= found.outlier.sum() < n
    for t, rows in enumerate(tracks.rows()):
        here = slice(tracks.start[t], tracks.start[t + 1])
        plain = plain_fit(hits, rows, found.outlier[here], field, toys.detector(), options)
        sigma = np.sqrt(np.diag(plain.covariance))
        sigma[sigma == 0] = 1
        np.testing.assert_allclose(values(found)[t] / sigma, plain.parameters / sigma, rtol=0, atol=1e-7)
        size = np.outer(sigma, sigma)
        np.testing.assert_allclose(found.covariance[t] / size, plain.covariance / size, atol=1e-7)
        assert found.chi2[t] == pytest.approx(plain.chi2, rel=1e-7)
        np.testing.assert_allclose(found.residual[here], plain.residual, atol=1e-8)
        # Variances of the residuals in units of the hits': some are a thousandth of them.
        noise = np.diagonal(hits.estimate.covariance()[rows], axis1=1, axis2=2)[:, :2]
        with np.errstate(divide="ignore"):
            free = (plain.residual / plain.pull) ** 2 / noise
            told = (found.residual / found.pull)[here] ** 2 / noise
        np.testing.assert_allclose(told, free, rtol=5e-3, atol=1e-5)
        assert free.max() > 1e-3


@pytest.mark.parametrize("angles", [False, True])
def test_the_smoother_goes_over_all_tracks_when_residuals_are_asked_for(angles, monkeypatch):
    """They are those of the fit that was made: with its outliers, and its hits that cannot be used."""
    n = 60
    _, _, hits, tracks = simulate(n, 16)
    moved = tracks.hits.reshape(n, 4)
    hits.position[moved[::3, 1]] += 0.4
    hits.position[moved[1::3, 2]] = np.nan
    hits.axes[moved[2::9, 3]] = 0.0  # a module that no track reaches
    options = FitOptions(angles=angles)
    asked = []
    kernel = tracks_module.fit_part

    def counted(*arguments):
        asked.append(len(arguments[-1]))
        kernel(*arguments)

    monkeypatch.setattr(tracks_module, "fit_part", counted)
    found = fit(hits, tracks, FIELD, options)
    outlier, chi2_of_fit = found.outlier.copy(), found.chi2.copy()
    assert 0 < outlier.sum() < len(outlier)
    assert asked == [0]
    residual, pull = found.residual, found.pull
    assert asked == [0, 4 * n]
    assert found.residual is residual
    # Of the fit of the hits that stay, without a cut.
    stay = [rows[~outlier[4 * t :][:4]] for t, rows in enumerate(tracks.rows())]
    again = fit(hits, Tracks.from_rows(stay), FIELD, dataclasses.replace(options, outlier_chi2=1e9))
    np.testing.assert_array_equal(outlier, found.outlier)
    np.testing.assert_array_equal(chi2_of_fit, found.chi2)
    whole = np.repeat([not outlier[4 * t :][:4].any() for t in range(n)], 4)
    of_whole = np.repeat([len(rows) == 4 for rows in stay], [len(rows) for rows in stay])
    np.testing.assert_array_equal(residual[whole], again.residual[of_whole])
    np.testing.assert_array_equal(pull[whole], again.pull[of_whole])
    unusable = np.zeros(4 * n, dtype=bool)
    unusable[np.concatenate([moved[1::3, 2], moved[2::9, 3]])] = True
    assert np.all(residual[unusable] == 0)
    assert np.all(residual[outlier & ~unusable] != 0)


@pytest.mark.parametrize("angles", [False, True])
def test_threads_change_nothing(angles):
    _, _, hits, tracks = simulate(100, 17)
    hits.position[::9] += 0.4
    options = FitOptions(angles=angles)
    one = fit(hits, tracks, FIELD, options)
    for threads in (2, 3):
        other = fit_tracks(hits, tracks, toys.detector(), FIELD, options, threads)
        for name in (*NAMES, "covariance", "chi2", "ndf", "outlier", "residual", "pull"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)


def test_the_field_turned_round_is_the_charge_turned_round():
    _, _, hits, tracks = simulate(200, 6)
    one, other = fit(hits, tracks, FIELD), fit(hits, tracks, -FIELD)
    np.testing.assert_allclose(values(other)[:, :4], values(one)[:, :4], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.qop, -one.qop, rtol=1e-9)
    np.testing.assert_allclose(other.chi2, one.chi2, rtol=1e-6)


def test_the_order_of_the_hits_does_not_matter():
    _, _, hits, tracks = simulate(100, 7)
    rng = np.random.default_rng(0)
    shuffled = np.concatenate([rng.permutation(rows) for rows in tracks.rows()])
    one, other = fit(hits, tracks), fit(hits, Tracks(shuffled, tracks.start, tracks.score))
    np.testing.assert_allclose(values(other), values(one), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(other.pull, one.pull[shuffled], rtol=1e-4, atol=1e-5)


def test_a_track_of_two_hits_is_the_line_with_an_open_curvature():
    parameters, _, hits, tracks = simulate(50, 10, error=0.0, pt=(20.0, 50.0))
    two = Tracks(tracks.hits.reshape(50, 4)[:, [0, 3]].ravel(), 2 * np.arange(51), tracks.score)
    found = fit(hits, two)
    finite(found, 100)
    assert np.all(found.ndf == 0)
    assert np.all(found.sigma()[:, 4] > 2)
    np.testing.assert_allclose(found.theta, parameters[:, 3], atol=1e-2)
    assert np.all(found.pull == 0) or np.abs(found.pull).max() < 1e-2


def test_a_track_of_one_place_or_of_none_is_wide_open():
    _, _, hits, _ = _nonsense()
    found = fit(hits, Tracks(np.array([0, 0, 0, 1]), np.array([0, 3, 4, 4]), np.ones(3, dtype=np.float32)))
    finite(found, 4)
    np.testing.assert_allclose(found.sigma()[2], LOST)
    assert found.theta[2] == np.pi / 2
    assert np.all(found.sigma()[:, 4] > 2)


def test_the_same_hit_twice_is_a_hit_of_half_the_variance():
    _, _, hits, tracks = simulate(100, 11)
    options = FitOptions(sensor=0, outlier_chi2=1e9)
    twice = fit(hits, Tracks(np.repeat(tracks.hits, 2), 2 * tracks.start, tracks.score), options=options)
    estimates = dataclasses.replace(hits.estimate, cholesky=hits.estimate.cholesky / np.sqrt(2))
    better = fit(dataclasses.replace(hits, estimate=estimates), tracks, options=options)
    np.testing.assert_allclose(values(twice), values(better), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(twice.covariance, better.covariance, rtol=1e-4, atol=1e-14)


def test_options_out_of_range_are_refused_by_name():
    for name, value in (
        ("sensor", -1.0),
        ("pipe_radius", np.inf),
        ("outlier_chi2", 0.0),
        ("straight_momentum", -1.0),
    ):
        with pytest.raises(InputError, match=f"fit: {name}"):
            FitOptions(**{name: value})
