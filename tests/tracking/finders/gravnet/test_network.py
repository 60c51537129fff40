import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from tests.tracking.finders.gnn.test_fused import features_of
from tests.tracking.finders.gnn.test_network import random_graph
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES, make_graph
from tracking.finders.gravnet.neighbours import nearest_of_all
from tracking.finders.gravnet.network import (
    ARCHITECTURE,
    GravNetNetwork,
    GravNetScorer,
    inputs,
    load_gravnet,
    score_graph,
)
from tracking.finders.gravnet.options import GravNetOptions
from tracking.finders.training import n_parameters

SMALL = GravNetOptions(blocks=2, k=3, space=2, features=5, passed=4, hidden=6)


def graph_of(n=30, e=80, seed=0):
    graph = random_graph(n, e, seed)
    angle = torch.rand(n, generator=torch.Generator().manual_seed(seed)) * 6
    graph.azimuth = torch.stack([angle.cos(), angle.sin()], dim=1)
    return graph


def network_of(options=SMALL):
    torch.manual_seed(5)
    network = GravNetNetwork(options)
    for name, buffer in network.named_buffers():
        if "mean" in name or "std" in name:
            buffer.copy_(torch.rand_like(buffer) + (0.5 if "std" in name else -0.5))
    network.calibration.copy_(torch.tensor([1.2, -0.3]))
    return network.eval()


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(["edges", "free"]), st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 80))
def test_the_order_of_hits_and_edges_does_not_matter(neighbours, seed, n, e):
    """But for the rounding of sums in another order: in double precision nearly nothing is left."""
    network = network_of(GravNetOptions(neighbours, 2, 3, 2, 5, 4, 6)).double()
    graph, random = graph_of(n, e, seed), np.random.default_rng(seed)
    hits, edges = torch.from_numpy(random.permutation(n)), torch.from_numpy(random.permutation(e))
    place, x = torch.argsort(hits), inputs(network, graph).double()
    before = network(x, graph.edge_index, graph.edge_attr.double())
    after = network(x[hits], place[graph.edge_index[:, edges]], graph.edge_attr[edges].double())
    torch.testing.assert_close(after, before[edges], rtol=0, atol=1e-12)
    assert e < 20 or np.ptp(before.detach().numpy()) > 1e-3


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(["edges", "free"]), st.sampled_from(["edges", "condensation"]), st.integers(0, 10**6),
       st.integers(1, 20))  # fmt: skip
def test_hits_without_edges_change_nothing(neighbours, output, seed, more):
    network, graph = network_of(GravNetOptions(neighbours, 2, 3, 2, 5, 4, 6, output, 2)), graph_of(seed=seed)
    fill = torch.Generator().manual_seed(seed)
    padded = Data(
        x=torch.cat([graph.x, torch.randn(more, len(NODE_FEATURES), generator=fill)]),
        azimuth=torch.cat([graph.azimuth, torch.randn(more, 2, generator=fill)]),
        edge_index=graph.edge_index,
        edge_attr=graph.edge_attr,
    )
    np.testing.assert_allclose(score_graph(network, padded), score_graph(network, graph), atol=1e-6)
    there = torch.unique(graph.edge_index)
    space = torch.randn(30 + more, 3, generator=fill)
    alone, filled = nearest_of_all(space[:30], 3, there), nearest_of_all(space, 3, there)
    assert all(map(torch.equal, alone, filled))


def test_messages_reach_as_far_as_there_are_blocks():
    n, options = 8, GravNetOptions("edges", 2, 40, 2, 8, 8, 16)
    graph = graph_of(n, n - 1)
    graph.edge_index = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    network = network_of(options)
    # So that nobody is too far to be heard.
    for block in network.blocks:
        torch.nn.init.normal_(block.place.weight, std=0.05)
    before, changed, x = score_graph(network, graph), np.zeros(n - 1, dtype=bool), graph.x
    for step in (3.0, -3.0, 10.0):
        graph.x = x.clone()
        graph.x[0] += step
        changed |= np.abs(score_graph(network, graph) - before) > 1e-7
    assert changed.tolist() == [True] * 3 + [False] * (n - 4)


def test_without_blocks_an_edge_is_scored_alone():
    network, graph = network_of(GravNetOptions(blocks=0, features=5, hidden=6)), graph_of()
    alone = [
        score_graph(
            network, Data(x=graph.x, edge_index=graph.edge_index[:, [e]], edge_attr=graph.edge_attr[[e]])
        )
        for e in range(5)
    ]
    np.testing.assert_allclose(np.concatenate(alone), score_graph(network, graph)[:5], atol=1e-6)


def test_parameters_are_those_of_the_layers():
    f, s, p, h, n, e = 5, 2, 4, 6, len(NODE_FEATURES), len(EDGE_FEATURES)
    block = (f * s + s) + (f * p + p) + ((f + 2 * p) * f + f)
    expected = (n * f + f) + 2 * block + ((6 * f + e) * h + h) + (h + 1)
    assert n_parameters(network_of()) == expected


@pytest.mark.parametrize("neighbours", ["edges", "free"])
def test_the_scorer_gives_the_scores_of_the_graph(neighbours):
    network = network_of(GravNetOptions(neighbours, 2, 3, 2, 5, 4, 6))
    features = features_of(graph_of())
    scores = GravNetScorer(network).scores(features, 100)
    graph = make_graph(features)
    np.testing.assert_array_equal(scores[features.rows], score_graph(network, graph))
    assert np.all(scores[80:] == 0)
    counts = GravNetScorer(network).outside(features)
    assert counts.shape == (len(NODE_FEATURES) + len(EDGE_FEATURES),)
    network.node_low[0] = float(graph.x[:, 0].median())
    below = int((graph.x[:, 0] < network.node_low[0]).sum())
    assert GravNetScorer(network).outside(features)[0] == below > 0


def test_weights_that_are_saved_are_those_that_are_loaded(tmp_path):
    network, graph = network_of(), graph_of()
    arrays = {k: v.numpy() for k, v in network.state_dict().items()}
    sizes = {"neighbours": "edges", "blocks": 2, "k": 3, "space": 2, "features": 5, "passed": 4, "hidden": 6}
    path, description = tmp_path / "w.safetensors", {"architecture": ARCHITECTURE, "data": []}
    save_weights(path, arrays, description | {"options": {"network": sizes}})
    np.testing.assert_array_equal(score_graph(load_gravnet(str(path)), graph), score_graph(network, graph))
    save_weights(path, arrays, description | {"options": {"network": sizes | {"blocks": 3}}})
    with pytest.raises(InputError, match="blocks"):
        load_gravnet(str(path))
    save_weights(path, arrays, description | {"options": {"network": sizes | {"space": -1}}})
    with pytest.raises(InputError, match="space"):
        load_gravnet(str(path))
    save_weights(
        path, arrays | {"node_std": -arrays["node_std"]}, description | {"options": {"network": sizes}}
    )
    with pytest.raises(InputError, match="node_std"):
        load_gravnet(str(path))
    with pytest.raises(InputError, match="smartpix train gravnet"):
        load_gravnet("gnn")
