import dataclasses

import numpy as np
import pytest
from scipy import stats

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.table import scattering_constant
from smartpix.layers import layer_pairs
from tests.seeding import toys
from tests.seeding.edge_events import CONE, found, pair_set


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(60, seed=11)


@pytest.fixture(scope="module")
def hits(toy):
    return toys.toy_hits(toy, 11)


def brute_force(hits, options=CONE):
    """Joint test of every pair of hits on paired layers, by (row, row), and what is left of its limit."""
    out = {}
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    for i in range(len(hits)):
        for j in range(len(hits)):
            if (int(hits.layer[i]), int(hits.layer[j])) not in toys.follows() or radius[j] <= radius[i]:
                continue
            if (hits.position[j, :2] - hits.position[i, :2]) @ hits.position[
                i, :2
            ] <= 0 or not toys.through_gap(hits, i, j):
                continue
            tested = toys.joint_chi2(
                hits, i, j, options.sigma_z0, options.sigma_d0, toys.UNIT / options.min_pt,
                options.radiation_length
            )  # fmt: skip
            out[i, j] = (*tested, options.joint_cut() - tested[0])
    return out


@pytest.mark.parametrize(
    "options",
    [CONE, ConeOptions(quantile=0.9999, sigma_z0=80.0, sigma_d0=2.0, min_pt=0.3, radiation_length=0.0),
     ConeOptions(quantile=0.9, sigma_z0=30.0, min_pt=0.8, radiation_length=0.5)],
)  # fmt: skip
def test_edges_are_those_of_a_loop_over_all_pairs_none_missing(hits, options):
    edges = found(hits, options)
    pairs = pair_set(edges)
    assert len(pairs) == len(edges) > 60
    every = brute_force(hits, options)
    assert {p for p, values in every.items() if values[-1] > 0.02} - pairs == set()
    assert all(every[p][-1] > -0.02 for p in pairs)
    # With what belongs to each edge.
    listed = toys.pairs()
    for e, p in enumerate(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
        chi2, curvature, slope, z0, residuals, covariances, _ = every[p]
        assert edges.chi2[e] == pytest.approx(chi2, rel=5e-3, abs=2e-3)
        assert edges.curvature[e] == pytest.approx(curvature, rel=1e-3, abs=2e-8)
        assert edges.cot_theta[e] == pytest.approx(slope, rel=1e-4, abs=1e-5)
        assert edges.z0[e] == pytest.approx(z0, rel=1e-3, abs=2e-2)
        sigma = np.sqrt(covariances[:, [0, 1], [0, 1]])
        np.testing.assert_allclose(edges.pulls[e], (residuals / sigma).ravel(), rtol=2e-3, atol=2e-3)
        assert [listed.inner[edges.pair[e]], listed.outer[edges.pair[e]]] == hits.layer[list(p)].tolist()


def test_threads_change_nothing(hits):
    one, two = found(hits), found(hits, threads=3)
    for name in ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0", "pulls"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.n_looked, one.n_tested) == (two.n_looked, two.n_tested)


@pytest.mark.parametrize("quantile", [0.9, 0.99, 0.997])
def test_the_asked_share_of_true_edges_is_kept(quantile):
    toy = toys.toy_event(500, seed=21)
    hits = toys.toy_hits(toy, 21)
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in toys.follows()}
    kept = len(true & pair_set(found(hits, dataclasses.replace(CONE, quantile=quantile, min_pt=0.45)))) / len(
        true
    )
    # Edges of a particle share its z0 and their hits: fewer independent ones than there are.
    assert kept == pytest.approx(quantile, abs=4 * np.sqrt(quantile * (1 - quantile) / 500))


def test_joint_chi2_of_true_pairs_is_a_chi2_of_five():
    rng = np.random.default_rng(31)
    n = 2500
    phi = rng.uniform(-np.pi, np.pi, n)
    curvature = rng.uniform(-1, 1, n) * toys.UNIT / 0.6
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(start, phi, curvature, rng.uniform(-2, 2, n))
    hits = toys.toy_hits(toy, 31, position=False)
    values = []
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    options = dataclasses.replace(CONE, quantile=1 - 1e-12, sigma_d0=1e-4)
    for rows in toy.hit_rows():
        # Each particle's first two barrel layers, on its own: no other particle's hits, and none used twice.
        rows = [h for h in rows if radius[h] < 80 and abs(hits.position[h, 2]) < 491]
        layers = hits.layer[rows]
        if len(set(layers.tolist())) < 2:
            continue
        i, j = rows[0], rows[int(np.argmax(layers != layers[0]))]
        values.append((i, j))
    edges = found(hits.take(np.array(values).ravel()), options)
    chosen = (edges.target == edges.source + 1) & (edges.source % 2 == 0)
    assert chosen.sum() > 0.99 * len(values)
    assert stats.kstest(edges.chi2[chosen], "chi2", args=(5,)).pvalue > 1e-3
    pulls = edges.pulls[chosen]
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=0.08)


@pytest.mark.parametrize("steepest", [0.3, 1.1, 1e6])
def test_steeper_edges_than_asked_for_are_left_out_and_no_others(hits, steepest):
    every = found(hits)
    kept = found(hits, dataclasses.replace(CONE, max_cot_theta=steepest))
    within = np.abs(every.cot_theta) <= np.float32(steepest)
    assert pair_set(kept) == pair_set(every.take(np.flatnonzero(within)))
    assert steepest > 10 or 0 < len(kept) < len(every)


def test_softer_tracks_are_left_out_and_asked_for():
    rng = np.random.default_rng(32)
    n = 100
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(
        start, rng.uniform(-np.pi, np.pi, n), np.full(n, toys.UNIT / 0.35), rng.uniform(-2, 2, n)
    )
    hits = toys.toy_hits(toy, 32)
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in toys.follows()}
    shares = [
        len(true & pair_set(found(hits, dataclasses.replace(CONE, min_pt=pt)))) / len(true)
        for pt in (0.5, 0.3)
    ]
    assert shares[0] < 0.02
    assert shares[1] > 0.98


def test_displaced_tracks_are_asked_for_by_a_wider_impact_parameter():
    rng = np.random.default_rng(33)
    n = 100
    phi = rng.uniform(-np.pi, np.pi, n)
    # Straight tracks that pass the beam line at 3 mm.
    start = np.column_stack([-3 * np.sin(phi), 3 * np.cos(phi), rng.normal(0, 50, n)])
    toy = toys.event_of(start, phi, np.full(n, 1e-6), rng.uniform(-1, 1, n))
    hits = toys.toy_hits(toy, 33, sigma=(0.005, 0.002, 0.1, 0.01))
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in toys.follows()}
    shares = [
        len(true & pair_set(found(hits, dataclasses.replace(CONE, sigma_d0=d0)))) / len(true)
        for d0 in (0.05, 2.0)
    ]
    assert shares[0] < 0.7
    assert shares[1] > 0.95


def test_tracks_through_the_gap_between_rings_are_found():
    layers = toys.detector().layers
    first, gap, last = (
        next(k for k in range(len(layers)) if layers.name(k) == name) for name in ("E+1", "E+2", "E+3")
    )
    middle = 0.5 * (layers.gap_low[gap] + layers.gap_high[gap])
    phi = np.linspace(-3, 3, 60)
    toy = toys.event_of(np.zeros((60, 3)), phi, np.full(60, 1e-7), np.full(60, layers.z[gap] / middle))
    hits = toys.toy_hits(toy, 34)
    assert gap not in set(hits.layer.tolist())
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) == (first, last)}
    assert len(true) >= 60
    assert len(true & pair_set(found(hits))) > 0.97 * len(true)


def test_a_layer_without_hits_is_skipped_on_request(toy, hits):
    layers = toys.detector().layers
    b2 = next(k for k in range(len(layers)) if layers.name(k) == "B2")
    rows = np.flatnonzero(hits.layer != b2)
    less = hits.take(rows)
    over = find_edges(less, toys.detector(), layer_pairs(toys.detector(), skips=True), toys.FIELD, CONE)
    b1, b3 = (next(k for k in range(len(layers)) if layers.name(k) == name) for name in ("B1", "B3"))
    particle = toy.particle[rows]
    jumps = (less.layer[over.source] == b1) & (less.layer[over.target] == b3)
    made = set(particle[over.source[jumps & (particle[over.source] == particle[over.target])]].tolist())
    both = {p for p in range(len(toy.phi)) if {b1, b3} <= set(less.layer[particle == p].tolist())}
    assert len(both) > 20
    assert len(both - made) <= 0.05 * len(both)


def test_two_hits_of_a_layer_are_paired_on_request_on_all_sides():
    many = toys.toy_event(250, seed=36, max_eta=3.0, pt=(0.8, 5.0))
    hits = toys.toy_hits(many, 36)
    over = find_edges(hits, toys.detector(), layer_pairs(toys.detector(), overlaps=True), toys.FIELD, CONE)
    same = hits.layer[over.source] == hits.layer[over.target]
    found_pairs = pair_set(over)
    layers, radius = toys.detector().layers, np.hypot(hits.position[:, 0], hits.position[:, 1])
    for side in ("B", "E+", "E-"):
        here = [k for k in range(len(layers)) if layers.name(k).startswith(side)]
        true = {
            (min(pair, key=radius.__getitem__), max(pair, key=radius.__getitem__))
            for rows in many.hit_rows()
            for pair in zip(rows[:-1], rows[1:], strict=True)
            if many.layer[pair[0]] == many.layer[pair[1]] and many.layer[pair[0]] in here
        }
        assert len(true) > 5
        assert len(true - found_pairs) <= 0.1 * len(true)
    assert np.any(same)
    assert not np.any(hits.layer[found(hits).source] == hits.layer[found(hits).target])


@pytest.mark.parametrize("angle", [0.1, 1.0, np.pi, -2.5, "wrap"])
def test_turning_the_event_about_the_beam_changes_nothing(toy, hits, angle):
    if angle == "wrap":
        # The first particle's second hit comes to lie at phi = pi, its others on both sides of it.
        p = hits.position[toy.hit_rows()[0][1]]
        angle = np.pi - np.arctan2(p[1], p[0])
    edges, turned = found(hits), found(toys.rotated(hits, angle))
    first, second = pair_set(edges), pair_set(turned)
    # Only what lies at the cut may depend on rounding.
    every = brute_force(hits)
    assert all(abs(every[p][-1]) < 0.02 for p in first ^ second)
    assert len(first ^ second) < 0.02 * len(first)
    values = {
        p: (edges.chi2[e], edges.curvature[e], edges.z0[e])
        for e, p in enumerate(zip(edges.source, edges.target, strict=True))
    }
    for e, p in enumerate(zip(turned.source, turned.target, strict=True)):
        if p in values:
            got = (turned.chi2[e], turned.curvature[e], turned.z0[e])
            np.testing.assert_allclose(got, values[p], rtol=2e-3, atol=2e-3)


def test_the_order_of_the_hits_changes_nothing(hits):
    shuffled = np.random.default_rng(1).permutation(len(hits))
    edges = found(hits)
    other = found(hits.take(shuffled))
    assert {(int(shuffled[a]), int(shuffled[b])) for a, b in pair_set(other)} == pair_set(edges)


def test_mirroring_z_mirrors_the_edges(hits):
    mirror = np.array([1.0, 1.0, -1.0])
    # Axes x and z mirrored, y the other way: still right-handed, and both slopes' signs follow.
    axes = hits.axes.reshape(-1, 3, 3) * mirror
    n_layers = len(toys.detector().layers)
    layers = toys.detector().layers
    opposite = [
        int(np.argmin(np.abs(layers.z + layers.z[k]) + np.abs(layers.radius - layers.radius[k]))) for k in range(n_layers)
    ]  # fmt: skip
    layer = np.array(opposite, dtype=np.int32)[hits.layer]
    # Any module of the layer: what the search needs of it is in the hits.
    module = np.array([np.argmax(toys.detector().layer_index == k) for k in range(n_layers)], dtype=np.int32)[
        layer
    ]
    other = dataclasses.replace(
        hits,
        position=hits.position * mirror,
        axes=np.ascontiguousarray(axes.reshape(-1, 9)),
        layer=layer,
        module=module,
    )
    edges = found(hits)
    mirrored = found(other)
    assert pair_set(mirrored) == pair_set(edges)


def test_the_grid_spares_most_of_the_pairs(hits):
    edges = found(hits)
    counts = np.bincount(hits.layer, minlength=len(toys.detector().layers))
    n_all = sum(counts[a] * counts[b] for a, b in toys.follows())
    assert len(edges) <= edges.n_tested <= edges.n_looked < 0.2 * n_all


def test_narrower_cones_keep_a_subset(hits):
    wide, narrow = (pair_set(found(hits, dataclasses.replace(CONE, quantile=q))) for q in (0.997, 0.8))
    assert narrow < wide


def test_sigma_scale_is_a_factor_on_the_estimates_sigmas(hits):
    scaled = found(hits, dataclasses.replace(CONE, sigma_scale=2.0))
    doubled = dataclasses.replace(hits.estimate, cholesky=hits.estimate.cholesky * 2)
    wider = found(dataclasses.replace(hits, estimate=doubled))
    assert pair_set(scaled) == pair_set(wider)
    np.testing.assert_allclose(scaled.chi2, wider.chi2, rtol=1e-6)


def test_scattering_only_lowers_chi2(hits):
    without = found(hits)
    material = found(hits, dataclasses.replace(CONE, radiation_length=0.5))
    before = dict(zip(zip(without.source, without.target, strict=True), without.chi2, strict=True))
    after = dict(zip(zip(material.source, material.target, strict=True), material.chi2, strict=True))
    shared = before.keys() & after.keys()
    assert len(shared) > 0.95 * len(before)
    assert all(after[p] <= before[p] * (1 + 1e-6) for p in shared)
    assert sum(after[p] < before[p] * (1 - 1e-6) for p in shared) > 0.5 * len(shared)


@pytest.mark.parametrize(("pt", "cot_theta", "field"), [(1.0, 0.0, 3.8), (0.5, 2.0, 2.0), (5.0, -1.0, -3.8)])
def test_scattering_constant_is_highlands(pt, cot_theta, field):
    curvature = 0.299792458e-3 * field / pt
    theta2 = scattering_constant(field, 0.03) * curvature**2 / (1 + cot_theta**2)
    momentum = pt * np.hypot(1, cot_theta)
    assert np.sqrt(theta2) == pytest.approx(0.0136 / momentum * np.sqrt(0.03), rel=1e-6)


def test_a_layer_without_hits_is_passed_over(hits):
    # B2 is empty: no edges to it or from it, the others as before.
    layers = toys.detector().layers
    b2 = next(k for k in range(len(layers)) if layers.name(k) == "B2")
    rows = np.flatnonzero(hits.layer != b2)
    edges = found(hits.take(rows))
    expected = {(a, b) for a, b in pair_set(found(hits)) if b2 not in hits.layer[[a, b]]}
    assert {(int(rows[a]), int(rows[b])) for a, b in pair_set(edges)} == expected
    assert expected


@pytest.mark.parametrize("pt", [0.13, 0.2])
def test_very_soft_tracks_are_found_when_asked_for(pt):
    rng = np.random.default_rng(37)
    n = 80
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(
        start, rng.uniform(-np.pi, np.pi, n), np.full(n, toys.UNIT / pt), rng.uniform(-1, 1, n)
    )
    hits = toys.toy_hits(toy, 37)
    true = {p for p in toys.true_edges(toy) if tuple(hits.layer[list(p)].tolist()) in toys.follows()}
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    true = {(a, b) for a, b in true if radius[b] > radius[a]}
    assert len(true) > 80
    assert len(true & pair_set(found(hits, dataclasses.replace(CONE, min_pt=0.9 * pt)))) > 0.97 * len(true)


def test_without_field_material_does_not_hide_the_direction():
    """Scattering without field is that of the softest track in the weakest field counted, not a guess without
    bound.
    """
    theta2 = scattering_constant(0.0, 0.03) * (0.299792458e-3 * 1e-3 / 0.5) ** 2
    assert np.sqrt(theta2) == pytest.approx(0.0136 / 0.5 * np.sqrt(0.03), rel=1e-6)


@pytest.mark.parametrize("field", [3.8, 0.5])
def test_a_mirrored_event_in_the_opposite_field_has_the_same_edges(field):
    """y to -y: curvatures and cot beta change sign. Also of softer tracks than those of this field."""
    toy = toys.toy_event(60, seed=38)
    hits = toys.toy_hits(toy, 38)
    mirror = np.array([1.0, -1.0, 1.0])
    # The modules' x and z mirrored; y the other way, so that the frames stay right-handed.
    axes = hits.axes.reshape(-1, 3, 3) * mirror * np.array([1.0, -1.0, 1.0])[:, None]
    sign = np.array([1.0, 1.0, 1.0, -1.0])
    estimate = dataclasses.replace(
        hits.estimate, mean=hits.estimate.mean * sign, cholesky=hits.estimate.cholesky * sign[:, None]
    )
    other = dataclasses.replace(
        hits, position=np.ascontiguousarray(hits.position * mirror),
        axes=np.ascontiguousarray(axes.reshape(-1, 9)),
        estimate=estimate,
    )  # fmt: skip
    edges, mirrored = found(hits, field=field), found(other, field=-field)
    assert pair_set(edges) == pair_set(mirrored)
    assert len(edges) > 60
    by_pair = dict(
        zip(
            zip(edges.source, edges.target, strict=True),
            zip(edges.chi2, edges.curvature, strict=True),
            strict=True,
        )
    )
    for e, p in enumerate(zip(mirrored.source, mirrored.target, strict=True)):
        np.testing.assert_allclose(
            (mirrored.chi2[e], -mirrored.curvature[e]), by_pair[p], rtol=1e-5, atol=1e-5
        )


def share_of_hits(edges):
    """Share of the hits that are an end of an edge."""
    return len(np.union1d(edges.source, edges.target)) / edges.n_hits


def test_a_beam_along_the_axis_makes_no_edges_to_speak_of(hits):
    assert share_of_hits(found(hits)) > 0.9
    # The same number of tracks parallel to the axis, through every second disk.
    layers = toys.detector().layers
    n = 40
    rng = np.random.default_rng(9)
    radius, phi = rng.uniform(40, 160, n), rng.uniform(-np.pi, np.pi, n)
    module, position = [], []
    for k in np.flatnonzero(~layers.barrel & (layers.z > 0)):
        module += [int(np.argmax(toys.detector().layer_index == k))] * n
        position.append(
            np.column_stack([radius * np.cos(phi), radius * np.sin(phi), np.full(n, layers.z[k])])
        )
    rows = np.array(module)
    some = hits.take(np.arange(len(rows)) % len(hits))
    flat = np.column_stack([some.estimate.mean[:, :2], rng.normal(0, 0.01, (len(rows), 2))])
    beam = dataclasses.replace(
        some, module=rows.astype(np.int32),
        layer=toys.detector().layer_index[rows],
        position=np.concatenate(position), estimate=dataclasses.replace(some.estimate, mean=flat),
        axes=np.ascontiguousarray(np.swapaxes(toys.detector().axes[rows], 1, 2).reshape(-1, 9)),
    )  # fmt: skip
    assert share_of_hits(found(beam)) < 0.1
