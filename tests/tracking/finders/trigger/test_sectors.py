"""Sectors beside straight loops, the azimuth of an edge beside the circle that made it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tests.seeding import toys
from tests.tracking.finders.trigger.sector_toys import cut_by_loops, members_by_loops, random_graph
from tracking.finders.trigger.options import PAPER, SectorOptions
from tracking.finders.trigger.sectors import (
    SectorGraph,
    best_scores,
    edge_phi,
    make_sectors,
    whole_particles,
)

ALL = SectorOptions(n_phi=1, n_eta=1, margin_phi=0.0, margin_eta=10.0, nodes=1000, edges=1000)


@given(
    st.sampled_from(["helix", "position"]), st.integers(1, 9), st.integers(1, 5), st.floats(0, 0.3),
    st.floats(0, 0.8), st.integers(2, 9), st.integers(1, 12), st.sampled_from(["chi2", "file"]),
    st.floats(0, 150), st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_sectors_are_those_of_straight_loops(by, n_phi, n_eta, phi, eta, nodes, edges, order, radius, seed):
    options = SectorOptions(
        by=by, n_phi=n_phi, n_eta=n_eta, max_eta=2.0, margin_phi=phi, margin_eta=eta, radius=radius,
        nodes=nodes, edges=edges, order=order,
    )  # fmt: skip
    if 2 * phi > 2 * np.pi * (1 - 1 / n_phi):
        options = replace(options, margin_phi=0.0)
    graph = random_graph(25, 60, seed)
    sectors, expected = make_sectors(graph, options), members_by_loops(graph, options)
    assert sectors.sector.tolist() == sorted(expected)
    assert sectors.n_all == n_phi * n_eta
    for k, sector in enumerate(sectors.sector):
        there = expected[sector]
        kept, hits = cut_by_loops(graph, there, options)
        n = len(kept)
        assert sectors.n_edges[k] == len(there)
        assert sectors.n_nodes[k] == len({h for e in there for h in (graph.source[e], graph.target[e])})
        assert sectors.edge[k].tolist() == kept + [-1] * (edges - n)
        assert sectors.node[k].tolist() == hits + [-1] * (nodes - len(hits))
        assert np.array_equal(sectors.node[k][sectors.sender[k, :n]], graph.source[kept])
        assert np.array_equal(sectors.node[k][sectors.receiver[k, :n]], graph.target[kept])
        assert not np.any(sectors.sender[k, n:])
        assert not np.any(sectors.receiver[k, n:])
        assert sectors.truncated[k] == (n < len(there))
        assert sectors.phi[k] == pytest.approx((sector // n_eta + 0.5) * 2 * np.pi / n_phi)


def helices(n, seed):
    """Tracks from the beam line: azimuth at it, curvature, and a graph of their points, four each."""
    rng = np.random.default_rng(seed)
    phi, curvature = rng.uniform(-np.pi, np.pi, n), rng.uniform(-1, 1, n) * toys.UNIT
    cot, z0 = rng.uniform(-5, 5, n), rng.normal(0, 50, n)
    points = []
    for k in range(n):
        arc = 2 * np.arcsin(0.5 * curvature[k] * np.array([32.0, 72, 116, 172])) / curvature[k]
        points.append(toys.helix(np.array([0, 0, z0[k]]), phi[k], curvature[k], cot[k], arc)[0])
    source = (np.arange(n)[:, None] * 4 + np.arange(3)).ravel()
    columns = [np.repeat(v, 3).astype(np.float32) for v in (curvature, cot, np.zeros(n))]
    return (
        phi,
        curvature,
        SectorGraph(np.concatenate(points), source.astype(np.int32), (source + 1).astype(np.int32), *columns),
    )


def test_all_edges_of_a_helix_have_its_azimuth():
    phi, curvature, graph = helices(50, 3)
    for radius in (0.0, 40.0, 150.0):
        arc = 2 * np.arcsin(0.5 * curvature * radius) / curvature
        there = phi.copy()
        if radius:
            points = [
                toys.helix(np.zeros(3), p, k, 0.0, np.array([s]))[0][0]
                for p, k, s in zip(phi, curvature, arc, strict=True)
            ]
            there = np.array([np.arctan2(y, x) for x, y, _ in points])
        away = edge_phi(graph, radius).reshape(-1, 3) - there[:, None]
        assert np.abs((away + np.pi) % (2 * np.pi) - np.pi).max() < 1e-6


def test_thin_overlaps_hold_whole_helices_and_sectors_of_hits_do_not():
    _, _, graph = helices(300, 4)
    particle = np.repeat(np.arange(300), 3)
    thin = SectorOptions(
        n_phi=16, n_eta=8, margin_phi=1e-5, margin_eta=1e-5, max_eta=3.0, nodes=2000, edges=2000
    )
    whole = whole_particles(make_sectors(graph, thin), particle, 300)
    assert whole.all()
    by_hits = whole_particles(make_sectors(graph, replace(thin, by="position")), particle, 300)
    assert 0 < by_hits.mean() < 0.5


def test_one_sector_of_everything_is_the_graph():
    graph = random_graph(30, 70, 5)
    sectors = make_sectors(graph, replace(ALL, margin_phi=0.0))
    assert len(sectors) == 1
    assert sorted(sectors.edge[sectors.valid]) == list(range(70))
    assert np.all(np.diff(graph.chi2[sectors.edge[0, :70]]) >= 0)


def test_best_scores_and_whole_particles_are_those_of_loops():
    graph = random_graph(30, 80, 6)
    options = SectorOptions(n_phi=5, n_eta=2, margin_phi=0.3, margin_eta=0.5, nodes=9, edges=11)
    sectors, rng = make_sectors(graph, options), np.random.default_rng(7)
    scores = rng.uniform(0, 1, sectors.edge.shape).astype(np.float32)
    particle = rng.integers(-1, 25, 80)
    best, whole = np.zeros(80, dtype=np.float32), np.zeros(26, dtype=bool)
    for k in range(len(sectors)):
        kept = set(sectors.edge[k][sectors.edge[k] >= 0].tolist())
        for m, e in enumerate(sectors.edge[k]):
            if e >= 0:
                best[e] = max(best[e], scores[k, m])
        for p in range(25):
            own = set(np.flatnonzero(particle == p).tolist())
            whole[p] |= bool(own) and own <= kept
    assert np.array_equal(best_scores(sectors, scores, 80), best)
    found = whole_particles(sectors, particle, 26)
    assert np.array_equal(found, whole)
    assert 0 < found.sum() < 25


def test_an_event_without_edges_has_no_sectors():
    nothing = np.zeros(0, dtype=np.int32)
    graph = SectorGraph(np.ones((3, 3)), nothing, nothing, *[np.zeros(0, dtype=np.float32)] * 3)
    for options in (SectorOptions(), PAPER):
        sectors = make_sectors(graph, options)
        assert len(sectors) == 0
        assert sectors.node.shape == (0, options.nodes)
        assert len(best_scores(sectors, np.zeros((0, options.edges), dtype=np.float32), 0)) == 0


def test_margins_around_the_beam_are_refused():
    with pytest.raises(InputError, match=r"margin_phi is 3 rad.*take at most 2.36"):
        make_sectors(random_graph(4, 3, 1), SectorOptions(n_phi=4, margin_phi=3.0))
