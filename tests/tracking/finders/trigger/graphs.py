"""Random interaction networks of whole numbers, and random graphs for them."""

import numpy as np
import torch

from tracking.finders.trigger.network import InteractionNetwork
from tracking.finders.trigger.quantized import QuantizedInteraction, calibrate, from_float
from tracking.finders.trigger.shape import InteractionBits, InteractionShape


def random_graphs(shape, n_sectors, n_nodes, n_edges, seed=1):
    """Nodes, edges, senders, receivers and valid: the first sector is empty, the second one full."""
    rng = np.random.default_rng(seed)
    nodes = rng.normal(0, 0.5, (n_sectors, n_nodes, shape.node_features)).astype(np.float32)
    edges = rng.normal(0, 0.3, (n_sectors, n_edges, shape.edge_features)).astype(np.float32)
    senders, receivers = rng.integers(0, n_nodes, (2, n_sectors, n_edges))
    filled = rng.integers(0, n_edges + 1, n_sectors)
    filled[:2] = 0, n_edges
    return nodes, edges, senders, receivers, np.arange(n_edges) < filled[:, None]


def hostile(graphs, network, seed=1):
    """Graphs in whole numbers of which some become full of extreme features, some send all messages to one node, and
    whose padding has any indices.
    """
    nodes, edges, senders, receivers, valid = (column.copy() for column in graphs)
    rng, ends = np.random.default_rng(seed), [network.data.low, network.data.high]
    nodes[2:5], edges[2:5] = (rng.choice(ends, column[2:5].shape) for column in (nodes, edges))
    valid[2:4] = True
    receivers[1:4] = nodes.shape[1] - 1
    most = 2 ** (nodes.shape[1] - 1).bit_length()
    senders, receivers = (np.where(valid, a, rng.integers(0, most, a.shape)) for a in (senders, receivers))
    return nodes, edges, senders, receivers, valid


def random_model(shape=None, bits=None, seed=1):
    """A module of quantised training with the weights of an untrained float network, calibrated."""
    torch.manual_seed(seed)
    shape = shape or InteractionShape()
    network = InteractionNetwork(shape)
    graphs = [torch.from_numpy(a) for a in random_graphs(shape, 20, 9, 14, seed)]
    network.fit_scales(*graphs)
    model = QuantizedInteraction(shape, bits or InteractionBits())
    from_float(model, network)
    calibrate(model, *graphs)
    return model
