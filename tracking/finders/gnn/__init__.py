"""The graph network: features of hits and edges, the interaction network, its training and export."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.gnn.export import export_network
    from tracking.finders.gnn.fused import FusedInteractionNetwork, fuse_network
    from tracking.finders.gnn.graph import candidate_edges, make_features, make_graph, to_pyg
    from tracking.finders.gnn.network import InteractionNetwork, load_network, score
    from tracking.finders.gnn.options import DegradeOptions, TrainGnnOptions
    from tracking.finders.gnn.train import train_gnn

__all__ = [
    "DegradeOptions",
    "FusedInteractionNetwork",
    "InteractionNetwork",
    "TrainGnnOptions",
    "candidate_edges",
    "export_network",
    "fuse_network",
    "load_network",
    "make_features",
    "make_graph",
    "score",
    "to_pyg",
    "train_gnn",
]

__getattr__ = public_names(
    __name__,
    export="export_network",
    fused="FusedInteractionNetwork fuse_network",
    graph="candidate_edges make_features make_graph to_pyg",
    network="InteractionNetwork load_network score",
    options="DegradeOptions TrainGnnOptions",
    train="train_gnn",
)
