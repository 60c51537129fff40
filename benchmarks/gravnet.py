"""GravNet beside the interaction network, on the same hits and the same edges, and what its messages buy.

`python benchmarks/gravnet.py FILE -o results/gravnet.json` compares finders on events of a file that none of them was
trained on: the chain, whose interaction network is compiled; the same network run by torch, as GravNet is; GravNet;
and, where weights are given, GravNet without blocks (--no-messages, of smartpix train gravnet --blocks 0), with neighbours
among all hits (--free, of --neighbours free) and with object condensation (--condensation, of --answer condensation).
With --garnet W.safetensors it also says what GarNet's sectors of these events are worth in whole numbers, by the numbers
of sectors round and along the beam, for each of the weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from smartpix.files import replace_when_done
from smartpix.io.events import open_events
from smartpix.networks.weights import describe_weights
from tracking.bench.events import load_sample
from tracking.bench.finding import check_fresh
from tracking.bench.tracks import compare_finders
from tracking.chain import chain_finder, graph_finder_with, gravnet_finder
from tracking.finders.finder import Finder, training_seeds
from tracking.finders.gnn.fused import FusedInteractionNetwork, fuse_network
from tracking.finders.gnn.graph import Features, make_graph
from tracking.finders.gnn.network import InteractionNetwork, load_network, score
from tracking.finders.training import event_seed, n_parameters

VARIANTS = ("no-messages", "free", "condensation")
"""Of GravNet, each with weights of its own that do not ship."""
KEPT = (
    "efficiency", "fake_rate", "fake_rate_central", "duplicate_rate", "n_tracks", "ms", "ms_by_stage",
)  # fmt: skip


@dataclass(frozen=True)
class TorchScorer:
    """The interaction network as torch runs it."""

    network: InteractionNetwork
    fused: FusedInteractionNetwork

    def scores(self, features: Features, n_edges: int, threads: int = 1) -> npt.NDArray[np.float32]:
        """As of :class:`tracking.finders.gnn.finder.EdgeScorer`."""
        out = np.zeros(n_edges, dtype=np.float32)
        out[features.rows] = score(self.network, make_graph(features))
        return out

    def outside(self, features: Features) -> npt.NDArray[np.int64]:
        """As of the compiled one."""
        return self.fused.outside(features)


def garnet_numbers(file: str, weights: str) -> tuple[str, dict[str, Any]]:
    """How the sectors are cut (``20 x 12``), and GarNet in whole numbers on those of a file's events."""
    from tracking.finders.garnet.options import SectorOptions
    from tracking.finders.garnet.sectors import joined, sectors_of_file
    from tracking.finders.garnet.train import auc_of, load_garnet
    from tracking.finders.garnet.whole import evaluate, whole_network

    made = describe_weights(weights)
    sectors = SectorOptions(**made["options"]["sectors"] | {"rotations": 1})
    network = load_garnet(weights)
    parts = [part for event in sectors_of_file(file, network.options.vertices, sectors) for part in event]
    these = joined(parts)
    answers = evaluate(whole_network(network), these.codes, these.mask)
    return f"{sectors.azimuths} x {sectors.pseudorapidities}", {
        "training": made["metrics"], "vertices": network.options.vertices, "sectors": len(these), "share_stiff": float(these.label.mean()),
        "auc_fixed": auc_of(these, answers),
    }  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file")
    parser.add_argument("--events", type=int, default=4)
    parser.add_argument("--gravnet", default="gravnet", help="weights, by name or path")
    for variant in VARIANTS:
        parser.add_argument(f"--{variant}", dest=f"gravnet-{variant}", help="weights, by path")
    parser.add_argument("--garnet", nargs="*", default=[], help="weights, by path")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    header = open_events(options.file).header
    interaction = load_network("gnn")
    finders: dict[str, Finder] = {
        "chain": chain_finder(header),
        "chain-in-torch": graph_finder_with(
            header, "gnn", TorchScorer(interaction, fuse_network(interaction))
        ),
        "gravnet": gravnet_finder(header, options.gravnet),
    }
    parameters = {"chain": n_parameters(interaction), "chain-in-torch": n_parameters(interaction)}
    weights = {"gravnet": options.gravnet}
    given = {name: path for name in map("gravnet-{}".format, VARIANTS) if (path := getattr(options, name))}
    weights |= given
    finders |= {name: gravnet_finder(header, path) for name, path in given.items()}
    made = {name: describe_weights(path)["metrics"] for name, path in weights.items()}
    parameters |= {name: metrics["parameters"] for name, metrics in made.items()}
    seeds = {name: training_seeds(finder) for name, finder in finders.items()}
    check_fresh("gravnet", event_seed(options.file), seeds)
    found = compare_finders(load_sample(options.file, options.events), finders, print)
    result = {
        "command": "python benchmarks/gravnet.py", "events": dict(header.made_by), "n_events": found["n_events"],
        "n_hits": found["n_hits"],
        "finders": {
            name: {"parameters": parameters[name]} | {key: numbers[key] for key in KEPT}
            for name, numbers in found["finders"].items()
        },
        "training": made,
    }  # fmt: skip
    if options.garnet:
        result["garnet"] = dict(garnet_numbers(options.file, weights) for weights in options.garnet)
    with replace_when_done(options.output) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["finders"], indent=1))


if __name__ == "__main__":
    main()
