"""Trained weights of the trigger as what scores sectors, in floating point or in whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from seeding.options import ConeOptions
from smartpix.networks.fused import check_shapes
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, real, text, whole
from smartpix.schema import InputError
from tracking.finders.trigger import whole as whole_numbers
from tracking.finders.trigger.graphs import SectorBatch, feature_counts
from tracking.finders.trigger.network import ARCHITECTURE, InteractionNetwork
from tracking.finders.trigger.options import FEATURES, GRAPHS, SectorOptions, TriggerGraphOptions
from tracking.finders.trigger.shape import InteractionShape
from tracking.finders.trigger.whole import FixedInteraction

__all__ = ["Trained", "load_trained"]

DESCRIPTION = fields(
    {
        "options": fields(
            {
                "hidden": whole(1, 256),
                "graph": fields({"graph": text(*GRAPHS), "features": text(*FEATURES)}, more=True),
                "sectors": fields({}, more=True),
            },
            more=True,
        ),
        "calibration": items(real(), 2, 2),
    },
    more=True,
)
"""What the JSON of the weights must say."""


@dataclass(frozen=True)
class Trained:
    """A trained network, and what it was trained on.

    Attributes:
        network: in floating point, or in whole numbers.
        calibration: factor and shift that make the logits those of probabilities; after the logic, on the
            host.
        graph, sectors: options of the training.
        seeds: of the simulated events that it was trained on.
        metrics: of its training.
    """

    network: InteractionNetwork | FixedInteraction
    calibration: tuple[float, float]
    graph: TriggerGraphOptions
    sectors: SectorOptions
    seeds: frozenset[int]
    metrics: Mapping[str, Any]

    def logits(self, batch: SectorBatch) -> npt.NDArray[np.float64]:
        """(S, M) as the network gives them; those of padded edges mean nothing."""
        if isinstance(self.network, FixedInteraction):
            node, edge = whole_numbers.whole_data(self.network, batch.node, batch.edge)
            found = whole_numbers.evaluate(
                self.network, node, edge, batch.sender, batch.receiver, batch.valid
            )
            return np.asarray(found * 2.0**-self.network.output.fraction)
        columns = (batch.node, batch.edge, batch.sender, batch.receiver, batch.valid)
        with torch.inference_mode():
            answer = self.network(*(torch.from_numpy(column) for column in columns))
        return np.asarray(answer.numpy().astype(np.float64))

    def scores(self, batch: SectorBatch) -> npt.NDArray[np.float32]:
        """(S, M) probabilities that the edges are true; those of padded edges mean nothing."""
        factor, shift = self.calibration
        return np.asarray(expit(factor * self.logits(batch) + shift), dtype=np.float32)


def load_trained(name: str) -> Trained:
    """Shipped weights by name, or others by path.

    Raises:
        InputError: missing or damaged files, weights of another architecture, or options in them that cannot
            be.
    """
    arrays, description = load_weights(name, ARCHITECTURE, whole_numbers.ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    options = description["options"]
    try:
        cone = ConeOptions(**options["graph"]["cone"])
        graph = TriggerGraphOptions(**options["graph"] | {"cone": cone})
        sectors = SectorOptions(**options["sectors"])
    except (TypeError, KeyError) as error:
        raise InputError(f"{name}: its options are of another version ({error}); {REPAIR}") from error
    network: InteractionNetwork | FixedInteraction
    if description["architecture"] == whole_numbers.ARCHITECTURE:
        network = whole_numbers.from_arrays(arrays, description, name)
    else:
        network = InteractionNetwork(InteractionShape(*feature_counts(graph.features), options["hidden"]))
        check_shapes(arrays, {k: tuple(v.shape) for k, v in network.state_dict().items()}, name)
        load_arrays(network, arrays, name)
        network.eval()
    seeds = frozenset(made["seed"] for made in description.get("data", []) if "seed" in made)
    factor, shift = description["calibration"]
    return Trained(network, (factor, shift), graph, sectors, seeds, description.get("metrics", {}))
