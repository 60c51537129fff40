"""Paths followed past a loss of energy, against a straight loop over all hits; the sectors that are looked at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.seeding import toys
from tests.tracking.finders.test_radiation import PT, particle
from tracking.finders.radiation import longer_paths
from tracking.finders.radiation_kernels import N_SECTORS, extend_paths, reachable, sector, sort_by_layer
from tracking.finders.tracks import Tracks

LAYERS = toys.detector().layers
MOST, SCATTER, CUT = toys.UNIT / 0.2, 1e-4, 4.0
"""Curvature of 0.2 GeV in 1/mm, below which some of the particles end; material, and a cut
that leaves true hits out."""


def crowd(rng):
    """Hits of 30 particles of both charges that lose energy behind the third cylinder, their rows (30, 4), and
    after them 2000 hits anywhere on the last two cylinders.
    """
    geometry = toys.detector()
    parts = []
    while len(parts) < 30:
        made = particle(
            PT / rng.uniform(0.12, 1.1),
            rng.uniform(-1, 1),
            rng.choice([-1, 1]),
            rng.uniform(-np.pi, np.pi, 1),
        )
        parts += [] if made is None else [made]
    module = rng.choice(np.flatnonzero(np.isin(geometry.layer_index, (9, 10))), 2000)
    local = rng.uniform(-1, 1, (2000, 2)) * np.stack([geometry.half_x, geometry.half_y], axis=1)[module]
    point = geometry.to_global(module, local)
    columns = [
        np.concatenate([*(getattr(p, name) for p in parts), noise])
        for name, noise in (
            ("module", module),
            ("point", point),
            ("direction", point + rng.normal(0, 20, point.shape)),
        )
    ]
    n = len(columns[0])
    toy = toys.Toy(*columns, np.zeros(n, dtype=int), np.arange(n), np.zeros((1, 3)), *np.zeros((3, 1)))
    hits, rows = toys.toy_hits(toy, int(rng.integers(1000))), np.arange(120).reshape(30, 4)
    # The third particle crosses phi = pi on its last step: there the sectors begin anew.
    x, y = hits.position[rows[2, 2:], :2].mean(axis=0)
    return toys.rotated(hits, np.pi - np.arctan2(y, x)), rows


def continuation(hits, a, b, c, candidates):
    """The best of the candidates behind three hits, by the circle through these, or -1."""
    axes, points, covariance = hits.axes.reshape(-1, 3, 3), hits.position, hits.estimate.covariance()
    flat = points[:, 0] + 1j * points[:, 1]
    u, v = flat[b] - flat[a], flat[c] - flat[b]
    k = 2 * (u.conjugate() * v).imag / abs(u * v * (u + v))

    def arc(curvature, chord):
        return 2 * np.arcsin(curvature * chord / 2) / curvature

    path = arc(k, abs(u)) + arc(k, abs(v))
    heading, slope = v / abs(v) * np.exp(1j * np.arcsin(k * abs(v) / 2)), (points[c, 2] - points[a, 2]) / path

    def places(i):
        along = axes[i, :2, 2] - slope * (axes[i, :2, 0] * heading.real + axes[i, :2, 1] * heading.imag)
        return along @ covariance[i][:2, :2] @ along

    best, chosen = CUT, -1
    for j in candidates:
        way = (flat[j] - flat[c]) / heading
        bend = 2 * way.imag / abs(way) ** 2
        if not (way.real > abs(way.imag) and k * bend > 0 and 0.7 * abs(k) < abs(bend) < MOST):
            continue
        length = arc(bend, abs(way))
        variance = (places(a) + places(c)) / path**2 + (places(c) + places(j)) / length**2
        variance += SCATTER * (k**2 + bend**2) * (1 + slope**2)
        there = heading * (way / abs(way)) ** 2
        local = axes[j] @ [there.real, there.imag, slope]
        off = hits.cot[j] - local[:2] / local[2]
        slopes = off @ np.linalg.solve(covariance[j][2:, 2:], off) if local[2] > 0 else np.inf
        chi2 = ((points[j, 2] - points[c, 2]) / length - slope) ** 2 / variance + min(slopes, 9.0)
        if chi2 < best:
            best, chosen = chi2, int(j)
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_paths_are_followed_as_by_a_straight_loop_over_all_hits(seed):
    rng = np.random.default_rng(seed)
    hits, rows = crowd(rng)
    # Two paths of the same hits: one takes what the other would.
    rows = np.concatenate([rows, rows[:10]])
    pairs, order = toys.pairs(), rng.permutation(len(rows))
    follows = np.zeros((len(LAYERS), len(LAYERS)), dtype=bool)
    follows[pairs.inner, pairs.outer] = pairs.inner != pairs.outer
    free = np.ones(len(hits), dtype=bool)
    free[rows[:, :3]] = False
    expected, left = np.full((len(rows), len(LAYERS)), -1), free.copy()
    for t in order:
        a, b, c = rows[t, :3]
        for m in range(len(LAYERS)):
            j = continuation(hits, a, b, c, np.flatnonzero(left & follows[hits.layer[c], hits.layer]))
            if j < 0:
                break
            expected[t, m], left[j] = j, False
            a, b, c = b, c, j
    found = extend_paths(
        rows[:, :3].ravel(), np.arange(0, 3 * len(rows) + 1, 3), order,
        *sort_by_layer(hits.layer, free, hits.position, len(LAYERS)), follows, free.copy(), hits.position, hits.layer,
        hits.axes, hits.estimate.cholesky, hits.cot, hits.cot_covariance, MOST, SCATTER, CUT, len(LAYERS),
    )  # fmt: skip
    np.testing.assert_array_equal(found, expected)
    assert 10 < np.sum(found[:, 0] == rows[:, 3]) <= 30


def test_paths_with_what_is_beyond_them_are_tracks_on_enough_layers():
    layer = np.array([0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 2, 2], dtype=np.int32)
    paths = Tracks.from_rows([[0, 1, 2], [3, 4, 5], [7, 8, 9], [12, 13, 14]], np.arange(4, dtype=np.float32))
    found = np.full((4, 3), -1)
    found[1, 0], found[2, :2], found[3, 0] = 6, (10, 11), 15
    for least, chosen in ((3, (1, 2, 3)), (4, (1, 2)), (5, (2,)), (6, ())):
        made = longer_paths(paths, found, layer, least)
        wanted = {1: [3, 4, 5, 6], 2: [7, 8, 9, 10, 11], 3: [12, 13, 14, 15]}
        assert [row.tolist() for row in made.rows()] == [wanted[k] for k in chosen]
        assert made.score.tolist() == list(chosen)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_the_sectors_that_are_looked_at_hold_every_hit_that_can_be_reached(seed):
    """Against all hits: of cylinders and disks, from any place into any direction, at any curvature."""
    rng = np.random.default_rng(seed)
    r, phi = rng.uniform(1, 150), rng.uniform(-np.pi, np.pi)
    x, y, heading = r * np.cos(phi), r * np.sin(phi), phi + rng.normal(0, rng.choice([0.05, 0.5, 2.0]))
    side, most = rng.choice([-1.0, 1.0]), 10 ** rng.uniform(-4, -1)
    near = rng.uniform(1, 200)
    radius, angle = near + rng.choice([0.0, 100.0]) * rng.random(400), rng.uniform(-np.pi, np.pi, 400)
    angle[:200] = phi + rng.normal(0, 0.2, 200)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    tx, ty = np.cos(heading), np.sin(heading)
    dx, dy = points[:, 0] - x, points[:, 1] - y
    ahead, aside = dx * tx + dy * ty, side * (dy * tx - dx * ty)
    reached = (ahead > aside) & (aside > 0) & (2 * aside < most * (ahead**2 + aside**2))
    first, last = reachable(x, y, tx, ty, side, most, radius.min(), radius.max())
    inside = {at % N_SECTORS for at in range(first, last + 1)}
    assert {sector(*point) for point in points[reached]} <= inside
    assert len(inside) == last - first + 1


def test_sectors_rise_with_the_azimuth_and_few_of_them_are_looked_at():
    phi = np.linspace(-np.pi, np.pi, 10_000, endpoint=False)
    sectors = [sector(np.cos(p), np.sin(p)) for p in phi]
    assert sectors == sorted(sectors)
    assert set(sectors) == set(range(N_SECTORS))
    # From the third cylinder to the fourth with 0.1 GeV.
    first, last = reachable(115.0, 0.0, 1.0, 0.0, 1.0, 0.006, 170.0, 173.0)
    assert last - first < N_SECTORS / 8


def test_free_hits_are_sorted_by_layer_and_sector():
    rng = np.random.default_rng(4)
    layer, free, position = rng.integers(0, 5, 300), rng.random(300) < 0.7, rng.normal(0, 50, (300, 3))
    free &= layer != 2
    rows, begin, radii = sort_by_layer(layer, free, position, 5)
    assert sorted(rows.tolist()) == np.flatnonzero(free).tolist()
    for m in range(5):
        for k in range(N_SECTORS):
            part = rows[begin[m * N_SECTORS + k] : begin[m * N_SECTORS + k + 1]]
            assert all(layer[i] == m and sector(*position[i, :2]) == k for i in part)
        r = np.hypot(*position[free & (layer == m), :2].T)
        assert radii[m].tolist() == pytest.approx([r.min(), r.max()] if len(r) else [np.inf, 0.0])


def test_what_has_no_direction_of_its_own_can_reach_all_and_empty_layers_nothing():
    assert reachable(0.0, 0.0, 1.0, 0.0, 1.0, 0.006, 20.0, 40.0) == (0, N_SECTORS - 1)
    assert reachable(50.0, 0.0, -1.0, 0.0, 1.0, 0.006, 20.0, 40.0) == (0, N_SECTORS - 1)
    for heading in (0.0, 2.0):
        first, last = reachable(50.0, 0.0, np.cos(heading), np.sin(heading), 1.0, 0.006, np.inf, 0.0)
        assert last < first
