"""Gathering against brute force, and a planted example that is found."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Data

from tests.tracking.finders.gravnet.test_network import graph_of, network_of
from tracking.finders.gravnet.condensation import condensation_loss
from tracking.finders.gravnet.condense import condense, gathered_scores, groups
from tracking.finders.gravnet.network import gathered, inputs, score_graph
from tracking.finders.gravnet.options import CondensationOptions, GravNetOptions

CONDENSING = GravNetOptions("edges", 2, 3, 2, 5, 4, 6, "condensation", 2)


def brute_force(beta, place, group, min_beta, radius):
    """Take the largest beta that is left, again and again."""
    left, point = set(range(len(beta))), np.full(len(beta), -1)
    while left:
        best = min(left, key=lambda h: (-beta[h], h))
        if beta[best] < min_beta:
            break
        for h in [h for h in left if group[h] == group[best]]:
            if np.square(place[h] - place[best]).sum() <= np.float32(radius) ** 2:
                point[h] = best
                left.remove(h)
    return point


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 2), st.booleans())
def test_hits_gather_as_by_brute_force(n, seed, min_beta, radius, equal):
    random = np.random.default_rng(seed)
    beta, place = random.random(n).astype(np.float32), random.normal(size=(n, 2)).astype(np.float32)
    if equal:
        beta, place = np.round(beta, 1), np.round(place)
    group = random.integers(0, 3, n)
    min_beta = float(np.float32(min_beta))
    found = condense(beta, place, group, min_beta, radius)
    np.testing.assert_array_equal(found, brute_force(beta, place, group, min_beta, radius))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 10**6))
def test_groups_are_the_connected_components(n, e, seed):
    source, target = np.random.default_rng(seed).integers(0, n, (2, e))
    found = groups(n, source, target)
    _, label = connected_components(coo_matrix((np.ones(e), (source, target)), shape=(n, n)), directed=False)
    first = [int(np.flatnonzero(label == mine)[0]) for mine in label]
    assert found.tolist() == first


def test_edges_of_one_gathering_are_scored_by_nearness():
    place = np.array([[0.0], [1.0], [0.5], [8.0], [9.0]], dtype=np.float32)
    point = np.array([0, 0, 0, 3, -1])
    scores = gathered_scores(place, point, np.array([0, 0, 1, 2, 3, 4]), np.array([1, 2, 1, 3, 4, 4]), 1.0)
    np.testing.assert_allclose(scores, [0.75, 0.9375, 0.5, 0, 0, 0])


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["edges", "free"]), st.integers(0, 10**6))
def test_what_gathers_does_not_depend_on_the_order(neighbours, seed):
    network = network_of(GravNetOptions(neighbours, 2, 3, 2, 5, 4, 6, "condensation", 2)).double()
    graph, random = graph_of(seed=seed), np.random.default_rng(seed)
    hits, edges = (torch.from_numpy(random.permutation(n)) for n in (30, 80))
    back = torch.argsort(hits)
    x = inputs(network, graph).double()
    before = gathered(network, x, graph.edge_index)[1]
    after = gathered(network, x[hits], back[graph.edge_index[:, edges]])[1]
    # Who gathers whom, by the names of before.
    named = np.where(after < 0, -1, hits.numpy()[after])
    np.testing.assert_array_equal(named[back.numpy()], before)


def test_edges_get_the_scores_of_what_gathers():
    network, graph = network_of(CONDENSING), graph_of()
    network.condensation = CondensationOptions(min_beta=0.0, radius=0.3)
    place, point = gathered(network, inputs(network, graph), graph.edge_index)
    scores, (source, target) = score_graph(network, graph), graph.edge_index.numpy()
    np.testing.assert_array_equal(scores > 0, point[source] == point[target])
    assert 0 < np.mean(scores > 0) < 1
    np.testing.assert_array_equal(scores, gathered_scores(place, point, source, target, 0.3))


def test_planted_particles_are_found():
    """A chain of hits, four to a particle, of which each hit knows roughly the particle's slope."""
    random = np.random.default_rng(3)
    particle = np.repeat(np.arange(12), 4)
    n, options = len(particle), GravNetOptions("edges", 1, 4, 2, 8, 4, 16, "condensation", 2)
    graph = graph_of(n, n - 1)
    graph.x[:, 0] = torch.from_numpy(random.permutation(12)[particle] / 4 + random.normal(0, 0.01, n)).float()
    graph.edge_index = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    torch.manual_seed(0)
    network = network_of(options).train()
    x, owner = inputs(network, graph), torch.from_numpy(particle)
    group = torch.from_numpy(groups(n, *graph.edge_index.numpy()))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(250):
        optimizer.zero_grad()
        loss = condensation_loss(*network.gathering(x, graph.edge_index), owner, group, network.condensation)
        loss.total(network.condensation).backward()
        optimizer.step()
    network.eval()
    point = gathered(network, x, graph.edge_index)[1]
    same = point[:, None] == point[None]
    assert np.mean(same == (particle[:, None] == particle[None])) > 0.97
    scores = score_graph(network, Data(x=graph.x, azimuth=graph.azimuth, edge_index=graph.edge_index))
    true = particle[:-1] == particle[1:]
    assert np.mean((scores > 0) == true) == pytest.approx(1, abs=0.1)
