import dataclasses

import numpy as np
import pytest
import torch

from tests.tracking.finders.gnn.test_network import random_graph, random_network
from tracking.finders.components import chunks
from tracking.finders.gnn.fused import fuse_network
from tracking.finders.gnn.fused_kernels import BLOCK
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, Features
from tracking.finders.gnn.network import score


def features_of(graph):
    """Features of all edges of a graph as the chain has them."""
    source, target = graph.edge_index.numpy().astype(np.int32)
    edge_place, place, source, target, *starts = chunks(len(graph.x), source, target, BLOCK)
    hits, rows = (np.flatnonzero(place >= 0), np.arange(len(source)))
    hits[place[hits]], rows[edge_place] = hits.copy(), rows.copy()
    node, edge = (
        np.ascontiguousarray(values.numpy()[k].T) for values, k in ((graph.x, hits), (graph.edge_attr, rows))
    )
    position = np.tile([30.0, 40.0, 0.0], (len(graph.x), 1))
    return Features(
        node, edge, hits.astype(np.int32), rows.astype(np.int32), source, target, *starts, position
    )


def fused_scores(network, graph, *threads):
    return fuse_network(network).scores(features_of(graph), len(graph.edge_attr), *threads)


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
    np.testing.assert_allclose(fused_scores(network, graph), expected, atol=2e-5)


def test_edges_that_are_not_in_the_graph_score_0():
    torch.manual_seed(0)
    network, graph = random_network(8, 2), random_graph(40, 300)
    features = features_of(graph)
    more = dataclasses.replace(features, rows=features.rows * 3)
    scores = fuse_network(network).scores(more, 900)
    np.testing.assert_allclose(scores[::3], score(network, graph), atol=2e-5)
    assert np.count_nonzero(scores) == 300


@pytest.mark.parametrize(("n", "e"), [(3000, 2500), (100, 900)])
def test_threads_change_no_score(n, e):
    torch.manual_seed(0)
    network, graph = random_network(8, 2), random_graph(n, e)
    for threads in (2, 3):
        np.testing.assert_array_equal(fused_scores(network, graph, threads), fused_scores(network, graph))


def test_no_edges_and_none_that_pass():
    torch.manual_seed(0)
    network = random_network(8, 2)
    for n in (5, 0):
        assert fused_scores(network, random_graph(n, 0)).shape == (0,)
    network.cut.fill_(1e30)
    assert np.all(fused_scores(network, random_graph()) == 0)


def test_the_values_beyond_the_trainings_range():
    torch.manual_seed(0)
    network = random_network(8, 1)
    features = features_of(random_graph(10, 200))
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
    for scores in (score(network, graph), fused_scores(network, graph)):
        assert np.all((scores > 0) == kept)
