"""The data set that streams a folder of graphs."""

import pytest
import torch
from torch_geometric.loader import DataLoader

from smartpix.schema import InputError
from tracking.graphs import GraphDataset, read_graph
from tracking.graphs.files import file_name


def test_graphs_come_from_the_disk_one_by_one_and_in_any_order(folder):
    dataset = GraphDataset(folder)
    assert len(dataset) == 4
    for k in (2, 0):
        expected, graph = read_graph(folder / file_name(k, "npz")), dataset[k]
        assert set(graph.keys()) == {*expected, "num_nodes"}
        assert torch.equal(graph.edge_index, torch.from_numpy(expected["edge_index"]))
        assert graph.evtid.item() == expected["evtid"][0]
    assert [g.evtid.item() for g in dataset[[3, 1]]] == [dataset[3].evtid.item(), dataset[1].evtid.item()]
    torch.manual_seed(1)
    numbers = [g.evtid.item() for g in DataLoader(dataset, batch_size=1, shuffle=True)]
    assert sorted(numbers) == [g.evtid.item() for g in dataset]


def test_batches_count_the_hits_on(folder):
    (batch,) = DataLoader(GraphDataset(folder), batch_size=4)
    first, second = GraphDataset(folder)[0], GraphDataset(folder)[1]
    low, high = first.num_edges, first.num_edges + second.num_edges
    assert torch.equal(batch.edge_index[:, low:high], second.edge_index + first.num_nodes)
    n_true = first.true_edge_index.shape[1]
    assert torch.equal(
        batch.true_edge_index[:, n_true : n_true + 3], second.true_edge_index[:, :3] + first.num_nodes
    )
    assert batch.num_nodes == sum(g.num_nodes for g in GraphDataset(folder))


def test_fields_are_chosen_and_transformed(folder):
    dataset = GraphDataset(folder, lambda graph: graph.update({"twice": 2 * graph.y}), ("y",))
    assert set(dataset[0].keys()) == {"edge_index", "y", "twice", "num_nodes"}
    assert dataset[0].num_nodes == len(read_graph(folder / file_name(0, "npz"))["hit_id"])
    with pytest.raises(InputError, match="have no field 'z'; they have"):
        GraphDataset(folder, fields=("z",))
