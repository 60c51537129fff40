"""The filter against toys with scattering, a least-squares fit with everything in one covariance, and
nonsense.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.stats import chi2

from smartpix.schema import InputError
from tests.seeding import toys
from tests.tracking.scattering import (
    carry,
    core_sigma,
    fatras,
    half_width,
    highland,
    moved,
    path_to,
    pulls,
    simulate,
)
from tracking.finders.tracks import Tracks
from tracking.fit.helix import advance, reach, start_circle, to_plane
from tracking.fit.kalman import LOST
from tracking.fit.tracks import FitOptions, fit_tracks

FIELD = 3.8
NAMES = ("d0", "z0", "phi", "theta", "qop")
KEEP_ALL = FitOptions(outlier_chi2=1e9)
NO_MATERIAL = FitOptions(sensor=0, support=0, pipe=0)


def fit(hits, tracks, field=FIELD, options=KEEP_ALL):
    return fit_tracks(hits, tracks, toys.detector(), field, options)


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
    start, direction, curvature, _ = start_circle(
        hits.position, hits.estimate.cholesky, rows, 0, len(rows), np.zeros(len(rows), dtype=np.int8)
    )
    across = np.hypot(direction[0], direction[1])
    qop = -curvature * across / (FIELD * 0.299792458e-3)
    first = np.array(
        [-start[0] * direction[1] / across + start[1] * direction[0] / across, start[2],
        np.arctan2(direction[1], direction[0]),
         np.arctan2(across, direction[2]), qop]
    )  # fmt: skip

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


@settings(max_examples=40, deadline=None)
@given(
    q=st.floats(-3, 3), field=st.floats(-4, 4), a=st.floats(-2, 2), b=st.floats(-1, 1), tilt=st.floats(-1, 1),
    far=st.floats(5, 100), sign=st.sampled_from([-1.0, 1.0]),
)  # fmt: skip
@example(q=3.0, field=3.0, a=0.625, b=-0.53125, tilt=0.71875, far=28.0, sign=1.0)
def test_the_jacobian_is_that_of_differences(q, field, a, b, tilt, far, sign):
    strength = field * 0.299792458e-3
    ex, ey, n = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)
    fn = (np.cos(tilt), np.sin(tilt), 0.0)
    fx, fy = (0.0, 0.0, 1.0), (-np.sin(tilt), np.cos(tilt), 0.0)
    center = np.array([sign * far, 0.0, 0.0])
    if abs(np.dot(fn, [1, b, a]) / np.hypot(1, np.hypot(a, b))) < 0.3:
        return
    # The circle across the beam must cross the plane, well away from where it only touches it: in closed
    # form.
    across = np.hypot(1, b) / np.sqrt(1 + a * a + b * b)
    turn = -strength * q
    begin = np.array([0.0, -0.3, 0.5])
    if abs(turn) > 1e-12:  # in 1/mm; less is straight for any detector
        middle = begin + sign * np.array([-b, 1.0, 0.0]) / np.sqrt(1 + a * a + b * b) / turn
        apart = abs((middle - center) @ fn) * abs(turn) / across
        if apart > 0.95:
            heading = sign * np.array([1.0, b, a]) / np.sqrt(1 + a * a + b * b)
            reached = reach(tuple(begin), tuple(heading), turn, far, tuple(center), fn)[1]
            assert not (reached and apart > 1 + 1e-6)
            return

    def there(state):
        direction = sign * np.array([1.0, state[3], state[2]]) / np.sqrt(1 + state[2] ** 2 + state[3] ** 2)
        point = np.array([0.0, state[1], state[0]])
        turn = np.array([-strength * state[4]])
        s = path_to(
            lambda x: (x - center) @ fn,
            point[None],
            direction[None],
            turn,
            np.array([sign * center @ fn / (direction @ fn)]),
        )
        x, t = moved(point[None], direction[None], turn, s)
        local = x[0] - center
        return (
            np.array([local @ fx, local @ fy, t[0] @ fx / (t[0] @ fn), t[0] @ fy / (t[0] @ fn)]),
            s[0],
            point,
            direction,
        )

    state = np.array([0.5, -0.3, a, b, q])
    wanted, s, point, direction = there(state)
    columns = []
    for k, step in enumerate([1e-3, 1e-3, 1e-5, 1e-5, 1e-4]):
        up, down = state.copy(), state.copy()
        up[k] += step
        down[k] -= step
        columns.append((there(up)[0] - there(down)[0]) / (2 * step))
    jacobian, off, p = np.zeros((1, 4, 5)), np.zeros(5), np.eye(5)
    to_plane(
        state, off, p, jacobian, 0, tuple(point), tuple(direction), ex, ey, sign, np.sqrt(1 + a * a + b * b),
        strength, s,
        tuple(center), fx, fy, fn,
    )  # fmt: skip
    assert n == (1.0, 0.0, 0.0)
    np.testing.assert_allclose(state[:4], wanted, atol=1e-8, rtol=1e-8)
    np.testing.assert_allclose(jacobian[0], np.array(columns).T, atol=1e-5, rtol=1e-5)
    full = np.vstack([jacobian[0], [0, 0, 0, 0, 1]])
    np.testing.assert_allclose(p, full @ full.T, rtol=1e-9, atol=1e-9)


def test_advance_turns_a_circle():
    point, direction = advance((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), 0.01, np.pi / 0.01)
    np.testing.assert_allclose(point, [0, 200, 0], atol=1e-9)
    np.testing.assert_allclose(direction, [-1, 0, 0], atol=1e-9)


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


def test_an_outlier_is_taken_out_and_the_rest_fitted_as_without_it():
    parameters, _, hits, tracks = simulate(200, 8, "endcap")
    rows = np.array([r[t % len(r)] for t, r in enumerate(tracks.rows())])
    axes = hits.axes.reshape(-1, 3, 3)
    hits.position[rows] += 3.0 * axes[rows, 1] - 2.0 * axes[rows, 0]
    found = fit(hits, tracks, options=FitOptions())
    assert np.mean(found.outlier[rows]) > 0.97
    assert found.outlier.sum() < 1.1 * len(rows)
    others = np.delete(tracks.hits, rows)
    clean = fit(hits, Tracks(others, 4 * np.arange(201), tracks.score))
    alike = found.outlier.reshape(200, 5).sum(axis=1) == found.outlier[rows]
    alike &= found.outlier[rows]
    np.testing.assert_allclose(found.qop[alike], clean.qop[alike], rtol=0.02, atol=1e-3)
    assert np.all(found.ndf[alike] == 3)
    assert np.median(np.abs(found.residual[rows, 1] - 3.0)) < 1.0
    assert np.median(np.abs(pulls(found, parameters)[alike])) < 1
    three = Tracks(tracks.hits.reshape(200, 5)[:, :3].ravel(), 3 * np.arange(201), tracks.score)
    assert not fit(hits, three, options=FitOptions()).outlier.any()


def correlated(hits, correlation=0.9):
    """The hits with y and cot beta that are wrong together."""
    cholesky = hits.estimate.cholesky.copy()
    sigma = np.sqrt(hits.estimate.covariance()[:, 3, 3])
    cholesky[:, 3] = 0.0
    cholesky[:, 3, 1] = correlation * sigma
    cholesky[:, 3, 3] = np.sqrt(1 - correlation**2) * sigma
    return dataclasses.replace(hits, estimate=dataclasses.replace(hits.estimate, cholesky=cholesky))


@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize("region", ["barrel", "endcap"])
@pytest.mark.parametrize("field", [FIELD, 0.0])
def test_the_chi2_of_an_outlier_is_what_the_track_gains_without_it(angles, region, field):
    """In a linear fit the two are the same number: refitted without each hit in turn, the track names the
    worst and its chi2.
    """
    n, options = 40, FitOptions(sensor=0, support=0, pipe=0, outlier_chi2=1e9, angles=angles)
    _, _, hits, tracks = simulate(n, 13, region, field=field, pt=(5.0, 10.0))
    hits = correlated(hits)
    all_rows = tracks.hits.reshape(n, -1)
    size = all_rows.shape[1]
    rng = np.random.default_rng(13)
    moved_rows = all_rows[np.arange(n), rng.integers(0, size, n)]
    hits.position[moved_rows] += 0.3 * hits.axes.reshape(-1, 3, 3)[moved_rows, 1]
    hits.cot[moved_rows] += rng.normal(0, 0.5, (n, 2))
    total = fit(hits, tracks, field, options).chi2
    gain = np.empty((n, size))
    for k in range(size):
        others = Tracks(np.delete(all_rows, k, axis=1).ravel(), (size - 1) * np.arange(n + 1), tracks.score)
        gain[:, k] = total - fit(hits, others, field, options).chi2
    worst = gain.argmax(axis=1)
    for t in range(n):
        one = Tracks(all_rows[t], np.array([0, size]), tracks.score[:1])
        for cut, wanted in ((0.98 * gain[t, worst[t]], True), (1.02 * gain[t, worst[t]], False)):
            found = fit(hits, one, field, dataclasses.replace(options, outlier_chi2=cut)).outlier
            assert found.any() == wanted
            assert found[worst[t]] == wanted


@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize(("chi2_of_hit", "out"), [(29.5, False), (30.5, True)])
def test_an_outlier_is_further_than_a_chi2_of_30(angles, chi2_of_hit, out):
    """Straight exact tracks with one hit moved: the chi2 is the square of the move times that of a move of
    0.1 mm.
    """
    n, options = 20, FitOptions(sensor=0, support=0, pipe=0, angles=angles)
    _, _, hits, tracks = simulate(n, 14, field=0.0, error=0.0, pt=(5.0, 10.0))
    rows = tracks.hits.reshape(n, 4)[:, 1]
    axes, still = hits.axes.reshape(-1, 3, 3)[rows, 1], hits.position.copy()
    hits.position[rows] += 0.1 * axes
    unit = fit(hits, tracks, 0.0, dataclasses.replace(options, outlier_chi2=1e9)).chi2
    hits.position[:] = still
    hits.position[rows] += 0.1 * np.sqrt(chi2_of_hit / unit)[:, None] * axes
    found = fit(hits, tracks, 0.0, options).outlier
    assert np.all(found[rows] == out)
    assert found.sum() == n * out


@pytest.mark.parametrize("angles", [False, True])
@pytest.mark.parametrize("field", [FIELD, 0.0])
def test_outliers_are_taken_out_as_long_as_three_hits_stay(angles, field):
    """Slopes would allow to go on: even two hits with them have more coordinates than a helix has
    parameters.
    """
    n = 100
    _, _, hits, tracks = simulate(n, 12, field=field, pt=(5.0, 10.0))
    axes = hits.axes.reshape(-1, 3, 3)
    four = tracks.hits.reshape(n, 4)
    options = FitOptions(angles=angles)

    def n_outliers(n_hits, wrong):
        """Of tracks of ``n_hits``, where the ``wrong`` ones are moved by 5 mm along x, to one side and the
        other.
        """
        position = hits.position.copy()
        for k, where in enumerate(wrong):
            position[four[:, where]] += (-1) ** k * 5.0 * axes[four[:, where], 0]
        rows = Tracks(four[:, :n_hits].ravel(), n_hits * np.arange(n + 1), tracks.score)
        found = fit(dataclasses.replace(hits, position=position), rows, field, options)
        return found.outlier.reshape(n, n_hits).sum(axis=1)

    assert np.all(n_outliers(3, [1]) == 0)
    assert np.all(n_outliers(4, [1]) == 1)
    assert np.all(n_outliers(4, [1, 2]) == 1)


def finite(found, n_hits):
    for field in dataclasses.fields(found):
        assert np.all(np.isfinite(getattr(found, field.name))), field.name
    assert np.all(np.diagonal(found.covariance, axis1=1, axis2=2) >= 0)
    np.testing.assert_array_equal(found.covariance, np.swapaxes(found.covariance, 1, 2))
    assert found.residual.shape == found.pull.shape == (n_hits, 2)
    assert np.all(np.abs(found.phi) <= np.pi)
    assert np.all((found.theta >= 0) & (found.theta <= np.pi))
    assert np.all(found.ndf >= 0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_comes_in_what_comes_out_is_finite(data):
    _, _, hits, _ = _nonsense()
    n = data.draw(st.integers(0, 8))
    rows = np.array(
        data.draw(st.lists(st.integers(0, len(hits) - 1), min_size=n, max_size=n)), dtype=np.int64
    )
    position, cholesky = hits.position.copy(), hits.estimate.cholesky.copy()
    number = st.one_of(
        st.floats(-300, 300), st.sampled_from([0.0, 1e-300, 1e5, 1e300, np.inf, -np.inf, np.nan])
    )
    for row in rows[: data.draw(st.integers(0, 3))]:
        position[row] = data.draw(st.tuples(number, number, number))
        cholesky[row, 1, 1] = data.draw(number)
    changed = dataclasses.replace(
        hits, position=position, estimate=dataclasses.replace(hits.estimate, cholesky=cholesky)
    )
    options = FitOptions(
        angles=data.draw(st.booleans()), outlier_chi2=data.draw(st.sampled_from([0.1, 30.0]))
    )
    field = data.draw(st.sampled_from([FIELD, -FIELD, 0.0, 1e-3]))
    tracks = Tracks(np.concatenate([rows, rows]), np.array([0, n, n, 2 * n]), np.ones(3, dtype=np.float32))
    finite(fit(changed, tracks, field, options), 2 * n)


_cached = []


def _nonsense():
    if not _cached:
        _cached.append(simulate(6, 9))
    return _cached[0]


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
