"""The trigger's graphs: geometric edges beside a loop over all pairs, and features beside their names."""

import numpy as np
import pytest

from seeding.hits import estimated_hits
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.seeding import toys
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.trigger.dataset import edge_particles, event_graph, labelled_events
from tracking.finders.trigger.graphs import (
    ESTIMATE_EDGE,
    LARGEST,
    cone_graph,
    event_edges,
    feature_counts,
    geometric_edges,
    geometric_graph,
    sector_batch,
    trigger_search,
)
from tracking.finders.trigger.options import SectorOptions, TriggerGraphOptions
from tracking.finders.trigger.sectors import make_sectors
from tracking.metrics import edge_rows, event_truth

SAMPLE = data_path("sample.root")


@pytest.fixture(scope="module")
def hits():
    return toys.toy_hits(toys.toy_event(25, seed=71), 71)


def angle(phi):
    return (phi + np.pi) % (2 * np.pi) - np.pi


def test_geometric_edges_are_those_of_a_loop_over_all_pairs(hits):
    chosen = np.arange(0, len(hits), 2)
    for slope, max_z0, rows in ((6e-4, 15_000.0, None), (3e-4, 60.0, None), (6e-4, 150.0, chosen)):
        options = TriggerGraphOptions(graph="geometric", features="paper", phi_slope=slope, max_z0=max_z0)
        pairs = list(zip(toys.pairs().inner.tolist(), toys.pairs().outer.tolist(), strict=True))
        there = range(len(hits)) if rows is None else rows.tolist()
        r, phi = np.hypot(*hits.position[:, :2].T), np.arctan2(hits.position[:, 1], hits.position[:, 0])
        z, expected = hits.position[:, 2], set()
        for i in there:
            for j in there:
                dr = r[j] - r[i]
                if (hits.layer[i], hits.layer[j]) in pairs and dr > 0:
                    steep = abs(angle(phi[j] - phi[i])) / dr
                    if steep <= slope and abs(z[i] - r[i] * (z[j] - z[i]) / dr) <= max_z0:
                        expected.add((i, j))
        edges = geometric_edges(hits, toys.pairs(), options, rows)
        assert set(zip(edges.source.tolist(), edges.target.tolist(), strict=True)) == expected
        assert len(edges) == len(expected) > 20
        for k in range(0, len(edges), 9):
            s, t = edges.source[k], edges.target[k]
            curvature = toys.beam_circle(hits.position[s], hits.position[t])[0]
            assert edges.curvature[k] == pytest.approx(curvature, abs=1e-7)
            assert pairs[edges.pair[k]] == (hits.layer[s], hits.layer[t])


def test_features_of_sectors_are_what_their_names_say(hits):
    edges = geometric_edges(hits, toys.pairs(), TriggerGraphOptions(graph="geometric", features="paper"))
    event = geometric_graph(hits, edges)
    options = SectorOptions(
        by="position", n_phi=8, n_eta=2, margin_phi=0.2, margin_eta=0.5, nodes=12, edges=9
    )
    sectors = make_sectors(event.graph, options)
    batch = sector_batch(event, sectors, options)
    assert (batch.node.shape[1:], batch.edge.shape[1:]) == ((12, 3), (9, 4))
    unit = np.pi / 8
    for k in range(len(sectors)):
        for n, row in enumerate(sectors.node[k]):
            if row < 0:
                assert not np.any(batch.node[k, n])
                continue
            x, y, z = hits.position[event.hits[row]]
            away = angle(np.arctan2(y, x) - sectors.phi[k]) / unit
            assert batch.node[k, n] == pytest.approx([np.hypot(x, y) / 1000, away, z / 1000], abs=1e-5)
        for m, row in enumerate(sectors.edge[k]):
            if row < 0:
                assert not np.any(batch.edge[k, m])
                assert not batch.valid[k, m]
                continue
            a, b = hits.position[[edges.source[row], edges.target[row]]]
            ra, rb = np.hypot(*a[:2]), np.hypot(*b[:2])
            dphi = angle(np.arctan2(b[1], b[0]) - np.arctan2(a[1], a[0]))
            deta = np.arcsinh(b[2] / rb) - np.arcsinh(a[2] / ra)
            expected = [(rb - ra) / 1000, dphi / unit, (b[2] - a[2]) / 1000, np.hypot(deta, dphi)]
            assert batch.edge[k, m] == pytest.approx(expected, abs=1e-5)


def test_far_values_are_cut_off(hits):
    edges = geometric_edges(hits, toys.pairs(), TriggerGraphOptions(graph="geometric", features="paper"))
    event, options = geometric_graph(hits, edges), SectorOptions(n_phi=1000, n_eta=1)
    batch = sector_batch(event, make_sectors(event.graph, options), options)
    assert np.abs(batch.node).max() == np.abs(batch.edge).max() == LARGEST


def test_estimates_and_kinks_come_after_the_papers_features(hits):
    search = trigger_search(toys.detector(), toys.FIELD, TriggerGraphOptions())
    edges, found = event_edges(search, hits)
    names = ("paper", "estimates", "kinks", "all")
    graphs = [cone_graph(hits, edges, found, name) for name in names]
    paper, estimates, kinks, both = graphs
    for graph, name in zip(graphs, names, strict=True):
        assert (graph.node.shape[1], graph.edge.shape[1]) == feature_counts(name)
        assert np.array_equal(graph.node[:, :3], paper.node)
        assert np.array_equal(graph.edge[:, :4], paper.edge)
        assert np.array_equal(graph.rows, found.rows)
    assert estimates.edge[:, 4] == pytest.approx(edges.chi2[found.rows] / 10, rel=1e-6)
    assert np.array_equal(estimates.node[:, 4], found.node[NODE_FEATURES.index("asinh cot alpha")])
    before = found.edge[EDGE_FEATURES.index("log1p kink chi2 before")]
    assert np.array_equal(kinks.edge[:, 5], before)
    assert np.array_equal(both.edge[:, 4 + len(ESTIMATE_EDGE) :], kinks.edge[:, 5:])
    assert np.array_equal(both.node, estimates.node)
    assert [feature_counts(name) for name in names] == [(3, 4), (8, 12), (3, 9), (8, 16)]


def test_whose_an_edge_is():
    (event, *_), opened = labelled_events(SAMPLE, TriggerGraphOptions()), open_events(SAMPLE)
    record = next(iter(iterate(SAMPLE, step=1)))[1][0]
    header = opened.header.at_beam()
    hits = estimated_hits(record["clusters"], header, choose_estimator(opened.header))
    truth = event_truth(record["clusters"], record["particles"], hits.layer, frame=header.detector.frame)
    true = {
        tuple(edge): who for edge, who in zip(truth.edges.tolist(), truth.edge_particle.tolist(), strict=True)
    }
    graph = event.graph
    ends = zip(graph.hits[graph.graph.source].tolist(), graph.hits[graph.graph.target].tolist(), strict=True)
    assert event.particle.tolist() == [true.get(edge, -1) for edge in ends]
    assert np.array_equal(edge_particles(graph, truth), event.particle)
    assert 0.3 < np.mean(event.particle >= 0) < 1


def test_geometric_edges_of_the_papers_sample_are_of_hard_particles():
    options = TriggerGraphOptions(graph="geometric", features="paper", truth_pt=1.0)
    events = labelled_events(SAMPLE, options)
    for event in events:
        hits, pt = event.graph.hits, np.append(event.truth.pt, 0)
        assert pt[event.truth.main[hits]].min(initial=np.inf) >= 1.0
        rows = edge_rows(event.truth, hits[event.graph.graph.source], hits[event.graph.graph.target])
        assert np.array_equal(rows >= 0, event.particle >= 0)
    assert sum(len(event.particle) for event in events) > 20


def test_what_geometric_edges_lack_is_said(hits):
    search = trigger_search(toys.detector(), toys.FIELD, TriggerGraphOptions())
    with pytest.raises(InputError, match="geometric edges have no kinks; take features = paper"):
        event_graph(search, hits, TriggerGraphOptions(graph="geometric"))
    with pytest.raises(InputError, match="there is no truth; take truth_pt = 0"):
        event_graph(search, hits, TriggerGraphOptions(graph="geometric", features="paper", truth_pt=2.0))
