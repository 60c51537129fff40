import dataclasses

import numpy as np
import pytest
from scipy import stats

from seeding.cones import ConeOptions
from seeding.edges import find_edges, scattering_constant
from smartpix.schema import InputError
from tests.seeding import toys

# No scattering: the independent joint test has none.
CONE = ConeOptions(quantile=0.997, sigma_z0=50.0, sigma_d0=0.05, curvature_pt=0.5, radiation_length=0.0)
SIGMA_CURVATURE = toys.UNIT / 0.5


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(60, seed=11)


@pytest.fixture(scope="module")
def hits(toy):
    return toys.toy_hits(toy, 11)


def found(hits, options=CONE, field=toys.FIELD):
    return find_edges(hits, toys.detector(), toys.pairs(), field, options)


def pair_set(edges):
    return set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def brute_force(hits, options=CONE):
    """Every pair of hits on paired layers: joint chi2, and whether the edge lies in the source's own gates."""
    _, cones = found(hits, options)
    wanted = {tuple(p) for p in toys.pairs().tolist()}
    out = {}
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    for i in range(len(hits)):
        for j in range(len(hits)):
            if (int(hits.layer[i]), int(hits.layer[j])) not in wanted or radius[j] <= radius[i]:
                continue
            if abs(np.angle(np.exp(1j * np.subtract(*np.arctan2(*hits.position[[j, i], 1::-1].T))))) > np.pi / 2:
                continue
            chi2, curvature, slope, z0, residuals = toys.joint_chi2(hits, i, j, options.sigma_z0, SIGMA_CURVATURE)
            pull = np.array([slope - cones.cot_theta[i], curvature - cones.curvature[i]])
            pull /= np.sqrt(cones.covariance[i, [0, 2]])
            out[i, j] = (chi2, curvature, slope, z0, residuals, bool(np.all(np.abs(pull) < options.gate())))
    return out


def test_edges_are_those_of_a_loop_over_all_pairs(hits):
    edges, _ = found(hits)
    pairs = pair_set(edges)
    assert len(pairs) == len(edges) > 100
    every = brute_force(hits)
    cut = CONE.joint_cut()
    # The gates' box on the layer holds everything that lies in the gates themselves: nothing of it may be lost.
    must = {p for p, (chi2, *_, gated) in every.items() if gated and chi2 < cut * (1 - 1e-5)}
    assert must - pairs == set()
    assert all(every[p][0] < cut * (1 + 1e-5) for p in pairs)
    assert len(must) > 0.95 * len(pairs)
    # With what belongs to each edge.
    for e, p in enumerate(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
        chi2, curvature, slope, z0, residuals, _ = every[p]
        assert edges.chi2[e] == pytest.approx(chi2, rel=1e-3, abs=1e-4)
        assert edges.curvature[e] == pytest.approx(curvature, rel=1e-3, abs=1e-8)
        assert edges.cot_theta[e] == pytest.approx(slope, rel=1e-3, abs=1e-5)
        assert edges.z0[e] == pytest.approx(z0, rel=1e-3, abs=1e-3)
        sigma = np.sqrt(hits.cot_covariance[list(p)][:, [0, 2]])
        np.testing.assert_allclose(edges.pulls[e], (residuals / sigma).ravel(), rtol=1e-3, atol=1e-4)
        assert toys.pairs()[edges.pair[e]].tolist() == hits.layer[list(p)].tolist()


def test_every_true_edge_within_the_joint_cut_and_the_gates_is_found(toy, hits):
    edges, _ = found(hits)
    every = brute_force(hits)
    wanted = {tuple(p) for p in toys.pairs().tolist()}
    true = {p for p in toys.true_edges(toy) if (int(hits.layer[p[0]]), int(hits.layer[p[1]])) in wanted}
    assert len(true) > 150
    inside = {p for p in true if p in every and every[p][0] < CONE.joint_cut() * (1 - 1e-5) and every[p][-1]}
    assert len(inside) > 0.98 * len(true)
    assert inside <= pair_set(edges)


def test_the_asked_share_of_true_edges_is_kept():
    toy = toys.toy_event(400, seed=21)
    hits = toys.toy_hits(toy, 21)
    true = toys.true_edges(toy)
    for quantile in (0.9, 0.99):
        options = dataclasses.replace(CONE, quantile=quantile, curvature_pt=0.3)
        kept = len(true & pair_set(found(hits, options)[0])) / len(true)
        # Gate and joint test are asked for the same share; the stiff population is kinder than the prior.
        assert kept > quantile - 0.5 * (1 - quantile) - 0.01


def test_joint_chi2_of_true_pairs_is_a_chi2_of_six_when_the_priors_match():
    rng = np.random.default_rng(31)
    n = 2500
    phi = rng.uniform(-np.pi, np.pi, n)
    curvature = rng.normal(0, SIGMA_CURVATURE / 4, n)
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(start, phi, curvature, rng.uniform(-2, 2, n))
    hits = toys.toy_hits(toy, 31, position=False)
    values = []
    radius = np.hypot(hits.position[:, 0], hits.position[:, 1])
    options = dataclasses.replace(CONE, quantile=1 - 1e-12, curvature_pt=2.0)
    for rows in toy.hit_rows():
        # Each particle's first two barrel layers, on its own: no other particle's hits, and none used twice.
        rows = [h for h in rows if radius[h] < 80 and abs(hits.position[h, 2]) < 491]
        layers = hits.layer[rows]
        if len(set(layers.tolist())) < 2:
            continue
        i, j = rows[0], rows[int(np.argmax(layers != layers[0]))]
        values.append((i, j))
    edges, _ = found(toys.only(hits, np.array(values).ravel()), options)
    chosen = (edges.target == edges.source + 1) & (edges.source % 2 == 0)
    assert chosen.sum() > 0.99 * len(values)
    assert stats.kstest(edges.chi2[chosen], "chi2", args=(6,)).pvalue > 1e-3
    pulls = edges.pulls[chosen]
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=0.08)


@pytest.mark.parametrize("angle", [0.1, 1.0, np.pi, -2.5, "wrap"])
def test_turning_the_event_about_the_beam_changes_nothing(toy, hits, angle):
    if angle == "wrap":
        # The first particle's second hit comes to lie at phi = pi, its others on both sides of it.
        p = hits.position[toy.hit_rows()[0][1]]
        angle = np.pi - np.arctan2(p[1], p[0])
    edges, cones = found(hits)
    turned, turned_cones = found(toys.rotated(hits, angle))
    np.testing.assert_allclose(turned_cones.cot_theta, cones.cot_theta, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(turned_cones.curvature, cones.curvature, rtol=1e-7, atol=1e-12)
    first, second = pair_set(edges), pair_set(turned)
    # Only what lies outside the gates may depend on the grid's cells.
    every = brute_force(hits)
    assert all(not every[p][-1] for p in first ^ second)
    assert len(first ^ second) < 0.02 * len(first)
    values = {
        p: (edges.chi2[e], edges.curvature[e], edges.z0[e]) for e, p in enumerate(zip(edges.source, edges.target, strict=True))
    }
    for e, p in enumerate(zip(turned.source, turned.target, strict=True)):
        if p in values:
            got = (turned.chi2[e], turned.curvature[e], turned.z0[e])
            np.testing.assert_allclose(got, values[p], rtol=1e-4, atol=1e-5)


def test_the_order_of_the_hits_changes_nothing(hits):
    shuffled = np.random.default_rng(1).permutation(len(hits))
    edges, _ = found(hits)
    other, _ = found(toys.only(hits, shuffled))
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
    other = dataclasses.replace(
        hits, position=hits.position * mirror, axes=np.ascontiguousarray(axes.reshape(-1, 9)),
        layer=np.array(opposite, dtype=np.int32)[hits.layer],
    )  # fmt: skip
    edges, _ = found(hits)
    mirrored, _ = found(other)
    assert pair_set(mirrored) == pair_set(edges)


def test_the_grid_spares_most_of_the_pairs(hits):
    edges, _ = found(hits)
    counts = np.bincount(hits.layer, minlength=len(toys.detector().layers))
    n_all = sum(counts[a] * counts[b] for a, b in toys.pairs())
    assert len(edges) <= edges.n_tested < 0.3 * n_all


def test_narrower_cones_keep_a_subset(hits):
    wide, narrow = (pair_set(found(hits, dataclasses.replace(CONE, quantile=q))[0]) for q in (0.997, 0.8))
    assert narrow < wide


def test_sigma_scale_is_a_factor_on_the_estimates_sigmas(hits):
    scaled, _ = found(hits, dataclasses.replace(CONE, sigma_scale=2.0))
    wider, _ = found(dataclasses.replace(hits, cot_covariance=hits.cot_covariance * 4))
    assert pair_set(scaled) == pair_set(wider)
    np.testing.assert_array_equal(scaled.chi2, wider.chi2)


def test_scattering_only_lowers_chi2(hits):
    without, _ = found(hits)
    material, _ = found(hits, dataclasses.replace(CONE, radiation_length=0.5))
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


def test_too_many_edges_are_refused_with_the_way_out(hits):
    n = len(found(hits)[0])
    assert len(found(hits, dataclasses.replace(CONE, max_edges=n))[0]) == n
    with pytest.raises(InputError, match=rf"more than max_edges = {n - 1} edges; lower the quantile or raise"):
        found(hits, dataclasses.replace(CONE, max_edges=n - 1))


def test_a_layer_without_hits_is_passed_over(hits):
    # B2 is empty: no edges to it or from it, the others as before.
    layers = toys.detector().layers
    b2 = next(k for k in range(len(layers)) if layers.name(k) == "B2")
    rows = np.flatnonzero(hits.layer != b2)
    edges, _ = found(toys.only(hits, rows))
    expected = {(a, b) for a, b in pair_set(found(hits)[0]) if b2 not in hits.layer[[a, b]]}
    assert {(int(rows[a]), int(rows[b])) for a, b in pair_set(edges)} == expected
    assert expected


@pytest.mark.parametrize("rows", [[], [0]])
def test_an_event_of_no_or_one_hit_has_no_edges(hits, rows):
    edges, cones = found(toys.only(hits, np.array(rows, dtype=int)))
    assert len(edges) == 0
    assert len(cones.cot_theta) == len(rows)
    assert edges.pulls.shape == (0, 4)
    assert edges.n_tested == 0
    for name in ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0"):
        assert getattr(edges, name).shape == (0,)


def test_without_field_straight_tracks_make_edges():
    rng = np.random.default_rng(5)
    n = 40
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(start, rng.uniform(-np.pi, np.pi, n), np.zeros(n), rng.uniform(-2, 2, n))
    # A small position error would be a curvature far outside a zero field's prior.
    hits = toys.toy_hits(toy, 5, position=False)
    edges, _ = found(hits, field=0.0)
    assert np.all(np.isfinite(edges.chi2))
    true = toys.true_edges(toy)
    assert len(true & pair_set(edges)) > 0.97 * len(true)
