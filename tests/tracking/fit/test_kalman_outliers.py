"""The filter and what does not belong to a track: outliers, and nonsense."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracking.fit.fits import FIELD, _nonsense, finite, fit
from tests.tracking.scattering import pulls, simulate
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import FitOptions


@pytest.mark.parametrize("cut", [1e-3, 1.0, 10.0])
def test_no_track_keeps_a_hit_whose_chi2_is_beyond_the_cut(cut):
    """Of tracks that the smoother does not go over: their whole chi2 is not beyond it."""
    _, _, hits, tracks = simulate(300, 18)
    found = fit(hits, tracks, FIELD, FitOptions(outlier_chi2=cut))
    n_used = 4 - found.outlier.reshape(300, 4).sum(axis=1)
    # One is taken out where it is the worst and beyond the cut, and else none.
    all_in = fit(hits, tracks)
    assert np.all(n_used[all_in.chi2 <= cut] == 4)
    gain = np.stack(
        [
            all_in.chi2 - fit(hits, Tracks.from_rows([np.delete(r, k) for r in tracks.rows()])).chi2
            for k in range(4)
        ],
        axis=1,
    )
    clear = (np.abs(gain.max(axis=1) - cut) > 0.1 * cut) & (all_in.chi2 < 100)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal((n_used < 4)[clear], (gain.max(axis=1) > cut)[clear])


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
