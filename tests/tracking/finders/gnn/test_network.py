from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.gnn.network import ARCHITECTURE, InteractionNetwork, load_network, score


def random_graph(n=30, e=80, seed=0):
    g = torch.Generator().manual_seed(seed)
    return Data(
        x=torch.randn(n, len(NODE_FEATURES), generator=g),
        edge_index=torch.randint(0, max(n, 1), (2, e), generator=g),
        edge_attr=torch.randn(e, len(EDGE_FEATURES), generator=g),
    )


@pytest.fixture
def network():
    torch.manual_seed(3)
    return random_network(8, 2)


def random_network(hidden, passes, screen=16):
    made = InteractionNetwork(hidden, passes, screen)
    for name, buffer in made.named_buffers():
        if "mean" in name or "std" in name:
            buffer.copy_(torch.rand_like(buffer) + (0.5 if "std" in name else -0.5))
    made.calibration.copy_(torch.tensor([1.2, -0.3]))
    return made.eval()


def test_permuting_the_edges_permutes_the_scores(network):
    graph = random_graph()
    order = torch.randperm(graph.edge_index.shape[1], generator=torch.Generator().manual_seed(1))
    permuted = Data(x=graph.x, edge_index=graph.edge_index[:, order], edge_attr=graph.edge_attr[order])
    np.testing.assert_allclose(score(network, permuted), score(network, graph)[order.numpy()], atol=1e-5)
    assert np.ptp(score(network, graph)) > 1e-3


def test_renumbering_the_hits_leaves_the_scores(network):
    graph = random_graph()
    order = torch.randperm(len(graph.x), generator=torch.Generator().manual_seed(2))
    place = torch.argsort(order)
    other = Data(x=graph.x[order], edge_index=place[graph.edge_index], edge_attr=graph.edge_attr)
    np.testing.assert_allclose(score(network, other), score(network, graph), atol=1e-5)


def test_messages_reach_as_far_as_there_are_passes(network):
    # A chain 0-1-2-...-7: what changes at its end is seen by edges up to ``passes`` hits away, and by no
    # other.
    n = 8
    graph = random_graph(n, n - 1)
    graph.edge_index = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    before = score(network, graph)
    changed, x = np.zeros(n - 1, dtype=bool), graph.x
    # Not one change alone, which a unit of the network may not see.
    for step in (3.0, -3.0, 10.0):
        graph.x = x.clone()
        graph.x[0] += step
        changed |= np.abs(score(network, graph) - before) > 1e-7
    assert changed.tolist() == [True] * (1 + 2) + [False] * (n - 2 - 2)


def test_direction_of_an_edge_matters(network):
    graph = random_graph()
    turned = Data(x=graph.x, edge_index=graph.edge_index.flip(0), edge_attr=graph.edge_attr)
    assert np.max(np.abs(score(network, turned) - score(network, graph))) > 1e-3


def test_standardisation_is_part_of_the_network(network):
    graph = random_graph()
    plain = InteractionNetwork(hidden=8, passes=2)
    plain.load_state_dict(
        {k: v for k, v in network.state_dict().items() if "_mean" not in k and "_std" not in k}, strict=False
    )
    scaled = Data(
        x=(graph.x - network.node_mean) / network.node_std, edge_index=graph.edge_index,
        edge_attr=(graph.edge_attr - network.edge_mean) / network.edge_std,
    )  # fmt: skip
    np.testing.assert_allclose(score(plain.eval(), scaled), score(network, graph), atol=1e-5)


def test_the_screen_drops_edges_from_the_scores_and_from_the_messages(network):
    graph = random_graph()
    with torch.no_grad():
        logits = network.screen(graph.x, graph.edge_index, graph.edge_attr)
    network.cut.copy_(logits.median())
    keep = logits >= network.cut
    kept = Data(x=graph.x, edge_index=graph.edge_index[:, keep], edge_attr=graph.edge_attr[keep])
    values = score(network, graph)
    assert np.all(values[~keep.numpy()] == 0)
    np.testing.assert_array_equal(values[keep.numpy()], score(network, kept))
    network.cut.fill_(1e30)
    assert np.all(score(network, graph) == 0)


def test_scores_lie_between_0_and_1(network):
    graph = random_graph()
    graph.edge_attr = graph.edge_attr * 1e3
    values = score(network, graph)
    assert values.dtype == np.float32
    assert np.all((values >= 0) & (values <= 1))


def test_no_edges_give_no_scores(network):
    assert score(network, random_graph(5, 0)).shape == (0,)
    assert score(network, random_graph(0, 0)).shape == (0,)


OPTIONS = {"hidden": 8, "passes": 2, "screen": 16, "graph": "cone"}


def save(path, network, **changes):
    description = {"architecture": ARCHITECTURE, "options": OPTIONS, "data": []} | changes
    save_weights(path, {k: v.numpy() for k, v in network.state_dict().items()}, description)
    return str(path)


def test_saved_weights_give_the_same_scores(tmp_path, network):
    loaded = load_network(save(tmp_path / "w.safetensors", network))
    np.testing.assert_array_equal(score(loaded, random_graph()), score(network, random_graph()))


def test_weights_of_another_architecture_are_refused(tmp_path, network):
    path = save(tmp_path / "w.safetensors", network, architecture="mdn-columns")
    with pytest.raises(InputError, match=rf"'mdn-columns' \(smartpix train mdn\) and '{ARCHITECTURE}'"):
        load_network(path)
    with pytest.raises(InputError, match=ARCHITECTURE):
        load_network("mdn-barrel")


def test_weights_for_other_graphs_are_refused(tmp_path, network):
    path = save(tmp_path / "w.safetensors", network, options={**OPTIONS, "graph": "window"})
    assert load_network(path, "window")
    with pytest.raises(InputError, match="trained on the edges of the window and not of the cone"):
        load_network(path, "cone")


def test_weights_that_do_not_fit_their_description_are_refused(tmp_path, network):
    for name, changes in (("size", {"options": {**OPTIONS, "hidden": 16}}), ("bare", {"options": {}})):
        with pytest.raises(InputError, match=name):
            load_network(save(tmp_path / f"{name}.safetensors", network, **changes))


def test_missing_and_damaged_weights_are_refused(tmp_path, network):
    with pytest.raises(InputError, match="no such shipped weights"):
        load_network("nothing-of-that-name")
    with pytest.raises(InputError, match="no such file"):
        load_network(str(tmp_path / "missing.safetensors"))
    path = save(tmp_path / "w.safetensors", network)
    with Path(path).open("r+b") as file:
        file.truncate(200)
    with pytest.raises(InputError, match="cut off"):
        load_network(path)
