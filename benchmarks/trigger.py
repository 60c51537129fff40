"""The trigger's network with other features, widths and bits: areas under the curve, and tracks of its scores.

``python benchmarks/trigger.py --train TRAIN.root --test TEST.root --weights FOLDER`` trains what FOLDER lacks and
writes ``results/trigger-training.json``; with ``--only NAME ...`` the rows of others stay. ``data/make.sh`` makes
TRAIN.root (``pu200-train.root``), and ``smartpix simulate events --pileup 200 --events 4 --seed 642001`` makes
TEST.root. Some hours on one core.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from smartpix.files import replace_when_done
from tracking.bench.events import load_sample
from tracking.bench.finding import check_fresh, run_finder
from tracking.bench.judgement import judge
from tracking.bench.trigger import edge_auc, pt_rates
from tracking.finders.trigger.dataset import SectorTensors, as_tensors, labelled_events
from tracking.finders.trigger.finder import TriggerFinder
from tracking.finders.trigger.network import InteractionNetwork
from tracking.finders.trigger.options import (
    PAPER,
    TrainTriggerOptions,
    TriggerGraphOptions,
    TriggerOptions,
)
from tracking.finders.trigger.quantized import calibrate
from tracking.finders.trigger.scores import Trained, load_trained
from tracking.finders.trigger.train import auc_of, quantized_network, train_trigger

RESULTS = Path(__file__).parent / "results" / "trigger-training.json"
FEATURES = {8: ("kinks", "estimates", "paper", "all"), 40: ("paper",)}
"""By the width of the hidden layers: 8 and 40 as in the paper."""
FLOAT = TrainTriggerOptions(epochs=60, learning_rate=5e-3)
BITS, ROUNDED = (14, 12, 10, 8, 6, 4), ("kinks-8", "geometric-8")
"""Bits to which some networks are rounded after their training."""
WHOLE_BITS, OF_WHOLE = (14, 10, 8, 6), "kinks-8"
"""Bits with which one is trained on, in whole numbers."""
PAPERS_OWN = replace(
    FLOAT,
    batch_size=4,
    graph=TriggerGraphOptions(graph="geometric", features="paper", truth_pt=2.0),
    sectors=replace(PAPER, nodes=113, edges=196),
)
"""The paper's graph, sectors and largest size."""


def trainings() -> dict[str, TrainTriggerOptions]:
    """Options by name; those in whole numbers come after the network that they start from."""
    made = {}
    for hidden, names in FEATURES.items():
        for features in names:
            graph = TriggerGraphOptions(features=features)
            made[f"{features}-{hidden}"] = replace(FLOAT, hidden=hidden, graph=graph)
    made["geometric-8"] = PAPERS_OWN
    for bits in WHOLE_BITS:
        made[f"{OF_WHOLE}-{bits}b"] = replace(
            made[OF_WHOLE], epochs=30, learning_rate=2e-3, bits=bits, start=OF_WHOLE
        )
    return made


def rounded_auc(trained: Trained, bits: int, train: SectorTensors, test: SectorTensors) -> float:
    """The area under the curve where whole numbers take the place of a network that never knew of them."""
    assert isinstance(trained.network, InteractionNetwork)
    model = quantized_network(trained.network, bits)
    calibrate(model, *train.take(torch.arange(min(4096, len(train)))).inputs)
    return auc_of(model, test)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("train", "test", "weights"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(trainings()), default=list(trainings()))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.weights.mkdir(parents=True, exist_ok=True)
    sample = load_sample(options.test, 100)
    made_by, results = dict(sample.header.made_by), {}
    graphs: dict[str, Any] = {}
    if RESULTS.exists() and len(options.only) < len(trainings()):
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
        assert kept["test"] == made_by, "the rows that stay are of other events"
        results = kept["networks"]
    for name, training in trainings().items():
        if name not in options.only:
            continue
        path = options.weights / f"{name}.safetensors"
        if training.start:
            training = replace(training, start=str(options.weights / f"{training.start}.safetensors"))
        if not path.exists():
            print(name, flush=True)
            train_trigger(options.train, path, training, lambda line: None)
        trained = load_trained(str(path))
        check_fresh("benchmarks/trigger.py", made_by["seed"], {name: trained.seeds})
        key = json.dumps([trained.graph.graph, trained.graph.features])
        if key not in graphs:
            graphs[key] = labelled_events(options.test, trained.graph)
        row: dict[str, Any] = {"features": trained.graph.features, "graph": trained.graph.graph}
        row |= {"hidden": training.hidden, "bits": training.bits, "parameters": trained.metrics["parameters"]}
        row["auc"] = edge_auc(trained, graphs[key], trained.sectors)
        if trained.graph.graph == "geometric":
            row["auc_cut"] = edge_auc(trained, graphs[key], PAPER)
        if name in ROUNDED:
            events = labelled_events(options.train, trained.graph), graphs[key]
            train, test = (as_tensors(some, trained.sectors) for some in events)
            row["auc_rounded"] = {bits: rounded_auc(trained, bits, train, test) for bits in BITS}
        if trained.graph.graph == "cone":
            header = sample.header
            finder = TriggerFinder.for_detector(
                header.detector, header.field, TriggerOptions(weights=str(path))
            )
            row |= pt_rates(judge(sample.events, run_finder(name, finder, sample).tracks))
        results[name] = row
        print(name, row, flush=True)
        # What takes hours is kept as it comes.
        with replace_when_done(RESULTS) as beside:
            content = {"test": made_by, "networks": results}
            beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
