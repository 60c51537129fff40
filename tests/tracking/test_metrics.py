import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tracking import metrics


def event_of(truth, particles, layer):
    """Cluster and particle records: ``truth`` lists (particle_id, share, order) of every cluster.

    Particles are (particle_id, px, py, pz, charge), and perhaps (vx, vy, vz) behind, else from 0.
    """
    counts = np.array([len(t) for t in truth], dtype=np.int64)
    flat = [entry for t in truth for entry in t]
    columns = {
        "particle_id": np.array([e[0] for e in flat], dtype=np.int64),
        "share": np.array([e[1] for e in flat], dtype=np.float32),
        "order": np.array([e[2] for e in flat], dtype=np.int32),
    }
    clusters = ak.zip(
        {"hit_id": np.arange(len(truth)), "truth": ak.unflatten(ak.zip(columns), counts)}, depth_limit=1
    )
    fields = ("particle_id", "px", "py", "pz", "charge", "vx", "vy", "vz")
    particles = [(*p, 0.0, 0.0, 0.0)[:8] for p in particles]
    table = {
        n: np.array([p[k] for p in particles], dtype=np.int64 if k == 0 else np.float32)
        for k, n in enumerate(fields)
    }
    return clusters, ak.zip(table), np.array(layer, dtype=np.int32)


def truth_of(*event):
    return metrics.event_truth(*event_of(*event))


def random_event(seed, n_particles=14, n_layers=6):
    """Particles with any momentum, crossings in order with gaps, overlaps on a layer, merged and noise
    clusters.
    """
    rng = np.random.default_rng(seed)
    particles = []
    ids = rng.choice(np.arange(1, 500), n_particles, replace=False)
    for p in range(n_particles):
        px, py = rng.normal(0, 1.5, 2)
        charge = float(rng.choice([-1, 0, 1], p=[0.45, 0.1, 0.45]))
        vertex = (10 ** rng.uniform(-3, 3), 0.0, rng.normal(0, 50))
        particles.append((int(ids[p]), px, py, rng.normal(0, 4), charge, *vertex))
    truth, layer = [], []
    for p in range(n_particles):
        order = int(rng.integers(0, 3))
        for k in range(int(rng.integers(0, 2)), n_layers):
            if rng.random() < 0.12:
                order += 1  # a crossing that left no cluster
                continue
            for _ in range(1 + (rng.random() < 0.2)):
                share = float(
                    rng.choice([1.0, 0.6, 0.3, 0.12, 0.09, 0.02], p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
                )
                here = [
                    h
                    for h in range(len(truth))
                    if layer[h] == k and all(e[0] != particles[p][0] for e in truth[h])
                ]
                if here and rng.random() < 0.15:
                    truth[int(rng.choice(here))].append((particles[p][0], share, order))
                else:
                    truth.append([(particles[p][0], share, order)])
                    layer.append(k)
                order += 1
    for _ in range(5):
        truth.append([(9999, 0.9, 0)] if rng.random() < 0.5 else [])
        layer.append(int(rng.integers(0, n_layers)))
    shuffled = rng.permutation(len(truth))
    return [truth[i] for i in shuffled], particles, [layer[i] for i in shuffled]


def by_loops(truth, particles, layer):
    """Who made what, findable, and true edges with plain Python."""
    made = {p[0]: [] for p in particles}
    for h, entries in enumerate(truth):
        for who, share, order in entries:
            if who in made and np.float32(share) >= np.float32(0.1):
                made[who].append((order, h))
    findable, edges = set(), {}
    for who, px, py, pz, charge, *_ in particles:
        pt = float(np.hypot(np.float32(px), np.float32(py)))
        eta = -np.log(np.tan(np.arctan2(pt, pz) / 2))
        if charge != 0 and pt > 0.9 and abs(eta) < 2.5 and len({layer[h] for _, h in made[who]}) >= 4:
            findable.add(who)
        crossings = sorted(made[who])
        for a, (first, h) in enumerate(crossings):
            for second, g in crossings[a + 1 :]:
                if layer[g] == layer[h]:
                    continue
                # All crossings in between were seen, and lie on the two layers: first the one's, then the
                # other's.
                between = [(o, x) for o, x in crossings if first <= o <= second]
                path = [layer[x] for _, x in between]
                switch = path.index(layer[g]) if layer[g] in path else -1
                sides = set(path[:switch]) == {layer[h]} and set(path[switch:]) == {layer[g]}
                gap = between[switch][0] - between[switch - 1][0] > 1
                if sides and not gap:
                    edges.setdefault((h, g), []).append(who)
    return made, findable, edges


@pytest.mark.parametrize("seed", range(12))
def test_truth_of_a_random_event_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, findable, edges = by_loops(*event)
    assert truth.particle_id.tolist() == sorted(made)
    momentum = {p[0]: p for p in event[1]}
    for row, who in enumerate(truth.particle_id.tolist()):
        assert truth.n_hits[row] == len({h for _, h in made[who]})
        assert truth.n_layers[row] == len({event[2][h] for _, h in made[who]})
        assert truth.findable[row] == (who in findable)
        assert truth.pt[row] == pytest.approx(np.hypot(*momentum[who][1:3]), rel=1e-5)
    pairs = {(int(h), int(truth.particle_id[p])) for h, p in zip(truth.hit, truth.particle, strict=True)}
    assert pairs == {(h, who) for who, hits in made.items() for _, h in hits}
    assert np.all(np.diff(truth.hit) >= 0)
    assert {tuple(e) for e in truth.edges.tolist()} == set(edges)
    assert len(truth.edges) == len(edges)
    for (a, b), pt, good in zip(truth.edges.tolist(), truth.edge_pt, truth.edge_findable, strict=True):
        assert pt == pytest.approx(max(np.hypot(*momentum[who][1:3]) for who in edges[a, b]), rel=1e-5)
        assert good == any(who in findable for who in edges[a, b])


@pytest.mark.parametrize("seed", range(6))
def test_edge_score_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    _, findable, edges = by_loops(*event)
    momentum = {p[0]: np.hypot(*p[1:3]) for p in event[1]}
    rng = np.random.default_rng([seed, 1])
    kept = [e for e in edges if rng.random() < 0.6]
    n = len(event[0])
    kept += [p for p in {tuple(p) for p in rng.integers(0, n, (40, 2)).tolist()} if p not in edges]
    rng.shuffle(kept)
    source, target = np.array(kept, dtype=np.int32).T
    labels = metrics.edge_labels(truth, source, target)
    assert labels.tolist() == [e in edges for e in kept]
    score = metrics.score_edges(truth, source, target)
    wanted = [e for e, who in edges.items() if findable & set(who)]
    soft = [e for e, who in edges.items() if max(momentum[w] for w in who) > 0.5]
    assert score == metrics.EdgeScore(
        n_edges=len(kept), n_true=sum(e in edges for e in kept), n_wanted=len(wanted),
        n_found=len(set(wanted) & set(kept)),
        n_wanted_0p5=len(soft), n_found_0p5=len(set(soft) & set(kept)),
    )  # fmt: skip
    assert score.n_wanted > 0


@pytest.mark.parametrize("seed", range(6))
def test_track_score_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, _, _ = by_loops(*event)
    hits_of = {who: {h for _, h in hits} for who, hits in made.items()}
    rng = np.random.default_rng([seed, 2])
    tracks = [rng.choice(len(event[0]), int(rng.integers(3, 8)), replace=False) for _ in range(10)]
    for hits in hits_of.values():
        for share in (1.0, 0.7, 0.5):
            part = [h for h in sorted(hits) if rng.random() < share]
            noise = rng.choice(len(event[0]), int(rng.integers(0, 4)), replace=False).tolist()
            if part + noise:
                tracks.append(np.array(sorted(set(part) | set(noise)), dtype=np.int64))
    score = metrics.score_tracks(truth, tracks)
    seen = set()
    for t, rows in enumerate(tracks):
        shared = {who: len(hits & set(rows.tolist())) for who, hits in hits_of.items()}
        matches = {w: n for w, n in shared.items() if n > len(rows) / 2 and n >= len(hits_of[w]) / 2}
        assert score.hit_fraction[t] == pytest.approx(max(shared.values()) / len(rows))
        if not matches:
            assert score.particle[t] == -1
            assert not score.duplicate[t]
            continue
        who = int(truth.particle_id[score.particle[t]])
        assert matches.get(who) == max(matches.values())
        assert score.duplicate[t] == (who in seen)
        seen.add(who)
    assert {int(w) for w in truth.particle_id[score.found]} == seen
    assert np.any(score.duplicate)
    assert np.any(score.particle < 0)


@pytest.mark.parametrize("seed", range(6))
def test_seed_efficiency_is_that_of_straight_loops(seed):
    event = random_event(seed)
    truth = truth_of(*event)
    made, _, _ = by_loops(*event)
    hits_of = {who: {h for _, h in hits} for who, hits in made.items()}
    rng = np.random.default_rng([seed, 3])
    seeds = [rng.choice(len(event[0]), 3, replace=False) for _ in range(20)]
    seeds += [
        rng.choice(sorted(h), 3, replace=False) for h in hits_of.values() if len(h) > 3 and rng.random() < 0.6
    ]
    expected = {who for who, hits in hits_of.items() if any(set(s.tolist()) <= hits for s in seeds)}
    found = metrics.seed_efficiency(truth, np.array(seeds, dtype=np.int32))
    assert {int(w) for w in truth.particle_id[found]} == expected
    assert 0 < len(expected) < len(hits_of)


TRACK = [(7, 1.0, -0.2, 0.3, 1.0)]


def test_a_missing_crossing_leaves_no_true_edge():
    # Order 2 left no cluster: nothing joins 1 and 3.
    truth = truth_of([[(7, 1.0, o)] for o in (0, 1, 3, 4)], TRACK, [0, 1, 3, 4])
    assert truth.edges.tolist() == [[0, 1], [2, 3]]


def test_overlapping_modules_of_a_layer_all_join_the_next():
    truth = truth_of([[(7, 1.0, o)] for o in range(4)], TRACK, [0, 1, 1, 2])
    assert truth.edges.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]


def test_a_share_below_a_tenth_counts_for_nothing():
    # The cluster on layer 1 is the particle's at 0.1, and not at 0.09: then its crossing counts as lost.
    for share, n_hits, edges in ((0.1, 4, [[0, 1], [1, 2], [2, 3]]), (0.09, 3, [[2, 3]])):
        entries = [[(7, 1.0, 0)], [(7, share, 1), (8, 1 - share, 0)], [(7, 1.0, 2)], [(7, 1.0, 3)]]
        truth = truth_of(entries, [*TRACK, (8, 0.1, 0, 0, 1.0)], [0, 1, 2, 3])
        assert truth.n_hits.tolist() == [n_hits, 1]
        assert truth.findable.tolist() == [n_hits == 4, False]
        assert truth.edges.tolist() == edges


def test_a_merged_cluster_counts_for_both_particles():
    # Two particles share the cluster on layer 1.
    entries = [[(7, 1.0, 0)], [(8, 1.0, 0)], [(7, 0.5, 1), (8, 0.5, 1)], [(7, 1.0, 2)], [(8, 1.0, 2)]]
    truth = truth_of(entries, [*TRACK, (8, 2.0, 0, 0, -1.0)], [0, 0, 1, 2, 2])
    assert truth.n_hits.tolist() == [3, 3]
    assert truth.edges.tolist() == [[0, 2], [1, 2], [2, 3], [2, 4]]
    score = metrics.score_tracks(truth, [np.array([0, 2, 3]), np.array([1, 2, 4])])
    assert score.particle.tolist() == [0, 1]
    assert score.hit_fraction.tolist() == [1, 1]
    found = metrics.seed_efficiency(truth, np.array([[1, 2, 4]], dtype=np.int32))
    assert found.tolist() == [False, True]


def test_an_edge_two_particles_made_belongs_to_the_stiffer():
    entries = [[(7, 0.5, 0), (8, 0.5, 0)], [(7, 0.5, 1), (8, 0.5, 1)]]
    truth = truth_of(entries, [*TRACK, (8, 3.0, 4.0, 0, -1.0)], [0, 1])
    assert truth.edges.tolist() == [[0, 1]]
    assert truth.edge_pt[0] == pytest.approx(5)


@pytest.mark.parametrize(("pt", "counted"), [(0.5, 0), (0.52, 1)])
def test_an_edge_counts_as_soft_above_half_a_gev(pt, counted):
    truth = truth_of([[(7, 1.0, 0)], [(7, 1.0, 1)]], [(7, pt, 0, 0, 1.0)], [0, 1])
    both = metrics.score_edges(truth, np.array([0], dtype=np.int32), np.array([1], dtype=np.int32))
    none = metrics.score_edges(truth, np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32))
    assert (both.n_wanted_0p5, both.n_found_0p5) == (counted, counted)
    assert (none.n_wanted_0p5, none.n_found_0p5) == (counted, 0)


def test_a_particle_of_exactly_the_least_pt_is_not_findable():
    clusters, particles, layer = event_of([[(7, 1.0, o)] for o in range(4)], [(7, 0.0, 0, 0, 1.0)], range(4))
    for pt, findable in ((0.9, False), (np.nextafter(0.9, 1), True)):
        particles["px"] = np.array([pt])
        assert metrics.event_truth(clusters, particles, layer).findable.tolist() == [findable]


def test_bins_of_pt_are_thirteen_of_one_ratio_over_two_decades():
    np.testing.assert_allclose(metrics.PT_BINS, [0.2 * 100 ** (k / 13) for k in range(14)])


def test_an_edge_backwards_is_not_true():
    truth = truth_of([[(7, 1.0, 0)], [(7, 1.0, 1)]], TRACK, [0, 1])
    forth, back = np.array([0], dtype=np.int32), np.array([1], dtype=np.int32)
    assert metrics.edge_labels(truth, forth, back).tolist() == [True]
    assert metrics.edge_labels(truth, back, forth).tolist() == [False]


def test_exactly_half_of_the_track_is_no_majority_and_half_of_the_particle_is():
    truth = truth_of([[(7, 1.0, o)] for o in range(4)] + [[], []], TRACK, [0, 1, 2, 3, 0, 1])
    tracks = [np.array(t) for t in ([0, 1, 4, 5], [0, 1], [0, 1, 4], [0], [0, 1, 2, 3])]
    score = metrics.score_tracks(truth, tracks)
    assert score.particle.tolist() == [-1, 0, 0, -1, 0]
    assert score.duplicate.tolist() == [False, False, True, False, True]
    assert score.hit_fraction.tolist() == pytest.approx([0.5, 1, 2 / 3, 1, 1])


@pytest.mark.parametrize(
    ("particle", "layers", "findable"),
    [((7, 0.91, 0, 0, 1), 4, True), ((7, 0.89, 0, 0, 1), 4, False), ((7, 1, 0, np.sinh(2.49), 1), 4, True),
     ((7, 1, 0, np.sinh(-2.51), 1), 4, False), ((7, 2, 0, 0, 0), 4, False), ((7, 2, 0, 0, -1), 3, False)],
)  # fmt: skip
def test_findable_is_charged_stiff_central_and_seen_on_four_layers(particle, layers, findable):
    truth = truth_of([[(7, 1.0, o)] for o in range(5)], [particle], [min(k, layers - 1) for k in range(5)])
    assert truth.findable.tolist() == [findable]


def test_pseudorapidity_is_that_of_the_polar_angle():
    theta = np.array([0.1, 1.0, np.pi / 2, 2.5])
    eta = metrics.pseudorapidity(np.sin(theta) * 0.6, np.sin(theta) * -0.8, np.cos(theta))
    np.testing.assert_allclose(eta, -np.log(np.tan(theta / 2)), atol=1e-12)
    assert metrics.pseudorapidity([0, 0], [0, 0], [1, -1]).tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize(
    "event",
    [
        ([], [], []),
        ([], TRACK, []),
        ([[], []], [], [0, 1]),
        ([[], []], TRACK, [0, 1]),
        ([[(9, 1.0, 0)]], TRACK, [0]),
    ],
)
def test_events_without_truth_entries_score_zero(event):
    truth = truth_of(*event)
    assert truth.edges.shape == (0, 2)
    assert not np.any(truth.findable)
    none = np.zeros(0, dtype=np.int32)
    assert metrics.score_edges(truth, none, none) == metrics.EdgeScore(0, 0, 0, 0, 0, 0)
    assert metrics.score_tracks(truth, []).particle.shape == (0,)
    assert metrics.seed_efficiency(truth, np.zeros((0, 3), dtype=np.int32)).tolist() == [False] * len(
        event[1]
    )
    if event[0]:
        rows = np.array([0], dtype=np.int32)
        assert metrics.edge_labels(truth, rows, rows).tolist() == [False]
        assert metrics.score_tracks(truth, [np.array([0])]).particle.tolist() == [-1]
        assert not np.any(metrics.seed_efficiency(truth, np.array([[0, 0, 0]], dtype=np.int32)))


def test_a_track_of_noise_alone_is_a_fake():
    truth = truth_of([[(7, 1.0, 0)], [], []], TRACK, [0, 1, 2])
    score = metrics.score_tracks(truth, [np.array([1, 2])])
    assert score.particle.tolist() == [-1]
    assert score.hit_fraction.tolist() == [0]


@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_clopper_pearson_is_scipys_exact_interval(level):
    cases = [(0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (1, 1000), (999, 1000), (50, 100)]
    passed, total = np.array(cases, dtype=float).T
    low, high = metrics.clopper_pearson(passed, total, level)
    for k, (p, n) in enumerate(cases):
        # At 0 and n SciPy's two-sided interval, too, keeps the whole tail on the open side only.
        exact = binomtest(p, n).proportion_ci(confidence_level=level, method="exact")
        assert low[k] == pytest.approx(exact.low, abs=1e-9)
        assert high[k] == pytest.approx(exact.high, abs=1e-9)


def test_clopper_pearson_of_an_empty_bin_is_everything():
    low, high = metrics.clopper_pearson(np.array([0.0]), np.array([0.0]))
    assert (low[0], high[0]) == (0, 1)


def wrapped(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0, 1))
def test_distance_to_the_next_particle_is_that_of_a_double_loop(seed, n, share):
    rng = np.random.default_rng(seed)
    eta = rng.normal(0, 2, n)
    phi = rng.choice([rng.uniform(-np.pi, np.pi), np.pi, -np.pi, -1e-17, 0.0], n) + rng.choice(
        [0.0, 0.1], n
    ) * rng.normal(0, 1, n)
    others = rng.random(n) < share
    expected = []
    for i in range(n):
        apart = [
            np.hypot(eta[i] - eta[j], wrapped(phi[i] - phi[j])) for j in range(n) if others[j] and j != i
        ]
        expected.append(min(apart, default=np.inf))
    np.testing.assert_allclose(metrics.nearest_distance(eta, phi, others), expected, atol=1e-12)


def test_a_particle_along_the_beam_has_no_neighbour_and_is_none():
    eta, phi = np.array([np.inf, 1.0, 1.0]), np.array([0.0, np.pi - 0.01, 0.01 - np.pi])
    distance = metrics.nearest_distance(eta, phi, np.ones(3, dtype=bool))
    assert distance[0] == np.inf
    assert distance[1:] == pytest.approx([0.02, 0.02])


def test_the_next_particle_is_charged_and_seen_on_four_layers():
    # 7 is asked for; 8 is next but neutral, 9 is seen on three layers only, 10 counts, soft as it is.
    entries = [[(7, 0.3, k), (8, 0.3, k), (10, 0.3, k)] + [(9, 0.1, k)] * (k < 3) for k in range(4)]
    at = {
        who: (who, pt, pt * angle, 0.0, charge)
        for who, pt, angle, charge in ((7, 2, 0, 1), (8, 2, 1e-3, 0), (9, 2, 2e-3, 1), (10, 0.2, 0.3, -1))
    }
    truth = truth_of(entries, list(at.values()), [0, 1, 2, 3])
    assert truth.distance[0] == pytest.approx(np.arctan(0.3), rel=1e-4)
    assert truth.distance[2] == pytest.approx(2e-3, rel=1e-2)


def test_pileup_comes_from_how_the_file_was_made():
    def made(**generate):
        return {"options": {"generate": generate}}

    assert metrics.pileup_of(made(pileup=60, gun=0)) == 60
    assert metrics.pileup_of(made(pileup=0)) == 0
    # A gun's file holds the default of pile-up, too.
    assert metrics.pileup_of(made(pileup=200, gun=10)) is None
    for unknown in ({}, {"options": None}, {"options": {"generate": 3}}, made(), made(pileup="many")):
        assert metrics.pileup_of(unknown) is None


@pytest.mark.parametrize("seed", range(4))
def test_efficiency_counts_are_those_of_straight_loops(seed):
    truth, particles, layer = random_event(seed, n_particles=60)
    event = event_of(truth, particles, layer)
    truth = metrics.event_truth(*event, pileup=37)
    found = np.random.default_rng([seed, 4]).random(len(truth.pt)) < 0.6
    counts = metrics.efficiency_counts(truth, found)
    assert set(counts) == set(metrics.BINS)
    inside = {"distance": (1e-3, 0.999), "radius": (0.01, 299)}
    expected = {name: np.zeros((2, len(edges) - 1, 2), dtype=int) for name, edges in metrics.BINS.items()}
    for row in range(len(truth.pt)):
        values = {
            "pt": truth.pt[row], "eta": truth.eta[row], "pileup": 37,
            "distance": truth.distance[row], "radius": np.hypot(*truth.vertex[row, :2]),
        }  # fmt: skip
        for name, value in values.items():
            low, high = inside.get(name, (-np.inf, np.inf))
            value = min(max(value, low), high)
            physics = (
                truth.charge[row] != 0 and abs(truth.eta[row]) < 2.5 and (name == "pt" or truth.pt[row] > 0.9)
            )
            bins = [
                b
                for b in range(len(metrics.BINS[name]) - 1)
                if metrics.BINS[name][b] <= value < metrics.BINS[name][b + 1]
            ]
            for b in bins:
                expected[name][1, b, int(found[row])] += physics
                expected[name][0, b, int(found[row])] += physics and truth.n_layers[row] >= 4
    for name, histogram in counts.items():
        assert histogram.axes[0].name == name
        for k, of in enumerate(("technical", "physics")):
            np.testing.assert_array_equal(histogram[:, of, :].values(), expected[name][k])
    assert counts["radius"][:, "technical", :].sum() == truth.findable.sum() > 0
    assert counts["distance"][:, "physics", True].sum() == np.sum(truth.accepted & found)


def test_pileup_is_left_out_where_it_is_not_known():
    truth = truth_of(*random_event(1))
    assert "pileup" not in metrics.efficiency_counts(truth, np.zeros(len(truth.pt), dtype=bool))


def test_physics_efficiency_is_of_all_charged_particles_whatever_their_layers():
    particles = [
        (1, 1.0, 0, 0, 1),
        (2, 1.0, 0, 0, 0),
        (3, 0.8, 0, 0, 1),
        (4, 1.0, 0, np.sinh(2.6), -1),
        (5, 1.0, 0, 0, -1, 90.0, 0, 0),
    ]
    truth = truth_of([[(1, 1.0, 0)]], particles, [0])
    assert truth.accepted.tolist() == [True, False, False, False, True]
    assert not np.any(truth.findable)


def test_fakes_and_duplicates_are_counted_where_they_were_fitted():
    theta, qop = np.array([np.pi / 2, np.pi / 2, 0.2, 0.2]), np.array([0.5, -0.5, 0.1, 0.0])
    score = metrics.TrackScore(
        np.array([3, 3, -1, -1]), np.ones(4), np.array([False, True, False, False]), np.ones(5, dtype=bool)
    )
    counts = metrics.track_counts(theta, qop, score)
    at = np.digitize(2.0, metrics.TRACK_BINS["pt"]) - 1
    assert [counts["pt"][at, kind] for kind in ("good", "duplicate", "fake")] == [1, 1, 1]
    # sin(0.2) / 0.1 is near 2, too. Without curvature the pT is infinite, beyond the bins.
    assert counts["pt"][:, "fake"].values().sum() == 1
    assert counts["eta"][np.digitize(-np.log(np.tan(0.1)), metrics.TRACK_BINS["eta"]) - 1, "fake"] == 2
    assert counts["eta"].sum() == 4
