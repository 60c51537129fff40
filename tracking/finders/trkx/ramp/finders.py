"""The finders of the RAMP tracking challenge by name, and their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smartpix.networks.fused import check_shapes
from smartpix.networks.options import WIDEST
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, whole
from smartpix.schema import check
from tracking.finders.trkx.ramp.kalman import kalman_clusters
from tracking.finders.trkx.ramp.nearest import nearest_clusters
from tracking.finders.trkx.ramp.options import FINDERS, MOST_PASSES
from tracking.finders.trkx.ramp.score import RampFinder

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WEIGHTS", "load_ramp_network", "network_finder", "new_network", "ramp_finder"]

WEIGHTS = {"phi-lstm": "ramp-phi-lstm", "graph": "ramp-graph"}
"""Shipped weights of the finders that are trained."""
DESCRIPTION = fields(
    {"options": fields({"hidden": whole(1, WIDEST), "passes": whole(1, MOST_PASSES)}, more=True)}, more=True
)
"""What the JSON of their weights must say."""


def ramp_finder(name: str, weights: str | None = None) -> RampFinder:
    """A finder with its default options.

    Args:
        name: of :data:`tracking.finders.trkx.ramp.options.FINDERS`.
        weights: of a finder that is trained, by name or path; None: those that ship.

    Raises:
        InputError: no such finder, weights for one that needs none, or weights that cannot be used.
    """
    check("ramp", "finder", name, name in FINDERS, f"one of {', '.join(FINDERS)}")
    check("ramp", "weights", weights, weights is None or name in WEIGHTS, f"left out for {name}")
    if name in WEIGHTS:
        return network_finder(name, load_ramp_network(name, weights))
    return nearest_clusters if name == "nearest" else kalman_clusters


def new_network(name: str, hidden: int, passes: int) -> tuple[nn.Module, str]:
    """An untrained network of a finder, and its architecture."""
    if name == "graph":
        from tracking.finders.trkx.ramp import graph

        return graph.RampGraphNetwork(hidden, passes), graph.ARCHITECTURE
    from tracking.finders.trkx.ramp import phi_lstm

    return phi_lstm.PhiLstm(hidden), phi_lstm.ARCHITECTURE


def network_finder(name: str, network: nn.Module) -> RampFinder:
    """The finder that runs a network of :func:`new_network`."""
    if name == "graph":
        from tracking.finders.trkx.ramp.graph import RampGraphNetwork, graph_clusters

        assert isinstance(network, RampGraphNetwork)
        of_graph = network
        return lambda hits: graph_clusters(hits, of_graph)
    from tracking.finders.trkx.ramp.phi_lstm import PhiLstm, phi_lstm_clusters

    assert isinstance(network, PhiLstm)
    lstm = network
    return lambda hits: phi_lstm_clusters(hits, lstm)


def load_ramp_network(name: str, weights: str | None = None) -> nn.Module:
    """The trained network of a finder.

    Raises:
        InputError: missing or damaged weights, or those of another architecture.
    """
    import torch

    weights = WEIGHTS[name] if weights is None else weights
    with torch.device("meta"):
        _, architecture = new_network(name, 1, 1)
    remedy = f"give weights of smartpix train ramp --finder {name}"
    arrays, description = load_weights(weights, architecture, remedy=remedy)
    check_json(description, DESCRIPTION, Path(weights).with_suffix(".json"), REPAIR)
    size = description["options"]["hidden"], description["options"]["passes"]
    # Before anything of that size is made.
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in new_network(name, *size)[0].state_dict().items()}
    check_shapes(arrays, shapes, weights)
    network, _ = new_network(name, *size)
    load_arrays(network, arrays, weights)
    return network.eval()
