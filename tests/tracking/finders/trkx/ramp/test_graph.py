"""The graph of a RAMP event against straight loops and exact circles, and its clusters against the truth."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.tracking.finders.trkx.ramp.hand_made import (
    CLEAN,
    check_order_decides_nothing,
    hits_at,
    same_partition,
    taken,
    truth,
)
from tracking.finders.trkx.ramp.events import BEND, N_LAYERS, RADII, make_ramp
from tracking.finders.trkx.ramp.graph import (
    CURVATURE,
    RampGraphNetwork,
    graph_clusters,
    joined,
    pair_labels,
    ramp_graph,
    windows,
)
from tracking.finders.trkx.ramp.graph_kernels import circles, hit_pairs, pair_triples
from tracking.finders.trkx.ramp.options import RampOptions


def in_order(hits):
    return taken(hits, np.lexsort((hits.phi, hits.layer)))


class Told(nn.Module):
    """Gives these logits whatever it reads."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.from_numpy(logits)

    def of_graph(self, graph):
        return self.logits


def test_pairs_and_triples_are_those_of_straight_loops():
    hits = in_order(make_ramp(RampOptions(tracks=6), 1, 31).hits(0))
    first = np.searchsorted(hits.layer, np.arange(N_LAYERS + 1))
    window = windows()
    pairs, turn = hit_pairs(first, hits.phi, window)
    expected = []
    for a in range(len(hits.phi)):
        for b in range(len(hits.phi)):
            step = hits.layer[b] - hits.layer[a]
            off = np.angle(np.exp(1j * (hits.phi[b] - hits.phi[a])))
            if step in (1, 2) and abs(off) < window[step - 1, hits.layer[a]]:
                expected.append((a, b, off))
    expected = sorted(expected)
    assert sorted(zip(*pairs.tolist(), strict=True)) == [(a, b) for a, b, _ in expected]
    order = np.lexsort(pairs[::-1])
    np.testing.assert_allclose(turn[order], [off for *_, off in expected], atol=1e-12)
    n = pairs.shape[1]
    triples = {(p, q) for p in range(n) for q in range(n) if pairs[1, p] == pairs[0, q]}
    found = pair_triples(pairs, len(hits.phi))
    assert set(zip(*found.tolist(), strict=True)) == triples
    assert found.shape[1] == len(triples)


@given(
    st.floats(-1e-3, 1e-3).filter(lambda k: abs(k) > 1e-7), st.floats(-3, 3), st.floats(0, 6.28),
    st.sampled_from([(0, 1, 2), (0, 2, 4), (3, 5, 6), (6, 7, 8)]),
)  # fmt: skip
def test_circles_of_three_hits_are_the_tracks(curvature, distance, phi, layers):
    r = RADII[list(layers)]
    sine = distance / r + curvature * r / 2
    # Where the track is, by its path: the centre lies across its direction at its closest approach.
    centre = np.array([-np.sin(phi), np.cos(phi)]) / curvature
    # The signed distance from the beam is exact to the second order in it.
    beam = np.array([-np.sin(phi), np.cos(phi)]) * -distance
    centre = centre + beam
    to_centre, bend = np.hypot(*centre), 1 / abs(curvature)
    cosine = (r**2 + to_centre**2 - bend**2) / (2 * r * to_centre)
    azimuths = np.arctan2(centre[1], centre[0]) - np.sign(curvature) * np.arccos(cosine)
    found = circles(r, azimuths, np.arange(3)[:, None])
    assert np.all(np.abs(sine) < 1)
    assert found[0, 0] == pytest.approx(curvature, rel=1e-5, abs=1e-10)
    assert found[1, 0] == pytest.approx(distance - curvature * distance**2 / 2, abs=2e-4)


def test_features_of_a_stiff_track_from_the_beam():
    curvature = 1 / (BEND * 5)
    hits = hits_at(*((layer, 1 + np.arcsin(curvature * RADII[layer] / 2)) for layer in (0, 1, 3, 4)))
    graph = ramp_graph(hits)
    assert list(zip(*graph.pairs.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3)]
    assert graph.triples.tolist() == [[0, 1], [1, 2]]
    assert np.argmax(graph.pair_features[:, :N_LAYERS], axis=1).tolist() == [0, 1, 3]
    assert graph.pair_features[:, N_LAYERS].tolist() == [0, 1, 0]
    np.testing.assert_allclose(graph.pair_features[:, -2], np.arcsinh(curvature / CURVATURE), rtol=1e-3)
    np.testing.assert_allclose(graph.triple_features[:, 0], np.arcsinh(curvature / CURVATURE), rtol=1e-3)
    np.testing.assert_allclose(graph.triple_features[:, 1:], 0, atol=1e-3)


def test_pairs_are_told_in_windows_and_distances_in_their_spread():
    """Of a soft track and of a straight one, whose momentum counts as the largest of the challenge."""
    for pt, capped in ((0.5, 0.5), (1e6, 10.0)):
        bend = np.arcsin(RADII[[0, 1, 3]] / (2 * BEND * pt)) + 1
        # Away from the track in the middle, so that the circle misses the beam.
        graph = ramp_graph(hits_at((0, bend[0]), (1, bend[1] + 2e-4), (3, bend[2])))
        turn = bend[1] + 2e-4 - bend[0], bend[2] - bend[1] - 2e-4
        expected = [turn[0] / windows()[0, 0], turn[1] / windows()[1, 1]]
        np.testing.assert_allclose(graph.pair_features[:, -1], expected, rtol=1e-5)
        distance, told = np.sinh(graph.triple_features[0, 1:].astype(float))
        curvature = CURVATURE * np.sinh(float(graph.triple_features[0, 0]))
        own = min(1 / (BEND * abs(curvature)), 10.0)
        assert own == pytest.approx(capped, rel=0.1)
        # 13.6 MeV times the root of the thickness in radiation lengths; the vertices' width is 2/3 mm.
        kick = 0.0136 * np.sqrt(0.02) / own
        assert told == pytest.approx(distance / np.hypot(2 / 3, RADII[1] * kick), rel=1e-5)
        assert abs(distance) > 1e-3


def test_messages_are_those_of_a_loop():
    torch.manual_seed(3)
    network = RampGraphNetwork(6, 2).eval()
    graph = ramp_graph(in_order(make_ramp(RampOptions(tracks=3), 1, 36).hits(0)))
    inner, outer = graph.triples
    with torch.inference_mode():
        h = network.encode_pair(torch.from_numpy(graph.pair_features))
        t = list(network.encode_triple(torch.from_numpy(graph.triple_features)))
        assert len(t) > 20
        for triple_block, pair_block in zip(network.triple_blocks, network.pair_blocks, strict=True):
            gates = []
            for k, (p, q) in enumerate(graph.triples.T.tolist()):
                answer = triple_block(torch.cat((h[p], h[q], t[k])))
                t[k] = t[k] + answer[:6]
                gates.append(1 / (1 + torch.exp(-answer[6:])))
            ends = [
                [
                    sum((t[k] * gates[k] for k in np.flatnonzero(end == p)), torch.zeros(6))
                    for p in range(len(h))
                ]
                for end in (outer, inner)
            ]
            h = torch.stack(
                [h[p] + pair_block(torch.cat((h[p], ends[0][p], ends[1][p]))) for p in range(len(h))]
            )
        expected = network.classify(h)[:, 0]
        np.testing.assert_allclose(network.of_graph(graph), expected, atol=1e-5)


def test_windows_hold_nearly_all_pairs_of_tracks():
    events = make_ramp(RampOptions(), 100, 32)
    _, label = pair_labels(events)
    true = 0
    for k in range(100):
        hits, track = events.hits(k), truth(events, k)
        order = np.lexsort((hits.layer, track))
        layer, track = hits.layer[order], track[order]
        true += np.sum((track[1:] == track[:-1]) & (np.diff(layer) <= 2))
    assert 0.999 < label.sum() / true <= 1


def test_labels_are_those_of_a_loop():
    """Where many tracks stop and many hits are missing, so that one track begins behind the end of another."""
    events = make_ramp(RampOptions(tracks=25, stop=0.3, inefficiency=0.3), 20, 37)
    graph, label = pair_labels(events)
    expected, n_before = set(), 0
    for k in range(events.n_events):
        hits, track = events.hits(k), truth(events, k)
        order = np.lexsort((hits.phi, hits.layer))
        layer, track = hits.layer[order], track[order]
        for a in range(len(order)):
            later = [b for b in range(len(order)) if track[b] == track[a] and layer[b] > layer[a]]
            if later:
                expected.add((n_before + a, n_before + min(later, key=lambda b: layer[b])))
        n_before += len(order)
    pairs = [(a, b) for a, b in graph.pairs.T.tolist()]
    true = {pair for pair, own in zip(pairs, label, strict=True) if own}
    assert true == expected & set(pairs)
    assert len(true) > 50


def test_graphs_of_several_events_are_joined():
    events = make_ramp(RampOptions(tracks=3), 4, 33)
    graphs = [ramp_graph(in_order(events.hits(k))) for k in range(4)]
    sizes = np.diff(events.offsets).tolist()
    together = joined(graphs, sizes)
    network = RampGraphNetwork(8, 2).eval()
    with torch.inference_mode():
        parts = torch.cat([network.of_graph(graph) for graph in graphs])
        np.testing.assert_allclose(network.of_graph(together), parts, atol=1e-5)
    hit = together.pairs[:, graphs[0].pairs.shape[1]]
    assert np.array_equal(hit, graphs[1].pairs[:, 0] + sizes[0])


def test_true_pairs_make_the_true_tracks():
    events = make_ramp(CLEAN, 30, 34)
    for k in range(30):
        hits, track = events.hits(k), truth(events, k)
        order = np.lexsort((hits.phi, hits.layer))
        graph = ramp_graph(taken(hits, order))
        (inner, outer), layer = track[order][graph.pairs], hits.layer[order][graph.pairs]
        true = (inner == outer) & (layer[1] == layer[0] + 1)
        assert same_partition(graph_clusters(hits, Told(20.0 * true - 10)), track)


def test_a_hit_has_one_pair_on_either_side_and_the_sum_is_the_largest():
    hits = hits_at((0, 0.0), (0, 0.01), (1, 0.0), (1, 0.01))
    graph = ramp_graph(hits)
    assert graph.pairs.tolist() == [[0, 0, 1, 1], [2, 3, 2, 3]]
    crossed = graph_clusters(hits, Told(np.array([3.0, 2.5, 2.5, 1.0])))
    assert crossed[0] == crossed[3] != crossed[1] == crossed[2]
    # Pairs that are more likely false are left out.
    alone = graph_clusters(hits, Told(np.array([3.0, -2.5, -2.5, -1.0])))
    assert alone[0] == alone[2]
    assert len(set(alone.tolist())) == 3


def test_order_of_the_hits_decides_nothing():
    torch.manual_seed(1)
    network = RampGraphNetwork(8, 1).eval()
    check_order_decides_nothing(lambda hits: graph_clusters(hits, network), 35)


def test_messages_pass_between_pairs_that_share_a_hit():
    torch.manual_seed(2)
    graph = ramp_graph(hits_at(*((layer, 0.001 * layer) for layer in range(6))))
    moved = ramp_graph(hits_at(*((layer, 0.001 * layer + 0.002 * (layer == 5)) for layer in range(6))))
    changed = {}
    for passes in (1, 2):
        network = RampGraphNetwork(8, passes).eval()
        with torch.inference_mode():
            off = (network.of_graph(graph) - network.of_graph(moved)).abs() > 1e-7
        changed[passes] = {tuple(graph.pairs[:, p].tolist()) for p in np.flatnonzero(off.numpy())}
    # Pairs with the hit, and those that share a triple with it; twice as far after two passes.
    assert (3, 4) in changed[1]
    assert (1, 2) not in changed[1]
    assert (1, 2) in changed[2]


def test_few_hits():
    network = RampGraphNetwork(4, 1).eval()
    assert graph_clusters(hits_at(), network).tolist() == []
    assert sorted(graph_clusters(hits_at((3, 0.0), (3, 2.0)), network).tolist()) == [0, 1]
