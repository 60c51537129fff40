import dataclasses

import numpy as np
import pytest
from scipy import stats

from seeding import seed_kernels
from seeding.cones import ConeOptions
from seeding.edges import Edges, find_edges
from seeding.seeds import MISSING, WIDE_D0, SeedOptions, find_seeds
from smartpix.estimate.base import Estimate
from smartpix.schema import InputError
from tests.seeding import toys

CONE = ConeOptions(quantile=0.997, min_pt=0.5)
SEED = SeedOptions(quantile=0.999, per_middle=3, shared=3)
SIGMA_Z = 0.03


@pytest.fixture(scope="module")
def event():
    toy = toys.toy_event(80, seed=51)
    hits = toys.toy_hits(toy, 51)
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    return toy, hits, edges


def support(hits, edges):
    return find_seeds(hits, edges, toys.FIELD, CONE, SEED).support


def kink_matrix(hits, edges):
    """Of every pair of edges that share a hit, each asked for alone: kink chi2, displaced kink chi2, impact
    parameter.
    """
    out = {}
    for e in range(len(edges)):
        for f in np.flatnonzero(edges.source == edges.target[e]):
            first, second = support(hits, edges.take(np.array([e, f])))
            assert first[1::2].tolist() == second[::2].tolist()
            assert first[::2].tolist() == second[1::2].tolist() == [MISSING, MISSING, 0]
            out[e, int(f)] = tuple(first[1::2].tolist())
    return out


def test_seeds_are_the_best_pairs_of_edges_of_every_middle_hit(event):
    _, hits, edges = event
    kinks = kink_matrix(hits, edges)
    cut = stats.chi2.ppf(SEED.quantile, 2)
    by_middle = {}
    for (e, f), (kink, *_) in kinks.items():
        if kink <= cut:
            total = kink + edges.chi2[e] + edges.chi2[f]
            by_middle.setdefault(int(edges.target[e]), []).append((float(total), e, f))
    for per_middle in (1, 3):
        seeds = find_seeds(hits, edges, toys.FIELD, CONE, dataclasses.replace(SEED, per_middle=per_middle))
        expected = {}
        for found in by_middle.values():
            for total, e, f in sorted(found)[:per_middle]:
                expected[int(edges.source[e]), int(edges.target[e]), int(edges.target[f])] = (total, e, f)
        assert {tuple(row) for row in seeds.hits.tolist()} == set(expected)
        assert len(seeds) == len(expected)
        for s, row in enumerate(seeds.hits.tolist()):
            total, e, f = expected[tuple(row)]
            assert seeds.chi2[s] == pytest.approx(total, rel=1e-4)
            assert seeds.curvature[s] == pytest.approx(
                (edges.curvature[e] + edges.curvature[f]) / 2, rel=1e-4, abs=1e-9
            )
            assert seeds.cot_theta[s] == pytest.approx(
                (edges.cot_theta[e] + edges.cot_theta[f]) / 2, rel=1e-4, abs=1e-6
            )
            assert seeds.z0[s] == edges.z0[e]


def test_seeds_are_sorted_and_at_most_so_many_a_middle_hit(event):
    _, hits, edges = event
    seeds = find_seeds(hits, edges, toys.FIELD, CONE, dataclasses.replace(SEED, per_middle=2))
    assert np.all(np.diff(seeds.chi2) >= 0)
    assert np.bincount(seeds.hits[:, 1]).max() == 2


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_seeds_share_no_more_hits_with_better_ones_than_allowed(event, shared):
    _, hits, edges = event
    every = find_seeds(hits, edges, toys.FIELD, CONE, SEED)
    kept = find_seeds(hits, edges, toys.FIELD, CONE, dataclasses.replace(SEED, shared=shared))
    used, expected = set(), []
    for row in every.hits.tolist():
        if len(used & set(row)) <= shared:
            expected.append(row)
            used |= set(row)
    assert kept.hits.tolist() == expected
    assert len(kept) < len(every)


def test_threads_change_nothing(event):
    _, hits, edges = event
    one, *more = (find_seeds(hits, edges, toys.FIELD, CONE, SEED, threads) for threads in (1, 2, 3))
    for other in more:
        np.testing.assert_array_equal(one.hits, other.hits)
        np.testing.assert_array_equal(one.support, other.support)


def test_all_three_hits_of_nearly_every_toy_track_make_a_seed(event):
    toy, hits, edges = event
    seeds = find_seeds(hits, edges, toys.FIELD, CONE, SEED)
    of = toy.particle[seeds.hits]
    seeded = set(of[(of[:, 0] == of[:, 1]) & (of[:, 1] == of[:, 2]), 0].tolist())
    long_enough = {p for p, rows in enumerate(toy.hit_rows()) if len(set(toy.layer[rows].tolist())) >= 4}
    assert len(long_enough) > 60
    assert len(long_enough - seeded) <= 0.02 * len(long_enough)


def test_seeds_of_exact_tracks_know_curvature_slope_and_vertex():
    toy = toys.toy_event(10, seed=52)
    hits = toys.toy_hits(toy, 52, sigma=(1e-6, 1e-6, 0.1, 0.03))
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    seeds = find_seeds(hits, edges, toys.FIELD, CONE, SEED)
    checked = 0
    for s, row in enumerate(seeds.hits):
        p = toy.particle[row]
        if len(set(p.tolist())) == 1:
            assert seeds.curvature[s] == pytest.approx(toy.curvature[p[0]], rel=1e-2, abs=1e-6)
            assert seeds.cot_theta[s] == pytest.approx(toy.cot_theta[p[0]], rel=1e-3, abs=1e-3)
            assert seeds.z0[s] == pytest.approx(toy.start[p[0], 2], abs=0.5)
            checked += 1
    assert checked > 10


def test_support_is_the_smallest_kink_on_either_side(event):
    """And of all displaced kinks the smallest, with its own impact parameter."""
    _, hits, edges = event
    expected = np.tile(np.array([MISSING, MISSING, MISSING, MISSING, 0, 0]), (len(edges), 1))
    for (e, f), (kink, wide, impact) in kink_matrix(hits, edges).items():
        for row, side in ((e, 1), (f, 0)):
            expected[row, side] = min(expected[row, side], kink)
            if wide < expected[row, 2 + side]:
                expected[row, 2 + side], expected[row, 4 + side] = wide, impact
    got = support(hits, edges)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    assert np.any(got == MISSING)
    for side in (0, 1):
        assert np.any(got[:, side] < 5)
        assert np.any(got[:, 2 + side] < got[:, side] / 2)
        assert got[:, 4 + side].min() < 0 < got[:, 4 + side].max()


def kink_by_hand(hits, edges, e, f, sigma_d0):
    """Kink chi2 of two edges and its impact parameter in mm, from what the loop over pairs says of levers."""
    rows = [edges.source[e], edges.target[e], edges.target[f]]
    r1, r2, r3 = np.maximum(np.hypot(*hits.position[rows, :2].T), 1.0)
    c, k = float(edges.cot_theta[e]), (float(edges.curvature[e]) + float(edges.curvature[f])) / 2
    # x runs along the beam in the barrel and along the radius on the disks.
    upright = np.abs(hits.axes[rows, 8]) < np.sqrt(0.5)
    error = hits.estimate.cholesky[rows, 0, 0]
    slopes = np.abs([[c] * 3, [float(edges.cot_theta[f])] * 3])
    first, second = np.where(upright, 1, slopes) * error
    near, far = max(r2 - r1, 1.0), max(r3 - r2, 1.0)
    theta = 0.0136 * np.sqrt(CONE.radiation_length) * k / toys.UNIT
    along = (first[0] / near) ** 2 + (first[1] / near + second[1] / far) ** 2 + (second[2] / far) ** 2
    slope = (c - edges.cot_theta[f]) ** 2 / (theta**2 * (1 + c * c) + along)
    bend = float(edges.curvature[e]) - float(edges.curvature[f])
    per_mm = 2 / r2 * (1 / r1 - 1 / r3)
    variance = 4 * theta**2 * (1 / r3**2 + ((1 - r1 / r3) / r2) ** 2) + (sigma_d0 * per_mm) ** 2
    return slope + bend**2 / variance, bend / per_mm


def test_kinks_are_those_of_their_levers(event):
    _, hits, edges = event
    n_checked = 0
    for (e, f), found in kink_matrix(hits, edges).items():
        (kink, impact), (wide, _) = (kink_by_hand(hits, edges, e, f, d0) for d0 in (CONE.sigma_d0, WIDE_D0))
        expected = (kink, wide, impact) if wide < MISSING else (MISSING, MISSING, 0)
        assert found == pytest.approx((min(expected[0], MISSING), *expected[1:]), rel=1e-3, abs=1e-6)
        n_checked += wide < MISSING
    assert n_checked > 100


def edges_of(hits, source, target, curvature, cot_theta, chi2=None):
    n = len(source)
    single = np.float32
    return Edges(
        np.array(source, dtype=np.int32), np.array(target, dtype=np.int32), np.zeros(n, dtype=np.int32),
        np.array(np.zeros(n) if chi2 is None else chi2, dtype=single), np.array(curvature, dtype=single),
        np.array(cot_theta, dtype=single), np.zeros(n, dtype=single), np.zeros((n, 4), dtype=single), n, n,
        len(hits),
    )  # fmt: skip


@pytest.fixture(scope="module")
def three():
    toy = toys.toy_event(3, seed=53, max_eta=0.5)
    return toys.toy_hits(toy, 53)


def test_a_kink_in_slope_or_curvature_breaks_a_seed(three):
    straight = edges_of(three, [0, 1], [1, 2], [1e-3, 1e-3], [0.5, 0.5])
    bent = edges_of(three, [0, 1], [1, 2], [1e-3, -1e-3], [0.5, 0.5])
    steeper = edges_of(three, [0, 1], [1, 2], [1e-3, 1e-3], [0.5, 0.8])
    apart = edges_of(three, [0, 2], [1, 3], [1e-3, 1e-3], [0.5, 0.5])
    assert [len(find_seeds(three, e, toys.FIELD, CONE, SEED)) for e in (straight, bent, steeper, apart)] == [
        1,
        0,
        0,
        0,
    ]
    assert support(three, apart).tolist() == [[MISSING, MISSING, MISSING, MISSING, 0, 0]] * 2


def test_two_hits_of_one_radius_tell_nothing_of_the_impact_parameter(three):
    """Nothing is infinite then, and nothing at all scatters in the second case."""
    position = three.position.copy()
    position[2] = position[0] + [0, 0, 5.0]
    flat = dataclasses.replace(three, position=position)
    edges = edges_of(flat, [0, 1], [1, 2], [1e-3, 1.001e-3], [0.5, 0.5])
    for cone in (CONE, dataclasses.replace(CONE, radiation_length=0.0)):
        found = find_seeds(flat, edges, toys.FIELD, cone, SEED).support
        assert np.all(np.isfinite(found))
        assert found[0, 1] == found[0, 3] == found[1, 0] == found[1, 2]
        assert found[:, 4:].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("sigma_d0", [0.1, 1.0, WIDE_D0, 5.0, 1e3])
def test_displaced_kinks_do_not_depend_on_the_cones_impact_parameter(event, sigma_d0):
    """They are the smallest even where the others are far above the cut or below all of them."""
    _, hits, edges = event
    found = find_seeds(hits, edges, toys.FIELD, dataclasses.replace(CONE, sigma_d0=sigma_d0), SEED).support
    np.testing.assert_array_equal(found[:, 2:], support(hits, edges)[:, 2:])
    less, more = (found[:, :2], found[:, 2:4])[:: 1 if sigma_d0 > WIDE_D0 else -1]
    assert np.all(less <= more)
    assert np.any(less < more) == (sigma_d0 != WIDE_D0)


def test_edges_of_another_event_are_refused(three):
    """Compiled code would read beyond the end of the hits."""
    edges = edges_of(range(len(three) + 1), [0, 1], [1, 2], [1e-3, 1e-3], [0.5, 0.5])
    with pytest.raises(
        InputError, match=f"seeds: the edges were found among {len(three) + 1} hits and {len(three)} hits are"
    ):
        find_seeds(three, edges, toys.FIELD, CONE, SEED)


def tracks_with_kinks(pt, cot_theta, d0s, seed):
    """Hits and both edges of tracks with scattering on every layer, impact parameters to the left and hits
    uncertain along the beam.
    """
    rng = np.random.default_rng(seed)
    n, radii, curvature = len(d0s), np.array([32.0, 72.0, 116.0]), toys.UNIT / pt
    theta0 = 0.0136 / (pt * np.hypot(1, cot_theta)) * np.sqrt(CONE.radiation_length)
    points, values = [], []
    for d0 in d0s:
        # Small kicks on a circle, to first order in angle and slope.
        kicks = rng.normal(0, theta0, (3, 2))
        track = []
        for r in radii:
            inner = radii < r
            across = d0 + np.sum(kicks[inner, 0] * np.hypot(1, cot_theta) * (r - radii[inner]))
            along = np.sum(kicks[inner, 1] * (1 + cot_theta**2) * (r - radii[inner]))
            path = 2 * np.arcsin(curvature * r / 2) / curvature
            phi = np.arcsin(curvature * r / 2) + across / r
            track.append(
                [r * np.cos(phi), r * np.sin(phi), cot_theta * path + along + rng.normal(0, SIGMA_Z)]
            )
        points += track
        values += [toys.beam_circle(*np.array(track[k : k + 2])) for k in (0, 1)]
    curvatures, slopes, _ = np.array(values).T
    source = (3 * np.arange(n)[:, None] + [0, 1]).ravel()
    hits = toys.toy_hits(toys.empty_event())
    axes = np.zeros((3 * n, 9))
    axes[:, 2] = 1  # barrel: x runs along the beam
    estimate = Estimate(np.zeros((3 * n, 4)), np.tile(np.diag([SIGMA_Z, 0.002, 0.2, 0.05]), (3 * n, 1, 1)))
    n_hits = 3 * n
    hits = dataclasses.replace(
        hits, hit_id=np.arange(n_hits), module=np.zeros(n_hits, np.int32), layer=np.zeros(n_hits, np.int32),
        position=np.array(points), axes=axes, estimate=estimate,
    )  # fmt: skip
    return hits, edges_of(hits, source, source + 1, curvatures, slopes)


@pytest.mark.parametrize(("pt", "cot_theta"), [(0.5, 0.5), (1.0, 2.0), (3.0, 0.5)])
def test_the_asked_share_of_true_kinks_is_kept(pt, cot_theta):
    n = 3000
    hits, edges = tracks_with_kinks(pt, cot_theta, np.random.default_rng(55).normal(0, CONE.sigma_d0, n), 54)
    chi2 = support(hits, edges)[::2, 1]
    for quantile in (0.5, 0.9, 0.99):
        kept = np.mean(chi2 < stats.chi2.ppf(quantile, 2))
        assert kept == pytest.approx(quantile, abs=4 * np.sqrt(quantile * (1 - quantile) / n) + 0.003)


@pytest.mark.parametrize(("pt", "cot_theta"), [(0.5, 0.5), (1.0, 2.0), (3.0, 0.5)])
def test_displaced_kinks_are_small_for_displaced_tracks(pt, cot_theta):
    """Not quite 99 %: the mean curvature, which says how much scatters, is off by the impact parameter."""
    d0 = np.random.default_rng(57).choice([-WIDE_D0, WIDE_D0], 1000)
    hits, edges = tracks_with_kinks(pt, cot_theta, d0, 58)
    kept = np.mean(support(hits, edges)[::2] < stats.chi2.ppf(0.99, 2), axis=0)
    assert kept[3] > 0.85
    assert kept[1] < 0.1


def test_impact_parameters_are_the_tracks():
    """Positive to the right: minus the d0 of the fit, whose point is d0 * (-sin phi, cos phi)."""
    d0 = np.repeat([-2.0, -0.5, 0.0, 1.0], 500)
    hits, edges = tracks_with_kinks(5.0, 0.5, d0, 56)
    found = support(hits, edges)
    np.testing.assert_array_equal(found[::2, 5], found[1::2, 4])
    assert found[::2, 4].tolist() == found[1::2, 5].tolist() == [0] * len(d0)
    for value in np.unique(d0):
        impact = found[::2, 5][d0 == value]
        assert np.mean(impact) == pytest.approx(-value, abs=0.02)
        assert np.std(impact) < 0.2


def test_no_edges_give_no_seeds(three):
    for hits in (three, toys.toy_hits(toys.empty_event())):
        none = edges_of(hits, [], [], [], [])
        seeds = find_seeds(hits, none, toys.FIELD, CONE, SEED)
        assert len(seeds) == 0
        assert seeds.hits.shape == (0, 3)
        assert support(hits, none).shape == (0, 6)


@pytest.mark.parametrize(
    ("name", "value"),
    [("quantile", 0.0), ("quantile", 1.5), ("per_middle", -1), ("shared", -1), ("shared", 4)],
)
def test_options_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        SeedOptions(**{name: value})


@pytest.mark.parametrize("n", [0, 1, 2, 5000])
def test_best_first_is_a_stable_sort(n):
    rng = np.random.default_rng(n)
    quality = np.float32(rng.exponential(20, n) * 10.0 ** rng.integers(-30, 30, n))
    quality[: n // 2] = np.float32(rng.integers(0, 5, n // 2))
    np.testing.assert_array_equal(seed_kernels.best_first(quality), np.argsort(quality, kind="stable"))


def test_hits_that_stand_upright_are_the_barrels(event):
    """What the loop says of a module is what its hits say."""
    _, hits, _ = event
    terms = np.empty((len(hits), 4), np.float32)
    seed_kernels.hit_terms(0, len(hits), hits.position, hits.estimate.cholesky, hits.axes, terms)
    assert np.any(hits.upright)
    assert not np.all(hits.upright)
    np.testing.assert_array_equal(terms[:, 1] > 0, hits.upright)
    np.testing.assert_array_equal(terms[:, 2] > 0, ~hits.upright)
