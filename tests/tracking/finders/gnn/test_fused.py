import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seeding.edges import Edges
from tests.tracking.finders.gnn.test_network import random_graph, random_network
from tracking.finders.gnn.fused import fuse_network
from tracking.finders.gnn.fused_kernels import BLOCK, chunks
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, Features
from tracking.finders.gnn.network import score


def as_event(graph):
    """Features and edges as the chain has them."""
    source, target = graph.edge_index.numpy().astype(np.int32)
    none = np.zeros(len(source), dtype=np.float32)
    edges = Edges(
        source,
        target,
        none.astype(np.int32),
        none,
        none,
        none,
        none,
        np.zeros((len(source), 4)),
        0,
        0,
        len(graph.x),
    )
    node, edge = (np.ascontiguousarray(values.numpy().T) for values in (graph.x, graph.edge_attr))
    return Features(node, edge, np.arange(len(edges), dtype=np.int32)), edges


@pytest.mark.parametrize(("hidden", "passes", "screen"), [(8, 1, 8), (16, 2, 16), (7, 3, 5), (24, 4, 10)])
@pytest.mark.parametrize(("n", "e"), [(30, 80), (200, 1000), (3, 1), (64, 64), (600, 400)])
def test_the_kernels_give_torchs_scores(hidden, passes, screen, n, e):
    torch.manual_seed(hidden)
    network = random_network(hidden, passes, screen)
    graph = random_graph(n, e)
    with torch.no_grad():
        network.cut.copy_(network.screen(graph.x, graph.edge_index, graph.edge_attr).quantile(0.4) - 1e-3)
    expected = score(network, graph)
    assert np.mean(expected == 0) == pytest.approx(0.4, abs=0.05) or e == 1
    np.testing.assert_allclose(fuse_network(network).scores(*as_event(graph)), expected, atol=2e-5)


def test_edges_that_are_not_in_the_graph_score_0_and_tell_the_others_nothing():
    torch.manual_seed(0)
    network, graph = random_network(8, 2), random_graph(40, 300)
    features, edges = as_event(graph)
    rows = np.arange(0, 300, 3, dtype=np.int32)
    part = dataclasses.replace(features, edge=np.ascontiguousarray(features.edge[:, rows]), rows=rows)
    graph.edge_index, graph.edge_attr = graph.edge_index[:, rows], graph.edge_attr[rows]
    scores = fuse_network(network).scores(part, edges)
    np.testing.assert_allclose(scores[rows], score(network, graph), atol=2e-5)
    assert np.count_nonzero(scores) == len(rows)


@pytest.mark.parametrize(("n", "e"), [(3000, 2500), (100, 900)])
def test_threads_change_no_score(n, e):
    torch.manual_seed(0)
    event = as_event(random_graph(n, e))
    fused = fuse_network(random_network(8, 2))
    for threads in (2, 3):
        np.testing.assert_array_equal(fused.scores(*event, threads), fused.scores(*event))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 2500), share=st.floats(0, 1.5))
@example(seed=0, n=2500, share=1.2)  # one component larger than a block
@example(seed=0, n=2500, share=0.2)
@example(seed=0, n=1, share=0.0)
def test_chunks_are_whole_components_that_fill_a_block(seed, n, share):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n, (2, int(share * n))).astype(np.int32)
    order, nodes, first_edge, first_node, a, z = chunks(n, *ends)
    assert sorted(order) == list(range(ends.shape[1]))
    assert sorted(nodes) == sorted(set(ends.ravel().tolist()))
    of_edge = np.repeat(np.arange(len(first_edge) - 1), np.diff(first_edge))
    np.testing.assert_array_equal(nodes[first_node[of_edge] + a], ends[0][order])
    np.testing.assert_array_equal(nodes[first_node[of_edge] + z], ends[1][order])
    # No hit is in two chunks: numbers of hits are unique, and edges find theirs in their own.
    assert np.all(first_node[of_edge] + np.maximum(a, z) < first_node[of_edge + 1])
    pairs = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(n, n))
    component = connected_components(pairs, directed=False)[1][ends[0][order]]
    sizes = np.diff(first_edge)
    for k, size in enumerate(sizes):
        inside = set(component[first_edge[k] : first_edge[k + 1]].tolist())
        assert size <= BLOCK or len(inside) == 1
        if k > 0:
            # What comes next did not fit in.
            following = component[first_edge[k]]
            assert sizes[k - 1] + np.sum(component == following) > BLOCK


def test_no_edges_and_none_that_pass():
    torch.manual_seed(0)
    network = random_network(8, 2)
    for n in (5, 0):
        assert fuse_network(network).scores(*as_event(random_graph(n, 0))).shape == (0,)
    network.cut.fill_(1e30)
    assert np.all(fuse_network(network).scores(*as_event(random_graph())) == 0)


def test_the_values_beyond_the_trainings_range():
    torch.manual_seed(0)
    network = random_network(8, 1)
    features, _ = as_event(random_graph(10, 20))
    network.node_low.fill_(-5.0)
    network.node_high.fill_(5.0)
    assert fuse_network(network).outside(features).tolist() == [0] * (len(NODE_FEATURES) + len(EDGE_FEATURES))
    network.edge_low[3] = float(np.sort(features.edge[3])[4])
    features.node[2, :5] = 6.0
    expected = [0] * (len(NODE_FEATURES) + len(EDGE_FEATURES))
    expected[2], expected[len(NODE_FEATURES) + 3] = 5, 4
    assert fuse_network(network).outside(features).tolist() == expected
    empty = dataclasses.replace(features, node=features.node[:, :0], edge=features.edge[:, :0])
    assert fuse_network(network).outside(empty).tolist() == [0] * (len(NODE_FEATURES) + len(EDGE_FEATURES))


@pytest.mark.parametrize(("above", "kept"), [(0.0, True), (2.0**-10, False)])
def test_an_edge_on_the_screens_cut_is_kept(above, kept):
    """As the reference says, in numbers that are exact: all logits of the screen are its bias."""
    torch.manual_seed(0)
    network, graph = random_network(8, 1), random_graph()
    with torch.no_grad():
        network.screen_blocks[2].weight.zero_()
        network.screen_blocks[2].bias.fill_(0.25)
        network.cut.fill_(0.25 + above)
    for scores in (score(network, graph), fuse_network(network).scores(*as_event(graph))):
        assert np.all((scores > 0) == kept)
